"""A region of the CT, from a mask or a box, to which a registration or its metric is restricted."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import BoolArray, Float64Array, image_on
from radfuse.errors import InputError
from radfuse.io.volumes import read_volume

GRID_MM = 2.0
"""Spacing of the grid of a region, that of the CT's axes."""

REACH_MM = 20.0
"""Of a region the head within this distance takes part: from the brain to outside the skull."""

MIN_CM3 = 1.0
"""Least volume of a region inside the CT; drawn ones include skull and have hundreds of cm3."""

MIN_HEAD_CM3 = 30.0
"""Least volume of the MR's head that takes part: 500 voxels of the middle grid."""

LABEL_TOLERANCE = 0.02
"""Labels that were stored with a slope come back with its rounding."""

FAR_MM = 1e4
"""Distance of points outside the CT."""

Indices = NDArray[np.int64]
Box = tuple[float, float, float, float, float, float]
"""Lowest and highest x, y and z, LPS mm of the CT."""


@dataclass(frozen=True)
class CtRegion:
    """A region of the CT."""

    distance_mm: sitk.Image
    """On a grid of `GRID_MM` over the CT: distance to the region, 0 or less inside."""

    name: str
    """Kind, volume and extent, without the name of a file."""

    def on(self, grid: sitk.Image, ct_from_mr: sitk.Transform, reach_mm: float = 0.0) -> sitk.Image:
        """Mask (uint8) on a grid of the MR: 1 where the CT point is within reach of the region."""
        distance = sitk.Resample(self.distance_mm, grid, ct_from_mr, sitk.sitkLinear, FAR_MM)
        return distance <= reach_mm

    def part_of(
        self, mr_head: sitk.Image, ct_from_mr: sitk.Transform, reach_mm: float = REACH_MM
    ) -> sitk.Image:
        """The part of the MR's head within reach; raises `InputError` where that is too little."""
        part = mr_head & self.on(mr_head, ct_from_mr, reach_mm)
        voxels = np.count_nonzero(sitk.GetArrayViewFromImage(part))
        cm3 = voxels * float(np.prod(part.GetSpacing())) / 1000
        if cm3 < MIN_HEAD_CM3:
            raise InputError(
                f"{self.name}: only {cm3:.0f} cm3 of the MR's head are within {reach_mm:g} mm of "
                f"it, registration needs {MIN_HEAD_CM3:g}; choose a larger one inside the "
                "head, or check the alignment"
            )
        return part


def read_region(source: Path | Box, ct: sitk.Image) -> CtRegion:
    """A region from a box, or from a mask file: all voxels that are not 0.

    A mask may have any grid in the CT's coordinates; it is resampled by nearest neighbours. Raises
    `InputError` for a file that is no mask, an empty region, one outside the CT or too small.
    """
    grid = _grid_over(ct)
    if isinstance(source, Path):
        mask = _read_mask(source)
        kind, shown = "mask", source.name
        inside = sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        extent = _mask_extent(mask)
    else:
        kind, shown = "box", "the box"
        low, high = np.reshape(source, (3, 2)).T
        inside = image_on(grid, _in_box(grid, low, high).astype(np.uint8))
        extent = np.stack([low, high])
    voxels = np.count_nonzero(sitk.GetArrayViewFromImage(inside))
    cm3 = voxels * GRID_MM**3 / 1000
    if cm3 < MIN_CM3:
        of_ct = _extent(ct, np.zeros(3, np.int64), np.array(ct.GetSize()) - 1)
        where = "is outside the CT" if voxels == 0 else f"has {cm3:.2g} cm3 inside the CT"
        raise InputError(
            f"{shown} ({_words(extent)}) {where} ({_words(of_ct)}); give a region "
            f"of at least {MIN_CM3:g} cm3 in the CT's coordinates (LPS, mm)"
        )
    distance = sitk.SignedMaurerDistanceMap(inside, squaredDistance=False, useImageSpacing=True)
    return CtRegion(distance, f"{kind} of {cm3:.0f} cm3 ({_words(_mask_extent(inside))})")


def _read_mask(path: Path) -> sitk.Image:
    """A mask, uint8; messages have the name of the file only."""
    if not path.is_file():
        raise InputError(f"{path.name}: no such mask file")
    try:
        volume = read_volume(path, is_mask=True)
    except InputError as error:
        raise type(error)(str(error).replace(str(path), path.name)) from error
    values = np.unique(sitk.GetArrayViewFromImage(volume))
    if wrong := [v for v in values if v < 0 or abs(v - np.rint(v)) > LABEL_TOLERANCE]:
        raise InputError(
            f"{path.name}: values such as {wrong[0]:g} are not labels; give a mask of 0 and 1, or "
            "a label map"
        )
    mask = volume > 0.5
    if not sitk.GetArrayViewFromImage(mask).any():
        raise InputError(f"{path.name}: an empty mask, every voxel is 0; draw the region")
    return mask


def _grid_over(ct: sitk.Image) -> sitk.Image:
    """An empty grid (uint8) of `GRID_MM` along the CT's axes, by a voxel larger on each side."""
    extent = np.array(ct.GetSize()) * ct.GetSpacing()
    size = np.ceil(extent / GRID_MM).astype(int) + 2
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    centre = ct.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in ct.GetSize()])
    axes = np.reshape(ct.GetDirection(), (3, 3))
    grid.SetSpacing([GRID_MM] * 3)
    grid.SetDirection(ct.GetDirection())
    grid.SetOrigin((np.array(centre) - axes @ ((size - 1) / 2) * GRID_MM).tolist())
    return grid


def _in_box(grid: sitk.Image, low: Float64Array, high: Float64Array) -> BoolArray:
    """Whether each voxel (slices, rows, columns) is in a box, but for the outermost ones."""
    axes = np.reshape(grid.GetDirection(), (3, 3)) * GRID_MM
    inside = np.zeros(grid.GetSize()[::-1], np.bool_)
    inside[1:-1, 1:-1, 1:-1] = True
    z, y, x = np.indices(grid.GetSize()[::-1], sparse=True)
    for row, origin, first, last in zip(axes, grid.GetOrigin(), low, high, strict=True):
        position = origin + row[0] * x + row[1] * y + row[2] * z
        inside &= (position >= first) & (position <= last)
    return inside


def _mask_extent(mask: sitk.Image) -> Float64Array:
    """Extent of the voxels of a mask."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    first, size = np.split(np.array(shape.GetBoundingBox(1)), 2)
    return _extent(mask, first, first + size - 1)


def _extent(image: sitk.Image, first: Indices, last: Indices) -> Float64Array:
    """Lowest and highest positions between two voxels, (2, 3), LPS mm."""
    corners = [
        image.TransformIndexToPhysicalPoint(np.where(corner, last, first).tolist())
        for corner in np.ndindex(2, 2, 2)
    ]
    return np.stack([np.min(corners, axis=0), np.max(corners, axis=0)])


def _words(extent: Float64Array) -> str:
    """The extent in words."""
    parts = (
        f"{axis} {low:.0f} to {high:.0f}" for axis, low, high in zip("xyz", *extent, strict=True)
    )
    return f"{', '.join(parts)} mm"
