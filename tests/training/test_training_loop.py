"""The training loop: resumed training equals uninterrupted training."""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_kit import (
    ADVERSARIAL,
    AUTOENCODER,
    FUSING,
    FUSION,
    MFINET,
    PAIRS,
    PATCHES,
    REBUILDING,
    Stopped,
    content_of,
    rows_of,
    run,
    silent,
    some_pairs,
    stop_at,
    with_phase,
)

from radfuse.training.checkpoint import (
    BEST_CHECKPOINT,
    LAST_CHECKPOINT,
    find_checkpoint,
    read_checkpoint,
)
from radfuse.training.dataset import TrainingPairs
from radfuse.training.log import EVENTS, LOG, SAMPLES
from radfuse.training.loop import StepProgress, is_complete, train
from radfuse.training.resume import start_from
from radfuse.training.settings import Schedule, TrainingSettings
from radfuse.training.state import initial_state

TWO_PHASES = dataclasses.replace(
    REBUILDING,
    phases=(
        dataclasses.replace(AUTOENCODER, steps=3, ema_decay=0.5),
        dataclasses.replace(AUTOENCODER, steps=3, rounding_noise=0.0),
    ),
)


@pytest.mark.parametrize(
    ("settings", "pairs"),
    [
        pytest.param(REBUILDING, PAIRS, id="rebuilding"),
        pytest.param(FUSING, PAIRS, id="fusing"),
        pytest.param(MFINET, PAIRS, id="mfinet", marks=pytest.mark.slow),
        pytest.param(TWO_PHASES, PAIRS, id="two phases"),
        pytest.param(with_phase(ADVERSARIAL, batch=1), PATCHES, id="adversarial"),
    ],
)
@pytest.mark.parametrize("save_every_s", [0.0, pytest.param(300.0, marks=pytest.mark.slow)])
def test_resumed_training_equals_uninterrupted_bit_for_bit(
    tmp_path: Path, settings: TrainingSettings, pairs: TrainingPairs, save_every_s: float
) -> None:
    run(settings, tmp_path / "whole", pairs=pairs)
    for step in (3, 1):
        with pytest.raises(Stopped):
            run(settings, tmp_path / "parts", stop_at(step), pairs, save_every_s=save_every_s)
    run(settings, tmp_path / "parts", pairs=pairs, save_every_s=save_every_s)
    for name in (LAST_CHECKPOINT, BEST_CHECKPOINT):
        whole, parts = (content_of(tmp_path / kind / name) for kind in ("whole", "parts"))
        assert whole == parts
    assert rows_of(tmp_path / "whole") == rows_of(tmp_path / "parts")


def test_repeated_steps_are_logged_once(tmp_path: Path) -> None:
    settings = with_phase(REBUILDING, validate_every=1)
    run(settings, tmp_path / "whole")
    with pytest.raises(Stopped):
        run(settings, tmp_path / "parts", stop_at(2))
    earlier = (tmp_path / "parts" / LAST_CHECKPOINT).read_bytes()
    with pytest.raises(Stopped):
        run(settings, tmp_path / "parts", stop_at(1))
    (tmp_path / "parts" / LAST_CHECKPOINT).write_bytes(
        earlier
    )  # the log is ahead of the checkpoint
    run(settings, tmp_path / "parts")
    assert rows_of(tmp_path / "parts") == rows_of(tmp_path / "whole")
    sizes = {kind: (tmp_path / kind / EVENTS).stat().st_size for kind in ("whole", "parts")}
    assert sizes["whole"] == sizes["parts"]


