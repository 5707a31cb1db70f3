"""The dominant orientation of patches, from a histogram of their gradients."""

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float64Array

ORIENTATIONS = 6
"""Bins of a half circle, 30 degrees each."""

DOMINANT_SHARE = 0.25
"""Of the gradients: a bin with a larger share is dominant."""


def dominant_orientation(patches: Float64Array) -> NDArray[np.intp]:
    """0 for patches (patches, rows, columns) without a dominant orientation, or its bin, 1 to 6.

    Bin 1 has gradients from 0 (excluded, along the columns) to 30 degrees (included), towards
    the rows. Gradients are those of Sobel with zeros around the patch, and count by their length;
    those at 0 degrees do not count. Liu and Wang 2015, "Simultaneous image fusion and denoising
    with adaptive sparse representation".
    """
    along_columns, along_rows = _sobel(patches)
    length = np.hypot(along_columns, along_rows)
    degrees = np.degrees(np.arctan2(along_rows, along_columns)) % 180
    bins = np.ceil(degrees * ORIENTATIONS / 180)
    histogram = np.stack(
        [(length * (bins == number)).sum(axis=(1, 2)) for number in range(1, ORIENTATIONS + 1)]
    )
    is_dominant = histogram.max(axis=0) > DOMINANT_SHARE * histogram.sum(axis=0)
    return np.where(is_dominant, histogram.argmax(axis=0) + 1, 0)


def _sobel(patches: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Derivatives along columns and along rows."""
    padded = np.pad(patches, ((0, 0), (1, 1), (1, 1)))
    return _derivative(padded), _derivative(padded.swapaxes(1, 2)).swapaxes(1, 2)


def _derivative(padded: Float64Array) -> Float64Array:
    smooth = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return np.asarray(smooth[..., 2:] - smooth[..., :-2])
