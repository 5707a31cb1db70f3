"""Operations on masks (slices, rows, columns): smooth, fill, keep the largest part, crop, combine.

The margins are in `margins`. A mask ends at the border of its image: voxels outside of the image
belong to no structure.
"""

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from scipy.ndimage import binary_fill_holes, gaussian_filter, generate_binary_structure
from scipy.ndimage import label as label_components

from radfuse.arrays import BoolArray
from radfuse.structures.margins import Margins, SpacingMm, contract, expand, reachable_box

Combination = Literal["union", "intersection", "difference"]
"""Of two structures; the difference is the first without the second."""

CropSide = Literal["inside", "outside"]
"""Which part of a structure is removed: that inside or outside of another one."""

COMBINATIONS: Final[dict[Combination, Callable[[BoolArray, BoolArray], BoolArray]]] = {
    "union": np.logical_or,
    "intersection": np.logical_and,
    "difference": np.greater,
}
"""By name; `greater` is true where the first mask is and the second is not."""

CONNECTIVITY_26: Final = generate_binary_structure(3, 3)
"""Voxels that share a corner are connected."""

TRUNCATE: Final = 3.0
"""Extent of the Gaussian in standard deviations."""


def combine(first: BoolArray, second: BoolArray, combination: Combination) -> BoolArray:
    """Union, intersection or difference of two masks of one shape."""
    return np.asarray(COMBINATIONS[combination](first, second))


def smooth(mask: BoolArray, spacing_mm: SpacingMm, sigma_mm: float) -> BoolArray:
    """The mask with a smooth surface and as many voxels.

    A Gaussian of `sigma_mm` is applied to the mask; its highest values are the result, so many that
    the volume is kept. The spacing is in the order of the axes. `sigma_mm` 0 changes nothing.
    """
    count = np.count_nonzero(mask)
    if sigma_mm == 0 or count in (0, mask.size):
        return mask.copy()
    sigma = [sigma_mm / step for step in spacing_mm]
    box = reachable_box(mask, [(int(np.ceil(TRUNCATE * part)) + 1,) * 2 for part in sigma])
    field = gaussian_filter(mask[box].astype(np.float32), sigma, truncate=TRUNCATE, mode="nearest")
    result = np.zeros_like(mask)
    result[box] = _highest(field, mask[box], int(count))
    return result


def _highest(field: np.ndarray, mask: BoolArray, count: int) -> BoolArray:
    """The voxels with the highest values; among equal ones, those of the mask come first."""
    ranked = np.lexsort([~mask.ravel(), -field.ravel()])
    chosen = np.zeros(field.size, np.bool_)
    chosen[ranked[:count]] = True
    return np.asarray(chosen.reshape(field.shape))


def fill_holes(mask: BoolArray, *, in_slices: bool) -> BoolArray:
    """The mask with its enclosed cavities, or with the holes of each of its slices.

    A cavity is surrounded in all three directions; each is a hole in its slices, too.
    """
    if not in_slices:
        return np.asarray(binary_fill_holes(mask))
    filled = mask.copy()
    for index in np.flatnonzero(mask.any(axis=(1, 2))):
        filled[index] = binary_fill_holes(mask[index])
    return filled


def keep_largest(mask: BoolArray, count: int = 1) -> BoolArray:
    """The largest parts of connected voxels; voxels that share a corner are connected."""
    parts, found = label_components(mask, CONNECTIVITY_26)
    if found <= count:
        return mask.copy()
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.isin(parts, np.argsort(-sizes, kind="stable")[:count])


def count_parts(mask: BoolArray) -> int:
    """Number of parts of connected voxels."""
    return int(label_components(mask, CONNECTIVITY_26)[1])


def crop(
    mask: BoolArray, other: BoolArray, spacing_mm: SpacingMm, side: CropSide, margin_mm: float = 0.0
) -> BoolArray:
    """The mask without its part inside or outside of another structure.

    With a margin, the part within that distance of the other structure's surface is removed as
    well: the result keeps this distance. The spacing is in the order of the axes.
    """
    margins = Margins.uniform(margin_mm)
    if side == "inside":
        return mask & ~expand(other, spacing_mm, margins)
    return mask & contract(other, spacing_mm, margins)
