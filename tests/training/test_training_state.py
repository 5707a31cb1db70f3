"""The state of a training and its checkpoint."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn
from training_kit import MFINET, REBUILDING, some_pairs

from radfuse.errors import InputError
from radfuse.training.checkpoint import LAST_CHECKPOINT
from radfuse.training.distributed import SINGLE_PROCESS
from radfuse.training.resume import resume, save_state, start_from
from radfuse.training.settings import Export
from radfuse.training.state import State, fresh_adam, initial_state
from radfuse.training.step import PhaseTrainer

PAIRS = some_pairs()


def trainer_of(state: State) -> PhaseTrainer:
    return PhaseTrainer(state, REBUILDING.phases[0], PAIRS.training, SINGLE_PROCESS, seed=1)


def test_seed_sets_the_network_without_global_side_effect() -> None:
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    seeds = (1, 1, 2)
    states = [initial_state(dataclasses.replace(REBUILDING, seed=s), PAIRS) for s in seeds]
    assert torch.equal(torch.rand(1), expected)
    one, same, other = (state.network.state_dict()["encoder.0.weight"] for state in states)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_checkpoint_round_trip_keeps_the_whole_state(tmp_path: Path) -> None:
    state = initial_state(REBUILDING, PAIRS)
    trainer = trainer_of(state)
    for _ in range(3):
        trainer.step()
    save_state(state, tmp_path / LAST_CHECKPOINT)
    read = initial_state(REBUILDING, PAIRS)
    resume(read, tmp_path / LAST_CHECKPOINT)
    assert read.counts == state.counts
    assert read.history == state.history
    assert read.rng.bit_generator.state == state.rng.bit_generator.state
    for part in ("network", "average"):
        for name, value in getattr(state, part).state_dict().items():
            assert torch.equal(getattr(read, part).state_dict()[name], value), name
    for one, other in zip(state.network.parameters(), read.network.parameters(), strict=True):
        for key, value in state.optimizer.state[one].items():
            assert torch.equal(read.optimizer.state[other][key], value), key


def state_of(network: nn.Module) -> State:
    average = copy.deepcopy(network).eval().requires_grad_(False)
    return State(network, average, fresh_adam(network), np.random.default_rng(0), [])


def test_without_decay_the_average_equals_the_network() -> None:
    state = state_of(nn.Linear(3, 3))
    nn.init.normal_(state.network.weight)
    state.counts.step = 1
    state.update_average(0.0)
    assert torch.equal(state.average.weight, state.network.weight)


def test_moving_average_follows_faster_in_the_first_steps() -> None:
    state = state_of(nn.Linear(1, 1, bias=False))
    nn.init.zeros_(state.average.weight)
    nn.init.ones_(state.network.weight)
    state.counts.step = 10**6
    state.update_average(0.9)
    assert state.average.weight.item() == pytest.approx(0.1)
    nn.init.zeros_(state.average.weight)
    state.counts.step = 1
    state.update_average(0.9)
    assert state.average.weight.item() == pytest.approx(1 - 2 / 11)


def test_average_has_the_batch_norm_statistics_of_the_network() -> None:
    state = state_of(nn.BatchNorm2d(2))
    state.network.train()(torch.rand(4, 2, 3, 3))
    state.update_average(0.9)
    assert torch.equal(state.average.running_mean, state.network.running_mean)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    save_state(initial_state(REBUILDING, PAIRS), tmp_path / LAST_CHECKPOINT)
    with pytest.raises(InputError, match="a checkpoint of another network"):
        start_from(initial_state(MFINET, PAIRS), tmp_path / LAST_CHECKPOINT)


@pytest.mark.parametrize(
    "content", [b"", b"torn", b"\xff" * 40, save({"network.a": torch.zeros(1)})]
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LAST_CHECKPOINT).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        resume(initial_state(REBUILDING, PAIRS), tmp_path / LAST_CHECKPOINT)


def test_a_cut_off_or_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    state = initial_state(REBUILDING, PAIRS)
    save_state(state, tmp_path / LAST_CHECKPOINT)
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((tmp_path / LAST_CHECKPOINT).read_bytes()[:-4])
    for path in (cut, tmp_path / "none.safetensors"):
        with pytest.raises(InputError, match="cannot be read as a checkpoint"):
            resume(state, path)


def test_settings_of_export_may_change_after_a_run_began(tmp_path: Path) -> None:
    save_state(initial_state(REBUILDING, PAIRS), tmp_path / LAST_CHECKPOINT)
    changed = dataclasses.replace(REBUILDING, export=Export(licence="MIT"))
    state = initial_state(changed, PAIRS)
    resume(state, tmp_path / LAST_CHECKPOINT)
    assert state.history[-1]["settings"]["export"]["licence"] == "MIT"
