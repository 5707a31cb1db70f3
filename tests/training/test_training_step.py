"""One step of training: its rate, its gradient, its noise."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_kit import PLAIN, REBUILDING, pairs_of, settings_of, some_pairs, with_phase

from radfuse.errors import RadfuseError
from radfuse.training.distributed import ALONE
from radfuse.training.objectives import OBJECTIVES, forward_of
from radfuse.training.settings import Phase, Schedule, learning_rate
from radfuse.training.state import State, first_state
from radfuse.training.step import NORM_MEMORY, NORM_RELIEF, Stepper, rounding_noise

PAIRS = some_pairs()


def start(**changes: Any) -> tuple[State, Stepper]:
    phase = dataclasses.replace(PLAIN, **changes)
    state = first_state(with_phase(REBUILDING), PAIRS)
    return state, Stepper(state, phase, PAIRS.training, ALONE, seed=1)


def parameters_of(state: State) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in state.network.parameters()]


def test_a_step_uses_the_rate_of_its_number() -> None:
    _, stepper = start()
    for step in range(3):
        stepper.step()
        assert stepper.rate == learning_rate(PLAIN, step, len(PAIRS.training))


def test_the_same_state_takes_the_same_step() -> None:
    losses = [[stepper.step() for _ in range(3)] for _, stepper in (start(), start())]
    assert losses[0] == losses[1]


def test_a_gradient_longer_than_the_limit_is_shortened_to_it() -> None:
    state, stepper = start(clip=1e-3)
    stepper.step()
    squares = [p.grad.square().sum() for p in state.network.parameters() if p.grad is not None]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(1e-3, rel=1e-3)
    assert state.counts.usual_norm > 1e-2  # before it was shortened


def test_a_step_out_of_all_proportion_is_not_taken_and_counted() -> None:
    state, stepper = start(outlier=10)
    stepper.step()
    usual = state.counts.usual_norm = 1e-9
    before = parameters_of(state)
    stepper.step()
    assert all(torch.equal(*both) for both in zip(before, parameters_of(state), strict=True))
    assert state.counts.usual_norm == pytest.approx(usual * NORM_RELIEF)
    assert (state.counts.step, state.counts.sums["skipped"]) == (2, 1)


def test_the_usual_norm_follows_the_gradients_slowly() -> None:
    state, stepper = start(outlier=1e9)
    stepper.step()
    first = state.counts.usual_norm
    state.counts.usual_norm = 2 * first
    stepper.step()
    lowest, highest = NORM_MEMORY * 2 * first, 2 * first
    assert lowest < state.counts.usual_norm < highest


def test_non_finite_gradient_is_refused_and_outliers_clipped() -> None:
    def poison(gradient: Tensor) -> Tensor:
        return gradient * math.nan

    state, stepper = start()
    next(state.network.parameters()).register_hook(poison)
    with pytest.raises(RadfuseError, match=r"the gradient is nan at step 0 of phase 1; lower"):
        stepper.step()
    state, stepper = start(outlier=10)
    stepper.step()
    next(state.network.parameters()).register_hook(poison)
    before = parameters_of(state)
    stepper.step()
    assert all(torch.equal(*both) for both in zip(before, parameters_of(state), strict=True))


def test_the_loss_sees_float32_whatever_the_network_runs_in() -> None:
    _, exact = start()
    _, mixed = start(bfloat16=True)
    losses = exact.step(), mixed.step()
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("name", ["sdnet", "rfnnest", "fusiongan"])
def test_an_objective_of_several_images_sees_all_in_float32(name: str) -> None:
    losses = []
    for mixed in (False, True):
        settings, pairs = settings_of(name, bfloat16=mixed), pairs_of(name)
        state = first_state(settings, pairs)
        stepper = Stepper(state, settings.phases[0], pairs.training, ALONE, seed=1)
        losses.append(stepper.step())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_reaches_every_parameter_of_its_network(name: str) -> None:
    settings, pairs = settings_of(name, schedule=Schedule(learning_rate=1e-9)), pairs_of(name)
    state = first_state(settings, pairs)
    Stepper(state, settings.phases[0], pairs.training, ALONE, seed=1).step()
    for parameter_name, parameter in state.network.named_parameters():
        trained = OBJECTIVES[name].trains or (parameter_name.split(".")[0],)
        if parameter_name.split(".")[0] in trained:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
        else:
            assert parameter.grad is None, parameter_name


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_has_a_gradient_on_black_images(name: str) -> None:
    settings, pairs = settings_of(name), pairs_of(name)
    state = first_state(settings, pairs)
    stepper = Stepper(state, settings.phases[0], 0 * pairs.training, ALONE, seed=1)
    assert math.isfinite(stepper.step())
    for parameter_name, parameter in state.network.named_parameters():
        assert parameter.isfinite().all(), parameter_name


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_takes_the_images_its_network_gives(name: str) -> None:
    objective = OBJECTIVES[name]
    images = torch.rand(2, 1 if objective.rebuilds else 2, 44, 46)
    output = forward_of(objective, first_state(settings_of(name), PAIRS).network)(images)
    loss, parts = objective.loss(output, images, objective.weights())
    assert loss.shape == ()
    assert all(math.isfinite(value) for value in parts.values())


def test_images_of_an_autoencoder_are_ct_and_mr_alike() -> None:
    _, stepper = start()
    assert stepper.images.shape == (2 * len(PAIRS.training), 1, *PAIRS.training.shape[2:])
    np.testing.assert_array_equal(stepper.images[1, 0], PAIRS.training[0, 1])


class Toy(nn.Module):
    """A convolution that hands on what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)
        nn.init.dirac_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, image: Tensor) -> Tensor:
        seen: Tensor = self.layer(image)
        return seen


def test_rounding_noise_is_bounded_and_only_in_training() -> None:
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


def test_noise_is_new_each_step_and_reproducible_after_stop() -> None:
    drawn = []
    for steps in (2, 2, 1):
        state = first_state(REBUILDING, PAIRS)
        stepper = Stepper(state, phase_with(0.1), PAIRS.training, ALONE, seed=1)
        for _ in range(steps):
            stepper.step()
        drawn.append(torch.rand(1, generator=stepper.noise).item())
    assert drawn[0] == drawn[1] != drawn[2]
