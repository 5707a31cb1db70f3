"""How significant a contrast of a head's CT is against the noise of the scan."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float32Array
from radfuse.methods.detail.coarse_grid import ramp, spread
from radfuse.methods.head import Spacing

FINE_HU = (40.0, 20.0)
"""Contrast at which a finding of two pixels is significant, and range up to full weight."""

SHARE_OF_SCALE = ((0.6, 1.2), (1.0, 0.5))
"""Smoothing in mm, and share of that contrast that is significant: more smoothing leaves less of a
small finding and of the noise."""

DARK_HU = (40.0, 25.0)
"""Contrast of air and fat below the background, and range up to full weight."""

EDGE_HU, EDGE_NOISE = (6.0, 8.0), 3.0
"""Near a significant contrast, HU at which the finding begins, range up to full weight, and the
same in standard deviations of the noise."""

NOISE_FACTOR = 5.0
"""A contrast is significant from as many standard deviations of the noise at its scale."""

REACH = 1.2
"""A finding reaches as many times its scale past the voxels where it is significant."""


@dataclass(frozen=True)
class Evidence:
    """Contrasts of some slices of a head with their background, (slices, rows, columns) in HU."""

    smooth_hu: Float32Array
    """Of the smoothed CT."""

    own_hu: Float32Array
    """The same, but of no voxel more than its own CT number shows."""

    coarse: Float32Array
    """1 in and around what is significant at larger scales, else 0; smooth."""

    noise_hu: float
    """Noise of the smoothed CT."""

    scale_mm: float
    """Its smoothing."""

    spacing_mm: Spacing


Significance = Callable[[Evidence], Float32Array]
"""1 in a significant contrast, dense or not, else 0; (slices, rows, columns)."""


def by_thresholds(found: Evidence) -> Float32Array:
    """Significance by thresholds in HU and in deviations of the noise."""
    share = float(np.interp(found.scale_mm, *SHARE_OF_SCALE))
    fine_hu, width_hu = share * FINE_HU[0], share * FINE_HU[1]
    least_hu, begins_hu, dark_hu = (
        max(least, factor * found.noise_hu)
        for least, factor in (
            (fine_hu, NOISE_FACTOR), (EDGE_HU[0], EDGE_NOISE), (DARK_HU[0], NOISE_FACTOR),
        )
    )  # fmt: skip
    small = ramp(found.smooth_hu, least_hu, width_hu)
    dense = np.maximum(spread(small, REACH * found.scale_mm, found.spacing_mm), found.coarse)
    dense *= ramp(found.smooth_hu, begins_hu, EDGE_HU[1])
    dark = ramp(-found.own_hu, dark_hu, DARK_HU[1])
    return np.asarray(np.maximum(dense, dark), np.float32)
