"""Visual information fidelity (VIF): visible information of a source that the image preserves."""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import Image, floats
from radfuse.metrics.local_statistics import gaussian, weighted_means

SCALES = 4
"""Scales of the pixel-domain VIF."""

NOISE_VARIANCE = 2.0
"""Variance of the visual noise, sigma_n^2, for images in 0..255."""

MIN_VARIANCE = 1e-10
"""Variance below which the original code takes a window for constant."""


@dataclass(frozen=True)
class Scale:
    """An image (H, W) at one scale; mean and variance of the windows wholly inside it."""

    image: Float64Array
    side: int
    mean: Float64Array
    variance: Float64Array


@dataclass(frozen=True)
class Channel:
    """One scale of a source as the image passes it on, window by window."""

    gain: Float64Array
    """g: regression of the image on the source, never negative."""
    kept: Float64Array
    """Information of the source that the eye finds in the image, as a decimal logarithm."""
    there: Float64Array
    """Information that the eye finds in the source itself."""


def _window_means(image: Float64Array, side: int, step: int = 1) -> Float64Array:
    """Gaussian means of the windows wholly inside the image, every `step`-th of a row or column."""
    return weighted_means(image, gaussian(side, sigma=side / 5), step=step)


def pyramid(image: Image) -> list[Scale]:
    """The image (H, W) at all scales, the finest first: H and W of 41 pixels or more."""
    scales: list[Scale] = []
    pixels = floats(image)
    for scale in range(SCALES):
        side = 2 ** (SCALES - scale) + 1
        if scale > 0:
            pixels = _window_means(pixels, side, step=2)
        mean = _window_means(pixels, side)
        variance = _window_means(pixels**2, side)
        variance -= mean**2
        np.maximum(variance, 0, out=variance)
        scales.append(Scale(pixels, side, mean, variance))
    return scales


def channel(source: Scale, image: Scale, noise_variance: float) -> Channel:
    """What the image tells of the source at one scale, for an eye of this noise."""
    covariance = _window_means(source.image * image.image, source.side)
    covariance -= source.mean * image.mean
    gain = covariance / (source.variance + MIN_VARIANCE)
    flat_source, flat_image = source.variance < MIN_VARIANCE, image.variance < MIN_VARIANCE
    np.maximum(gain, 0, out=gain)  # where it is 0, the rest is the whole variance
    gain[flat_source | flat_image] = 0
    rest = image.variance - np.multiply(gain, covariance, out=covariance)
    rest[flat_image] = 0
    np.maximum(rest, MIN_VARIANCE, out=rest)
    variance = np.where(flat_source, 0, source.variance)
    signal = gain**2
    signal *= variance
    signal /= np.add(rest, noise_variance, out=rest)
    return Channel(gain, _information(signal), _information(variance / noise_variance))


def _information(signal: Float64Array) -> Float64Array:
    """log10(1 + signal to noise), overwriting the ratio."""
    signal += 1
    return np.asarray(np.log10(signal, out=signal), np.float64)


def _fidelity(source: list[Scale], image: list[Scale]) -> float:
    """Information kept at all scales as a share of what is there."""
    channels = [channel(*pair, NOISE_VARIANCE) for pair in zip(source, image, strict=True)]
    there = sum(float(each.there.sum()) for each in channels)
    kept = sum(float(each.kept.sum()) for each in channels)
    return kept / there if there > 0 else 1.0


def vifp(source: Image, image: Image) -> float:
    """Pixel-domain visual information fidelity of an image to a source, 0 or more; 1 for a copy.

    Sheikh and Bovik 2006, doi:10.1109/TIP.2005.859378. A constant source has no information to
    lose: 1. Images must be larger than 40 pixels a side.
    """
    return _fidelity(pyramid(source), pyramid(image))


def vif(fused: Image, ct: Image, mr: Image) -> float:
    """Sum of the pixel-domain visual information fidelity to CT and to MR."""
    scales = pyramid(fused)
    return _fidelity(pyramid(ct), scales) + _fidelity(pyramid(mr), scales)
