"""Means, variances and covariances of windows: against plain loops, and where nothing varies."""

import numpy as np
import pytest

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import MAX_EXACT, exact_levels
from radfuse.metrics.local_statistics import (
    LINES,
    SIGMA,
    LocalStatistics,
    WindowShape,
    local_statistics,
    window_means,
)


def noise(seed: int, shape: tuple[int, int] = (15, 19)) -> Float64Array:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.float64)


def patches(image: Float64Array, side: int) -> list[Float64Array]:
    rows, columns = (size - side + 1 for size in image.shape)
    return [image[r : r + side, c : c + side] for r in range(rows) for c in range(columns)]


@pytest.mark.parametrize("window", LINES)
def test_window_statistics_match_every_weighted_patch(window: WindowShape) -> None:
    line = LINES[window]
    weights = np.outer(line, line)
    first, second = local_statistics(window, noise(1), noise(2))
    expected = []
    for one, other in zip(
        patches(first.image, line.size), patches(second.image, line.size), strict=True
    ):
        mean, other_mean = (weights * one).sum(), (weights * other).sum()
        variance = (weights * (one - mean) ** 2).sum()
        covariance = (weights * (one - mean) * (other - other_mean)).sum()
        expected.append((mean, variance, covariance))
    means, variances, covariances = np.transpose(expected)
    unbiased = 49 / 48 if window == "uniform7" else 1
    np.testing.assert_allclose(first.mean.ravel(), means)
    np.testing.assert_allclose(first.variance.ravel(), variances * unbiased)
    np.testing.assert_allclose(first.covariance(second).ravel(), covariances * unbiased, atol=1e-9)


@pytest.mark.parametrize("window", LINES)
def test_whole_levels_have_statistics_of_their_doubles(window: WindowShape) -> None:
    doubles = [LocalStatistics(noise(seed), window) for seed in (6, 7)]
    images = local_statistics(window, *(one.image.astype(np.uint8) for one in doubles))
    np.testing.assert_allclose(images[0].mean, doubles[0].mean, rtol=1e-14)
    np.testing.assert_allclose(images[0].variance, doubles[0].variance, rtol=1e-12)
    found, expected = (one.covariance(other) for one, other in (images, doubles))
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_whole_and_other_images_are_compared() -> None:
    whole, other = local_statistics("uniform8", noise(8), noise(9) / 3)
    np.testing.assert_allclose(
        whole.covariance(other), LocalStatistics(noise(9), "uniform8").covariance(whole) / 3
    )


def test_integers_hold_the_squares_of_the_largest_level() -> None:
    bright = np.full((11, 11), float(MAX_EXACT))
    assert exact_levels(bright).dtype == np.int32
    statistics = LocalStatistics(exact_levels(bright), "uniform11")
    np.testing.assert_allclose(statistics.mean_square, MAX_EXACT**2)
    assert not statistics.variance.any()


@pytest.mark.parametrize("level", [0.5, -1.0, MAX_EXACT + 1.0])
@pytest.mark.parametrize("row", [0, 1])
def test_one_other_level_keeps_doubles(level: float, row: int) -> None:
    image = noise(10)
    image[row, 3] = level
    np.testing.assert_array_equal(exact_levels(image), image)
    assert exact_levels(image).dtype == np.float64


def test_gaussian_window_has_published_width_and_unit_weight() -> None:
    line = LINES["gaussian11"]
    np.testing.assert_allclose(line.sum(), 1)
    np.testing.assert_allclose(line[5] / line[4], np.exp(1 / (2 * SIGMA**2)))
    np.testing.assert_array_equal(line, line[::-1])


def test_the_global_window_has_the_statistics_of_a_whole_volume() -> None:
    volume = np.random.default_rng(3).integers(0, 256, (3, 9, 8)).astype(np.float64)
    view = LocalStatistics(volume, "global")
    np.testing.assert_allclose(view.mean, volume.mean())
    np.testing.assert_allclose(view.variance, volume.var())
    np.testing.assert_allclose(view.covariance(view), volume.var())


@pytest.mark.parametrize("window", LINES)
@pytest.mark.parametrize("level", [0, 1, 77, 254.7, 255])
def test_a_constant_window_has_no_variance_at_all(window: WindowShape, level: float) -> None:
    flat, varied = local_statistics(window, np.full((15, 19), level), noise(4))
    assert not flat.variance.any()
    assert not flat.covariance(varied).any()
    assert not varied.covariance(flat).any()


@pytest.mark.parametrize("window", LINES)
def test_one_grey_level_in_the_farthest_corner_is_not_constant(window: WindowShape) -> None:
    image = np.full((LINES[window].size,) * 2, 200.0)
    image[0, 0] += 1
    assert LocalStatistics(image, window).variance.item() > 0


def test_window_of_image_size_is_measured_and_larger_refused() -> None:
    assert window_means(noise(5, (8, 12))[None], "uniform8").shape == (1, 1, 5)
    with pytest.raises(InputError, match=r"uniform8 needs .* 8 pixels .* this one is \(7, 12\)"):
        window_means(noise(5, (7, 12))[None], "uniform8")
