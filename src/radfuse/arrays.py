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
