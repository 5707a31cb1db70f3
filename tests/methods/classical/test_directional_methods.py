"""Fusion of nonsubsampled contourlets and shearlets: lawful, and equal to the authors' code."""

from pathlib import Path

import numpy as np
import pytest
from classical_kit import PAIRS, golden_difference
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radfuse.errors import InputError
from radfuse.methods.classical.directive_contrast import DirectiveContrast
from radfuse.methods.classical.nsct import NSCT
from radfuse.methods.classical.nsct_pc_lle import NSCTPCLLE, base_activity, majority
from radfuse.methods.classical.nsst_frei_chen import NSSTFreiChen
from radfuse.methods.classical.nsst_papcnn import (
    NSSTPAPCNN,
    larger_base,
    local_energy,
    modified_laplacian,
)
from radfuse.methods.loading import Method

GOLDEN: dict[str, Method] = {
    "nsct": NSCT(),
    "nsst_papcnn": NSSTPAPCNN(),
    "nsct_pc_lle": NSCTPCLLE(),
}
METHODS = [*GOLDEN.values(), DirectiveContrast(), NSSTFreiChen()]
DIFFERING = {"nsct": 0, "nsst_papcnn": 13, "nsct_pc_lle": 0}
"""Most pixels of a pair that differ: the network in double precision has none."""

SHAPES = [(1, 1, 1), (2, 1, 7), (3, 20, 33), (5, 17, 6)]

each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


def images_of(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Blobs over the range [0, 1]."""
    blobs = gaussian_filter(np.random.default_rng(seed).random(shape), (0, 2, 2))
    return ((blobs - blobs.min()) / max(float(np.ptp(blobs)), 1e-6)).astype(np.float32)


def check(shared: Path, key: str, name: str) -> None:
    difference = np.abs(golden_difference(shared, key, GOLDEN[key], name))
    assert (difference > 0).sum() <= DIFFERING[key]
    assert difference.max() <= 1


@pytest.mark.parametrize("key", GOLDEN)
def test_one_pair_is_fused_as_by_the_author(key: str, shared: Path) -> None:
    check(shared, key, "2004")


@pytest.mark.slow
@pytest.mark.parametrize("key", GOLDEN)
@pytest.mark.parametrize("name", PAIRS)
def test_all_pairs_are_fused_as_by_the_author(key: str, name: str, shared: Path) -> None:
    check(shared, key, name)


@each_method
@pytest.mark.parametrize("shape", SHAPES)
def test_equal_images_of_any_size_are_returned(method: Method, shape: tuple[int, int, int]) -> None:
    images = images_of(shape, 3)
    np.testing.assert_allclose(method(images, images), images, rtol=0, atol=1e-6)


@each_method
@pytest.mark.parametrize("shape", SHAPES)
def test_slices_are_fused_by_themselves_within_range(
    method: Method, shape: tuple[int, int, int]
) -> None:
    first, second = images_of(shape, 1), images_of(shape, 2)
    fused = method(first, second)
    assert fused.dtype == np.float32
    assert 0 <= fused.min() <= fused.max() <= 1
    last = method(first[-1:], second[-1:])
    np.testing.assert_allclose(fused[-1:], last, rtol=0, atol=1e-6)


@each_method
@pytest.mark.parametrize("grey", [(0, 0), (0, 1), (0.25, 0.75)])
def test_constant_images_give_values_between_both(
    method: Method, grey: tuple[float, float]
) -> None:
    first, second = (np.full((1, 40, 31), level, np.float32) for level in grey)
    fused = method(first, second)
    assert min(grey) - 1e-5 <= fused.min() <= fused.max() <= max(grey) + 1e-5


def test_contourlets_of_constant_images_give_their_mean() -> None:
    first, second = (np.full((1, 40, 31), level, np.float32) for level in (0.25, 0.75))
    np.testing.assert_allclose(NSCT()(first, second), 0.5, rtol=1e-6)


@each_method
def test_images_of_different_shapes_are_refused(method: Method) -> None:
    with pytest.raises(InputError, match=r"\(1, 8, 8\) and \(1, 8, 9\) cannot be fused"):
        method(images_of((1, 8, 8), 1), images_of((1, 8, 9), 1))


def test_local_energy_of_a_point_is_its_window() -> None:
    image = np.zeros((1, 7, 7))
    image[0, 3, 3] = 2
    window = 4 * np.outer([1, 2, 1], [1, 2, 1]) / 16
    np.testing.assert_allclose(local_energy(image)[0, 2:5, 2:5], window)


def test_modified_laplacian_of_a_step_is_at_the_step() -> None:
    image = np.zeros((1, 12, 12))
    image[:, :, 6:] = 0.5
    found = modified_laplacian(image)[0]
    np.testing.assert_array_equal(found, np.broadcast_to(found[0], found.shape))
    assert (found[0] > 0).nonzero()[0].tolist() == [3, 4, 5, 6, 7, 8]


def test_modified_laplacian_of_a_flat_part_is_zero() -> None:
    image = np.zeros((1, 20, 200))
    image[:, :, :5] = np.random.default_rng(1).random((20, 5)) * 255
    assert np.isfinite(modified_laplacian(image)).all()
    assert modified_laplacian(image)[:, :, 8:].max() == 0


def test_the_base_with_more_detail_is_chosen() -> None:
    flat, textured = np.full((1, 20, 20), 0.5), 0.5 + 0.1 * images_of((1, 20, 20), 4)
    np.testing.assert_array_equal(larger_base(flat, textured), textured)
    np.testing.assert_array_equal(larger_base(flat, flat + 1), flat)


def test_base_activity_grows_with_energy_and_contrast() -> None:
    image = images_of((2, 24, 30), 5).astype(np.float64)
    np.testing.assert_allclose(base_activity(2 * image), 16 * base_activity(image), rtol=0.02)
    assert base_activity(np.full((1, 24, 30), 0.5)).max() < 1e-20


def test_majority_needs_more_than_half_of_the_window() -> None:
    chosen = np.zeros((9, 9), bool)
    chosen[:, :5] = True
    np.testing.assert_array_equal(majority(chosen, 3), chosen)
    chosen[3:5, 4] = False
    assert majority(chosen, 3)[4].tolist() == [True] * 4 + [False] * 5
