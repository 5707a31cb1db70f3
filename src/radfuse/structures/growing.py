"""A region grown from a click, by one rule for every image."""

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, label

from radfuse.arrays import BoolArray

Box = tuple[slice, ...]
"""Part of a volume, along the axes of its array."""

Index = tuple[int, ...]
"""Of a voxel, along the axes of an array."""

REACH_MM = 30.0
"""A region ends this far from its click, where nothing else stops it."""

SMOOTHINGS, TIME_STEP = 5, 0.0625
"""Steps of curvature flow before growing, and the stable length of a step in 3-D."""

ITERATIONS, MULTIPLIER, FIRST_RADIUS = 5, 2.5, 1
"""Rounds of growing, the deviations from the mean that still belong to the region, and the radius
in voxels of the cube that the first mean is taken over."""

LEVELS = 1000.0
"""Range of an image while it is smoothed: curvature flow takes tiny differences for none."""


def grow(
    image: NDArray[np.float32],
    click: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    *,
    multiplier: float = MULTIPLIER,
    reach_mm: float = REACH_MM,
) -> BoolArray:
    """Grow a region in an image (D, H, W) in [0, 1] or in HU.

    Voxels join that touch the region and lie within `multiplier` standard deviations of its mean,
    both taken anew in each round (ITK's ConfidenceConnected, with the settings of the example in
    the ITK Software Guide), after a little smoothing that keeps edges. Then holes are
    filled; the click itself always belongs to the region, and nothing farther from it than
    `reach_mm`. The unit of the image does not matter, nor what lies outside `box_around`.
    """
    box = box_around(image.shape, click, spacing_mm, reach_mm)
    part = image[box]
    low, high = float(part.min()), float(part.max())
    scaled = sitk.GetImageFromArray((part - low) * np.float32(LEVELS / ((high - low) or 1.0)))
    scaled.SetSpacing(spacing_mm[::-1])
    inner = tuple(place - side.start for place, side in zip(click, box, strict=True))
    smooth = sitk.GetArrayFromImage(sitk.CurvatureFlow(scaled, TIME_STEP, SMOOTHINGS))
    region = confident(smooth, inner, multiplier) & _ball(part.shape, inner, spacing_mm, reach_mm)
    region[inner] = True
    found = np.zeros(image.shape, np.bool_)
    found[box] = binary_fill_holes(region)
    return found


def confident(image: NDArray[np.float32], seed: Index, multiplier: float) -> BoolArray:
    """The region around a voxel within some standard deviations of its own mean.

    Voxel for voxel that of ITK's ConfidenceConnected, which visits them one by one and takes
    several times as long.
    """
    around = [slice(max(place - FIRST_RADIUS, 0), place + FIRST_RADIUS + 1) for place in seed]
    missing = [
        (max(FIRST_RADIUS - place, 0), max(place + FIRST_RADIUS + 1 - size, 0))
        for place, size in zip(seed, image.shape, strict=True)
    ]
    values = np.pad(image[tuple(around)], missing, mode="edge").ravel()
    region = np.zeros(image.shape, np.bool_)
    for _ in range(1 + ITERATIONS):
        mean, deviation = values.mean(dtype=np.float64), _deviation(values)
        if deviation == 0 and region.any():
            break
        low, high = (mean + sign * multiplier * deviation for sign in (-1, 1))
        low, high = min(low, image[seed]), max(high, image[seed])
        parts, _ = label((image >= np.float32(low)) & (image <= np.float32(high)))
        found = parts == parts[seed]
        if (found == region).all():
            break
        region = found
        values = image[region]
    return region


def _deviation(values: NDArray[np.float32]) -> float:
    return float(values.std(dtype=np.float64, ddof=1)) if len(values) > 1 else 0.0


def box_around(
    shape: tuple[int, ...],
    click: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    reach_mm: float = REACH_MM,
) -> Box:
    """The part of an image (D, H, W) with all that a region grown from a click can reach."""
    steps = [int(reach_mm / step) + 1 for step in spacing_mm]
    return tuple(
        slice(max(place - step, 0), min(place + step + 1, size))
        for place, step, size in zip(click, steps, shape, strict=True)
    )


def _ball(
    shape: tuple[int, ...],
    centre: Index,
    spacing_mm: tuple[float, float, float],
    radius_mm: float,
) -> BoolArray:
    squares = [
        ((np.arange(size) - place) * step) ** 2
        for size, place, step in zip(shape, centre, spacing_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*squares, indexing="ij", sparse=True)
    return np.asarray(z + y + x <= radius_mm**2)
