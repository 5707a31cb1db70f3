"""What the metrics measure: grey images on the scale of eight bits."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Image = NDArray[np.uint8] | Floats
"""A grey image (H, W), or a volume (D, H, W) where a metric says so; values in 0..255."""

WHITE = 255
"""Largest value of an image."""


def floats(image: Image) -> Floats:
    """The image in double precision, still in 0..255."""
    return np.asarray(image, np.float64)


def whole_levels(image: Image) -> NDArray[np.uint8]:
    """The image in whole grey levels, halves to even, for metrics that count levels."""
    return np.asarray(np.rint(image), np.uint8)
