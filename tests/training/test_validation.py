"""Validation metrics are those of the fused 8-bit images."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from training_kit import FUSING, REBUILDING, SIDE, smooth_images, with_phase

from radfuse.errors import InputError, RadfuseError
from radfuse.intensity import grey_levels
from radfuse.metrics.measure import measure
from radfuse.networks.catalogue import make_network
from radfuse.networks.densefuse import DenseFuse
from radfuse.training.losses.autoencoder import autoencoder_loss, ssim
from radfuse.training.losses.mfinet import mfinet_paper_loss
from radfuse.training.settings import TrainingSettings
from radfuse.training.validation import fuse, is_better, score, validate

PAIRS = smooth_images(2)


def network_of(settings: TrainingSettings) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make_network(settings.network, settings.network_options)


def test_validation_metrics_are_those_of_8_bit_fused_images() -> None:
    network = network_of(FUSING)
    found = validate(network, PAIRS, FUSING, FUSING.phases[0])
    rows = []
    for (ct, mr), image in zip(PAIRS, found.fused, strict=True):
        sources = (torch.from_numpy(x[None] / np.float32(255)) for x in (ct, mr))
        with torch.no_grad():
            fused = network(*sources)[0].numpy()
        np.testing.assert_array_equal(image, grey_levels(fused))
        rows.append(measure("mfinet2024", image, ct, mr))
    for name in rows[0]:
        np.testing.assert_allclose(found.values[name], np.mean([row[name] for row in rows]))


def test_the_loss_is_that_of_the_phase_in_full_precision() -> None:
    settings = with_phase(FUSING, objective="mfinet_paper", bfloat16=True)
    network = network_of(settings)
    found = validate(network, PAIRS, settings, settings.phases[0])
    ct, mr = torch.from_numpy(PAIRS / np.float32(255)).unbind(dim=1)
    with torch.no_grad():
        expected = mfinet_paper_loss(network(ct, mr), ct, mr)
    np.testing.assert_allclose(found.values["loss"], expected.item(), rtol=1e-5)


def test_autoencoder_is_validated_by_its_reconstructions() -> None:
    network = network_of(REBUILDING)
    assert isinstance(network, DenseFuse)
    found = validate(network, PAIRS, REBUILDING, REBUILDING.phases[0])
    images = torch.from_numpy(PAIRS.reshape(-1, 1, SIDE, SIDE) / np.float32(255))
    with torch.no_grad():
        rebuilt = network.reconstruct(images)
    likeness, loss = ssim(rebuilt.clamp(0, 1), images), autoencoder_loss(rebuilt, images)
    np.testing.assert_allclose(found.values["ssim_rebuilt"], likeness.item(), rtol=1e-5)
    np.testing.assert_allclose(found.values["loss"], loss.item(), rtol=1e-5)


def test_validation_leaves_eval_mode_and_no_gradients() -> None:
    network = network_of(REBUILDING).train()
    validate(network, PAIRS, REBUILDING, REBUILDING.phases[0])
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_images_too_small_for_the_profile_are_refused() -> None:
    with pytest.raises(InputError, match="profile mfinet2024 needs images"):
        validate(network_of(REBUILDING), PAIRS[..., :30, :30], REBUILDING, REBUILDING.phases[0])


def test_nan_output_is_refused() -> None:
    network = network_of(FUSING)
    with torch.no_grad():
        next(network.parameters())[:] = math.nan
    with pytest.raises(RadfuseError, match="output has NaN or infinite values"):
        fuse(network, PAIRS[0])


def test_without_goals_a_smaller_loss_is_better() -> None:
    assert score({"loss": 1.0}, FUSING) > score({"loss": 2.0}, FUSING)


def test_score_is_that_of_the_metric_farthest_from_its_goal() -> None:
    settings = dataclasses.replace(FUSING, goals={"MI": 4.0, "VIF": 0.5})
    assert score({"loss": 9, "MI": 8.0, "VIF": 0.4}, settings) == pytest.approx(0.8)
    assert score({"loss": 9, "MI": 2.0, "VIF": 0.6}, settings) == pytest.approx(0.5)
    assert 0 < score({"loss": 9, "MI": -2.0, "VIF": 0.6}, settings) < 1e-5


def test_score_rises_as_a_smaller_is_better_metric_falls() -> None:
    settings = dataclasses.replace(FUSING, profile="tang", goals={"MSE": 0.05})
    assert score({"loss": 9, "MSE": 0.04}, settings) == pytest.approx(1.25)
    assert score({"loss": 9, "MSE": 0.1}, settings) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("reached", "best", "better"),
    [
        (math.nan, None, False), (math.nan, 1.0, False), (math.inf, None, False),
        (1.0, math.nan, True), (1.0, None, True), (2.0, 1.0, True), (1.0, 1.0, False),
    ],
)  # fmt: skip
def test_nan_is_never_the_best_score(reached: float, best: float | None, better: bool) -> None:
    assert is_better(reached, best) is better
