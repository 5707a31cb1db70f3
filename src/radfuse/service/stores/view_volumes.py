"""Volumes for the viewer: int16, with axes in LPS order.

The viewer's grid is the CT's with its axes permuted and flipped to point to the patient's left,
posterior and superior; no value is interpolated. The MR keeps its own grid;
the viewer resamples it.
"""

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Float64Array, image_on
from radfuse.io.volumes import write_volume
from radfuse.service.models import FrozenModel

ORIENTATION = "LPS"
"""The first axis points to the patient's left, the second to posterior, the third to superior."""

MIN_INTEGER_RANGE = 1000
"""An image with at least this range of values is stored with a step of 1."""

MAX_INT16 = int(np.iinfo(np.int16).max)

DATA_OFFSET = 352
"""Offset of the voxels in a NIfTI file without extensions; int16, little endian, x fastest."""

Row = tuple[float, float, float, float]
MatrixRows = tuple[Row, Row, Row, Row]
"""A homogeneous 4x4 matrix, row by row."""


class ViewVolume(FrozenModel):
    """Grid and scale of one volume of the viewer."""

    size: tuple[int, int, int]
    """Columns, rows, slices."""

    spacing_mm: tuple[float, float, float]
    mm_from_voxel: MatrixRows
    """Maps a voxel index to LPS mm."""

    step: float
    """Value of one stored unit: HU, or the MR's own units."""

    @property
    def file_bytes(self) -> int:
        """Size of the volume's file."""
        return DATA_OFFSET + math.prod(self.size) * np.dtype(np.int16).itemsize


def to_lps(image: sitk.Image) -> sitk.Image:
    """An image with its axes in LPS order; the same voxels at the same positions."""
    return image if orientation_of(image) == ORIENTATION else sitk.DICOMOrient(image, ORIENTATION)


def to_axes_of(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """An image in LPS order with its axes as those of `grid`: undoes `to_lps`."""
    return sitk.DICOMOrient(image, orientation_of(grid))


def orientation_of(grid: sitk.Image) -> str:
    """Orientation of a grid to the nearest right angle: three letters such as LPS."""
    oriented = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(grid.GetDirection())
    return str(oriented)


def write_view_volume(path: Path, image: sitk.Image, *, step: float | None = None) -> ViewVolume:
    """Write a volume for the viewer as NIfTI (int16); returns its description.

    `step` is the value of one stored unit; by default it depends on the range of values.
    """
    in_lps = to_lps(image)
    values: NDArray[np.float32] = sitk.GetArrayViewFromImage(in_lps)
    step = step or _step(values)
    stored = np.empty(values.shape, np.int16)
    for slab, target in zip(values, stored, strict=True):  # a whole volume of floats is large
        scaled = slab if step == 1 else slab / np.float32(step)
        target[:] = np.clip(np.rint(scaled), -MAX_INT16, MAX_INT16)
    write_volume(path, image_on(in_lps, stored))
    return describe_volume(in_lps, step)


def read_view_volume(path: Path) -> sitk.Image:
    """A volume of the viewer as it was written: int16, in LPS order."""
    return sitk.ReadImage(str(path))


def read_grid(path: Path) -> sitk.Image:
    """The grid of a volume of the viewer, without reading its values: an empty uint8 image."""
    header = sitk.ImageFileReader()
    header.SetFileName(str(path))
    header.ReadImageInformation()
    grid = sitk.Image(header.GetSize(), sitk.sitkUInt8)
    grid.SetOrigin(header.GetOrigin())
    grid.SetSpacing(header.GetSpacing())
    grid.SetDirection(header.GetDirection())
    return grid


def describe_volume(image: sitk.Image, step: float) -> ViewVolume:
    """Description of an image in LPS order."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return ViewVolume(
        size=image.GetSize(),
        spacing_mm=image.GetSpacing(),
        mm_from_voxel=matrix_rows(matrix),
        step=step,
    )


def matrix_rows(matrix: Float64Array) -> MatrixRows:
    """A 4x4 matrix as rows, for JSON."""
    rows: MatrixRows = tuple(tuple(row) for row in matrix.tolist())  # type: ignore[assignment]
    return rows


def _step(values: NDArray[np.float32]) -> float:
    """1, or the step that spreads a narrow or very wide range of values over int16."""
    low, high = float(values.min()), float(values.max())
    largest = max(abs(low), abs(high))
    if high - low >= MIN_INTEGER_RANGE and largest <= MAX_INT16:
        return 1.0
    return largest / MAX_INT16 or 1.0
