"""Array types, named by element type, whose shapes are given where they are used; their images."""

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]
UInt8Array = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]


def image_on(grid: sitk.Image, values: NDArray[np.generic]) -> sitk.Image:
    """Values (slices, rows, columns) as an image on the grid of another one."""
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(grid)
    return image


def filled_on(grid: sitk.Image, value: int) -> sitk.Image:
    """One value, uint8, in every voxel of the grid of an image."""
    image = sitk.Image(grid.GetSize(), sitk.sitkUInt8) + value
    image.CopyInformation(grid)
    return image


def copied(image: sitk.Image) -> sitk.Image:
    """A copy with pixels of its own; SimpleITK's copies share them until one is changed."""
    copy = sitk.Image(image)
    copy.MakeUnique()
    return copy


def positions_mm(grid: sitk.Image, voxels: NDArray[np.int64]) -> Float64Array:
    """Positions of voxels (n, 3), indices z, y, x, on the grid of an image; LPS mm, (n, 3)."""
    axes = np.array(grid.GetDirection()).reshape(3, 3) * np.array(grid.GetSpacing())
    return np.asarray(np.array(grid.GetOrigin()) + voxels[:, ::-1] @ axes.T)


def continuous_indices(grid: sitk.Image, points_mm: Float64Array) -> Float64Array:
    """Continuous indices (..., 3), in the order z, y, x, of points (..., 3), LPS mm."""
    axes = np.array(grid.GetDirection()).reshape(3, 3) / np.array(grid.GetSpacing())
    return np.asarray(((points_mm - np.array(grid.GetOrigin())) @ axes)[..., ::-1])
