"""The planes of a series' source slices, on which contours are defined.

The image itself may have been resampled onto another grid on reading.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import BoolArray, Float64Array, image_on
from radfuse.errors import InputError
from radfuse.series import Series


@dataclass(frozen=True)
class SlicePlanes:
    """Parallel planes of pixels, in increasing order along their normal; LPS, mm."""

    origins_mm: Float64Array
    """Centre of each slice's first pixel, (slices, 3)."""

    column_step_mm: Float64Array
    """Vector between adjacent columns, (slices, 3)."""

    row_step_mm: Float64Array
    """Vector between adjacent rows, (slices, 3)."""

    shape: tuple[int, int]
    """Rows and columns."""

    @property
    def normal(self) -> Float64Array:
        """Unit vector from slice to slice."""
        normal = np.cross(self.column_step_mm[0], self.row_step_mm[0])
        return np.asarray(normal / np.linalg.norm(normal))

    @property
    def positions_mm(self) -> Float64Array:
        """Of each slice along the normal, increasing."""
        return np.asarray(self.origins_mm @ self.normal)

    def points_mm(self, index: int, pixels: Float64Array) -> Float64Array:
        """The points (n, 3) of columns and rows (n, 2) of a slice."""
        steps = np.stack([self.column_step_mm[index], self.row_step_mm[index]])
        return np.asarray(self.origins_mm[index] + pixels @ steps)

    def nearest(self, positions_mm: Float64Array) -> tuple[NDArray[np.intp], Float64Array]:
        """The nearest slice to each position along the normal, and its relative distance.

        The distance is in half slice steps: above 1 the position is outside the thickness of the
        first or last slice.
        """
        slices = self.positions_mm
        steps = np.diff(slices)
        index = np.searchsorted((slices[1:] + slices[:-1]) / 2, positions_mm)
        offset = positions_mm - slices[index]
        gap = np.clip(np.where(offset < 0, index - 1, index), 0, len(steps) - 1)
        return index, np.abs(offset) / (steps[gap] / 2)

    def pixels(self, index: NDArray[np.intp], points_mm: Float64Array) -> Float64Array:
        """The columns and rows (..., 2) of points (..., 3), each in the slice of its index."""
        offset = points_mm - self.origins_mm[index]
        steps = (self.column_step_mm[index], self.row_step_mm[index])
        coordinates = [(offset * step).sum(-1) / (step * step).sum(-1) for step in steps]
        return np.stack(coordinates, axis=-1)


def slice_planes(series: Series) -> SlicePlanes:
    """The planes in the headers of a series, one per source slice.

    Raises `InputError` for a series that is not a volume from DICOM.
    """
    if not (series.headers and series.is_volume):
        raise InputError(
            f"{series.source}: contours refer to DICOM slices; give the DICOM folder of the series"
        )
    headers = series.headers
    cosines = np.array([header.ImageOrientationPatient for header in headers], np.float64)
    spacing = np.array([header.PixelSpacing for header in headers], np.float64)
    return SlicePlanes(
        origins_mm=np.array([header.ImagePositionPatient for header in headers], np.float64),
        column_step_mm=cosines[:, :3] * spacing[:, 1:],
        row_step_mm=cosines[:, 3:] * spacing[:, :1],
        shape=(int(headers[0].Rows), int(headers[0].Columns)),
    )


def mask_on_slices(mask: sitk.Image, series: Series, planes: SlicePlanes) -> BoolArray:
    """A mask on the grid of a series' image, resampled onto its source slices: (Z, Y, X)."""
    values = np.asarray(sitk.GetArrayViewFromImage(mask) > 0)
    if not series.regridded:
        return values
    smooth = image_on(mask, values.astype(np.float32))
    slices = [sitk.Resample(smooth, plane) for plane in _plane_images(planes)]
    return np.stack([sitk.GetArrayViewFromImage(image)[0] >= 0.5 for image in slices])


def _plane_images(planes: SlicePlanes) -> list[sitk.Image]:
    """Each plane as an empty volume of one slice."""
    rows, columns = planes.shape
    images = []
    for origin, column_step, row_step in zip(
        planes.origins_mm, planes.column_step_mm, planes.row_step_mm, strict=True
    ):
        spacing = np.linalg.norm([column_step, row_step], axis=1)
        axes = np.column_stack([column_step / spacing[0], row_step / spacing[1], planes.normal])
        image = sitk.Image(columns, rows, 1, sitk.sitkFloat32)
        image.SetSpacing((*spacing.tolist(), 1.0))
        image.SetOrigin(origin.tolist())
        image.SetDirection(axes.ravel().tolist())
        images.append(image)
    return images


def mask_from_slices(slices: BoolArray, series: Series, planes: SlicePlanes) -> sitk.Image:
    """A mask on the source slices, (Z, Y, X), on the grid of the image.

    If the image was resampled, a voxel has the value of the nearest pixel.
    """
    values = _regridded(slices, series.image, planes) if series.regridded else slices
    return image_on(series.image, values.astype(np.uint8))


def _regridded(slices: BoolArray, image: sitk.Image, planes: SlicePlanes) -> BoolArray:
    columns, rows, count = image.GetSize()
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    column, row = np.arange(columns)[None, :, None], np.arange(rows)[:, None, None]
    in_plane = image.GetOrigin() + column * axes[:, 0] + row * axes[:, 1]  # (Y, X, 3)
    values = np.zeros((count, rows, columns), np.bool_)
    for number in range(count):
        points = in_plane + number * axes[:, 2]
        index, distance = planes.nearest(points @ planes.normal)
        x, y = np.moveaxis(np.rint(planes.pixels(index, points)).astype(np.int64), -1, 0)
        covered = (distance <= 1) & (y >= 0) & (y < planes.shape[0])
        covered &= (x >= 0) & (x < planes.shape[1])
        values[number][covered] = slices[index[covered], y[covered], x[covered]]
    return values
