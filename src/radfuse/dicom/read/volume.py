"""Read the slices of a DICOM volume into one image on a regular grid."""

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Float32Array, VolumeOfSlices
from radfuse.dicom.read.gantry_tilt import shift_in_plane
from radfuse.dicom.read.pixels import background_of, check_pixel_values, slice_values
from radfuse.dicom.read.series import VolumeSlices
from radfuse.dicom.read.slice_geometry import SliceGeometry, slice_geometry
from radfuse.io.volume_checks import check_voxel_count

PLANE_TOLERANCE = 1e-6
"""Rounding of the position of a plane, in slices."""


def read_dicom_volume(
    volume: VolumeSlices, *, in_16_bits: bool = False
) -> tuple[sitk.Image, SliceGeometry]:
    """The image of a volume (float32, LPS mm; CT in HU) and the geometry of its slices.

    With `in_16_bits` as int16, where every value is a whole one of 16 bits. A gantry tilt and
    uneven spacing are resampled linearly, with a note in the geometry. Raises `GeometryError` for
    slices that no grid fits, `InputError` for pixel data that are damaged or not of a scanner.
    """
    geometry = slice_geometry(volume)
    check_pixel_values(geometry.slices)
    check_voxel_count(geometry.size, geometry.slices[0].path.parent)
    is_as_stored = geometry.is_even and not geometry.is_tilted
    image, voxels = _filled(geometry, in_16_bits=in_16_bits and is_as_stored)
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


def _filled(geometry: SliceGeometry, *, in_16_bits: bool) -> tuple[sitk.Image, NDArray[Any]]:
    """The slices on the columns and rows of the grid, and their memory (slices, rows, columns)."""
    columns, rows, _ = geometry.size
    volume = VolumeOfSlices((columns, rows, len(geometry.slices)), in_16_bits=in_16_bits)
    for index, values in slice_values(geometry.slices):
        shifted = values
        if geometry.is_tilted:
            shifted = shift_in_plane(
                values, geometry.spacing_mm[:2], geometry.shifts_mm[index], (columns, rows)
            )
        volume.store(index, shifted)
    return volume.image, volume.voxels


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
