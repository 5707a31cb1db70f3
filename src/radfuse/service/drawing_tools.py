"""What the page computes on its volumes to help with drawing; nothing is stored."""

from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from radfuse.errors import InputError
from radfuse.metrics.segmentation_agreement import Agreement, compare_masks
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.service.jobs.view_files import VolumeName
from radfuse.service.stores.rle import (
    MOST,
    Grid,
    Runs,
    checked,
    grid_of,
    runs_of,
    stack_of,
    unpacked,
)
from radfuse.service.stores.structure_store import Drawing
from radfuse.service.stores.view_volumes import DATA_OFFSET, Rows, read_grid
from radfuse.structures.growing import MAX_DISTANCE_MM, MULTIPLIER, Box, grow_region, reachable_box
from radfuse.structures.interpolation import interpolate_slices

MULTIPLIERS = (0.5, 10.0)
"""Fewest and most deviations from the mean that may belong to a region."""

REACHES_MM = (1.0, 40.0)
"""Shortest and longest reach of a region: the time that growing takes goes with its cube."""

NEIGHBOUR = 1
"""Voxels around a box that interpolation at its edge looks at."""

Place = Annotated[int, Field(strict=True, ge=-MOST, le=MOST)]


class Click(BaseModel):
    """A voxel of the page's grid and how to grow a region from it."""

    model_config = ConfigDict(extra="forbid")

    image: VolumeName
    voxel: tuple[Place, Place, Place]
    """Column, row, slice."""

    multiplier: float = Field(MULTIPLIER, ge=MULTIPLIERS[0], le=MULTIPLIERS[1])
    """Standard deviations around the region's mean that belong to it."""

    reach_mm: float = Field(MAX_DISTANCE_MM, ge=REACHES_MM[0], le=REACHES_MM[1])
    """A region ends this far from the click."""


def check_inside(click: Click, grid: Grid) -> None:
    """Raise `InputError` for a click beside the image."""
    if not all(0 <= at < count for at, count in zip(click.voxel, grid.size, strict=True)):
        size = " x ".join(map(str, grid.size))
        raise InputError(f"voxel {click.voxel} lies outside of the {size} voxels of the image")


def grown(click: Click, path: Path, grid: Grid, mr_from_ct: Rows) -> Runs:
    """The region around a click in a volume of the page; only what it can reach is read.

    The MR is moved onto the page's grid there, by a matrix from points of the CT to points of the
    MR, LPS mm. Raises `InputError` for a click beside the image and where the MR does not reach.
    """
    check_inside(click, grid)
    at = click.voxel[::-1]
    spacing = grid.spacing_mm[::-1]
    box = reachable_box(grid.size[::-1], at, spacing, click.reach_mm)
    if click.image == "mr":
        move = rigid_from_matrix(np.array(mr_from_ct), name="the alignment")
        part = _moved(path, _cut(grid, box), move)
    else:
        part = _part(path, grid, box)
    first = [side.start for side in box]
    region = grow_region(
        part,
        (at[0] - first[0], at[1] - first[1], at[2] - first[2]),
        spacing,
        multiplier=click.multiplier,
        max_distance_mm=click.reach_mm,
    )
    slices = {}
    for offset in np.flatnonzero(region.any(axis=(1, 2))):
        whole = np.zeros(grid.size[1::-1], np.bool_)
        whole[box[1:]] = region[offset]
        slices[first[0] + int(offset)] = whole
    return runs_of(slices)


def filled_between(runs: Runs, grid: Grid) -> Runs:
    """The slices between drawn ones; raises `InputError` where there are none."""
    columns, rows, _ = grid.size
    drawn = {
        int(index): unpacked(flat, (rows, columns))
        for index, flat in checked(runs, grid.size).items()
    }
    across, down, along = grid.spacing_mm
    return runs_of(interpolate_slices(drawn, (down, across), slice_mm=along))


def agreement(first: Drawing, reference: Drawing, tolerance_mm: float) -> Agreement:
    """How far two structures of one grid agree."""
    masks = [stack_of(one.runs, one.grid) for one in (first, reference)]
    spacing_mm = first.grid.spacing_mm[::-1]
    return compare_masks(masks[0], masks[1], spacing_mm, tolerance_mm=tolerance_mm)


def _part(path: Path, grid: Grid, box: Box) -> NDArray[np.float32]:
    """A box of a volume of the page."""
    try:
        stored = np.memmap(path, "<i2", "r", offset=DATA_OFFSET, shape=grid.size[::-1])
    except ValueError as error:
        raise InputError(f"{path.name} is damaged; prepare the study again") from error
    return stored[box].astype(np.float32)


def _cut(grid: Grid, box: Box) -> sitk.Image:
    """The grid of a box, as an empty image."""
    empty = grid.image(np.zeros([side.stop - side.start for side in box], np.uint8))
    start = np.array([side.start for side in box[::-1]])
    axes = np.reshape(grid.direction, (3, 3)) * grid.spacing_mm
    empty.SetOrigin((grid.origin_mm + axes @ start).tolist())
    return empty


def _moved(path: Path, wanted: sitk.Image, mr_from_ct: sitk.Transform) -> NDArray[np.float32]:
    """The MR on a part of the page's grid, 0 where it did not look."""
    grid = grid_of(read_grid(path))
    box = _covered(grid, wanted, mr_from_ct)
    if box is None:
        raise InputError("the MR does not reach this place; click on the CT or align the MR")
    near = _cut(grid, box)
    values = sitk.GetImageFromArray(_part(path, grid, box))
    values.CopyInformation(near)
    found = sitk.Resample(values, wanted, mr_from_ct, sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return np.asarray(sitk.GetArrayFromImage(found))


def _covered(grid: Grid, wanted: sitk.Image, mr_from_ct: sitk.Transform) -> Box | None:
    """The part of a grid that an image lies on after the transform; None beside it."""
    axes = np.reshape(grid.direction, (3, 3)) * grid.spacing_mm
    points = [
        mr_from_ct.TransformPoint(wanted.TransformIndexToPhysicalPoint(corner))
        for corner in product(*((0, count - 1) for count in wanted.GetSize()))
    ]
    places = np.linalg.solve(axes, (np.array(points) - grid.origin_mm).T).T
    starts = np.maximum(np.floor(places.min(axis=0)) - NEIGHBOUR, 0).astype(int)
    stops = np.minimum(np.ceil(places.max(axis=0)) + NEIGHBOUR + 1, grid.size).astype(int)
    if (starts >= stops).any():
        return None
    return tuple(map(slice, starts[::-1].tolist(), stops[::-1].tolist()))
