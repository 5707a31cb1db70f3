"""Fusion of a base and a detail by sparse codes, of papers without code."""

from typing import Any

import numpy as np
import pytest

from radfuse.errors import InputError
from radfuse.methods.classical.sparse_neighbour_energy import SparseNeighbourEnergy, energy
from radfuse.methods.classical.two_scale_sparse import TwoScaleSparse, two_scales

METHODS = [TwoScaleSparse(), SparseNeighbourEnergy()]

each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


def images_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@each_method
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 9, 21)])
def test_equal_images_are_returned(method: Any, shape: tuple[int, int, int]) -> None:
    images = images_of(*shape)
    fused = method(images, images)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, images, atol=0.1 / 255)


@each_method
def test_slices_are_fused_by_themselves_within_range(method: Any) -> None:
    first, second = images_of(5, 17, 14), images_of(5, 17, 14, seed=1)
    fused = method(first, second)
    assert 0 <= fused.min() <= fused.max() <= 1
    alone = [method(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(fused, np.concatenate(alone), atol=1e-6)


@each_method
def test_detail_of_one_image_is_kept(method: Any) -> None:
    detail = (np.indices((24, 24)).sum(axis=0)[None] % 2 * 0.4 + 0.3).astype(np.float32)
    flat = np.full_like(detail, 0.6)
    for first, second in ((detail, flat), (flat, detail)):
        fused = method(first, second)
        np.testing.assert_allclose(fused.std(), detail.std(), rtol=0.1)


@each_method
@pytest.mark.parametrize("grey", [(0, 0), (0, 1), (0.25, 0.75)])
def test_constant_images_stay_between_both(method: Any, grey: tuple[float, float]) -> None:
    """Bases are averaged, or that of the first is taken where neither has detail."""
    first, second = (np.full((1, 12, 10), level, np.float32) for level in grey)
    fused = method(first, second)
    expected = np.mean(grey) if type(method) is TwoScaleSparse else grey[0]
    np.testing.assert_allclose(fused, expected, atol=1e-6)


@each_method
def test_images_smaller_than_a_patch_are_refused(method: Any) -> None:
    with pytest.raises(InputError, match=r"are too small .* at least 8 x 8"):
        method(images_of(1, 7, 30), images_of(1, 7, 30))


def test_base_and_detail_add_up_and_the_base_is_a_mean() -> None:
    images = images_of(2, 20, 30).astype(np.float64)
    base, detail = two_scales(images, 5)
    np.testing.assert_allclose(base + detail, images, rtol=1e-12)
    np.testing.assert_allclose(base[1, 9, 12], images[1, 7:12, 10:15].mean(), rtol=1e-9)


def test_energy_is_the_mean_square_of_nine_pixels() -> None:
    details = np.zeros((1, 7, 7))
    details[0, 3, 3] = -3
    found = energy(details)
    np.testing.assert_allclose(found[0, 2:5, 2:5], 1)
    assert np.abs(found).sum() == pytest.approx(9)
