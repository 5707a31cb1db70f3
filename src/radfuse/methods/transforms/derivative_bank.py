"""A fixed bank of oriented derivatives: a substitute for features of a network of photographs.

Papers on "zero learning" take the feature maps of a network that was trained on photographs and
cannot be shipped here. Its first layers respond to edges and lines of several orientations; the
filters here do the same, without learned parameters: first and second derivatives of a Gaussian in
four directions, of both signs, each rectified. Coarser layers see the image pooled, as theirs do.
"""

import numpy as np
from scipy.ndimage import correlate1d, uniform_filter

from radfuse.arrays import FloatArray

SIGMA = 1.0
"""Standard deviation of the Gaussian in pixels of the layer."""

RADIUS = 3
"""Taps of a filter on each side."""

DIRECTIONS = tuple(np.pi * np.arange(4) / 4)
"""Of the derivatives, in radians."""


def _taps() -> tuple[FloatArray, FloatArray, FloatArray]:
    """The Gaussian and its first two derivatives; exact for lines and parabolas."""
    at = np.arange(-RADIUS, RADIUS + 1)
    smooth = np.exp(-(at**2) / (2 * SIGMA**2))
    smooth /= smooth.sum()
    slope = at * smooth
    bend = (at**2 - (at**2 * smooth).sum()) * smooth
    return smooth, slope / (at * slope).sum(), 2 * bend / (at**2 * bend).sum()


SMOOTH, SLOPE, BEND = _taps()


def activity(images: FloatArray) -> FloatArray:
    """Sum of all rectified responses at each pixel of images (N, H, W); the border is mirrored."""
    along = [correlate1d(images, taps, -1, mode="reflect") for taps in (SMOOTH, SLOPE, BEND)]
    smooth, slope, bend = along
    x, y = correlate1d(slope, SMOOTH, -2), correlate1d(smooth, SLOPE, -2)
    xx, yy = correlate1d(bend, SMOOTH, -2), correlate1d(smooth, BEND, -2)
    xy = correlate1d(slope, SLOPE, -2)
    total = np.zeros_like(images)
    for cos, sin in ((np.cos(angle), np.sin(angle)) for angle in DIRECTIONS):
        # of a response and its negative, one is left of the rectification
        total += np.abs(cos * x + sin * y)
        total += np.abs(cos**2 * xx + 2 * cos * sin * xy + sin**2 * yy)
    return total


def layer(images: FloatArray, pooling: int) -> FloatArray:
    """Activity (N, H, W) of images that are averaged over squares of pixels first.

    Activities of squares are averaged over windows of their side, which hides the squares. Squares
    beside the image repeat its edge.
    """
    rows, columns = images.shape[-2:]
    border = ((0, 0), (0, -rows % pooling), (0, -columns % pooling))
    padded = np.pad(images, border, "edge")
    height, width = (side // pooling for side in padded.shape[-2:])
    pooled = padded.reshape(-1, height, pooling, width, pooling).mean(axis=(2, 4))
    spread = activity(pooled).repeat(pooling, axis=-2).repeat(pooling, axis=-1)
    smooth = uniform_filter(spread, (0, pooling, pooling), mode="nearest")
    return np.asarray(smooth[:, :rows, :columns])
