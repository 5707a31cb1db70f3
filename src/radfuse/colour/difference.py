"""CIEDE2000: the difference of two colours as a reader sees it."""

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float32Array

FULL_CHROMA = 25.0**7
"""From chroma of about 25 on, neutral colours are no longer set apart."""


def ciede2000(first: Float32Array, second: Float32Array) -> NDArray[np.float64]:
    """Differences (...) of CIE Lab colours (..., 3); about 1 is just visible.

    Luo, Cui and Rigg 2001, doi:10.1002/col.1049, with all parametric factors 1.
    """
    (l1, a1, b1), (l2, a2, b2) = (
        np.moveaxis(np.asarray(one, np.float64), -1, 0) for one in (first, second)
    )
    mean_chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + FULL_CHROMA))
    chroma1, chroma2 = np.hypot(stretch * a1, b1), np.hypot(stretch * a2, b2)
    hue1, hue2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    is_grey = chroma1 * chroma2 == 0
    hue_step = np.where(is_grey, 0, (hue2 - hue1 + 180) % 360 - 180)
    hue = np.where(is_grey, hue1 + hue2, hue1 + hue_step / 2)
    hue_difference = 2 * np.sqrt(chroma1 * chroma2) * np.sin(np.radians(hue_step) / 2)
    lightness, chroma = (l1 + l2) / 2 - 50, (chroma1 + chroma2) / 2
    angles = np.radians([hue - 30, 2 * hue, 3 * hue + 6, 4 * hue - 63])
    tint = 1 + np.tensordot([-0.17, 0.24, 0.32, -0.20], np.cos(angles), axes=1)
    scaled = (
        (l2 - l1) / (1 + 0.015 * lightness**2 / np.sqrt(20 + lightness**2)),
        (chroma2 - chroma1) / (1 + 0.045 * chroma),
        hue_difference / (1 + 0.015 * chroma * tint),
    )
    rotation = 2 * np.sqrt(chroma**7 / (chroma**7 + FULL_CHROMA))
    blue = np.sin(np.radians(60 * np.exp(-((((hue % 360) - 275) / 25) ** 2))))
    total = sum(one**2 for one in scaled) - rotation * blue * scaled[1] * scaled[2]
    return np.asarray(np.sqrt(np.maximum(total, 0)))
