"""Visual information fidelity (VIF): visible information of a source that the image preserves."""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import Image, floats, kept
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
    signal: Float64Array
    """Variance of the image that follows from the source, g^2 times that of the source."""
    rest: Float64Array
    """Variance of the image that does not."""
    variance: Float64Array
    """Variance of the source; 0 where it is constant."""

    def preserved(self, noise_variance: float) -> Float64Array:
        """Information of the source that an eye of this noise finds, as a decimal logarithm."""
        return _information(self.signal / (self.rest + noise_variance))

    def there(self, noise_variance: float) -> Float64Array:
        """Information that the eye finds in the source itself."""
        return _information(self.variance / noise_variance)


def _window_means(image: Float64Array, side: int, step: int = 1) -> Float64Array:
    """Gaussian means of the windows wholly inside the image, every `step`-th of a row or column."""
    return weighted_means(image, gaussian(side, sigma=side / 5), step=step)


@kept
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


@kept
def channels(image: Image, source: Image) -> list[Channel]:
    """What an image (H, W) tells of a source at every scale, the finest first."""
    return [_channel(*scales) for scales in zip(pyramid(source), pyramid(image), strict=True)]


def _channel(source: Scale, image: Scale) -> Channel:
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
    return Channel(gain, signal, rest, variance)


def _information(signal: Float64Array) -> Float64Array:
    """log10(1 + signal to noise), overwriting the ratio."""
    signal += 1
    return np.asarray(np.log10(signal, out=signal), np.float64)


def vifp(source: Image, image: Image) -> float:
    """Pixel-domain visual information fidelity of an image to a source, 0 or more; 1 for a copy.

    Sheikh and Bovik 2006, doi:10.1109/TIP.2005.859378. A constant source has no information to
    lose: 1. Images must be larger than 40 pixels a side.
    """
    of_scales = channels(image, source)
    there = sum(float(each.there(NOISE_VARIANCE).sum()) for each in of_scales)
    preserved = sum(float(each.preserved(NOISE_VARIANCE).sum()) for each in of_scales)
    return preserved / there if there > 0 else 1.0


def vif(fused: Image, ct: Image, mr: Image) -> float:
    """Sum of the pixel-domain visual information fidelity to CT and to MR."""
    return vifp(ct, fused) + vifp(mr, fused)
