"""Guided filtering (GFF): each layer is weighted by a saliency map that its image has smoothed.

Li, Kang and Hu 2013, doi:10.1109/TIP.2013.2244222, section III, with its authors' parameters.
Equal to the authors' code at the golden pairs; its weights are of 8 bits, which the paper does not
mention.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import correlate1d, uniform_filter

from radfuse.arrays import Float32Array, Float64Array
from radfuse.methods.classical.rules import WHITE, in_grey_levels
from radfuse.methods.options import option

AVERAGE_SIDE = 31
"""Pixels of the mean filter that makes the base layer."""

SALIENCY_RADIUS, SALIENCY_SIGMA = 5, 5.0
"""Of the Gaussian over the absolute Laplacian, in pixels."""

FLOOR = 1e-12
"""Added to the weights, so that pixels without weight are averaged."""


@dataclass(frozen=True)
class GuidedFilter:
    """Fusion of a base and a detail layer by weights of a guided filter each."""

    base_radius: int = option(45, "radius of the base layer's weights, pixels", limits=(1, 200))
    base_epsilon: float = option(
        0.3, "regularisation of the base layer's weights", limits=(1e-9, 10)
    )
    detail_radius: int = option(7, "radius of the detail layer's weights, pixels", limits=(1, 200))
    detail_epsilon: float = option(
        1e-6, "regularisation of the detail layer's weights", limits=(1e-9, 10)
    )

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_grey_levels(self._fuse, first, second)

    def _fuse(self, first: Float64Array, second: Float64Array) -> Float64Array:
        of_first = (_saliency(first) >= _saliency(second)).astype(np.float64)
        masks = of_first, 1 - of_first
        window = (0, AVERAGE_SIDE, AVERAGE_SIDE)
        bases = [uniform_filter(image, window, mode="nearest") for image in (first, second)]
        layers = (
            (bases, self.base_radius, self.base_epsilon),
            ([first - bases[0], second - bases[1]], self.detail_radius, self.detail_epsilon),
        )
        fused = np.zeros_like(first)
        for (one, other), radius, epsilon in layers:
            weights = [
                _eight_bits(guided(mask, image / WHITE, radius, epsilon)) + FLOOR
                for mask, image in zip(masks, (first, second), strict=True)
            ]
            fused += (weights[0] * one + weights[1] * other) / (weights[0] + weights[1])
        return fused


def guided(images: Float64Array, guides: Float64Array, radius: int, epsilon: float) -> Float64Array:
    """Images (N, H, W) smoothed but at the edges of their guides: a guided filter.

    He, Sun and Tang 2013, IEEE Transactions on Pattern Analysis 35. In windows of the radius, cut
    at the border, an image is a linear function of its guide, with epsilon against a large slope.
    """
    counts = _window_mean(np.ones_like(guides[:1]), radius)

    def mean(values: Float64Array) -> Float64Array:
        return np.asarray(_window_mean(values, radius) / counts)

    of_guides, of_images = mean(guides), mean(images)
    covariance = mean(guides * images) - of_guides * of_images
    slope = covariance / (mean(guides * guides) - of_guides**2 + epsilon)
    return mean(slope) * guides + mean(of_images - slope * of_guides)


def _window_mean(values: Float64Array, radius: int) -> Float64Array:
    """Mean of squares of pixels, 0 outside the image."""
    side = 2 * radius + 1
    return np.asarray(uniform_filter(values, (0, side, side), mode="constant"))


def _saliency(images: Float64Array) -> Float64Array:
    """The absolute Laplacian, smoothed."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), "edge")
    vertical = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1]
    horizontal = padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    offsets = np.arange(-SALIENCY_RADIUS, SALIENCY_RADIUS + 1)
    taps = np.exp(-(offsets**2) / (2 * SALIENCY_SIGMA**2))
    smooth = np.abs(vertical + horizontal - 4 * images)
    for axis in (1, 2):
        smooth = correlate1d(smooth, taps / taps.sum(), axis, mode="nearest")
    return np.asarray(smooth)


def _eight_bits(weights: Float64Array) -> Float64Array:
    """Rounded to 256 levels from 0 to 1."""
    return np.floor(np.clip(weights, 0, 1) * WHITE + 0.5) / WHITE
