"""How far two delineations of one structure agree: overlap, distance of surfaces, path to draw.

A mask says for each voxel's centre whether it is inside. Its surface is half-way between a centre
inside and its neighbour outside: every block of 2 x 2 x 2 centres that is partly inside holds one
element of it, at the mean of the block's edges' middles that it crosses, with the area that the
block's mean gradient gives. That area is exact for planes along faces, diagonals of faces and
diagonals of voxels, and too large in between, over a ball by a twentieth to an eighth. Distances go
from element to nearest element. Outside the image nothing is inside. No mask tells where within a
voxel the true border ran, so differences below half a voxel are not to be read as findings.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from scipy.spatial import cKDTree

from radfuse.arrays import BoolArray, Float64Array
from radfuse.errors import InputError

TOLERANCE_MM = 1.0
"""Distance up to which surfaces count as agreeing, unless another is asked for."""

HAUSDORFF_SHARE = 0.95
"""Share of a surface's area nearer than the 95 % Hausdorff distance."""

ROUNDING_MM = 1e-6
"""What a distance may exceed the tolerance by: whole voxels that sum up to it are within."""

MM3_OF_CM3 = 1000.0
"""mm3 in a cm3."""


@dataclass(frozen=True)
class Agreement:
    """A delineation against a reference; NaN is what is not defined where one is empty."""

    dice: float
    """Twice the common volume over the sum of volumes, 0 to 1; NaN where both are empty."""

    jaccard: float
    """Common volume over the volume of either, 0 to 1; NaN where both are empty."""

    surface_dice: float
    """Share of both surfaces' area within the tolerance of the other, 0 to 1; 0 where one
    is empty, NaN where both are."""

    hausdorff_mm: float
    """Largest distance of any element of either surface to the other."""

    hausdorff_95_mm: float
    """Distance that 95 % of a surface's area keep to the other, the larger of both ways."""

    mean_distance_mm: float
    """Mean distance to the other, over the area of both surfaces."""

    volume_cm3: float
    reference_volume_cm3: float

    added_path_mm: float
    """Contour of the reference within the slices that the delineation does not have: the length
    to redraw when correcting it to the reference."""

    reference_path_mm: float
    """All contour of the reference within the slices."""

    @property
    def volume_difference_cm3(self) -> float:
        """Volume less the reference's."""
        return self.volume_cm3 - self.reference_volume_cm3


@dataclass(frozen=True)
class Surface:
    """The elements of a mask's surface."""

    positions_mm: Float64Array
    """(N, 3), along the axes of the array, from the centre of the first voxel of the cut."""

    areas_mm2: Float64Array
    """(N,); 0 where parts of the surface in one block face each other."""


