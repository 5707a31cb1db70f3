"""One step of training: learning rate, gradient, noise."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_kit import PLAIN, REBUILDING, pairs_of, settings_of, some_pairs, with_phase

from radfuse.errors import RadfuseError
from radfuse.training.distributed import SINGLE_PROCESS
from radfuse.training.objectives import OBJECTIVES, forward_of
from radfuse.training.settings import Phase, Schedule, learning_rate
from radfuse.training.state import State, initial_state
from radfuse.training.step import NORM_DECAY, SKIPPED_NORM_GROWTH, PhaseTrainer, rounding_noise

PAIRS = some_pairs()


def start(**changes: Any) -> tuple[State, PhaseTrainer]:
    phase = dataclasses.replace(PLAIN, **changes)
    state = initial_state(with_phase(REBUILDING), PAIRS)
    return state, PhaseTrainer(state, phase, PAIRS.training, SINGLE_PROCESS, seed=1)


def parameters_of(state: State) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in state.network.parameters()]


def test_step_uses_the_learning_rate_of_its_number() -> None:
    _, trainer = start()
    for step in range(3):
        trainer.step()
        assert trainer.learning_rate == learning_rate(PLAIN, step, len(PAIRS.training))


def test_the_same_state_takes_the_same_step() -> None:
    losses = [[trainer.step() for _ in range(3)] for _, trainer in (start(), start())]
    assert losses[0] == losses[1]


def test_gradient_norm_is_clipped() -> None:
    state, trainer = start(clip=1e-3)
    trainer.step()
    squares = [p.grad.square().sum() for p in state.network.parameters() if p.grad is not None]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(1e-3, rel=1e-3)
    assert state.counts.usual_norm > 1e-2  # before it was shortened


def test_outlier_step_is_skipped_and_counted() -> None:
    state, trainer = start(outlier=10)
    trainer.step()
    usual = state.counts.usual_norm = 1e-9
    before = parameters_of(state)
    trainer.step()
    assert all(torch.equal(*both) for both in zip(before, parameters_of(state), strict=True))
    assert state.counts.usual_norm == pytest.approx(usual * SKIPPED_NORM_GROWTH)
    assert (state.counts.step, state.counts.sums["skipped"]) == (2, 1)


def test_mean_gradient_norm_follows_slowly() -> None:
    state, trainer = start(outlier=1e9)
    trainer.step()
    first = state.counts.usual_norm
    state.counts.usual_norm = 2 * first
    trainer.step()
    lowest, highest = NORM_DECAY * 2 * first, 2 * first
    assert lowest < state.counts.usual_norm < highest


def test_nan_gradient_is_refused_or_skipped_with_outlier() -> None:
    def poison(gradient: Tensor) -> Tensor:
        return gradient * math.nan

    state, trainer = start()
    next(state.network.parameters()).register_hook(poison)
    with pytest.raises(RadfuseError, match=r"the gradient is nan at step 0 of phase 1; lower"):
        trainer.step()
    state, trainer = start(outlier=10)
    trainer.step()
    next(state.network.parameters()).register_hook(poison)
    before = parameters_of(state)
    trainer.step()
    assert all(torch.equal(*both) for both in zip(before, parameters_of(state), strict=True))


def test_loss_gets_float32_in_mixed_precision() -> None:
    _, exact = start()
    _, mixed = start(bfloat16=True)
    losses = exact.step(), mixed.step()
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("name", ["sdnet", "rfnnest", "fusiongan"])
def test_loss_of_several_outputs_gets_float32(name: str) -> None:
    losses = []
    for mixed in (False, True):
        settings, pairs = settings_of(name, bfloat16=mixed), pairs_of(name)
        state = initial_state(settings, pairs)
        trainer = PhaseTrainer(state, settings.phases[0], pairs.training, SINGLE_PROCESS, seed=1)
        losses.append(trainer.step())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


QUICKLY = [
    pytest.param(name, marks=pytest.mark.slow if name == "ddcgan" else ()) for name in OBJECTIVES
]
"""Two discriminators take seconds; `test_compared_training.py` trains against them."""


@pytest.mark.parametrize("name", QUICKLY)
def test_every_objective_reaches_every_parameter_of_its_network(name: str) -> None:
    settings, pairs = settings_of(name, schedule=Schedule(learning_rate=1e-9)), pairs_of(name)
    state = initial_state(settings, pairs)
    PhaseTrainer(state, settings.phases[0], pairs.training, SINGLE_PROCESS, seed=1).step()
    for parameter_name, parameter in state.network.named_parameters():
        trained = OBJECTIVES[name].trains or (parameter_name.split(".")[0],)
        if parameter_name.split(".")[0] in trained:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
        else:
            assert parameter.grad is None, parameter_name


@pytest.mark.parametrize("name", QUICKLY)
def test_every_objective_has_a_gradient_on_black_images(name: str) -> None:
    settings, pairs = settings_of(name), pairs_of(name)
    state = initial_state(settings, pairs)
    trainer = PhaseTrainer(state, settings.phases[0], 0 * pairs.training, SINGLE_PROCESS, seed=1)
    assert math.isfinite(trainer.step())
    for parameter_name, parameter in state.network.named_parameters():
        assert parameter.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_accepts_its_networks_output(name: str) -> None:
    objective = OBJECTIVES[name]
    images = torch.rand(2, 1 if objective.trains_autoencoder else 2, 44, 46)
    output = forward_of(objective, initial_state(settings_of(name), PAIRS).network)(images)
    loss, parts = objective.loss(output, images, objective.weights())
    assert loss.shape == ()
    assert all(math.isfinite(value) for value in parts.values())


def test_autoencoder_trains_on_ct_and_mr_images() -> None:
    _, trainer = start()
    assert trainer.images.shape == (2 * len(PAIRS.training), 1, *PAIRS.training.shape[2:])
    np.testing.assert_array_equal(trainer.images[1, 0], PAIRS.training[0, 1])


class Toy(nn.Module):
    """A convolution that returns its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)
        nn.init.dirac_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        seen: Tensor = self.layer(image)
        return seen


def test_rounding_noise_is_bounded_and_only_while_training() -> None:
    network, noise = Toy(), torch.Generator().manual_seed(1)
    image = torch.rand(1, 1, 64, 64) + 0.1
    with rounding_noise(network, 0.1, noise):
        ratio = network.train()(image) / image
        assert torch.equal(network.eval()(image), image)
    assert 0.9 <= ratio.min() < 0.91
    assert 1.09 < ratio.max() <= 1.1
    np.testing.assert_allclose(ratio.mean().item(), 1, atol=0.005)
    assert torch.equal(network.train()(image), image)


def phase_with(noise: float) -> Phase:
    return dataclasses.replace(PLAIN, rounding_noise=noise)


def test_noise_differs_per_step_and_repeats_after_resuming() -> None:
    drawn = []
    for steps in (2, 2, 1):
        state = initial_state(REBUILDING, PAIRS)
        trainer = PhaseTrainer(state, phase_with(0.1), PAIRS.training, SINGLE_PROCESS, seed=1)
        for _ in range(steps):
            trainer.step()
        drawn.append(torch.rand(1, generator=trainer.noise).item())
    assert drawn[0] == drawn[1] != drawn[2]
