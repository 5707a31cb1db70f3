"""Nonsubsampled contourlets: details by contrast to the base, base by phase congruency.

After Bhatnagar, Wu and Liu 2013, "Directive contrast based multimodal medical image fusion in
NSCT domain", IEEE Transactions on Multimedia. There is no reference code, and the text of
the paper was not available, only what others say of it: the base follows phase congruency, the
details directive contrast. Decided here: the transform of `nsct`; phase congruency with Kovesi's
parameters, the mean where both have the same; contrast as the modified Laplacian of a band, summed
over 3 x 3 pixels, over the base of its image, which counts as one grey level at least.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate1d

from radfuse.arrays import Float32Array, Float64Array, FloatArray
from radfuse.methods.classical.rules import in_grey_levels, sum_of_nine
from radfuse.methods.transforms.nonsubsampled import contourlets
from radfuse.methods.transforms.nonsubsampled_pyramid import split
from radfuse.metrics.phase_features import features, log_gabor_filters

TRANSFORM = contourlets()

MIN_BASE = 1.0
"""Grey level that the base counts as at least: the contrast to air is finite."""

SECOND_DIFFERENCE: Float64Array = np.array([-1.0, 2.0, -1.0])


@dataclass(frozen=True)
class DirectiveContrast:
    """Fusion of nonsubsampled contourlet transforms by directive contrast."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_grey_levels(_fuse, first, second)


def _fuse(first: Float64Array, second: Float64Array) -> Float64Array:
    """Images in grey levels."""
    levels = len(TRANSFORM.directions)
    base_1, base_2 = (split(images, TRANSFORM.pyramid, levels)[1] for images in (first, second))

    def larger(_level: int, bands_1: FloatArray, bands_2: FloatArray) -> FloatArray:
        is_first = contrast(bands_1, base_1) >= contrast(bands_2, base_2)
        return np.where(is_first, bands_1, bands_2)

    fused = TRANSFORM.fuse(first, second, larger, by_congruency)
    return np.asarray(fused, np.float64)


def contrast(bands: FloatArray, base: FloatArray) -> FloatArray:
    """Directive contrast of bands (directions, N, H, W) to a base (N, H, W) in grey levels."""
    down, across = (
        np.abs(correlate1d(bands, SECOND_DIFFERENCE, axis, mode="reflect")) for axis in (-2, -1)
    )
    return np.asarray(sum_of_nine(down + across) / np.maximum(base, MIN_BASE))


def by_congruency(first: FloatArray, second: FloatArray) -> FloatArray:
    """The base (N, H, W) in grey levels with the larger phase congruency, or the mean of both."""
    filters = log_gabor_filters(first.shape[1:])
    found_1, found_2 = (
        np.stack([features(base, filters).congruency for base in bases])
        for bases in (first, second)
    )
    larger = np.where(found_1 > found_2, first, second)
    return np.where(found_1 == found_2, (first + second) / 2, larger)