def test_a_finished_training_started_again_does_nothing(tmp_path: Path) -> None:
    run(REBUILDING, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    state = run(REBUILDING, tmp_path, stop_at(1))
    assert state.counts.step == 4
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert {path.name for path in before} == {
        LAST_CHECKPOINT,
        BEST_CHECKPOINT,
        LOG,
        EVENTS,
        SAMPLES,
    }


def test_finished_training_continues_with_added_phases(tmp_path: Path) -> None:
    run(TWO_PHASES, tmp_path / "whole")
    first = dataclasses.replace(TWO_PHASES, phases=TWO_PHASES.phases[:1])
    run(first, tmp_path / "parts")
    run(TWO_PHASES, tmp_path / "parts")
    whole, parts = (content_of(tmp_path / kind / LAST_CHECKPOINT) for kind in ("whole", "parts"))
    assert whole == parts


def test_phase_starts_from_the_average_with_fresh_optimizer(tmp_path: Path) -> None:
    first = dataclasses.replace(TWO_PHASES, phases=TWO_PHASES.phases[:1])
    state = run(first, tmp_path)
    mean = {name: value.clone() for name, value in state.average.state_dict().items()}
    state.begin_phase()
    assert state.optimizer.state_dict()["state"] == {}
    assert (state.counts.phase, state.counts.step, state.counts.total) == (1, 0, 3)
    for name, value in state.network.state_dict().items():
        assert torch.equal(value, mean[name]), name


def test_training_improves_loss_and_reconstruction(tmp_path: Path) -> None:
    settings = with_phase(
        REBUILDING, steps=40, validate_every=20, schedule=Schedule(learning_rate=3e-3), crop=24
    )
    run(settings, tmp_path)
    first, last = rows_of(tmp_path)
    assert last["train"]["loss"] < 0.7 * first["train"]["loss"]
    assert last["validation"]["ssim_rebuilt"] > first["validation"]["ssim_rebuilt"]


def test_log_has_a_line_per_validation_and_for_the_last_step(tmp_path: Path) -> None:
    reported: list[StepProgress] = []
    run(with_phase(FUSING, steps=5), tmp_path, reported.append)
    rows = rows_of(tmp_path)
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert [progress.step for progress in reported] == [1, 2, 3, 4, 5]
    assert [progress.step for progress in reported if progress.row] == [2, 4, 5]
    assert set(rows[0]) == {"phase", "step", "total", "rate", "train", "validation"}
    assert {"loss", "norm", "MI", "Qabf"} <= set(rows[0]["train"])
    assert set(rows[0]["validation"]) == {"loss", "ssim_rebuilt", "MI", "SF", "VIF", "Qabf"}
    losses = [progress.loss for progress in reported]
    assert rows[1]["train"]["loss"] == pytest.approx(sum(losses[2:4]) / 2)


def test_without_validation_images_there_is_no_best_state(tmp_path: Path) -> None:
    run(REBUILDING, tmp_path, pairs=some_pairs(validation=0))
    assert {path.name for path in tmp_path.iterdir()} == {LAST_CHECKPOINT, LOG, EVENTS}
    assert all("validation" not in row for row in rows_of(tmp_path))
    assert find_checkpoint(tmp_path) == tmp_path / LAST_CHECKPOINT


def test_best_checkpoint_has_the_least_validation_loss(tmp_path: Path) -> None:
    settings = with_phase(FUSING, steps=6, validate_every=1, schedule=Schedule(learning_rate=0.05))
    run(settings, tmp_path)
    rows = rows_of(tmp_path)
    best = min(rows, key=lambda row: row["validation"]["loss"])
    metadata = read_checkpoint(find_checkpoint(tmp_path)).metadata
    assert metadata["counts"]["step"] == best["step"]
    assert metadata["counts"]["validated"] == best["validation"]


@pytest.mark.slow
def test_best_checkpoint_with_goals_is_nearest_to_them(tmp_path: Path) -> None:
    goals = {"MI": 4.0, "Qabf": 0.4}
    settings = with_phase(MFINET, steps=3, validate_every=1, schedule=Schedule(learning_rate=3e-3))
    run(dataclasses.replace(settings, goals=goals), tmp_path)
    shares = [
        min(row["validation"][name] / goal for name, goal in goals.items())
        for row in rows_of(tmp_path)
    ]
    counts = read_checkpoint(tmp_path / BEST_CHECKPOINT).metadata["counts"]
    assert counts["best"] == pytest.approx(max(shares))
    assert counts["step"] == 1 + shares.index(max(shares))


def test_phase_ends_early_without_improvement(tmp_path: Path) -> None:
    phase = dataclasses.replace(
        FUSION, steps=50, validate_every=1, patience=2, schedule=Schedule(learning_rate=1e-30)
    )  # a rate at which nothing changes
    settings = dataclasses.replace(FUSING, phases=(phase, FUSION))
    state = run(settings, tmp_path)
    assert state.counts.phase == 1
    assert [row["step"] for row in rows_of(tmp_path) if row["phase"] == 0] == [1, 2, 3]
    again = run(settings, tmp_path, stop_at(1))
    assert again.counts.total == state.counts.total


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch's own
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_training_equals_eager_for_any_crop_size(tmp_path: Path) -> None:
    phase = dataclasses.replace(
        AUTOENCODER,
        bfloat16=False,
        rounding_noise=0.0,
        steps=2,
        schedule=Schedule(learning_rate=1e-4),
    )
    for name, compiled in (("eager", False), ("compiled", True)):
        phases = tuple(
            dataclasses.replace(phase, crop=crop, compile=compiled) for crop in (12, None)
        )
        run(dataclasses.replace(REBUILDING, phases=phases), tmp_path / name)
    eager, compiled = (
        [row["train"]["loss"] for row in rows_of(tmp_path / name)] for name in ("eager", "compiled")
    )
    assert eager == pytest.approx(compiled, rel=1e-3)


def test_training_from_a_checkpoint_keeps_its_history(tmp_path: Path) -> None:
    earlier = run(REBUILDING, tmp_path / "earlier")
    later = dataclasses.replace(REBUILDING, seed=3)
    state = initial_state(later, some_pairs(seed=9))
    start_from(state, tmp_path / "earlier" / LAST_CHECKPOINT)
    for name, value in earlier.average.state_dict().items():
        assert torch.equal(state.network.state_dict()[name], value), name
    assert [item["settings"]["seed"] for item in state.history] == [1, 3]
    train(state, some_pairs(seed=9), later, tmp_path / "later", silent)
    history = read_checkpoint(tmp_path / "later" / LAST_CHECKPOINT).metadata["history"]
    assert [item["settings"]["seed"] for item in history] == [1, 3]
    resumed = run(later, tmp_path / "later", pairs=some_pairs(seed=9))
    assert [item["settings"]["seed"] for item in resumed.history] == [1, 3]


INTERRUPTED = """
import signal, sys
from pathlib import Path
from training_kit import REBUILDING, run, with_phase

def interrupt(progress):
    if progress.step == 1:
        signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
settings = with_phase(REBUILDING, steps=4, validate_every=4)
try:
    run(settings, Path(sys.argv[1]), interrupt, save_every_s=300.0)
except KeyboardInterrupt:
    sys.exit(9)
"""
"""A training that Ctrl-C ends in its first step."""


def test_ctrl_c_completes_the_step_and_loses_none(tmp_path: Path) -> None:
    settings = with_phase(REBUILDING, steps=4, validate_every=4)
    run(settings, tmp_path / "whole")
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, tmp_path / "parts"],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 9, done.stderr
    run(settings, tmp_path / "parts", save_every_s=300.0)
    whole, parts = (content_of(tmp_path / kind / LAST_CHECKPOINT) for kind in ("whole", "parts"))
    assert whole == parts
    assert rows_of(tmp_path / "whole") == rows_of(tmp_path / "parts")


def test_a_training_out_of_time_is_resumed(tmp_path: Path) -> None:
    settings = with_phase(REBUILDING, steps=4, validate_every=4)
    run(settings, tmp_path / "whole")
    stopped = run(settings, tmp_path / "parts", max_s=1e-9)
    assert stopped.counts.step == 1
    assert not is_complete(stopped, PAIRS, settings)
    ended = run(settings, tmp_path / "parts", max_s=3600.0)
    assert is_complete(ended, PAIRS, settings)
    whole, parts = (content_of(tmp_path / kind / LAST_CHECKPOINT) for kind in ("whole", "parts"))
    assert whole == parts


def test_a_phase_out_of_time_does_not_begin_the_next(tmp_path: Path) -> None:
    stopped = run(TWO_PHASES, tmp_path / "parts", max_s=1e-9)
    assert (stopped.counts.phase, stopped.counts.step) == (0, 1)
