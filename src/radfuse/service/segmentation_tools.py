"""Segmentation tools on the viewer's volumes: region growing, interpolation, comparison."""

from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radfuse.arrays import image_on
from radfuse.errors import InputError
from radfuse.metrics.segmentation_agreement import Agreement, compare_masks
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.service.jobs.view_files import VolumeName
from radfuse.service.models import RequestModel
from radfuse.service.stores.rle import (
    MAX_INT,
    Runs,
    VoxelGrid,
    decode_slice,
    decode_volume,
    encode_slices,
    grid_of,
    validated,
)
from radfuse.service.stores.view_volumes import DATA_OFFSET, MatrixRows, read_grid
from radfuse.service.structures.models import StoredStructure
from radfuse.structures.growing import MAX_DISTANCE_MM, MULTIPLIER, Box, grow_region, reachable_box
from radfuse.structures.interpolation import interpolate_slices

MULTIPLIER_RANGE = (0.5, 10.0)
"""Allowed multipliers of the standard deviation."""

DISTANCE_RANGE_MM = (1.0, 40.0)
"""Allowed distances from the seed: the computing time increases with their cube."""

Plane = Literal["axial", "coronal", "sagittal"]
"""Planes of the viewer's grid."""

PLANE_AXES: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Axis of an array (slices, rows, columns) across a plane."""

MARGIN = 1
"""Voxels around a box that linear interpolation at its edge needs."""

VoxelIndex = Annotated[int, Field(strict=True, ge=-MAX_INT, le=MAX_INT)]


class RegionRequest(RequestModel):
    """A seed voxel on the viewer's grid, and the settings of region growing."""

    image: VolumeName
    voxel: tuple[VoxelIndex, VoxelIndex, VoxelIndex]
    """Column, row, slice."""

    multiplier: float = Field(MULTIPLIER, ge=MULTIPLIER_RANGE[0], le=MULTIPLIER_RANGE[1])
    """Accepted intensity range around the region's mean, in standard deviations."""

    max_distance_mm: float = Field(
        MAX_DISTANCE_MM, ge=DISTANCE_RANGE_MM[0], le=DISTANCE_RANGE_MM[1]
    )
    """Largest distance of the region from the seed."""


def check_inside(request: RegionRequest, grid: VoxelGrid) -> None:
    """Raise `InputError` for a seed outside of the image."""
    if not all(0 <= at < count for at, count in zip(request.voxel, grid.size, strict=True)):
        size = " x ".join(map(str, grid.size))
        raise InputError(f"voxel {request.voxel} is outside of the {size} voxels of the image")


def grow_from_seed(
    request: RegionRequest, path: Path, grid: VoxelGrid, mr_from_ct: MatrixRows
) -> Runs:
    """The region around a seed in a volume of the viewer; only the reachable part is read.

    The MR is resampled on the viewer's grid; `mr_from_ct` maps CT points to MR points, LPS mm.
    Raises `InputError` for a seed outside of the image or of the MR field of view.
    """
    check_inside(request, grid)
    at = request.voxel[::-1]
    spacing = grid.spacing_mm[::-1]
    box = reachable_box(grid.size[::-1], at, spacing, request.max_distance_mm)
    if request.image == "mr":
        transform = rigid_from_matrix(np.array(mr_from_ct), name="mr_from_ct")
        resampled = _resampled(path, _box_grid(grid, box), transform)
        if resampled is None:
            raise InputError(
                "this position is outside the MR field of view; grow in the CT, or register the MR"
            )
        part = resampled
    else:
        part = stored_box(path, grid, box)
    first = [side.start for side in box]
    region = grow_region(
        part,
        (at[0] - first[0], at[1] - first[1], at[2] - first[2]),
        spacing,
        multiplier=request.multiplier,
        max_distance_mm=request.max_distance_mm,
    )
    slices = {}
    for offset in np.flatnonzero(region.any(axis=(1, 2))):
        mask = np.zeros(grid.size[1::-1], np.bool_)
        mask[box[1:]] = region[offset]
        slices[first[0] + int(offset)] = mask
    return encode_slices(slices)


