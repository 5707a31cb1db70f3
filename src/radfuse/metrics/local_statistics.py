"""Local means, variances and covariances in sliding windows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import Image, Levels, exact_levels, floats, kept

WindowShape = Literal["gaussian11", "gaussian7", "uniform11", "uniform8", "uniform7", "global"]
"""Shape and side of a window in pixels; "global" is one window as large as the image."""

SIGMA = 1.5
"""Standard deviation of the Gaussian windows in pixels: Wang et al. 2004, section III-C."""

CONSTANT = 1e-8
"""Variance in squared grey levels below which a window counts as constant.

A window with two neighbouring whole levels has 1e-6 or more, rounding makes 1e-10 at most.
"""

DOWN, DOWN_WIDE, ACROSS = 8, 16, 24
"""Windows of a column and of a row that one matrix product sums: the fastest of 4 to 48."""

NARROW, WIDE = 7, 12
"""Pixels a side up to which `numpy.correlate` sums along the rows faster than products do, and
from which `DOWN_WIDE` is faster than `DOWN`."""

STRIP_PIXELS = 2**16
"""Windows that are computed together: the fastest of 2^12 to 2^16 on images of 256 x 256."""

SAMPLE_VARIANCE = {"uniform7": 49 / 48}
"""From mean squares to the unbiased estimate, in the window whose users take that one."""


def gaussian(side: int, sigma: float = SIGMA) -> Float64Array:
    """Weights of a Gaussian window along one axis, (side,), their sum 1."""
    offsets = np.arange(side) - side // 2
    line = np.exp(-(offsets**2) / (2 * sigma**2))
    return np.asarray(line / line.sum(), np.float64)


LINES: dict[WindowShape, Float64Array] = {
    "gaussian11": gaussian(11),
    "gaussian7": gaussian(7),
    "uniform11": np.full(11, 1 / 11),
    "uniform8": np.full(8, 1 / 8),
    "uniform7": np.full(7, 1 / 7),
}
"""Weights of a window along one axis; the window is their outer product."""

UNIFORM = {"uniform11", "uniform8", "uniform7"}
"""Windows of equal weights, whose sums need no products."""


def window_means(images: Levels, window: WindowShape) -> Float64Array:
    """Means over the windows wholly inside images (N, H, W), side - 1 smaller each way.

    Raises `InputError` where the window is larger than the images.
    """
    if window == "global":
        axes = tuple(range(1, images.ndim))
        return np.asarray(images.mean(axis=axes, keepdims=True), np.float64)
    line = LINES[window]
    if min(images.shape[-2:]) < line.size:
        raise InputError(
            f"the window {window} needs images of {line.size} pixels a side or more; this one is "
            f"{images.shape[-2:]}; measure larger images or choose a smaller window"
        )
    if window in UNIFORM:
        return _uniform_means(images, line.size)
    pixels = np.asarray(images, np.float64)
    return _narrow_means(pixels, line) if line.size <= NARROW else weighted_means(pixels, line)


def _uniform_means(images: Levels, side: int) -> Float64Array:
    """Means over square windows of equal weights, wholly inside images (N, H, W)."""
    count, rows, columns = images.shape
    means = np.empty((count, rows - side + 1, columns - side + 1))
    for image, of_image in zip(images, means, strict=True):
        sums = _sliding_sums(_sliding_sums(image.ravel(), side, columns), side, 1)
        of_image[...] = _inside(sums, of_image.shape, columns)
        np.multiply(of_image, 1 / side**2, out=of_image)
    return means


def _narrow_means(images: Float64Array, line: Float64Array) -> Float64Array:
    """`weighted_means` for short lines, faster."""
    down = _sums_down(images, line, 1)
    means = np.empty((*down.shape[:2], images.shape[-1] - line.size + 1))
    for of_image, rows in zip(means, down, strict=True):
        sums = np.correlate(rows.ravel(), line)
        of_image[...] = _inside(sums, of_image.shape, images.shape[-1])
    return means


def _inside(sums: Levels, shape: tuple[int, ...], columns: int) -> Levels:
    """Of sums along the pixels of an image, row after row, those within one row."""
    return as_strided(sums, shape, (columns * sums.itemsize, sums.itemsize))


def _sliding_sums(values: Levels, count: int, step: int) -> Levels:
    """Sums of `count` values that are `step` apart, from every first one; by halves of halves."""
    if count == 1:
        return values
    half = _sliding_sums(values, count // 2, step)
    other = count // 2 * step
    sums: Levels = np.add(half[:-other], half[other:])
    if count % 2:
        sums = sums[:-step]
        np.add(sums, values[(count - 1) * step :], out=sums)
    return sums


def weighted_means(images: Float64Array, line: Float64Array, *, step: int = 1) -> Float64Array:
    """Sums over windows wholly inside images (N, H, W), weighted by the outer product of a line.

    Every `step`-th window of a row and of a column; `line` has the weights along one axis. The sums
    are products with band matrices: most factors are 0, and still they take a third of the time.
    """
    transposed = _band_matrix(line.tobytes(), step, ACROSS).T
    rows, columns = ((side - line.size) // step + 1 for side in images.shape[-2:])
    means = np.empty((len(images), rows, columns))
    height = strip_height(images.shape[-1])
    for top in range(0, rows, height):
        strip = means[:, top : top + height]
        reach = (strip.shape[1] - 1) * step + line.size
        down = _sums_down(images[:, top * step : top * step + reach], line, step)
        for first, count, reach in _blocks(columns, ACROSS, line.size, step):
            pixels = down[..., first * step : first * step + reach]
            sums = strip[..., first : first + count]
            np.matmul(pixels, transposed[:reach, :count], out=sums)
    return means


def _sums_down(images: Float64Array, line: Float64Array, step: int) -> Float64Array:
    """Sums weighted by a line down the columns of images (N, H, W), from every `step`-th row."""
    block = DOWN if line.size < WIDE else DOWN_WIDE
    band = _band_matrix(line.tobytes(), step, block)
    rows = (images.shape[1] - line.size) // step + 1
    sums = np.empty((len(images), rows, images.shape[-1]))
    for first, count, reach in _blocks(rows, block, line.size, step):
        pixels = images[:, first * step : first * step + reach]
        np.matmul(band[:count, :reach], pixels, out=sums[:, first : first + count])
    return sums


def _blocks(windows: int, block: int, side: int, step: int) -> Iterator[tuple[int, int, int]]:
    """First window, number of windows, and pixels that they cover, of every block."""
    for first in range(0, windows, block):
        count = min(block, windows - first)
        yield first, count, (count - 1) * step + side


@lru_cache(maxsize=64)
def _band_matrix(line: bytes, step: int, block: int) -> Float64Array:
    """Weights of neighbouring windows, a row each, from the bytes of a line; not to be changed."""
    weights = np.frombuffer(line, np.float64)
    band = np.zeros((block, (block - 1) * step + weights.size))
    row = np.arange(block)[:, None]
    band[row, row * step + np.arange(weights.size)] = weights
    return band


def zero_padded_means(images: Float64Array, line: Float64Array) -> Float64Array:
    """The same around every pixel, (N, H, W), with 0 outside an image; `line` has odd length."""
    reach = line.size // 2
    count, rows, columns = images.shape
    padded = np.zeros((count, rows + 2 * reach, columns + 2 * reach))
    padded[:, reach : reach + rows, reach : reach + columns] = images
    return weighted_means(padded, line)


@dataclass(frozen=True)
class Moments:
    """Of an image in every window."""

    mean: Float64Array
    mean_square: Float64Array
    """Square of the mean."""

    variance: Float64Array
    """Exactly 0 where the window is constant."""

    constant: NDArray[np.intp]
    """Windows that are constant but not black, as indices of the flat arrays.

    What is computed of a black window is exactly 0 anyway.
    """


@dataclass(frozen=True)
class Products:
    """What two images have in common in every window."""

    of_means: Float64Array
    """Product of the means."""

    covariance: Float64Array
    """0 where one image is constant."""


class LocalStatistics:
    """Statistics of an image in every window, each computed once for all comparisons.

    None of the arrays is to be changed.
    """

    def __init__(self, image: Levels, window: WindowShape) -> None:
        self.image = image
        self.window = window
        self._moments: Moments | None = None
        self._products: dict[LocalStatistics, Products] = {}

    @property
    def moments(self) -> Moments:
        """Mean and variance of every window."""
        if self._moments is None:
            self._compute([self], [])
        return cast("Moments", self._moments)

    @property
    def mean(self) -> Float64Array:
        """Mean of every window."""
        return self.moments.mean

    @property
    def mean_square(self) -> Float64Array:
        """Square of the mean of every window."""
        return self.moments.mean_square

    @property
    def variance(self) -> Float64Array:
        """Variance of every window; exactly 0 where the window is constant."""
        return self.moments.variance

    def mean_product(self, other: "LocalStatistics") -> Float64Array:
        """Product of the means of every window and of another image's."""
        return self.products(other)[0].of_means

    def covariance(self, other: "LocalStatistics") -> Float64Array:
        """Covariance of every window with another image's; 0 where one of them is constant."""
        return self.products(other)[0].covariance

    def products(self, *others: "LocalStatistics") -> list[Products]:
        """What every window has in common with those of other images.

        All statistics that are missing are computed at once, which is faster.
        """
        missing = [other for other in others if other not in self._products]
        if missing:
            self._compute([one for one in {self, *missing} if one._moments is None], missing)
        return [self._products[other] for other in others]

    def _compute(self, singles: list["LocalStatistics"], others: list["LocalStatistics"]) -> None:
        """Moments of single images, and products of this one with others."""
        squared = [(one.image, one.image) for one in singles]
        products = [(self.image, other.image) for other in others]
        means = self._means([one.image for one in singles], [*squared, *products])
        for one, mean, square in zip(singles, means, means[len(singles) :], strict=False):
            mean_square = np.square(mean)
            variance = self._central(square, mean_square)
            constant = np.flatnonzero((variance < CONSTANT) & (mean_square > 0))
            variance.put(constant, 0)
            one._moments = Moments(mean, mean_square, variance, constant)
        for other, product in zip(others, means[2 * len(singles) :], strict=True):
            of_means = self.mean * other.mean
            covariance = self._central(product, of_means)
            for one in (self, other):
                covariance.put(one.moments.constant, 0)
            self._products[other] = Products(of_means, covariance)

    def _means(self, images: list[Levels], products: list[tuple[Levels, Levels]]) -> Float64Array:
        """Means of images, then of products of two images each, (N, rows, columns)."""
        dtype = np.result_type(*images, *(image for factors in products for image in factors))
        together = np.empty((len(images) + len(products), *self.image.shape), dtype)
        for image, copy in zip(images, together, strict=False):
            copy[...] = image
        for factors, product in zip(products, together[len(images) :], strict=True):
            np.multiply(*factors, out=product)
        return window_means(together, self.window)

    def _central(self, product: Float64Array, of_means: Float64Array) -> Float64Array:
        """Mean of a product less the product of the means, which overwrites it."""
        product -= of_means
        if self.window in SAMPLE_VARIANCE:
            product *= SAMPLE_VARIANCE[self.window]
        return product


