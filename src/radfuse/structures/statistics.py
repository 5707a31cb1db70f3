"""Extents of a structure and statistics of the image values inside."""

import numpy as np
from pydantic import BaseModel, ConfigDict

from radfuse.arrays import BoolArray, FloatArray
from radfuse.structures.margins import SpacingMm

PERCENTILES = (5, 95)
"""Range that leaves out single voxels at the surface."""


class ValueStatistics(BaseModel):
    """Values of an image inside a structure, in the unit of the image."""

    model_config = ConfigDict(frozen=True)

    voxels: int
    """Voxels with a value: those in the field of view of the image."""

    mean: float
    deviation: float
    """Standard deviation of the voxels."""

    minimum: float
    percentile_5: float
    median: float
    percentile_95: float
    maximum: float


def value_statistics(values: FloatArray) -> ValueStatistics:
    """Statistics of at least one value (n,)."""
    low, median, high = np.percentile(values, (PERCENTILES[0], 50, PERCENTILES[1])).tolist()
    return ValueStatistics(
        voxels=len(values),
        mean=float(values.mean(dtype=np.float64)),
        deviation=float(values.std(dtype=np.float64)),
        minimum=float(values.min()),
        percentile_5=low,
        median=median,
        percentile_95=high,
        maximum=float(values.max()),
    )


def extents_mm(mask: BoolArray, spacing_mm: SpacingMm) -> tuple[float, float, float]:
    """Extents of a mask along its axes, from the first edge of a voxel to the last; 0 if empty."""
    extents = []
    for axis, step in enumerate(spacing_mm):
        (at,) = np.nonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        extents.append(float((at[-1] - at[0] + 1) * step) if len(at) else 0.0)
    return extents[0], extents[1], extents[2]
