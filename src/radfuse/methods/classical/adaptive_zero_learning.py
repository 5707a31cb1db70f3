"""Adaptive zero learning: an adaptive guided filter, bases by fixed features, summed details.

After Yang, Jia, Lu and Yin 2023, "Adaptive zero-learning medical image fusion", Biomedical Signal
Processing and Control 84, 105008. There is no reference code, and only the abstract is public. It
says: a guided filter, whose parameters adapt to the images, splits each into a base and a detail
layer; details are added; bases are weighted by feature maps of a Res2Net trained on photographs.
Decided here:

* Each image guides its own filter. The radius is a 32nd of the shorter side; the regularisation is
  the variance of the image, so that edges above its standard deviation stay in the base.
* The features of Res2Net, which cannot be shipped, are **replaced by those of `derivative_bank`**,
  on the image and on it pooled by 2, 4 and 8. Their sum, averaged over 11 x 11 pixels, is the
  activity; the weights are the shares of the activities.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from radfuse.arrays import Float32Array, Float64Array
from radfuse.methods.classical.guided_filter import guided
from radfuse.methods.classical.rules import in_grey_levels
from radfuse.methods.classical.zero_learning import mixed
from radfuse.methods.transforms.derivative_bank import layer

RADII_IN_SIDE = 32
"""The shorter side, in radii of the guided filter."""

MIN_EPSILON = 1e-6
"""Regularisation of a flat image."""

POOLINGS = (1, 2, 4, 8)
"""Of the layers."""

ACTIVITY_SIDE = 11
"""Pixels of the mean filter over the features."""

FLOOR = 1e-6
"""Added to activities, so that regions without any are averaged."""


@dataclass(frozen=True)
class AdaptiveZeroLearning:
    """Fusion of the bases of an adaptive guided filter by fixed features; details are added."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_grey_levels(_fuse, first, second, white=1)


def _fuse(first: Float64Array, second: Float64Array) -> Float64Array:
    bases = base(first), base(second)
    of_first, of_second = (activity(image) + FLOOR for image in (first, second))
    weight = of_first / (of_first + of_second)
    details = (first - bases[0]) + (second - bases[1])
    return np.asarray(mixed(*bases, weight) + details)


def base(images: Float64Array) -> Float64Array:
    """The base layer of images (N, H, W) in [0, 1], by the filter that fits each."""
    radius = max(1, min(images.shape[1:]) // RADII_IN_SIDE)
    layers = [
        guided(one, one, radius, max(float(one.var()), MIN_EPSILON)) for one in images[:, None]
    ]
    return np.concatenate(layers)


def activity(images: Float64Array) -> Float64Array:
    """Of the features of images (N, H, W) at all scales."""
    total = np.sum([layer(images, pooling) for pooling in POOLINGS], axis=0)
    return np.asarray(uniform_filter(total, (0, ACTIVITY_SIDE, ACTIVITY_SIDE), mode="nearest"))
