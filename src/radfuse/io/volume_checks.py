"""Checks of the grid and the values of every volume, independent of its file format."""

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.errors import GeometryError, InputError

SPACING_LIMITS_MM = (0.05, 25.0)
"""Voxel sizes outside this range do not occur in head scans; the header has a wrong unit."""

MAX_VOXELS = 2**30
"""Voxels of a volume, 4 GiB of values; a head at 0.25 mm isotropic spacing has fewer."""

MIN_REGISTERED_VOXELS = 4
"""Voxels per axis that registration and its QA need: they smooth and differentiate."""

RIGHT_ANGLE_TOLERANCE = 1e-3
"""Largest cosine between two axes: 0.06 degrees from a right angle, the rounding of headers."""


def checked_volume(image: sitk.Image, path: Path, *, is_mask: bool = False) -> sitk.Image:
    """The volume with right-handed, exactly perpendicular axes.

    Raises `GeometryError` for an implausible grid, `InputError` for NaN, infinite or constant
    voxels; a mask may be constant.
    """
    check_spacing(image.GetSpacing(), path)
    if not np.isfinite(image.GetOrigin()).all():
        raise GeometryError(
            f"{path}: its origin {image.GetOrigin()} is not finite; correct the header"
        )
    check_voxel_count(image.GetSize(), path)
    axes = np.reshape(image.GetDirection(), (3, 3))
    check_right_angles(axes, path)
    check_values(sitk.GetArrayViewFromImage(image), path, is_mask=is_mask)
    left, _, right = np.linalg.svd(axes)
    image.SetDirection((left @ right).ravel().tolist())  # the nearest exact right angles
    if np.linalg.det(axes) < 0:
        return image[:, :, ::-1]
    return image


def check_dimensions(path: Path, shape: tuple[int, ...]) -> None:
    """Raise `InputError` unless the image is 3-D; further axes of one element are accepted."""
    if min(shape, default=0) < 0:
        raise InputError(f"{path}: {min(shape)} voxels along an axis; correct the header")
    if len(shape) < 3 or any(size > 1 for size in shape[3:]):
        size = " x ".join(map(str, shape))
        raise InputError(f"{path}: a {len(shape)}-D image of {size}, expected one 3-D volume")


def check_voxel_count(size: tuple[int, ...], path: Path) -> None:
    """Raise `GeometryError` for less than 2 voxels along an axis, or more than `MAX_VOXELS`."""
    words = " x ".join(map(str, size))
    if min(size) < 2:
        raise GeometryError(f"{path}: {words} voxels; a volume needs 2 or more per axis")
    if math.prod(size) > MAX_VOXELS:
        raise GeometryError(
            f"{path}: {words} voxels, at most {MAX_VOXELS} are read; export the head only"
        )


def registered_size_problem(size: tuple[int, ...]) -> str:
    """Why a volume is too thin to be registered; empty if it is not."""
    if min(size) >= MIN_REGISTERED_VOXELS:
        return ""
    return (
        f"{' x '.join(map(str, size))} voxels; registration and its QA need "
        f"{MIN_REGISTERED_VOXELS} or more per axis; export the whole head"
    )


def check_spacing(spacing_mm: tuple[float, ...], path: Path) -> None:
    """Raise `GeometryError` for voxel sizes outside `SPACING_LIMITS_MM`."""
    low, high = SPACING_LIMITS_MM
    if not all(low <= step <= high for step in spacing_mm):
        spacing = " x ".join(f"{step:g}" for step in spacing_mm)
        raise GeometryError(
            f"{path}: voxel spacing {spacing} mm, expected {low:g} to {high:g} mm; correct the "
            "header"
        )


def check_right_angles(axes: np.ndarray, path: Path) -> None:
    """Raise `GeometryError` for axes, the columns of a matrix, that are not orthonormal.

    The slices of a tilted gantry give such axes.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        skew = np.abs(axes.T @ axes - np.eye(3)).max()
    if not skew <= RIGHT_ANGLE_TOLERANCE:  # it may be NaN
        raise GeometryError(
            f"{path}: the axes are not perpendicular unit vectors (off by {skew:.4f}); resample it"
        )


def check_values(values: np.ndarray, path: Path, *, is_mask: bool = False) -> None:
    """Raise `InputError` for NaN, infinity, or an image, not a mask, of one value everywhere."""
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.size(values) - np.isfinite(values).sum())
        raise InputError(f"{path}: {bad} values are NaN or infinite; replace them first")
    if low == high and not is_mask:
        raise InputError(f"{path}: every value is {low:g}; the image is empty")
