"""Transfer of a structure to the grid of another image, by shape-based interpolation.

The signed distance to the structure's surface is interpolated, not its voxels: between the thick
slices of an MR the surface then changes steadily instead of in steps. After Raya and Udupa 1990,
doi:10.1109/42.52980, with 3-D distances and cubic splines: linear interpolation between slices
loses 5 % of the volume of a sphere of 15 mm on slices of 5 mm, splines 3 %.
"""

import dataclasses
from itertools import product

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import filled_on
from radfuse.errors import InputError
from radfuse.modality import CT, MR, Modality
from radfuse.structures.label_maps import Structure

PADDING = 2
"""Empty voxels around the structure: one to close it, one more to interpolate from."""

Box = tuple[slice, slice, slice]
"""Part of a volume: columns, rows, slices."""


class NoVoxelError(InputError):
    """A structure has no voxel on another grid."""


@dataclasses.dataclass(frozen=True)
class TransferredStructure:
    """A structure on its new grid."""

    structure: Structure
    drawn_cm3: float
    """Its volume on the image on which it was drawn."""

    lost_fraction: float
    """Fraction of that volume outside the new grid."""


def transfer_structure(
    structure: Structure,
    grid: sitk.Image,
    drawn_from_grid: sitk.Transform,
    *,
    drawn_on: Modality = MR,
    target: Modality = CT,
) -> TransferredStructure:
    """A structure drawn on one image, on the grid of another one.

    `drawn_from_grid` maps points of the grid to points of the image on which it was drawn (LPS,
    mm). On the same grid, the identity does not change the mask. Raises `NoVoxelError` for a
    structure that is entirely outside the grid, or between its slices; `drawn_on` and `target`
    name the images in its message.
    """
    empty = filled_on(grid, 0)
    drawn_cm3 = structure.volume_cm3
    if drawn_cm3 == 0:
        empty_structure = dataclasses.replace(structure, mask=empty)
        return TransferredStructure(empty_structure, drawn_cm3, lost_fraction=0.0)
    part = _cropped(structure.mask)
    distance = signed_distance_mm(part)
    box = _box_on(grid, distance, drawn_from_grid)
    if box is not None:
        outside = -float(np.linalg.norm(structure.mask.GetSpacing()))
        inside = sitk.Resample(distance, grid[box], drawn_from_grid, sitk.sitkBSpline, outside) > 0
        start = [side.start for side in box]
        mask = sitk.Paste(empty, inside, inside.GetSize(), destinationIndex=start)
        transferred = dataclasses.replace(structure, mask=mask)
        if transferred.volume_cm3 > 0:
            lost = _lost_fraction(part, empty == 0, drawn_from_grid)
            return TransferredStructure(transferred, drawn_cm3, lost)
    raise NoVoxelError(
        f"structure '{structure.name}' ({drawn_cm3:.3g} cm3 on the {drawn_on}) has no voxel on the "
        f"{target} after the transform; pass the transform of this CT and MR"
    )


def _cropped(mask: sitk.Image) -> sitk.Image:
    """The bounding box of a mask."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    starts, sizes = np.reshape(shape.GetBoundingBox(1), (2, 3)).tolist()
    return mask[
        tuple(slice(first, first + count) for first, count in zip(starts, sizes, strict=True))
    ]


def _lost_fraction(
    mask: sitk.Image, everywhere: sitk.Image, drawn_from_grid: sitk.Transform
) -> float:
    """Fraction of a mask's voxels outside another grid, given as a mask of all its voxels."""
    covered = sitk.Resample(
        everywhere, mask, drawn_from_grid.GetInverse(), sitk.sitkNearestNeighbor, 0
    )
    all_voxels, kept_voxels = (
        np.count_nonzero(sitk.GetArrayViewFromImage(image)) for image in (mask, mask & covered)
    )
    return float(1 - kept_voxels / all_voxels)


def signed_distance_mm(mask: sitk.Image) -> sitk.Image:
    """Distance to the surface of a mask, mm, positive inside, on its padded grid.

    ITK measures from the centres of the last voxels inside; the mean with the distance from the
    first voxels outside is zero half-way between the two.
    """
    inside = sitk.ConstantPad(mask, (PADDING,) * 3, (PADDING,) * 3, 0)
    distances = [
        sitk.SignedMaurerDistanceMap(
            image, insideIsPositive=positive, squaredDistance=False, useImageSpacing=True
        )
        for image, positive in ((inside, True), (inside == 0, False))
    ]
    return (distances[0] + distances[1]) / 2


def _box_on(grid: sitk.Image, image: sitk.Image, drawn_from_grid: sitk.Transform) -> Box | None:
    """The part of a grid that an image covers; None if there is none."""
    grid_from_drawn = drawn_from_grid.GetInverse()
    corners = np.array(
        [
            grid.TransformPhysicalPointToContinuousIndex(
                grid_from_drawn.TransformPoint(image.TransformIndexToPhysicalPoint(corner))
            )
            for corner in product(*((0, count - 1) for count in image.GetSize()))
        ]
    )
    starts = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
    stops = np.minimum(np.ceil(corners.max(axis=0)) + 1, grid.GetSize()).astype(int)
    if (starts >= stops).any():
        return None
    columns, rows, slices = map(slice, starts.tolist(), stops.tolist())
    return columns, rows, slices
