"""Local means, variances and covariances in sliding windows."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np

from radfuse.arrays import BoolArray, Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import Image, floats

WindowShape = Literal["gaussian11", "gaussian7", "uniform11", "uniform8", "uniform7", "global"]
"""Shape and side of a window in pixels; "global" is one window as large as the image."""

SIGMA = 1.5
"""Standard deviation of the Gaussian windows in pixels: Wang et al. 2004, section III-C."""

CONSTANT = 1e-8
"""Variance in squared grey levels below which a window counts as constant.

A window with two neighbouring whole levels has 1e-6 or more, rounding makes 1e-10 at most.
"""

BLOCK = 16
"""Windows along an axis that one matrix product sums: the fastest of 8 to 128."""

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


def window_means(image: Float64Array, window: WindowShape) -> Float64Array:
    """Means over the windows wholly inside an image (H, W), side - 1 smaller each way.

    Raises `InputError` where the window is larger than the image.
    """
    if window == "global":
        return np.asarray(image.mean(keepdims=True), np.float64)
    line = LINES[window]
    if min(image.shape) < line.size:
        raise InputError(
            f"the window {window} needs images of {line.size} pixels a side or more; this one is "
            f"{image.shape}; measure larger images or choose a smaller window"
        )
    return weighted_means(image, line)


def weighted_means(image: Float64Array, line: Float64Array, *, step: int = 1) -> Float64Array:
    """Sums over windows wholly inside an image (H, W), weighted by the outer product of a line.

    Every `step`-th window of a row and of a column; `line` has the weights along one axis.
    """
    columns = _sums_down(image, line, step)
    return _sums_down(columns.T, line, step).T


def _sums_down(image: Float64Array, line: Float64Array, step: int) -> Float64Array:
    """Weighted sums along the columns, as products with a band matrix of `BLOCK` rows.

    Most of the factors are 0, and still a matrix product takes a third of the time of sums.
    """
    count = (len(image) - line.size) // step + 1
    sums = np.empty((count, image.shape[1]), order="F" if image.flags.f_contiguous else "C")
    band = _band_matrix(line.tobytes(), step)
    for first in range(0, count, BLOCK):
        rows = min(BLOCK, count - first)
        reach = (rows - 1) * step + line.size
        pixels = image[first * step : first * step + reach]
        np.matmul(band[:rows, :reach], pixels, out=sums[first : first + rows])
    return sums


@lru_cache(maxsize=64)
def _band_matrix(line: bytes, step: int) -> Float64Array:
    """Weights of `BLOCK` neighbouring windows, a row each, from the bytes of a line; read only."""
    weights = np.frombuffer(line, np.float64)
    band = np.zeros((BLOCK, (BLOCK - 1) * step + weights.size))
    row = np.arange(BLOCK)[:, None]
    band[row, row * step + np.arange(weights.size)] = weights
    band.flags.writeable = False
    return band


def zero_padded_means(image: Float64Array, line: Float64Array) -> Float64Array:
    """The same around every pixel of an image, (H, W), 0 outside of it; `line` has odd length."""
    return weighted_means(np.pad(image, line.size // 2), line)


@dataclass(frozen=True)
class LocalStatistics:
    """Statistics of an image in every window, computed once for all comparisons."""

    image: Float64Array
    window: WindowShape

    @cached_property
    def mean(self) -> Float64Array:
        """Mean of every window."""
        return window_means(self.image, self.window)

    @cached_property
    def variance(self) -> Float64Array:
        """Variance of every window; exactly 0 where the window is constant."""
        variance = self._without_mean(self.image**2, self.mean_square)
        variance[variance < CONSTANT] = 0
        return variance

    @cached_property
    def mean_square(self) -> Float64Array:
        """Square of the mean of every window."""
        return self.mean**2

    @cached_property
    def constant(self) -> BoolArray:
        """Which windows are constant."""
        return np.asarray(self.variance == 0, np.bool_)

    def covariance(self, other: "LocalStatistics") -> Float64Array:
        """Covariance of every window with another image's; 0 where one of them is constant."""
        covariance = self._without_mean(self.image * other.image, self.mean * other.mean)
        covariance[self.constant | other.constant] = 0
        return covariance

    def _without_mean(self, product: Float64Array, means: Float64Array) -> Float64Array:
        central = window_means(product, self.window)
        central -= means
        if self.window in SAMPLE_VARIANCE:
            central *= SAMPLE_VARIANCE[self.window]
        return central


def local_statistics(window: WindowShape, *images: Image) -> tuple[LocalStatistics, ...]:
    """Statistics of images, values in 0..255, in the same window."""
    return tuple(LocalStatistics(floats(image), window) for image in images)