def interpolate_structure(runs: Runs, grid: VoxelGrid, plane: Plane = "axial") -> Runs:
    """The planes between drawn ones, as axial slices; raises `InputError` if there are none.

    In coronal and sagittal planes the result has the drawn voxels of its slices as well.
    """
    axis = PLANE_AXES[plane]
    spacing = [step for at, step in enumerate(grid.spacing_mm[::-1]) if at != axis]
    slice_mm = grid.spacing_mm[::-1][axis]
    if axis == 0:
        columns, rows, _ = grid.size
        masks = {
            int(index): decode_slice(flat, (rows, columns))
            for index, flat in validated(runs, grid.size).items()
        }
        return encode_slices(interpolate_slices(masks, (spacing[0], spacing[1]), slice_mm=slice_mm))
    volume = decode_volume(validated(runs, grid.size), grid)
    planes = np.moveaxis(volume, axis, 0)  # a view: the new planes are written into the volume
    drawn = {int(at): planes[at] for at in np.flatnonzero(planes.any(axis=(1, 2)))}
    between = interpolate_slices(drawn, (spacing[0], spacing[1]), slice_mm=slice_mm)
    for index, mask in between.items():
        planes[index] |= mask
    return encode_slices({int(at): volume[at] for at in np.flatnonzero(volume.any(axis=(1, 2)))})


def compare_structures(
    first: StoredStructure, reference: StoredStructure, tolerance_mm: float
) -> Agreement:
    """Agreement of two structures on the same grid."""
    masks = [decode_volume(one.runs, one.grid) for one in (first, reference)]
    spacing_mm = first.grid.spacing_mm[::-1]
    return compare_masks(masks[0], masks[1], spacing_mm, tolerance_mm=tolerance_mm)


def sampled_mr(
    path: Path, grid: VoxelGrid, box: Box, mr_from_ct: MatrixRows
) -> NDArray[np.float32] | None:
    """The MR in a box of the viewer's grid, as stored, NaN outside the MR field of view.

    None where all of the box is outside. `mr_from_ct` maps CT points to MR points, LPS mm.
    """
    transform = rigid_from_matrix(np.array(mr_from_ct), name="mr_from_ct")
    return _resampled(path, _box_grid(grid, box), transform, outside=np.nan)


def stored_box(path: Path, grid: VoxelGrid, box: Box) -> NDArray[np.float32]:
    """A box of a volume of the viewer."""
    stored = np.memmap(path, "<i2", "r", offset=DATA_OFFSET, shape=grid.size[::-1])
    return stored[box].astype(np.float32)


def _box_grid(grid: VoxelGrid, box: Box) -> sitk.Image:
    """The grid of a box, as an empty image."""
    empty = grid.image(np.zeros([side.stop - side.start for side in box], np.uint8))
    start = np.array([side.start for side in box[::-1]])
    axes = np.reshape(grid.direction, (3, 3)) * grid.spacing_mm
    empty.SetOrigin((grid.origin_mm + axes @ start).tolist())
    return empty


def _resampled(
    path: Path, target: sitk.Image, mr_from_ct: sitk.Transform, outside: float = 0.0
) -> NDArray[np.float32] | None:
    """The MR on a part of the viewer's grid; None where all of it is outside the field of view."""
    grid = grid_of(read_grid(path))
    box = _covered(grid, target, mr_from_ct)
    if box is None:
        return None
    values = image_on(_box_grid(grid, box), stored_box(path, grid, box))
    image = sitk.Resample(values, target, mr_from_ct, sitk.sitkLinear, outside, sitk.sitkFloat32)
    return np.asarray(sitk.GetArrayFromImage(image))


def _covered(grid: VoxelGrid, image: sitk.Image, mr_from_ct: sitk.Transform) -> Box | None:
    """The part of a grid that an image covers after the transform; None if it covers nothing."""
    axes = np.reshape(grid.direction, (3, 3)) * grid.spacing_mm
    points = [
        mr_from_ct.TransformPoint(image.TransformIndexToPhysicalPoint(corner))
        for corner in product(*((0, count - 1) for count in image.GetSize()))
    ]
    indices = np.linalg.solve(axes, (np.array(points) - grid.origin_mm).T).T
    starts = np.maximum(np.floor(indices.min(axis=0)) - MARGIN, 0).astype(int)
    stops = np.minimum(np.ceil(indices.max(axis=0)) + MARGIN + 1, grid.size).astype(int)
    if (starts >= stops).any():
        return None
    return tuple(map(slice, starts[::-1].tolist(), stops[::-1].tolist()))
