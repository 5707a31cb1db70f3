"""Visual information fidelity (VIF): visible information of a source that the image preserves."""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import BoolArray, Float64Array
from radfuse.metrics.image_levels import Image, floats, kept, measured
from radfuse.metrics.local_statistics import gaussian, weighted_means

SCALES = 4
"""Scales of the pixel-domain VIF."""

NOISE_VARIANCE = 2.0
"""Variance of the visual noise, sigma_n^2, for images in 0..255."""

FACTORS = 32
"""Ratios multiplied before a logarithm is taken; of 8-bit images each is below 1e5."""

MIN_VARIANCE = 1e-10
"""Variance below which the original code takes a window for constant."""


@dataclass(frozen=True)
class Scale:
    """An image (H, W) at one scale; mean and variance of the windows wholly inside it."""

    image: Float64Array
    line: Float64Array
    """Weights of a window along one axis."""

    mean: Float64Array
    variance: Float64Array
    """Exactly 0 where `flat`."""

    flat: BoolArray


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
        """1 + signal to noise of the source that an eye of this noise finds."""
        return _with_noise(self.signal / (self.rest + noise_variance))

    def there(self, noise_variance: float) -> Float64Array:
        """1 + signal to noise that the eye finds in the source itself."""
        return _with_noise(self.variance / noise_variance)


def _with_noise(signal_to_noise: Float64Array) -> Float64Array:
    signal_to_noise += 1
    return signal_to_noise


@kept
def scale_of(image: Image, *, scale: int) -> Scale:
    """The image (H, W) at a scale, 0 the finest; H and W of 41 pixels or more."""
    side = 2 ** (SCALES - scale) + 1
    line, pixels = gaussian(side, sigma=side / 5), floats(image)
    if scale > 0:
        finer = scale_of(image, scale=scale - 1)
        pixels = weighted_means(finer.image[None], line, step=2)[0]
    mean, variance = weighted_means(np.stack([pixels, pixels**2]), line)
    variance -= mean**2
    flat = variance < MIN_VARIANCE
    variance[flat] = 0
    return Scale(pixels, line, mean, variance, flat)


@kept
def channel(image: Image, source: Image, *, scale: int) -> Channel:
    """What an image (H, W) tells of a source at a scale, 0 the finest."""
    passed, sent = scale_of(image, scale=scale), scale_of(source, scale=scale)
    (covariance,) = weighted_means((sent.image * passed.image)[None], sent.line)
    covariance -= sent.mean * passed.mean
    gain = covariance / (sent.variance + MIN_VARIANCE)
    np.maximum(gain, 0, out=gain)  # where it is 0, the rest is the whole variance
    gain[sent.flat | passed.flat] = 0
    rest = passed.variance - np.multiply(gain, covariance, out=covariance)
    np.maximum(rest, MIN_VARIANCE, out=rest)
    signal = gain * gain
    signal *= sent.variance
    return Channel(gain, signal, rest, sent.variance)


def information(signals: Float64Array) -> float:
    """Sum of log10 of 1 + signal to noise: the logarithm of products, for it takes long."""
    whole = signals.size // FACTORS * FACTORS
    products = np.multiply.reduce(signals.ravel()[:whole].reshape(FACTORS, -1), axis=0)
    return float(np.log10(products).sum() + np.log10(signals.ravel()[whole:]).sum())


def vifp(source: Image, image: Image) -> float:
    """Pixel-domain visual information fidelity of an image to a source, 0 or more; 1 for a copy.

    Sheikh and Bovik 2006, doi:10.1109/TIP.2005.859378. A constant source has no information to
    lose: 1. Images must be larger than 40 pixels a side.
    """
    source, image = measured(source), measured(image)
    there = preserved = 0.0
    for scale in range(SCALES):
        of_scale = channel(image, source, scale=scale)
        there += information(of_scale.there(NOISE_VARIANCE))
        preserved += information(of_scale.preserved(NOISE_VARIANCE))
    return preserved / there if there > 0 else 1.0


def vif(fused: Image, ct: Image, mr: Image) -> float:
    """Sum of the pixel-domain visual information fidelity to CT and to MR."""
    fused = measured(fused)
    return vifp(ct, fused) + vifp(mr, fused)
