"""Region growing from a seed voxel, with the same rule for CT, MR and fused images."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, label

from radfuse.arrays import BoolArray

Box = tuple[slice, ...]
"""Part of a volume, along the axes of its array."""

Index = tuple[int, ...]
"""Of a voxel, along the axes of an array."""

MAX_DISTANCE_MM = 30.0
"""Largest distance of a region from its seed."""

SMOOTHING_STEPS, TIME_STEP = 5, 0.0625
"""Steps of curvature flow before growing, and the largest stable time step in 3-D."""

ITERATIONS, MULTIPLIER, SEED_RADIUS = 5, 2.5, 1
"""Iterations of growing, standard deviations around the mean that belong to the region, and the
radius in voxels of the cube from which the first mean is computed."""

SMOOTHING_RANGE = 1000.0
"""Range of the image while it is smoothed: curvature flow ignores tiny differences."""


def grow_region(
    image: NDArray[np.float32],
    seed: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    *,
    multiplier: float = MULTIPLIER,
    max_distance_mm: float = MAX_DISTANCE_MM,
) -> BoolArray:
    """Grow a region from a seed in an image (D, H, W), in [0, 1] or in HU.

    After a little edge-preserving smoothing, connected voxels within `multiplier` standard
    deviations of the region's mean are added; both are computed again in each iteration (ITK's
    ConfidenceConnected with the settings of the example in the ITK Software Guide). Holes are
    filled. The seed always belongs to the region, and no voxel farther from it than
    `max_distance_mm`. The result depends neither on the unit of the image nor on voxels outside
    `reachable_box`.
    """
    box = reachable_box(image.shape, seed, spacing_mm, max_distance_mm)
    part = image[box]
    low, high = float(part.min()), float(part.max())
    scaled = sitk.GetImageFromArray(
        (part - low) * np.float32(SMOOTHING_RANGE / ((high - low) or 1.0))
    )
    scaled.SetSpacing(spacing_mm[::-1])
    inner = tuple(index - side.start for index, side in zip(seed, box, strict=True))
    smooth = sitk.GetArrayFromImage(sitk.CurvatureFlow(scaled, TIME_STEP, SMOOTHING_STEPS))
    region = confidence_connected(smooth, inner, multiplier)
    region &= _ball(part.shape, inner, spacing_mm, max_distance_mm)
    region[inner] = True
    mask = np.zeros(image.shape, np.bool_)
    mask[box] = binary_fill_holes(region)
    return mask


def confidence_connected(image: NDArray[np.float32], seed: Index, multiplier: float) -> BoolArray:
    """The connected region around a seed within some standard deviations of its own mean.

    Voxel for voxel the result of ITK's ConfidenceConnected, which visits voxels one by one and is
    several times slower.
    """
    around = [slice(max(index - SEED_RADIUS, 0), index + SEED_RADIUS + 1) for index in seed]
    missing = [
        (max(SEED_RADIUS - index, 0), max(index + SEED_RADIUS + 1 - size, 0))
        for index, size in zip(seed, image.shape, strict=True)
    ]
    values = np.pad(image[tuple(around)], missing, mode="edge").ravel()
    region = np.zeros(image.shape, np.bool_)
    for _ in range(1 + ITERATIONS):
        mean, deviation = values.mean(dtype=np.float64), _deviation(values)
        if deviation == 0 and region.any():
            break
        low, high = (mean + sign * multiplier * deviation for sign in (-1, 1))
        low, high = min(low, image[seed]), max(high, image[seed])
        components, _ = label((image >= np.float32(low)) & (image <= np.float32(high)))
        grown = components == components[seed]
        if (grown == region).all():
            break
        region = grown
        values = image[region]
    return region


def _deviation(values: NDArray[np.float32]) -> float:
    return float(values.std(dtype=np.float64, ddof=1)) if len(values) > 1 else 0.0


def reachable_box(
    shape: tuple[int, ...],
    seed: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    max_distance_mm: float = MAX_DISTANCE_MM,
) -> Box:
    """The part of an image (D, H, W) that a region grown from a seed can reach."""
    steps = [int(max_distance_mm / step) + 1 for step in spacing_mm]
    return tuple(
        slice(max(index - step, 0), min(index + step + 1, size))
        for index, step, size in zip(seed, steps, shape, strict=True)
    )


def _ball(
    shape: tuple[int, ...], centre: Index, spacing_mm: tuple[float, float, float], radius_mm: float
) -> BoolArray:
    squares = [
        ((np.arange(size) - index) * step) ** 2
        for size, index, step in zip(shape, centre, spacing_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*squares, indexing="ij", sparse=True)
    return np.asarray(z + y + x <= radius_mm**2)
