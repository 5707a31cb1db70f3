"""Failures end a training in one line and leave its last checkpoint intact."""

import dataclasses
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from training_kit import (
    AUTOENCODER,
    PAIRS,
    REBUILDING,
    Stopped,
    content_of,
    run,
    silent,
    some_pairs,
    stop_at,
    with_phase,
)

from radfuse.errors import InputError, OutputError, RadfuseError
from radfuse.training.checkpoint import LAST_CHECKPOINT
from radfuse.training.log import LOG
from radfuse.training.loop import train
from radfuse.training.settings import Schedule
from radfuse.training.state import initial_state


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seed": 5}, "begun with seed = 1, now 5"),
        ({"phases": (dataclasses.replace(AUTOENCODER, batch=4),)}, "begun with phases"),
        ({"validation_patients": ("2",)}, "begun with validation_patients"),
    ],
)
def test_resume_refuses_other_settings(
    tmp_path: Path, changed: dict[str, object], words: str
) -> None:
    run(REBUILDING, tmp_path)
    with pytest.raises(InputError, match=words):
        run(dataclasses.replace(REBUILDING, **changed), tmp_path)


def test_resume_refuses_other_images(tmp_path: Path) -> None:
    run(REBUILDING, tmp_path)
    with pytest.raises(InputError, match="begun with other images; choose another folder"):
        run(REBUILDING, tmp_path, pairs=some_pairs(seed=9))


def test_nan_loss_stops_training_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    settings = with_phase(REBUILDING, bfloat16=False, rounding_noise=0.0, validate_every=1)
    with pytest.raises(Stopped):
        run(settings, tmp_path, stop_at(1))
    before = (tmp_path / LAST_CHECKPOINT).read_bytes()
    state = initial_state(settings, PAIRS)
    with torch.no_grad():
        next(state.network.parameters())[:] = math.nan

    def broken() -> None:
        train(state, PAIRS, settings, tmp_path / "other", silent)

    with pytest.raises(RadfuseError, match=r"the loss is nan at step 0 of phase 1; lower"):
        broken()
    assert not (tmp_path / "other" / LAST_CHECKPOINT).exists()
    assert (tmp_path / LAST_CHECKPOINT).read_bytes() == before


def test_divergent_training_writes_no_checkpoint(tmp_path: Path) -> None:
    settings = with_phase(
        REBUILDING, bfloat16=False, validate_every=1, schedule=Schedule(learning_rate=1e30)
    )
    with pytest.raises(RadfuseError, match="lower learning_rate"):
        run(settings, tmp_path)
    assert not (tmp_path / LAST_CHECKPOINT).exists()


def test_full_disk_leaves_the_previous_checkpoint_intact(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "parts"
    run(REBUILDING, whole)
    with pytest.raises(Stopped):
        run(REBUILDING, folder, stop_at(2))
    before = (folder / LAST_CHECKPOINT).read_bytes()
    with (
        full_disk(len(before) // 2),
        pytest.raises(OutputError, match="previous checkpoint is int"),
    ):
        run(REBUILDING, folder)
    assert (folder / LAST_CHECKPOINT).read_bytes() == before
    assert not list(folder.glob("*.draft"))
    run(REBUILDING, folder)
    assert content_of(folder / LAST_CHECKPOINT) == content_of(whole / LAST_CHECKPOINT)


def test_unwritable_log_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / LOG).mkdir()
    with pytest.raises(OutputError, match="cannot be written: Is a directory"):
        run(REBUILDING, tmp_path, pairs=some_pairs(validation=0))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        run(REBUILDING, tmp_path / "file")
