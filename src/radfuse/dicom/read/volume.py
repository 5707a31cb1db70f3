"""Read the slices of a DICOM volume into one image on a regular grid."""

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array, writable_image
from radfuse.dicom.read.gantry_tilt import shift_in_plane
from radfuse.dicom.read.pixels import background_of, check_pixel_values, slice_values
from radfuse.dicom.read.series import VolumeSlices
from radfuse.dicom.read.slice_geometry import SliceGeometry, slice_geometry
from radfuse.io.volume_checks import check_voxel_count

PLANE_TOLERANCE = 1e-6
"""Rounding of the position of a plane, in slices."""


def read_dicom_volume(volume: VolumeSlices) -> tuple[sitk.Image, SliceGeometry]:
    """The image of a volume (float32, LPS mm; CT in HU) and the geometry of its slices.

    A gantry tilt and uneven spacing are resampled linearly, with a note in the geometry. Raises
    `GeometryError` for slices that no grid fits, `InputError` for pixel data that are damaged or
    not of a scanner.
    """
    geometry = slice_geometry(volume)
    check_pixel_values(geometry.slices)
    check_voxel_count(geometry.size, geometry.slices[0].path.parent)
    columns, rows, _ = geometry.size
    image, voxels = writable_image((columns, rows, len(geometry.slices)), np.float32)
    _fill(voxels, geometry)
    if not geometry.is_even:
        voxels = _resample_spacing(voxels, geometry)
    if geometry.is_tilted:
        np.nan_to_num(voxels, copy=False, nan=background_of(geometry.slices[0].header))
    if not geometry.is_even:
        image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_mm.tolist())
    image.SetDirection(geometry.axes.ravel().tolist())
    return image, geometry


def _fill(voxels: Float32Array, geometry: SliceGeometry) -> None:
    """Read the slices on the columns and rows of the grid, (slices, rows, columns)."""
    columns, rows, _ = geometry.size
    for index, values in slice_values(geometry.slices):
        if geometry.is_tilted:
            voxels[index] = shift_in_plane(
                values, geometry.spacing_mm[:2], geometry.shifts_mm[index], (columns, rows)
            )
        else:
            voxels[index] = values


def _resample_spacing(voxels: Float32Array, geometry: SliceGeometry) -> Float32Array:
    """Unevenly spaced slices on the planes of the grid, linearly between neighbours."""
    heights = geometry.heights_mm
    planes = np.linspace(0.0, heights[-1], geometry.size[2])
    positions = np.interp(planes, heights, np.arange(len(heights)))
    resampled = np.empty((len(planes), *voxels.shape[1:]), np.float32)
    for plane, position in zip(resampled, positions, strict=True):
        low = int(np.floor(position + PLANE_TOLERANCE))
        high = int(np.ceil(position - PLANE_TOLERANCE))
        weight = np.float32(position - low)
        if low >= high:
            plane[:] = voxels[low]
        else:
            plane[:] = voxels[low] * (1 - weight) + voxels[high] * weight
    return resampled
