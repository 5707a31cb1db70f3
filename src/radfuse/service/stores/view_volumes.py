"""Volumes for the viewer: int16, with axes in LPS order.

The viewer's grid is the CT's with its axes permuted and flipped to point to the patient's left,
posterior and superior; no value is interpolated. The MR keeps its own grid;
the viewer resamples it.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Float64Array
from radfuse.record import SHORT_NOTICE
from radfuse.service.models import FrozenModel

ORIENTATION = "LPS"
"""The first axis points to the patient's left, the second to posterior, the third to superior."""

MIN_INTEGER_RANGE = 1000
"""An image with at least this range of values is stored with a step of 1."""

MAX_INT16 = int(np.iinfo(np.int16).max)

DATA_OFFSET = 352
"""Offset of the voxels in a NIfTI file without extensions; int16, little endian, x fastest."""

WRITERS, SLABS = 2, 32
"""Threads that convert slices, and slices that are in memory as int16 at once."""

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


class VoxelsInLps:
    """The voxels of an image with its axes in LPS order, (slices, rows, columns), not copied.

    To be made before another thread uses the image: SimpleITK would copy them then.
    """

    def __init__(self, image: sitk.Image) -> None:
        self.image = to_lps(image)
        self.values: NDArray[np.float32] = sitk.GetArrayViewFromImage(self.image)


def write_view_volume(
    path: Path, image: sitk.Image | VoxelsInLps, *, step: float | None = None
) -> ViewVolume:
    """Write a volume for the viewer as NIfTI (int16); returns its description.

    `step` is the value of one stored unit; by default it depends on the range of values.
    """
    voxels = image if isinstance(image, VoxelsInLps) else VoxelsInLps(image)
    step = step or _step(voxels.values)
    with path.open("wb") as file, ThreadPoolExecutor(WRITERS) as pool:
        _header(voxels.image).write_to(file)
        file.write(bytes(DATA_OFFSET - file.tell()))
        for first in range(0, len(voxels.values), SLABS):  # a whole volume of floats is large
            slabs = voxels.values[first : first + SLABS]
            for stored in pool.map(partial(_stored, step=step), slabs):
                file.write(stored.data)
    return describe_volume(voxels.image, step)


def _stored(slab: NDArray[np.float32], step: float) -> NDArray[np.int16]:
    scaled = np.rint(slab if step == 1 else slab / np.float32(step))
    return np.clip(scaled, -MAX_INT16, MAX_INT16, out=scaled).astype("<i2")


def _header(image: sitk.Image) -> nibabel.Nifti1Header:
    """The NIfTI header of int16 voxels, as ITK writes it: its coordinates are RAS mm."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype("<i2")
    header.set_data_shape(image.GetSize())
    affine = np.diag((-1.0, -1.0, 1.0, 1.0)) @ _mm_from_voxel(image)
    header.set_qform(affine, "scanner")
    header.set_sform(affine, "scanner")
    header.set_xyzt_units("mm")
    header["vox_offset"], header["descrip"] = DATA_OFFSET, SHORT_NOTICE
    return header


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
    return ViewVolume(
        size=image.GetSize(),
        spacing_mm=image.GetSpacing(),
        mm_from_voxel=matrix_rows(_mm_from_voxel(image)),
        step=step,
    )


def _mm_from_voxel(image: sitk.Image) -> Float64Array:
    """Maps a voxel index to LPS mm; (4, 4)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return matrix


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
