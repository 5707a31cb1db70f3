"""What structural similarity needs of two images in sliding windows: sums suffice."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import Image, Levels
from radfuse.metrics.local_statistics import (
    SAMPLE_VARIANCE,
    LocalStatistics,
    WindowShape,
    statistics_in_strips,
    window_means,
)


@dataclass(frozen=True)
class WindowPair:
    """Of two images in every window. The sums may be changed, the others not."""

    of_means: Float64Array
    """Product of the means."""

    mean_squares: Float64Array
    """Sum of the squared means."""

    covariance: Float64Array
    variances: Float64Array
    """Sum of the variances."""


def paired(first: LocalStatistics, second: LocalStatistics) -> WindowPair:
    """From the statistics of either image, which other comparisons share."""
    return WindowPair(
        second.mean_product(first),
        first.mean_square + second.mean_square,
        second.covariance(first),
        first.variance + second.variance,
    )


def pairs_in_strips(window: WindowShape, *images: Image) -> Iterator[list[WindowPair]]:
    """The first image with each of the others, one horizontal strip of windows after another.

    Only the sums are computed, which is faster; rounding may leave up to 1e-10 of the variance of
    a constant window. Raises `InputError` where the window is larger than the images.
    """
    for image, *others in statistics_in_strips(window, *images):
        yield _pairs(window, image.image, [other.image for other in others])


def _pairs(window: WindowShape, image: Levels, others: list[Levels]) -> list[WindowPair]:
    mean, *means = window_means(_together(image, others), window)
    mean_square, unbiased = np.square(mean), SAMPLE_VARIANCE.get(window, 1)
    pairs = []
    for other, product, squares in zip(means[::3], means[1::3], means[2::3], strict=True):
        of_means = mean * other
        mean_squares = np.square(other, out=other)
        mean_squares += mean_square
        covariance = np.subtract(product, of_means, out=product)
        variances = np.subtract(squares, mean_squares, out=squares)
        if unbiased != 1:
            covariance *= unbiased
            variances *= unbiased
        pairs.append(WindowPair(of_means, mean_squares, covariance, variances))
    return pairs


def _together(image: Levels, others: list[Levels]) -> Levels:
    """The image, then of every other one itself, the product and the sum of squares, (N, H, W)."""
    dtype = np.result_type(image, *others)
    together: Levels = np.empty((1 + 3 * len(others), *image.shape), dtype)
    together[0] = image
    square = np.square(image)
    for number, other in enumerate(others):
        copy, product, squares = together[1 + 3 * number : 4 + 3 * number]
        copy[...] = other
        np.multiply(other, image, out=product)
        np.square(other, out=squares)
        np.add(squares, square, out=squares)
    return together
