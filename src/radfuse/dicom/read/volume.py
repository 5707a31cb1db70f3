"""From the slices of a DICOM stack to one volume on a regular grid."""

import math

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array
from radfuse.dicom.read.grouping import Stack
from radfuse.dicom.read.pixels import check_values_of, outside_value, planes_of
from radfuse.dicom.read.slice_geometry import Lattice, lattice_of
from radfuse.errors import InputError

MOST_VOXELS = 2**30
"""Voxels of a volume, 4 GiB of values; a head of 0.25 mm in every direction has fewer."""


AT_A_SLICE = 1e-6
"""Share of a step by which a plane may miss a slice and still be that slice alone."""


def read_stack(stack: Stack) -> tuple[sitk.Image, Lattice]:
    """The volume of a stack (float32, LPS mm; CT in HU) and where its slices lie.

    Slices of a tilted gantry or uneven steps are resampled linearly, as the lattice notes. Raises
    `GeometryError` for what has no place on a grid, `InputError` for pixels that are truncated or
    in colour.
    """
    lattice = lattice_of(stack)
    check_values_of(lattice.slices)
    if math.prod(lattice.size) > MOST_VOXELS:
        raise InputError(
            f"{lattice.slices[0].path.parent}: a volume of {' x '.join(map(str, lattice.size))} "
            f"voxels; at most {MOST_VOXELS} are read; export the head alone"
        )
    voxels = _voxels(lattice)
    if not lattice.is_even:
        voxels = _levelled(voxels, lattice)
    if lattice.is_tilted:
        np.nan_to_num(voxels, copy=False, nan=outside_value(lattice.slices[0].header))
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(lattice.spacing_mm)
    image.SetOrigin(lattice.origin_mm.tolist())
    image.SetDirection(lattice.axes.ravel().tolist())
    return image, lattice


def _voxels(lattice: Lattice) -> Float32Array:
    """The slices, each on the grid's columns and rows, (slices, rows, columns)."""
    columns, rows, _ = lattice.size
    voxels = np.empty((len(lattice.slices), rows, columns), np.float32)
    for index, plane in planes_of(lattice.slices):
        voxels[index] = _shifted(plane, lattice, index) if lattice.is_tilted else plane
    return voxels


def _shifted(plane: Float32Array, lattice: Lattice, index: int) -> Float32Array:
    """A slice on the grid's columns and rows, linearly between its pixels; NaN beyond them."""
    image = sitk.GetImageFromArray(plane)
    image.SetSpacing(lattice.spacing_mm[:2])
    image.SetOrigin(lattice.shifts_mm[index].tolist())
    resampled = sitk.Resample(
        image, lattice.size[:2], sitk.Transform(2, sitk.sitkIdentity), sitk.sitkLinear,
        (0.0, 0.0), lattice.spacing_mm[:2], (1.0, 0.0, 0.0, 1.0), np.nan,
    )  # fmt: skip
    return np.array(sitk.GetArrayViewFromImage(resampled), np.float32)


def _levelled(voxels: Float32Array, lattice: Lattice) -> Float32Array:
    """Slices of uneven heights on the grid's planes, linearly between neighbours."""
    heights = lattice.heights_mm
    planes = np.linspace(0.0, heights[-1], lattice.size[2])
    between = np.interp(planes, heights, np.arange(len(heights)))
    levelled = np.empty((len(planes), *voxels.shape[1:]), np.float32)
    for plane, position in zip(levelled, between, strict=True):
        low, high = int(np.floor(position + AT_A_SLICE)), int(np.ceil(position - AT_A_SLICE))
        share = np.float32(position - low)
        plane[:] = voxels[low] if low >= high else voxels[low] * (1 - share) + voxels[high] * share
    return levelled
