"""Structural similarity: its laws, the authors' code, two other libraries."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_kit import GoldenRow, each_or_some
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from radfuse.arrays import Float64Array, UInt8Array
from radfuse.errors import InputError
from radfuse.io.images import read_grey
from radfuse.metrics.local_statistics import WindowShape
from radfuse.metrics.structural_similarity import (
    LUMINANCE_FLOOR,
    MIN_SIDE,
    SCALE_WEIGHTS,
    STRUCTURE_FLOOR,
    halved,
    ms_ssim,
    ssim,
    ssim_index,
)

WINDOWS: list[WindowShape] = ["gaussian11", "gaussian7", "uniform8", "uniform7", "global"]
quick = settings(max_examples=15, deadline=None)


def noise(seed: int, side: int = 32, low: int = 0, high: int = 256) -> UInt8Array:
    return np.random.default_rng(seed).integers(low, high, (side, side), dtype=np.uint8)


def blobs(side: int = 192) -> UInt8Array:
    """Round shapes of many sizes, so that every scale has something to show."""
    y, x = np.mgrid[:side, :side] / side
    waves = np.sin(9 * x * x + 4 * y) + np.cos(31 * x * y) + np.sin(90 * y) * np.cos(70 * x)
    return np.rint((waves + 3) / 6 * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def pair(shared: Path) -> tuple[UInt8Array, UInt8Array]:
    folder = shared / "data/harvard/test"
    return read_grey(folder / "CT/16009.png"), read_grey(folder / "MRI/16009.png")


@quick
@given(st.integers(0, 2**32), st.sampled_from(WINDOWS), st.integers(1, 256))
def test_ssim_is_symmetric_bounded_and_one_for_equal_images(
    seed: int, window: WindowShape, high: int
) -> None:
    first, second = noise(seed, high=high), noise(seed + 1)
    value = ssim_index(first, second, window=window)
    assert -1 <= value <= 1
    np.testing.assert_allclose(value, ssim_index(second, first, window=window), rtol=1e-12)
    np.testing.assert_allclose(ssim_index(first, first, window=window), 1)


@pytest.mark.parametrize("window", WINDOWS)
def test_ssim_sees_neither_a_mirror_nor_a_turn_of_both_images(window: WindowShape) -> None:
    first, second = noise(1), noise(2)
    expected = ssim_index(first, second, window=window)
    for turn in (np.fliplr, np.rot90):
        np.testing.assert_allclose(ssim_index(turn(first), turn(second), window=window), expected)


@pytest.mark.parametrize("window", WINDOWS)
def test_two_flat_images_differ_by_their_luminance_alone(window: WindowShape) -> None:
    dark, bright = np.full((32, 32), 40, np.uint8), np.full((32, 32), 200, np.uint8)
    luminance = (2 * 40 * 200 + LUMINANCE_FLOOR) / (40**2 + 200**2 + LUMINANCE_FLOOR)
    np.testing.assert_allclose(ssim_index(dark, bright, window=window), luminance)
    assert ssim_index(dark, dark, window=window) == 1


def test_image_and_negative_about_mean_have_opposite_structure() -> None:
    image = noise(3).astype(np.float64)
    negative = 2 * image.mean() - image
    variance = image.var()
    expected = (STRUCTURE_FLOOR - 2 * variance) / (STRUCTURE_FLOOR + 2 * variance)
    np.testing.assert_allclose(ssim_index(image, negative, window="global"), expected)


def test_ssim_falls_with_noise_and_with_a_shift_of_one_pixel() -> None:
    image = blobs()
    slight, strong = (
        np.clip(image + np.random.default_rng(4).normal(0, sigma, image.shape), 0, 255)
        for sigma in (5, 25)
    )
    assert 1 > ssim_index(image, slight) > ssim_index(image, strong)
    assert ssim_index(image, np.roll(image, 1, axis=0)) < 1


@pytest.mark.parametrize("metric", [ssim, ms_ssim])
def test_sources_are_symmetric_and_sum_is_twice_the_mean(metric: Callable[..., float]) -> None:
    fused, ct, mr = blobs(), noise(5, 192), np.roll(blobs(), 3, axis=1)
    mean = metric(fused, ct, mr)
    np.testing.assert_allclose(metric(fused, mr, ct), mean, rtol=1e-12)
    np.testing.assert_allclose(metric(fused, ct, mr, aggregation="sum"), 2 * mean, rtol=1e-12)


def test_copied_ct_has_mean_of_one_and_source_similarity() -> None:
    ct, mr = blobs(), noise(6, 192)
    np.testing.assert_allclose(ssim(ct, ct, mr), (1 + ssim_index(ct, mr)) / 2)


def test_global_window_measures_volumes_without_position() -> None:
    first, second = (np.stack([noise(seed), noise(seed + 1)]) for seed in (7, 17))
    order = np.random.default_rng(8).permutation(first.size)
    moved = [image.ravel()[order].reshape(image.shape) for image in (first, second)]
    expected = ssim_index(first, second, window="global")
    np.testing.assert_allclose(ssim_index(*moved, window="global"), expected)


def test_halving_takes_means_of_four_and_mirrors_an_odd_edge() -> None:
    image = np.array([[0, 4, 8], [4, 8, 16], [1, 3, 5]], np.float64)
    np.testing.assert_array_equal(halved(image), [[4, 12], [2, 5]])


def test_ms_ssim_is_one_for_equal_and_luminance_for_flat() -> None:
    image = blobs()
    np.testing.assert_allclose(ms_ssim(image, image, image), 1)
    dark, bright = np.full((192, 192), 40.0), np.full((192, 192), 200.0)
    luminance = ssim_index(dark, bright) ** SCALE_WEIGHTS[-1]
    np.testing.assert_allclose(ms_ssim(dark, bright, bright), luminance)


def test_ms_ssim_of_image_and_negative_is_zero_not_complex() -> None:
    image = blobs()
    assert ms_ssim(image, 255 - image, 255 - image) == 0


def test_ms_ssim_forgives_fine_noise_that_ssim_does_not() -> None:
    image = blobs()
    grainy = np.clip(image + np.random.default_rng(9).normal(0, 20, image.shape), 0, 255)
    assert ssim(grainy, image, image) < ms_ssim(grainy, image, image) < 1


def test_ms_ssim_needs_a_window_at_the_coarsest_scale() -> None:
    side = MIN_SIDE
    enough, less = noise(10, side), noise(10, side - 1)
    np.testing.assert_allclose(ms_ssim(enough, enough, enough), 1)
    with pytest.raises(InputError, match=r"176 pixels a side or more; these are \(175, 175\)"):
        ms_ssim(less, less, less)


@each_or_some
def test_ssim_equals_the_authors_code_on_every_golden_row(
    golden: list[GoldenRow], every: int
) -> None:
    for row in golden[::every]:
        fused, ct, mr = row.images
        expected = [row.values["wang.SSIM_ct"], row.values["wang.SSIM_mr"]]
        found = [ssim_index(ct, fused), ssim_index(mr, fused)]
        np.testing.assert_allclose(found, expected, rtol=1e-11, err_msg=str(row.values))
        np.testing.assert_allclose(ssim(fused, ct, mr), np.mean(expected), rtol=1e-11)


def test_gaussian_window_matches_scikit_image_inside_border(
    pair: tuple[UInt8Array, UInt8Array],
) -> None:
    _, whole = structural_similarity(
        *pair, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    np.testing.assert_allclose(ssim_index(*pair), whole[5:-5, 5:-5].mean(), rtol=1e-9)


def test_uniform_window_of_seven_is_scikit_image_default(
    pair: tuple[UInt8Array, UInt8Array],
) -> None:
    expected = structural_similarity(*pair, data_range=255)
    np.testing.assert_allclose(ssim_index(*pair, window="uniform7"), expected, rtol=1e-9)


def test_ms_ssim_matches_torchmetrics_but_for_coarsest_border(
    pair: tuple[UInt8Array, UInt8Array],
) -> None:
    """There torchmetrics counts windows over the edge, too, so that factor is divided out."""
    coarsest: list[Float64Array] = [image.astype(np.float64) for image in pair]
    images = [torch.from_numpy(image)[None, None] for image in coarsest]
    for _ in SCALE_WEIGHTS[1:]:
        coarsest = [halved(image) for image in coarsest]
    small = [torch.from_numpy(image)[None, None] for image in coarsest]
    theirs = multiscale_structural_similarity_index_measure(*images, data_range=255.0)
    their_last = structural_similarity_index_measure(*small, data_range=255.0)
    expected = theirs.item() / their_last.item() ** SCALE_WEIGHTS[-1]
    found = ms_ssim(pair[0], pair[1], pair[1]) / ssim_index(*coarsest) ** SCALE_WEIGHTS[-1]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
