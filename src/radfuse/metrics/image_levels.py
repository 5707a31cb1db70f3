"""Grey images on the scale of eight bits, as the metrics take them."""

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float64Array

Image = NDArray[np.uint8] | Float64Array
"""A grey image (H, W), or a volume (D, H, W) where a metric says so; values in 0..255."""

WHITE = 255
"""Largest value of an image."""


def floats(image: Image) -> Float64Array:
    """The image in double precision, still in 0..255."""
    return np.asarray(image, np.float64)


def whole_levels(image: Image) -> NDArray[np.uint8]:
    """The image in whole grey levels, halves to even, for metrics that count levels."""
    return np.asarray(image if image.dtype == np.uint8 else np.rint(image), np.uint8)


def stretched_levels(image: Image) -> Float64Array:
    """The image from 0 to 255 in whole levels, halves upwards; black if it is flat."""
    pixels = floats(image)
    above: Float64Array = pixels - pixels.min()
    highest = above.max()
    if highest == 0:
        return above
    above /= highest
    above *= WHITE
    above += 0.5
    return np.floor(above, out=above)
