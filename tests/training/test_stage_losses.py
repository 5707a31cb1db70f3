"""Losses that build on an autoencoder, and adversarial ones."""

import math

import numpy as np
import torch
from torch import Tensor

from radfuse.networks.ddcgan import PATCH, Discriminators
from radfuse.training.losses.adversarial import (
    FAKE,
    REAL,
    fused_and_both,
    least_squares_loss,
    log_loss,
    soft_labels,
)
from radfuse.training.losses.autoencoder import AutoencoderWeights, autoencoder_loss, ssim
from radfuse.training.losses.staged import (
    DFENetWeights,
    RFNNestWeights,
    csf_classifier_loss,
    dfenet_loss,
    rfnnest_loss,
)


def draw(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def full_scale(seed: int) -> Tensor:
    """Images (2, 1, 16, 16) from black to white, 255."""
    images = draw(seed, 2, 1, 16, 16)
    images[:, :, 0, 0], images[:, :, 0, 1] = 0, 1
    return 255 * images


def test_terms_of_the_autoencoder_loss_are_weighted() -> None:
    image, rebuilt = draw(1, 2, 1, 16, 16), draw(2, 2, 1, 16, 16)
    structure, pixel = 1 - ssim(rebuilt, image), (rebuilt - image).square().mean()
    loss = autoencoder_loss(rebuilt, image, AutoencoderWeights(structure=100, pixel=65025))
    torch.testing.assert_close(loss, 100 * structure + 65025 * pixel)
    assert torch.equal(autoencoder_loss(rebuilt, image), structure + pixel)


def test_rfnnest_is_zero_at_visible_image_and_target_features() -> None:
    visible = full_scale(1)
    infrared, seen = draw(2, 2, 3, 8, 8), draw(3, 2, 3, 8, 8)
    features = [(6 * infrared + 3 * seen, infrared, seen)] * 4
    for brighter in (1, 9):
        loss = rfnnest_loss(brighter * visible, visible, features, RFNNestWeights())
        np.testing.assert_allclose(loss.item(), 0, atol=1e-3)


def test_rfnnest_features_by_hand() -> None:
    # each misses 6 + 3 by 9, squared 81, at weights of 1, 10, 100 and 1000
    visible, ones = full_scale(1), torch.ones(1, 2, 5, 5)
    loss = rfnnest_loss(visible, visible, [(0 * ones, ones, ones)] * 4, RFNNestWeights())
    np.testing.assert_allclose(loss.item(), 81 * 1111, rtol=1e-5)


def test_rfnnest_has_a_gradient_at_flat_images() -> None:
    fused, features = torch.zeros(2, 1, 16, 16).requires_grad_(), [(torch.zeros(2, 1, 4, 4),) * 3]
    rfnnest_loss(fused, full_scale(1), features * 4, RFNNestWeights()).backward()
    assert fused.grad is not None
    assert fused.grad.isfinite().all()


def test_classifier_loss_is_log_two_if_undecided_zero_if_sure() -> None:
    loss, _ = csf_classifier_loss(torch.zeros(3, 2), torch.zeros(3, 2))
    np.testing.assert_allclose(loss.item(), math.log(2), rtol=1e-6)
    sure = torch.tensor([[50.0, -50.0]] * 3)
    for of_visible, expected, right in ((sure, 0, 1.0), (-sure, 50, 0.0)):
        loss, accuracy = csf_classifier_loss(of_visible, -of_visible)
        np.testing.assert_allclose(loss.item(), expected, atol=1e-6)
        assert accuracy == right


def test_dfenet_of_a_point_by_hand() -> None:
    # magnitudes of its Laplacian add up to 8
    black, point = torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 5, 5)
    point[..., 2, 2] = 1
    assert dfenet_loss(point, point, DFENetWeights()) == 0
    loss = dfenet_loss(point, black, DFENetWeights())
    np.testing.assert_allclose(loss.item(), (1 + 0.5 * 8) / 25, rtol=1e-6)
    torch.testing.assert_close(dfenet_loss(black, point, DFENetWeights()), loss)


def test_soft_labels_fill_their_range() -> None:
    for low, high in (REAL, FAKE):
        labels = soft_labels(1000, (low, high), np.random.default_rng(1))
        assert labels.shape == (1000, 1)
        assert low <= labels.min() < low + 0.01
        assert high - 0.01 < labels.max() <= high


def test_least_squares_loss_by_hand() -> None:
    scores, labels = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [3.0]])
    np.testing.assert_allclose(least_squares_loss(scores, labels).item(), (1 + 4) / 2)
    assert least_squares_loss(labels, labels) == 0


def test_log_loss_by_hand() -> None:
    scores = torch.tensor([[0.25, 0.5]])
    real, fake = torch.ones(1, 1), torch.zeros(1, 1)
    np.testing.assert_allclose(log_loss(scores, real), (math.log(4) + math.log(2)) / 2, rtol=1e-6)
    np.testing.assert_allclose(log_loss(scores, fake), (math.log(4 / 3) + math.log(2)) / 2, 1e-6)


def test_each_discriminator_of_ddcgan_judges_its_own_source() -> None:
    torch.manual_seed(1)
    discriminators = Discriminators().eval()
    fused, ct, mr = (draw(seed, 2, 1, PATCH, PATCH) for seed in range(3))
    fake, real = fused_and_both((fused, ct, mr))
    assert torch.equal(fake, torch.cat([fused, fused], dim=1))
    scores = discriminators(real)
    assert scores.shape == (2, 2)
    assert ((scores >= 0) & (scores <= 1)).all()
    other_mr = discriminators(torch.cat([ct, fused], dim=1))
    assert torch.equal(other_mr[:, 0], scores[:, 0])
    assert not torch.equal(other_mr[:, 1], scores[:, 1])
