"""What every volume's grid must satisfy, whatever file it came from."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.errors import GeometryError, InputError

SPACING_LIMITS_MM = (0.05, 25.0)
"""Voxel sizes outside this range are no clinical head scan but a header with the wrong unit."""

RIGHT_ANGLE_TOLERANCE = 1e-3
"""Cosine by which two axes may miss a right angle: 0.06 degrees, the rounding of headers."""


def checked_volume(image: sitk.Image, path: Path) -> sitk.Image:
    """The volume, its axes a right-handed system.

    Raises `GeometryError` for an absurd grid, `InputError` for NaN, infinite or constant voxels.
    """
    check_spacing(image.GetSpacing(), path)
    if not np.isfinite(image.GetOrigin()).all():
        raise GeometryError(f"{path}: its place {image.GetOrigin()} is no number; mend the header")
    if min(image.GetSize()) < 2:
        size = " x ".join(map(str, image.GetSize()))
        raise GeometryError(f"{path}: a volume of {size} voxels; give one of 2 or more an axis")
    axes = np.reshape(image.GetDirection(), (3, 3))
    check_right_angles(axes, path)
    check_values(sitk.GetArrayViewFromImage(image), path)
    left, _, right = np.linalg.svd(axes)
    image.SetDirection((left @ right).ravel().tolist())  # the nearest exact right angles
    if np.linalg.det(axes) < 0:
        return image[:, :, ::-1]
    return image


def check_spacing(spacing_mm: tuple[float, ...], path: Path) -> None:
    """Raise `GeometryError` for voxel sizes that no clinical head scan has."""
    low, high = SPACING_LIMITS_MM
    if not all(low <= step <= high for step in spacing_mm):
        told = " x ".join(f"{step:g}" for step in spacing_mm)
        raise GeometryError(
            f"{path}: voxels of {told} mm; expected {low:g} to {high:g} mm; mend the header"
        )


def check_right_angles(axes: np.ndarray, path: Path) -> None:
    """Raise `GeometryError` for axes, the columns of a matrix, that are sheared or no unit vectors.

    Slices of a tilted gantry look like this.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        skew = np.abs(axes.T @ axes - np.eye(3)).max()
    if not skew <= RIGHT_ANGLE_TOLERANCE:  # it may be NaN
        raise GeometryError(
            f"{path}: its axes are not at right angles (off by {skew:.4f}); resample it first"
        )


def check_values(values: np.ndarray, path: Path) -> None:
    """Raise `InputError` for an image with NaN or infinity, or one that is the same everywhere."""
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.size(values) - np.isfinite(values).sum())
        raise InputError(f"{path}: {bad} values are NaN or infinite; mend the image first")
    if low == high:
        raise InputError(f"{path}: every value is {low:g}; this is an empty image")
