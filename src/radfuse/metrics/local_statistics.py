"""Local means, variances and covariances in sliding windows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import Image, floats, kept

WindowShape = Literal["gaussian11", "gaussian7", "uniform11", "uniform8", "uniform7", "global"]
"""Shape and side of a window in pixels; "global" is one window as large as the image."""

SIGMA = 1.5
"""Standard deviation of the Gaussian windows in pixels: Wang et al. 2004, section III-C."""

CONSTANT = 1e-8
"""Variance in squared grey levels below which a window counts as constant.

A window with two neighbouring whole levels has 1e-6 or more, rounding makes 1e-10 at most.
"""

DOWN, ACROSS, STRIP = 16, 32, 64
"""Windows of a column and of a row that one matrix product sums, and rows of windows that are
computed together: the fastest of 8 to 128, and of 8 to 256, on images of 256 x 256."""

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


def window_means(images: Float64Array, window: WindowShape) -> Float64Array:
    """Means over the windows wholly inside images (..., H, W), side - 1 smaller each way.

    Raises `InputError` where the window is larger than the images.
    """
    line = LINES[window]
    if min(images.shape[-2:]) < line.size:
        raise InputError(
            f"the window {window} needs images of {line.size} pixels a side or more; this one is "
            f"{images.shape[-2:]}; measure larger images or choose a smaller window"
        )
    return weighted_means(images, line)


def weighted_means(images: Float64Array, line: Float64Array, *, step: int = 1) -> Float64Array:
    """Sums over windows wholly inside images (..., H, W), weighted by the outer product of a line.

    Every `step`-th window of a row and of a column; `line` has the weights along one axis. The sums
    are products with band matrices: most factors are 0, and still they take a third of the time.
    """
    band = _band_matrix(line.tobytes(), step, DOWN)
    transposed = _band_matrix(line.tobytes(), step, ACROSS).T
    rows, columns = ((side - line.size) // step + 1 for side in images.shape[-2:])
    means = np.empty((*images.shape[:-2], rows, columns))
    for top in range(0, rows, STRIP):
        strip = means[..., top : top + STRIP, :]
        down = np.empty((*strip.shape[:-1], images.shape[-1]))
        for first, count, reach in _blocks(strip.shape[-2], DOWN, line.size, step):
            start = (top + first) * step
            pixels = images[..., start : start + reach, :]
            np.matmul(band[:count, :reach], pixels, out=down[..., first : first + count, :])
        down = down.reshape(-1, down.shape[-1])
        sums = np.empty((len(down), columns))
        for first, count, reach in _blocks(columns, ACROSS, line.size, step):
            pixels = down[:, first * step : first * step + reach]
            np.matmul(pixels, transposed[:reach, :count], out=sums[:, first : first + count])
        strip[...] = sums.reshape(strip.shape)
    return means


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
    """The same around every pixel, (..., H, W), with 0 outside an image; `line` has odd length."""
    reach = line.size // 2
    *others, rows, columns = images.shape
    padded = np.zeros((*others, rows + 2 * reach, columns + 2 * reach))
    padded[..., reach : reach + rows, reach : reach + columns] = images
    return weighted_means(padded, line)


@dataclass(frozen=True, eq=False)
class LocalStatistics:
    """Statistics of an image in every window, each computed once for all comparisons.

    None of the arrays is to be changed.
    """

    image: Float64Array
    window: WindowShape
    _covariances: dict["LocalStatistics", Float64Array] = field(default_factory=dict, repr=False)

    @property
    def mean(self) -> Float64Array:
        """Mean of every window."""
        means: Float64Array = self._moments[0]
        return means

    @cached_property
    def mean_square(self) -> Float64Array:
        """Square of the mean of every window."""
        return np.square(self.mean)

    @cached_property
    def variance(self) -> Float64Array:
        """Variance of every window; exactly 0 where the window is constant."""
        variance = self._without_mean(self._moments[1], self.mean_square)
        variance *= self._varied(variance)
        return variance

    @cached_property
    def varied(self) -> Float64Array:
        """1 in windows that are not constant, else 0."""
        return self._varied(self.variance)

    def covariance(self, other: "LocalStatistics") -> Float64Array:
        """Covariance of every window with another image's; 0 where one of them is constant."""
        return self.covariances(other)[0]

    def covariances(self, *others: "LocalStatistics") -> list[Float64Array]:
        """`covariance` with several images, at once, which is faster."""
        missing = [other for other in others if other not in self._covariances]
        if missing:
            products = self._means([self.image * other.image for other in missing])
            for other, product in zip(missing, products, strict=True):
                covariance = self._without_mean(product, self.mean * other.mean)
                covariance *= self.varied
                covariance *= other.varied
                self._covariances[other] = covariance
        return [self._covariances[other] for other in others]

    @cached_property
    def _moments(self) -> Float64Array:
        """Means of the image and of its square, (2, rows, columns)."""
        return self._means([self.image, self.image**2])

    def _means(self, images: list[Float64Array]) -> Float64Array:
        if self.window == "global":
            axes = tuple(range(1, self.image.ndim + 1))
            return np.asarray(np.stack(images).mean(axis=axes, keepdims=True), np.float64)
        return window_means(np.stack(images), self.window)

    @staticmethod
    def _varied(variance: Float64Array) -> Float64Array:
        # A product with numbers is several times faster than a choice by truth values.
        return (variance >= CONSTANT).astype(np.float64)

    def _without_mean(self, product: Float64Array, means: Float64Array) -> Float64Array:
        central: Float64Array = np.subtract(product, means)
        if self.window in SAMPLE_VARIANCE:
            central *= SAMPLE_VARIANCE[self.window]
        return central


def local_statistics(window: WindowShape, *images: Image) -> tuple[LocalStatistics, ...]:
    """Statistics of images, values in 0..255, in the same window."""
    return tuple(LocalStatistics(floats(image), window) for image in images)


def statistics_in_strips(
    window: WindowShape, *images: Image
) -> Iterator[tuple[LocalStatistics, ...]]:
    """`local_statistics` of one horizontal strip of the windows after another.

    What is computed of a strip stays in the processor's cache, which halves the time. Raises
    `InputError` where the window is larger than the images.
    """
    halo = 0 if window == "global" else LINES[window].size - 1
    rows = 1 if window == "global" else max(images[0].shape[0] - halo, 1)
    for top in range(0, rows, STRIP):
        yield tuple(_strip(image, window=window, top=top, halo=halo) for image in images)


@kept
def _strip(image: Image, *, window: WindowShape, top: int, halo: int) -> LocalStatistics:
    pixels = floats(image)
    return LocalStatistics(pixels if not halo else pixels[top : top + STRIP + halo], window)


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
