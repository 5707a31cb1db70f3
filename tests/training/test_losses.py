"""SSIM and the autoencoder loss against their laws and the textbook."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from radfuse.training.losses.autoencoder import SSIM_WINDOW, autoencoder_loss, ssim

quick = settings(max_examples=15, deadline=None)
shapes = st.tuples(st.integers(1, 3), st.just(1), st.integers(11, 40), st.integers(11, 40))


def images_of(shape: tuple[int, ...], seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    rough = gaussian_filter(rng.random(shape), (0, 0, 1.2, 1.2))
    return torch.from_numpy(((rough - rough.min()) / np.ptp(rough)).astype(np.float32))


def textbook_ssim(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Wang et al. 2004, Eq. 13, from the paper: windows 11x11, sigma 1.5, wholly inside."""

    def mean(image: NDArray[np.float64]) -> NDArray[np.float64]:
        blurred = gaussian_filter(image, 1.5, truncate=5 / 1.5)  # five pixels on each side
        return np.asarray(blurred[5:-5, 5:-5])

    mean_x, mean_y = mean(first), mean(second)
    variance_x = mean((first) ** 2) - mean_x**2
    variance_y = mean((second) ** 2) - mean_y**2
    covariance = mean(first * second) - mean_x * mean_y
    light = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
    structure = (2 * covariance + 9e-4) / (variance_x + variance_y + 9e-4)
    return float((light * structure).mean())


@quick
@given(shapes, st.integers(0, 2**32))
def test_ssim_is_symmetric_and_at_most_one(shape: tuple[int, ...], seed: int) -> None:
    first, second = images_of(shape, seed), images_of(shape, seed + 1)
    torch.testing.assert_close(ssim(first, first), torch.tensor(1.0))
    torch.testing.assert_close(ssim(first, second), ssim(second, first))
    assert -1 <= ssim(first, second) <= 1


@quick
@given(shapes, st.integers(0, 2**32))
def test_similarity_agrees_with_the_textbook(shape: tuple[int, ...], seed: int) -> None:
    first, second = images_of(shape, seed), images_of(shape, seed + 1)
    pairs = zip(first[:, 0].numpy(), second[:, 0].numpy(), strict=True)
    expected = np.mean([textbook_ssim(a.astype(float), b.astype(float)) for a, b in pairs])
    np.testing.assert_allclose(ssim(first, second).item(), expected, rtol=0, atol=1e-5)


@quick
@given(shapes, st.integers(0, 2**32))
def test_ssim_is_invariant_to_flips_and_transposition(shape: tuple[int, ...], seed: int) -> None:
    first, second = images_of(shape, seed), images_of(shape, seed + 1)
    expected = ssim(first, second)
    torch.testing.assert_close(ssim(first.flip(2), second.flip(2)), expected)
    torch.testing.assert_close(ssim(first.mT, second.mT), expected)


def test_similarity_falls_with_noise() -> None:
    image = images_of((1, 1, 40, 40), 1)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    values = [ssim(image, image + share * noise).item() for share in (0, 0.02, 0.1, 0.5)]
    assert values == sorted(values, reverse=True)


def test_two_flat_images_differ_in_light_only() -> None:
    first, second = torch.full((1, 1, 15, 15), 0.2), torch.full((1, 1, 15, 15), 0.6)
    light = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    np.testing.assert_allclose(ssim(first, second).item(), light, rtol=1e-3)


def test_ssim_needs_an_image_of_at_least_one_window() -> None:
    image = images_of((1, 1, SSIM_WINDOW, SSIM_WINDOW), 2)
    torch.testing.assert_close(ssim(image, image), torch.tensor(1.0))
    with pytest.raises(RuntimeError, match="Kernel size"):
        ssim(image[..., 1:], image[..., 1:])


@quick
@given(shapes, st.integers(0, 2**32))
def test_autoencoder_loss_is_the_sum_of_both_terms(shape: tuple[int, ...], seed: int) -> None:
    image, rebuilt = images_of(shape, seed), images_of(shape, seed + 1)
    np.testing.assert_allclose(autoencoder_loss(image, image).item(), 0, atol=1e-6)
    expected = 1 - ssim(rebuilt, image).item() + float(((rebuilt - image) ** 2).mean())
    np.testing.assert_allclose(autoencoder_loss(rebuilt, image).item(), expected, rtol=1e-5)


def test_gradient_descent_recovers_the_image() -> None:
    image = images_of((1, 1, 24, 24), 3)
    rebuilt = images_of((1, 1, 24, 24), 4).requires_grad_()
    optimizer = torch.optim.Adam([rebuilt], lr=0.1)
    losses = []
    for _ in range(25):
        loss = autoencoder_loss(rebuilt, image)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
