"""A training run that stops and resumes as if it had not, and loses nothing."""

import dataclasses
import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from radfuse.errors import InputError, RadfuseError
from radfuse.networks.res2fusion import Res2Fusion
from radfuse.training.images import Slices
from radfuse.training.loop import (
    CHECKPOINT,
    LOG,
    State,
    add_rounding_noise,
    first_state,
    learning_rate,
    rebuild,
    train,
    train_step,
    validate,
)
from radfuse.training.settings import Settings

SETTINGS = Settings(
    "res2fusion", steps=6, batch=2, crop=12, learning_rate=1e-3, seed=1, report_every=2,
    rounding_noise=0.004,
)  # fmt: skip
EXACT = dataclasses.replace(SETTINGS, bfloat16=False, rounding_noise=0.0)

Report = Callable[[dict[str, float]], None]


class Toy(nn.Module):
    """The smallest autoencoder with a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def reconstruct(self, image: Tensor) -> Tensor:
        rebuilt: Tensor = self.layer(image)
        return rebuilt


class Stopped(Exception):  # noqa: N818
    """The power fails."""


@pytest.fixture(scope="module")
def slices() -> Slices:
    images = np.random.default_rng(0).integers(0, 256, (6, 20, 20), dtype=np.uint8)
    return Slices(images[:4], images[4:])


def silent(row: dict[str, float]) -> None:
    """Report nothing."""


def stop_at(step: int) -> Report:
    def report(row: dict[str, float]) -> None:
        if row["step"] == step:
            raise Stopped

    return report


def log_of(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / LOG).read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "step_s"} for row in rows]


def content_of(checkpoint: Path) -> dict[str, object]:
    """Facts and tensors as bytes; the format keeps no order of facts."""
    with safe_open(checkpoint, "pt") as opened:
        facts = opened.metadata()
        tensors = {name: opened.get_tensor(name).numpy().tobytes() for name in opened.keys()}  # noqa: SIM118
    return facts | tensors


@pytest.mark.parametrize(("make", "bfloat16"), [(Res2Fusion, True), (Toy, True), (Toy, False)])
def test_a_run_stopped_twice_and_resumed_is_bit_for_bit_the_run_that_was_not(
    tmp_path: Path, slices: Slices, make: type[nn.Module], bfloat16: bool
) -> None:
    settings = dataclasses.replace(SETTINGS, bfloat16=bfloat16)
    train(first_state(make, settings), slices, settings, tmp_path / "whole", silent)
    for report in (stop_at(2), stop_at(4)):
        with pytest.raises(Stopped):
            train(first_state(make, settings), slices, settings, tmp_path / "parts", report)
    train(first_state(make, settings), slices, settings, tmp_path / "parts", silent)
    whole, parts = (content_of(tmp_path / name / CHECKPOINT) for name in ("whole", "parts"))
    assert whole == parts
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "parts")


def test_a_run_stopped_between_two_reports_repeats_the_steps_since_the_last(
    tmp_path: Path, slices: Slices
) -> None:
    whole = train(first_state(Toy, SETTINGS), slices, SETTINGS, tmp_path / "whole", silent)
    folder = tmp_path / "parts"
    with pytest.raises(Stopped):
        train(first_state(Toy, SETTINGS), slices, SETTINGS, folder, stop_at(2))
    lost = first_state(Toy, SETTINGS)
    lost.load(folder / CHECKPOINT)
    train_step(lost, slices, SETTINGS)  # not saved
    resumed = train(first_state(Toy, SETTINGS), slices, SETTINGS, folder, silent)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], tensor), name


def test_a_finished_run_started_again_does_nothing(tmp_path: Path, slices: Slices) -> None:
    train(first_state(Toy, SETTINGS), slices, SETTINGS, tmp_path, silent)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    state = train(first_state(Toy, SETTINGS), slices, SETTINGS, tmp_path, stop_at(6))
    assert state.step == 6
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert set(before) == {CHECKPOINT, LOG}


def test_the_seed_decides_the_first_network_and_touches_no_other_chance(slices: Slices) -> None:
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    one, same = first_state(Res2Fusion, SETTINGS), first_state(Res2Fusion, SETTINGS)
    other = first_state(Res2Fusion, dataclasses.replace(SETTINGS, seed=2))
    assert torch.equal(torch.rand(1), expected)
    weights = [state.network.state_dict()["extractor.0.weight"] for state in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:24, :24]
    image = (127 + 60 * np.sin(rows / 3) + 60 * np.cos(columns / 4)).astype(np.uint8)
    settings = dataclasses.replace(EXACT, steps=30, learning_rate=0.05, report_every=10)
    slices = Slices(np.stack([image] * 2), image[None])
    train(first_state(Toy, settings), slices, settings, tmp_path, silent)
    rows_of_log = log_of(tmp_path)
    assert rows_of_log[-1]["loss"] < 0.5 * rows_of_log[0]["loss"]
    assert rows_of_log[-1]["validation_ssim"] > rows_of_log[0]["validation_ssim"]


def test_the_log_has_a_line_a_report_and_one_for_the_last_step(
    tmp_path: Path, slices: Slices
) -> None:
    settings = dataclasses.replace(SETTINGS, steps=5)
    reported: list[dict[str, float]] = []
    train(first_state(Toy, settings), slices, settings, tmp_path, reported.append)
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert rows == reported
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert {key for row in rows for key in row} == {"step", "loss", "step_s", "validation_ssim"}


def test_without_validation_images_the_log_says_nothing_of_them(
    tmp_path: Path, slices: Slices
) -> None:
    bare = Slices(slices.training, slices.validation[:0])
    train(first_state(Toy, SETTINGS), bare, SETTINGS, tmp_path, silent)
    assert all(set(row) == {"step", "loss"} for row in log_of(tmp_path))


def test_validation_sees_the_network_at_rest_in_full_precision(slices: Slices) -> None:
    state = first_state(Toy, SETTINGS)
    nn.init.dirac_(state.network.layer.weight)
    nn.init.zeros_(state.network.layer.bias)
    state.network.train()
    np.testing.assert_allclose(validate(state, slices), 1, rtol=1e-6)


def test_the_rate_falls_from_the_first_along_half_a_cosine_to_zero() -> None:
    settings = dataclasses.replace(SETTINGS, steps=100, learning_rate=0.5)
    rates = [learning_rate(settings, step) for step in range(101)]
    np.testing.assert_allclose([rates[0], rates[50], rates[100]], [0.5, 0.25, 0], atol=1e-15)
    assert rates == sorted(rates, reverse=True)
    np.testing.assert_allclose(np.add(rates, rates[::-1]), 0.5)


def test_a_step_uses_the_rate_of_its_number(slices: Slices) -> None:
    state = first_state(Toy, SETTINGS)
    for step in range(3):
        train_step(state, slices, SETTINGS)
        assert state.optimiser.param_groups[0]["lr"] == learning_rate(SETTINGS, step)
    assert state.step == 3


@pytest.mark.parametrize("bfloat16", [True, False])
def test_rebuilt_images_are_float32_whatever_the_network_runs_in(bfloat16: bool) -> None:
    image = torch.rand(1, 1, 12, 12)
    rebuilt = rebuild(Toy(), image, bfloat16)
    assert rebuilt.dtype == torch.float32
    assert torch.equal(rebuilt, rebuilt.bfloat16().float()) == bfloat16


def test_rounding_noise_stays_in_its_share_and_only_while_training() -> None:
    network, noise = Toy(), torch.Generator().manual_seed(1)
    nn.init.dirac_(network.layer.weight)
    nn.init.zeros_(network.layer.bias)
    add_rounding_noise(network, 0.1, noise)
    image = torch.rand(1, 1, 64, 64) + 0.1
    ratio = network.train().reconstruct(image) / image
    assert 0.9 <= ratio.min() < 0.91
    assert 1.09 < ratio.max() <= 1.1
    np.testing.assert_allclose(ratio.mean().item(), 1, atol=0.005)
    assert torch.equal(network.eval().reconstruct(image), image)


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_the_last_checkpoint(
    tmp_path: Path, slices: Slices
) -> None:
    settings = dataclasses.replace(EXACT, learning_rate=1e30, report_every=1)
    with pytest.raises(RadfuseError, match=r"loss is (nan|inf) at step 1; lower learning_rate"):
        train(first_state(Res2Fusion, settings), slices, settings, tmp_path, silent)
    state = first_state(Res2Fusion, settings)
    state.load(tmp_path / CHECKPOINT)
    assert state.step == 1
    assert [row["step"] for row in log_of(tmp_path)] == [1]
    assert all(math.isfinite(row["loss"]) for row in log_of(tmp_path))


def test_a_disk_that_fills_while_writing_leaves_the_checkpoint_before_intact(
    tmp_path: Path, slices: Slices, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    folder = tmp_path / "parts"
    with pytest.raises(Stopped):
        train(first_state(Toy, SETTINGS), slices, SETTINGS, folder, stop_at(2))
    before = (folder / CHECKPOINT).read_bytes()
    with full_disk(len(before) // 2), pytest.raises(OSError, match="large"):
        train(first_state(Toy, SETTINGS), slices, SETTINGS, folder, silent)
    assert (folder / CHECKPOINT).read_bytes() == before
    assert len(list(folder.iterdir())) == 3  # a torn draft beside it
    state = train(first_state(Toy, SETTINGS), slices, SETTINGS, folder, silent)
    assert state.step == 6
    assert {path.name for path in folder.iterdir()} == {CHECKPOINT, LOG}


def test_a_checkpoint_read_back_has_every_part_of_the_state(tmp_path: Path, slices: Slices) -> None:
    state = first_state(Toy, SETTINGS)
    for _ in range(3):
        train_step(state, slices, SETTINGS)
    state.save(tmp_path / CHECKPOINT)
    read = first_state(Toy, dataclasses.replace(SETTINGS, seed=8))
    read.load(tmp_path / CHECKPOINT)
    assert read.step == 3
    assert read.rng.bit_generator.state == state.rng.bit_generator.state
    for one, other in zip(state.network.parameters(), read.network.parameters(), strict=True):
        assert torch.equal(one, other)
        for key, value in state.optimiser.state[one].items():
            assert torch.equal(read.optimiser.state[other][key], value), key


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, slices: Slices) -> None:
    state = first_state(Toy, SETTINGS)
    train_step(state, slices, SETTINGS)
    state.save(tmp_path / CHECKPOINT)
    with pytest.raises(InputError, match="a checkpoint of another network"):
        train(first_state(Res2Fusion, SETTINGS), slices, SETTINGS, tmp_path, silent)


@pytest.mark.parametrize(
    "content", [b"", b"torn", b"\xff" * 40, save({"network.a": torch.zeros(1)})]
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        first_state(Toy, SETTINGS).load(tmp_path / CHECKPOINT)


def test_a_cut_off_or_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    state: State = first_state(Toy, SETTINGS)
    state.save(tmp_path / CHECKPOINT)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((tmp_path / CHECKPOINT).read_bytes()[:-4])
    for path in (cut, tmp_path / "none.safetensors"):
        with pytest.raises(InputError, match="cannot be read as a checkpoint"):
            state.load(path)
