"""The border that the image fusion toolbox of Rockinger 1999 adds, and that MST-SR inherits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[Any]
"""Real images (N, H, W), float32 or float64; what is made of them has the same type."""


def mirrored(images: Images, width: int) -> Images:
    """Images (N, H, W) with a border that mirrors them without their edge; its corners are 0.

    The toolbox fills only the four sides. A pyramid of an image whose corners are mirrored as well
    has other coefficients near them.
    """
    padded = np.pad(images, ((0, 0), (width, width), (width, width)), "reflect")
    for rows in (slice(width), slice(-width, None)):
        for columns in (slice(width), slice(-width, None)):
            padded[:, rows, columns] = 0
    return padded
