"""Convolutional sparse representation: near the authors' code, and lawful."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.fft import irfft2, rfft2
from scipy.ndimage import gaussian_filter
from sparse_kit import authors_parameters, golden_distance

from radfuse.errors import InputError
from radfuse.methods.classical.csr import CSR, filters_of, more_active

GOLDEN = ("2004", "16009", "20013", "28011")
"""Pairs of the authors' code."""


def images_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", GOLDEN)
def test_all_pairs_are_fused_as_by_the_author(name: str, shared: Path) -> None:
    filters = authors_parameters(shared, "csr_dict", "D").transpose(2, 0, 1)
    distance = golden_distance(shared, "csr", CSR(filters=filters), name)
    assert distance.mean() <= 0.01
    assert (distance > 0.5).mean() <= 0.001  # where two activities are equal in single precision


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 9, 13)])
def test_slices_are_fused_by_themselves_within_range(shape: tuple[int, int, int]) -> None:
    method, first, second = CSR(weight=0.1, steps=20), images_of(*shape), images_of(*shape, seed=1)
    fused = method(first, second)
    assert fused.dtype == np.float32
    assert 0 <= fused.min() <= fused.max() <= 1
    alone = [method(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_array_equal(fused, np.concatenate(alone))


def test_equal_images_are_returned_but_for_faint_detail() -> None:
    images = images_of(1, 12, 9)
    errors = [np.abs(CSR(weight=w, steps=100)(images, images) - images).mean() for w in (0.01, 0.1)]
    assert errors[0] < 0.02
    assert errors[0] < errors[1] < 0.2


@pytest.mark.parametrize(
    "shape", [(8, 8), *(pytest.param(one, marks=pytest.mark.slow) for one in ((8, 9), (9, 8)))]
)
def test_no_filter_correlates_with_what_equal_images_lose(shape: tuple[int, int]) -> None:
    """More than by the weight: so codes are the best, of the smallest images, too."""
    method, filters = CSR(), filters_of(None, "csr")
    for seed, contrast in product((1, 2), (0.6, 1.0)):
        blobs = gaussian_filter(np.random.default_rng(seed).random((1, *shape)), (0, 2, 2))
        image = (contrast * (blobs - blobs.min()) / np.ptp(blobs)).astype(np.float32)
        (lost,) = image - method(image, image)
        correlations = irfft2(np.conj(rfft2(filters, shape)) * rfft2(lost), shape)
        assert np.abs(correlations).max() <= 1.2 * method.weight


def test_detail_of_one_image_is_kept_and_bases_are_averaged() -> None:
    detail = np.indices((16, 16)).sum(axis=0)[None] % 2 * np.float32(0.4)
    flat = np.full_like(detail, 0.6)
    for first, second in ((detail, flat), (flat, detail)):
        fused = CSR(steps=50)(first, second)
        np.testing.assert_allclose(fused.mean(), 0.4, atol=0.01)
        np.testing.assert_allclose(fused.std(), detail.std(), rtol=0.1)


@pytest.mark.parametrize("grey", [(0, 0), (0, 1), (0.25, 0.75)])
def test_constant_images_give_their_mean(grey: tuple[float, float]) -> None:
    first, second = (np.full((1, 12, 10), level, np.float32) for level in grey)
    np.testing.assert_allclose(CSR()(first, second), np.mean(grey), atol=1e-6)


def test_code_with_more_activity_around_a_pixel_is_chosen() -> None:
    first, second = np.zeros((2, 9, 9), np.float32), np.zeros((2, 9, 9), np.float32)
    first[0, 2, 2], second[1, 6, 6], second[0, 2, 2] = 3, 1, -2
    chosen = more_active(first, second, 3)
    assert (chosen[0, 2, 2], chosen[1, 6, 6]) == (3, 1)
    np.testing.assert_array_equal(more_active(second, second, 5), second)


@pytest.mark.parametrize("shape", [(1, 7, 30), (1, 30, 7)])
def test_images_smaller_than_a_filter_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"are too small .* at least 8 x 8"):
        CSR()(images_of(*shape), images_of(*shape))


def test_images_of_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be fused"):
        CSR()(images_of(1, 9, 9), images_of(1, 9, 10))
