"""Volumes for the page: whole numbers in the order of LPS, so that a page shows them as they lie.

The page's grid is the CT's with its axes turned by right angles towards the patient's left, back
and head; no value is interpolated. The MR keeps its own grid: the page moves it over the CT.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from radfuse.arrays import Float64Array
from radfuse.io.volumes import write_volume

ORDER = "LPS"
"""First axis towards the patient's left, second to the back, third to the head."""

FINE_STEPS = 1000
"""An image that spans at least as many whole numbers is shown in whole numbers."""

LARGEST_INT16 = int(np.iinfo(np.int16).max)

DATA_OFFSET = 352
"""Where the numbers begin in a NIfTI file without extensions; int16, little endian, x fastest."""

Row = tuple[float, float, float, float]
Rows = tuple[Row, Row, Row, Row]
"""A homogeneous 4x4 matrix, row by row."""


class Picture(BaseModel):
    """Grid and scale of one volume of the page."""

    model_config = ConfigDict(frozen=True)

    size: tuple[int, int, int]
    """Columns, rows, slices."""

    spacing_mm: tuple[float, float, float]
    mm_from_voxel: Rows
    """From an index to LPS mm."""

    step: float
    """What one stored unit is worth: HU, or the MR's own units."""


def oriented(image: sitk.Image) -> sitk.Image:
    """An image with its axes in the page's order; the same voxels at the same places."""
    return sitk.DICOMOrient(image, ORDER)


def oriented_like(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """An image of the page's order with its axes as those of `grid`: undoes `oriented`."""
    return sitk.DICOMOrient(image, order_of(grid))


def order_of(grid: sitk.Image) -> str:
    """Where the axes of a grid point, to the nearest right angle: three letters such as LPS."""
    order: str = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(grid.GetDirection())
    return order


def write_picture(path: Path, image: sitk.Image, *, step: float | None = None) -> Picture:
    """Write a volume for the page as NIfTI (int16) and say what is in it.

    `step` is what one stored unit is worth; it goes by the values without it.
    """
    turned = oriented(image)
    values: NDArray[np.float32] = sitk.GetArrayViewFromImage(turned)
    step = step or _step(values)
    whole = np.clip(np.rint(values / step), -LARGEST_INT16, LARGEST_INT16).astype(np.int16)
    stored = sitk.GetImageFromArray(whole)
    stored.CopyInformation(turned)
    write_volume(path, stored)
    return picture_of(turned, step)


def read_picture(path: Path) -> sitk.Image:
    """A volume of the page as it was written: int16 steps in the page's order."""
    return sitk.ReadImage(str(path))


def read_grid(path: Path) -> sitk.Image:
    """The grid of a volume of the page, without reading its values: an empty uint8 image."""
    header = sitk.ImageFileReader()
    header.SetFileName(str(path))
    header.ReadImageInformation()
    grid = sitk.Image(header.GetSize(), sitk.sitkUInt8)
    grid.SetOrigin(header.GetOrigin())
    grid.SetSpacing(header.GetSpacing())
    grid.SetDirection(header.GetDirection())
    return grid


def picture_of(image: sitk.Image, step: float) -> Picture:
    """Grid of an image in the page's order."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return Picture(
        size=image.GetSize(),
        spacing_mm=image.GetSpacing(),
        mm_from_voxel=rows_of(matrix),
        step=step,
    )


def rows_of(matrix: Float64Array) -> Rows:
    """A 4x4 matrix as JSON takes it."""
    rows: Rows = tuple(tuple(row) for row in matrix.tolist())  # type: ignore[assignment]
    return rows


def _step(values: NDArray[np.float32]) -> float:
    """1, or what spreads a narrow or very wide range of values over the whole numbers."""
    low, high = float(values.min()), float(values.max())
    largest = max(abs(low), abs(high))
    if high - low >= FINE_STEPS and largest <= LARGEST_INT16:
        return 1.0
    return largest / LARGEST_INT16 or 1.0
