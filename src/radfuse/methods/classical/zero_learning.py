"""Zero learning: a base by saliency, details by the activity of fixed features.

Lahoud and Suesstrunk 2019, "Fast and efficient zero-learning image fusion",
doi:10.48550/arXiv.1905.03590, and for medical images "Zero-learning fast medical image fusion",
22nd International Conference on Information Fusion. The features are the paper's first ReLUs of
VGG-19, whose parameters, trained on photographs, cannot be had here: **those of `derivative_bank`
replace them**, on the image and on it pooled by 2 and 4, as before the paper's ReLUs 1, 3, 8.
So no image equals one of the authors'. Also decided here: the gain of the features before the
softmax; the base's weights are shares of the saliencies, smoothed with their image as guide.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from radfuse.arrays import Float32Array, Float64Array
from radfuse.methods.classical.guided_filter import guided
from radfuse.methods.classical.rules import in_grey_levels
from radfuse.methods.options import option
from radfuse.methods.transforms.derivative_bank import layer

AVERAGE_SIDE = 30
"""Pixels of the mean filter that makes the base layer."""

POOLINGS = (1, 2, 4)
"""Of the layers."""

LEVELS = 256
"""Of the histograms of the saliency."""

FLOOR = 1e-6
"""Added to saliencies, so that images without any are averaged."""


@dataclass(frozen=True)
class ZeroLearning:
    """Fusion of a base and a detail layer, by saliency and by fixed features."""

    radius: int = option(45, "radius of the guided filter of the base, pixels", limits=(1, 200))
    epsilon: float = option(0.01, "regularisation of the guided filter", limits=(1e-9, 10))
    gain: float = option(10, "factor on the features before the softmax", limits=(0, 1000))

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_grey_levels(self._fuse, first, second, white=1)

    def _fuse(self, first: Float64Array, second: Float64Array) -> Float64Array:
        window = (0, AVERAGE_SIDE, AVERAGE_SIDE)
        bases = [uniform_filter(image, window, mode="nearest") for image in (first, second)]
        details = first - bases[0], second - bases[1]
        fused = mixed(bases[0], bases[1], self._base_weight(first, second))
        layers = [mixed(*details, self._detail_weight(first, second, p)) for p in POOLINGS]
        return np.asarray(fused + np.max(layers, axis=0))

    def _base_weight(self, first: Float64Array, second: Float64Array) -> Float64Array:
        """Weight of the first base."""
        saliencies = [saliency(image) + FLOOR for image in (first, second)]
        total = saliencies[0] + saliencies[1]
        refined = [
            np.clip(guided(one / total, image, self.radius, self.epsilon), 0, 1) + FLOOR
            for one, image in zip(saliencies, (first, second), strict=True)
        ]
        return np.asarray(refined[0] / (refined[0] + refined[1]))

    def _detail_weight(
        self, first: Float64Array, second: Float64Array, pooling: int
    ) -> Float64Array:
        """Weight of the first detail: a softmax of two is a logistic function."""
        difference = layer(second, pooling) - layer(first, pooling)
        return np.asarray(1 / (1 + np.exp(np.clip(self.gain * difference, -50, 50))))


def mixed(first: Float64Array, second: Float64Array, weight: Float64Array) -> Float64Array:
    """Weighted mean; exact for two equal images."""
    return np.asarray(second + weight * (first - second))


def saliency(images: Float64Array) -> Float64Array:
    """Mean difference of each pixel to all pixels of its image (N, H, W), in 256 grey levels."""
    levels = np.arange(LEVELS)
    bins = np.rint(np.clip(images, 0, 1) * (LEVELS - 1)).astype(np.intp)
    distances = np.abs(levels[:, None] - levels) / (LEVELS - 1)
    counts = np.stack([np.bincount(one.ravel(), minlength=LEVELS) for one in bins])
    table = counts @ distances / bins[0].size  # (N, levels)
    return np.asarray(
        np.stack([of_levels[one] for of_levels, one in zip(table, bins, strict=True)])
    )
