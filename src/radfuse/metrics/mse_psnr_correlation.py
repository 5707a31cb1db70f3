"""Metrics of pixel values, with no regard to the positions of the pixels: images or volumes."""

from typing import Literal

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import WHITE, Image, floats

FLAT = 1e-9
"""Standard deviation in grey levels up to which an image is flat: rounding, not contrast."""


def _squared_error(first: Image, second: Image) -> float:
    difference = (floats(first) - floats(second)).ravel()
    return float(difference @ difference / difference.size)


def mse(fused: Image, ct: Image, mr: Image, *, scale: float = 1.0) -> float:
    """Mean squared error of the fused image, averaged over both sources; smaller is better.

    In squared grey levels; pixel values are first multiplied by `scale`, so 1/255 gives the
    figure of codes that measure images in [0, 1].
    """
    return scale**2 * (_squared_error(fused, ct) + _squared_error(fused, mr)) / 2


def psnr(
    fused: Image,
    ct: Image,
    mr: Image,
    *,
    aggregation: Literal["mean_error", "mean_ratio"] = "mean_error",
    peak: float | Literal["fused"] = WHITE,
) -> float:
    """Peak signal-to-noise ratio of the fused image in decibel.

    "mean_error" takes the ratio of the mean error of both sources, as Chen et al. 2024,
    doi:10.1186/s12880-024-01329-x, Eq. 13-15; "mean_ratio" the mean of the two ratios. `peak` is
    a grey level, or "fused" for the largest one of the fused image, at least 1.

    An error below that of one pixel wrong by one grey level counts as that one, 1 / pixels: an
    image of 256 x 256 that equals its sources has 96.3 dB.
    """
    signal = max(float(floats(fused).max()), 1.0) if peak == "fused" else float(peak)
    errors = [_squared_error(fused, ct), _squared_error(fused, mr)]
    if aggregation == "mean_error":
        errors = [float(np.mean(errors))]
    least = 1 / floats(fused).size
    return float(np.mean([10 * np.log10(signal**2 / max(error, least)) for error in errors]))


def _correlation(first: Float64Array, second: Float64Array) -> float:
    """Pearson's correlation in [-1, 1]; an image without contrast correlates with nothing: 0.

    The mean of the first image must be 0.
    """
    left, right = first.ravel(), (second - second.mean()).ravel()
    spread_left, spread_right = (float(np.sqrt(part @ part / part.size)) for part in (left, right))
    if min(spread_left, spread_right) <= FLAT:
        return 0.0
    return float(left @ right / left.size / (spread_left * spread_right))


def cc(fused: Image, ct: Image, mr: Image) -> float:
    """Correlation of the fused image with its sources, averaged over both, in [-1, 1].

    A flat image correlates with nothing: 0.
    """
    image = floats(fused)
    centred = image - image.mean()
    return (_correlation(centred, floats(ct)) + _correlation(centred, floats(mr))) / 2


def scd(fused: Image, ct: Image, mr: Image) -> float:
    """Sum of the correlations of differences, in [-2, 2].

    What the fused image adds to one source should be what the other one shows: Aslantas and
    Bendes 2015, doi:10.1016/j.aeue.2015.09.004. A flat difference correlates with nothing, 0: a
    copy of one source can win 1 at most.
    """
    image, first, second = floats(fused), floats(ct), floats(mr)
    beside_first, beside_second = image - first, image - second
    beside_first -= beside_first.mean()
    beside_second -= beside_second.mean()
    return _correlation(beside_second, first) + _correlation(beside_first, second)


def sd(fused: Image, ct: Image, mr: Image) -> float:  # noqa: ARG001
    """Standard deviation of the fused image's pixels, in grey levels from 0 to 127.5."""
    pixels = floats(fused)
    apart = (pixels - pixels.mean()).ravel()
    return float(np.sqrt(apart @ apart / apart.size))