def local_statistics(window: WindowShape, *images: Image) -> tuple[LocalStatistics, ...]:
    """Statistics of images, values in 0..255, in the same window."""
    return tuple(LocalStatistics(_pixels(image, window), window) for image in images)


def _pixels(image: Image, window: WindowShape) -> Levels:
    """Integers where a window has equal weights and the image whole values."""
    return exact_levels(image) if window in UNIFORM else floats(image)


def statistics_in_strips(
    window: WindowShape, *images: Image
) -> Iterator[tuple[LocalStatistics, ...]]:
    """`local_statistics` of one horizontal strip of the windows after another.

    What is computed of a strip stays in the processor's cache, which halves the time. Raises
    `InputError` where the window is larger than the images.
    """
    halo = 0 if window == "global" else LINES[window].size - 1
    rows = 1 if window == "global" else max(images[0].shape[0] - halo, 1)
    height = strip_height(images[0].shape[-1])
    for top in range(0, rows, height):
        part = slice(top, top + height + halo) if halo else slice(None)
        yield tuple(_strip(image, window=window, top=part.start, end=part.stop) for image in images)


def strip_height(columns: int) -> int:
    """Rows of a strip whose intermediate results the processor's cache holds."""
    return max(STRIP_PIXELS // columns, 16)


@kept
def _strip(
    image: Image, *, window: WindowShape, top: int | None, end: int | None
) -> LocalStatistics:
    return LocalStatistics(_pixels(image, window)[top:end], window)


def mean_of_windows(
    map_of: Callable[..., Float64Array], window: WindowShape, *images: Image
) -> float:
    """Mean of a map of local similarity, a function of the images' statistics, over all windows."""
    total, count = 0.0, 0
    for strip in statistics_in_strips(window, *images):
        values = map_of(*strip)
        total += float(values.sum())
        count += values.size
    return total / count