def compare_masks(
    mask: BoolArray,
    reference: BoolArray,
    spacing_mm: Sequence[float],
    *,
    tolerance_mm: float = TOLERANCE_MM,
) -> Agreement:
    """Compare a delineation with a reference, both (D, H, W) on one grid.

    All but the added path is the same the other way round. Slices are along the first axis. The
    surface Dice is that of Nikolov et al. 2021 (doi:10.2196/26151), the Hausdorff distances and
    the mean as in Taha and Hanbury 2015 (doi:10.1186/s12880-015-0068-x) with areas as weights, the
    added path that of Vaassen et al. 2020 (doi:10.1016/j.phro.2019.12.001) in mm of contour, where
    they count pixels.

    Parameters
    ----------
    mask, reference
        Where either is inside.
    spacing_mm
        Size of a voxel along each axis.
    tolerance_mm
        Distance up to which surfaces count as agreeing, 0 or more.

    Raises
    ------
    InputError
        For masks of different shapes, and for a tolerance below 0.
    """
    if mask.shape != reference.shape or mask.ndim != 3:
        raise InputError(f"masks of {mask.shape} and {reference.shape} voxels; give one 3-D grid")
    if not tolerance_mm >= 0:
        raise InputError(f"a tolerance of {tolerance_mm:g} mm; give 0 or more")
    ours, theirs = _cut(mask, reference)
    voxel_cm3 = float(np.prod(spacing_mm)) / MM3_OF_CM3
    common, *sizes = (int(part.sum()) for part in (ours & theirs, ours, theirs))
    added_mm, path_mm = _paths(ours, theirs, spacing_mm)
    surfaces = surface(ours, spacing_mm), surface(theirs, spacing_mm)
    return Agreement(
        _share(2 * common, sum(sizes)),
        _share(common, sum(sizes) - common),
        *_distances(*surfaces, tolerance_mm),
        sizes[0] * voxel_cm3,
        sizes[1] * voxel_cm3,
        added_mm,
        path_mm,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _cut(mask: BoolArray, reference: BoolArray) -> tuple[BoolArray, BoolArray]:
    """The part of both that holds anything, and a voxel of outside around."""
    found = find_objects((mask | reference).astype(np.uint8))
    box = found[0] if found else (slice(0, 0),) * mask.ndim
    return np.pad(mask[box], 1), np.pad(reference[box], 1)


def surface(mask: BoolArray, spacing_mm: Sequence[float]) -> Surface:
    """The surface of a mask (D, H, W) with a voxel of outside around it."""
    offsets, sizes = _elements(spacing_mm)
    blocks = _blocks(mask, range(mask.ndim))
    at = np.nonzero((blocks > 0) & (blocks < len(sizes) - 1))
    kinds = blocks[at]
    positions = np.stack(at, axis=1) * np.asarray(spacing_mm) + offsets[kinds]
    return Surface(positions, sizes[kinds])


def _blocks(mask: BoolArray, axes: Sequence[int]) -> NDArray[np.uint8]:
    """Which corners of each block of two voxels along each of these axes are inside, a bit each."""
    blocks: NDArray[np.uint8] = np.zeros((), np.uint8)
    for bit, corner in enumerate(itertools.product((0, 1), repeat=len(axes))):
        part = [slice(None)] * mask.ndim
        for axis, step in zip(axes, corner, strict=True):
            part[axis] = slice(step, mask.shape[axis] - 1 + step)
        blocks = blocks | (mask[tuple(part)].astype(np.uint8) << np.uint8(bit))
    return blocks


def _elements(spacing_mm: Sequence[float]) -> tuple[Float64Array, Float64Array]:
    """Position in its block and size of the element of every kind of block; n axes, 2^n corners.

    Sizes are areas for three axes and lengths for two.
    """
    axes = len(spacing_mm)
    corners = np.array(list(itertools.product((0, 1), repeat=axes)))
    kinds = np.arange(2 ** len(corners))
    inside = (kinds[:, None] >> np.arange(len(corners))) & 1  # (kinds, corners)
    total, count = np.zeros((len(kinds), axes)), np.zeros(len(kinds))
    gradient = np.zeros((len(kinds), axes))
    for axis in range(axes):
        (near,) = np.nonzero(corners[:, axis] == 0)
        far = near + 2 ** (axes - 1 - axis)
        steps = inside[:, far] - inside[:, near]  # (kinds, edges)
        gradient[:, axis] = steps.mean(axis=1) / spacing_mm[axis]
        total += np.abs(steps) @ (corners[near] + corners[far]) / 2
        count += np.abs(steps).sum(axis=1)
    positions = total / np.maximum(count, 1)[:, None] * spacing_mm
    return positions, np.linalg.norm(gradient, axis=1) * float(np.prod(spacing_mm))


def _paths(
    mask: BoolArray, reference: BoolArray, spacing_mm: Sequence[float]
) -> tuple[float, float]:
    """Length of the reference's contours that the mask lacks, and of all of them, mm."""
    _, lengths = _elements(spacing_mm[1:])
    ours, theirs = (_blocks(part, (1, 2)) for part in (mask, reference))
    added, whole = (
        np.bincount(blocks, minlength=len(lengths)) @ lengths
        for blocks in (theirs[theirs != ours], theirs.ravel())
    )
    return float(added), float(whole)


def _distances(
    first: Surface, second: Surface, tolerance_mm: float
) -> tuple[float, float, float, float]:
    """Surface Dice, Hausdorff distance, its 95 %, mean distance."""
    nan = float("nan")
    area = float(first.areas_mm2.sum() + second.areas_mm2.sum())
    if not (len(first.positions_mm) and len(second.positions_mm)):
        return (0.0 if area else nan), nan, nan, nan
    ways = [
        (np.asarray(cKDTree(there.positions_mm).query(here.positions_mm)[0]), here.areas_mm2)
        for here, there in ((first, second), (second, first))
    ]
    near = sum(float(areas[apart <= tolerance_mm + ROUNDING_MM].sum()) for apart, areas in ways)
    return (
        near / area,
        max(float(apart.max()) for apart, _ in ways),
        max(_quantile(apart, areas, HAUSDORFF_SHARE) for apart, areas in ways),
        sum(float(apart @ areas) for apart, areas in ways) / area,
    )


def _quantile(values: Float64Array, weights: Float64Array, share: float) -> float:
    """The least value that this share of the weights does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, share * reached[-1])])
