"""The planes of a series' own slices: where contours are drawn, whatever became of the image."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import BoolArray, Float64Array
from radfuse.errors import InputError
from radfuse.series import Series


@dataclass(frozen=True)
class SlicePlanes:
    """Parallel planes of pixels in the patient, in the order of their height; LPS, mm."""

    origins_mm: Float64Array
    """Centre of each slice's first pixel, (slices, 3)."""

    across_mm: Float64Array
    """From a column to the next, (slices, 3)."""

    down_mm: Float64Array
    """From a row to the next, (slices, 3)."""

    shape: tuple[int, int]
    """Rows and columns."""

    @property
    def normal(self) -> Float64Array:
        """Unit vector from slice to slice."""
        normal = np.cross(self.across_mm[0], self.down_mm[0])
        return np.asarray(normal / np.linalg.norm(normal))

    @property
    def heights_mm(self) -> Float64Array:
        """Of each slice along the normal, increasing."""
        return np.asarray(self.origins_mm @ self.normal)

    def points_mm(self, index: int, ring: Float64Array) -> Float64Array:
        """Points (n, 3) of columns and rows (n, 2) of a slice."""
        return np.asarray(
            self.origins_mm[index] + ring @ np.stack([self.across_mm[index], self.down_mm[index]])
        )

    def nearest(self, heights_mm: Float64Array) -> tuple[NDArray[np.intp], Float64Array]:
        """The nearest slice to each height and the distance to it in halves of the step there.

        More than 1 lies beyond the first or the last slice's own thickness.
        """
        own = self.heights_mm
        steps = np.diff(own)
        index = np.searchsorted((own[1:] + own[:-1]) / 2, heights_mm)
        away = heights_mm - own[index]
        beside = np.clip(np.where(away < 0, index - 1, index), 0, len(steps) - 1)
        return index, np.abs(away) / (steps[beside] / 2)

    def pixels(self, index: NDArray[np.intp], points_mm: Float64Array) -> Float64Array:
        """Columns and rows (..., 2) of points (..., 3), each in the slice of its index."""
        offset = points_mm - self.origins_mm[index]
        steps = (self.across_mm[index], self.down_mm[index])
        along = [(offset * step).sum(-1) / (step * step).sum(-1) for step in steps]
        return np.stack(along, axis=-1)


def slice_planes(series: Series) -> SlicePlanes:
    """The planes that the headers of a series state, one a source slice.

    Raises `InputError` for a series that is no volume from DICOM.
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
        across_mm=cosines[:, :3] * spacing[:, 1:],
        down_mm=cosines[:, 3:] * spacing[:, :1],
        shape=(int(headers[0].Rows), int(headers[0].Columns)),
    )


def on_slices(mask: sitk.Image, series: Series, planes: SlicePlanes) -> BoolArray:
    """A mask on the grid of a series' image, seen on its source slices: (slices, rows, columns)."""
    values = np.asarray(sitk.GetArrayViewFromImage(mask) > 0)
    if not series.regridded:
        return values
    smooth = sitk.GetImageFromArray(values.astype(np.float32))
    smooth.CopyInformation(mask)
    slices = [sitk.Resample(smooth, plane) for plane in _plane_images(planes)]
    return np.stack([sitk.GetArrayViewFromImage(image)[0] >= 0.5 for image in slices])


def _plane_images(planes: SlicePlanes) -> list[sitk.Image]:
    """Each slice as an empty volume of one slice."""
    rows, columns = planes.shape
    images = []
    for origin, across, down in zip(
        planes.origins_mm, planes.across_mm, planes.down_mm, strict=True
    ):
        spacing = np.linalg.norm([across, down], axis=1)
        axes = np.column_stack([across / spacing[0], down / spacing[1], planes.normal])
        image = sitk.Image(columns, rows, 1, sitk.sitkFloat32)
        image.SetSpacing((*spacing.tolist(), 1.0))
        image.SetOrigin(origin.tolist())
        image.SetDirection(axes.ravel().tolist())
        images.append(image)
    return images


def from_slices(stack: BoolArray, series: Series, planes: SlicePlanes) -> sitk.Image:
    """A mask drawn on the source slices, (slices, rows, columns), on the grid of the image.

    Where the image was resampled, a voxel has the value of the nearest pixel.
    """
    values = _regridded(stack, series.image, planes) if series.regridded else stack
    mask = sitk.GetImageFromArray(values.astype(np.uint8))
    mask.CopyInformation(series.image)
    return mask


def _regridded(stack: BoolArray, image: sitk.Image, planes: SlicePlanes) -> BoolArray:
    columns, rows, count = image.GetSize()
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    across, down = np.arange(columns)[None, :, None], np.arange(rows)[:, None, None]
    in_plane = image.GetOrigin() + across * axes[:, 0] + down * axes[:, 1]  # (rows, columns, 3)
    values = np.zeros((count, rows, columns), np.bool_)
    for number in range(count):
        points = in_plane + number * axes[:, 2]
        index, away = planes.nearest(points @ planes.normal)
        column, row = np.moveaxis(np.rint(planes.pixels(index, points)).astype(np.int64), -1, 0)
        seen = (away <= 1) & (row >= 0) & (row < planes.shape[0])
        seen &= (column >= 0) & (column < planes.shape[1])
        values[number][seen] = stack[index[seen], row[seen], column[seen]]
    return values
