"""Array types, named by element type, whose shapes are given where they are used; their images."""

import ctypes
import weakref
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]
UInt8Array = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]

RAS_FROM_LPS = np.diag((-1.0, -1.0, 1.0, 1.0))
"""DICOM's first axes point to the patient's left and back, those of NIfTI to right and front."""

Voxel = TypeVar("Voxel", np.float32, np.uint16)

PIXEL_TYPES = {np.float32: sitk.sitkFloat32, np.uint16: sitk.sitkUInt16}
"""SimpleITK's pixel types."""

Others = ParamSpec("Others")
"""Arguments of a function after an image."""


Box = tuple[slice, slice, slice]
"""Part of a volume: slices, rows, columns."""


def image_on(grid: sitk.Image, values: NDArray[np.generic]) -> sitk.Image:
    """Values (slices, rows, columns) as an image on the grid of another one."""
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(grid)
    return image


def writable_image(
    size: tuple[int, int, int], dtype: type[Voxel]
) -> tuple[sitk.Image, NDArray[Voxel]]:
    """An image (columns, rows, slices) of zeros, and its voxels (slices, rows, columns), to fill.

    The array is the memory of the image, and must not be used after the image: a volume of 512 x
    512 x 600 voxels is not copied. `dtype` is float32 or uint16.
    """
    image = sitk.Image(size, PIXEL_TYPES[dtype])
    return image, writable_voxels(image)


def writable_voxels(image: sitk.Image) -> NDArray[Any]:
    """The memory of an image, (slices, rows, columns); it must not be used after the image.

    Images that share it, as copies by SimpleITK do, change too.
    """
    view = sitk.GetArrayViewFromImage(image)
    memory = (ctypes.c_byte * view.nbytes).from_address(view.__array_interface__["data"][0])
    return np.frombuffer(memory, view.dtype).reshape(view.shape)


class VolumeOfSlices:
    """A volume that is filled slice by slice, float32.

    Or int16, half of the memory, as long as all values are whole ones of 16 bits, as HU are.
    """

    def __init__(self, size: tuple[int, int, int], *, in_16_bits: bool) -> None:
        """Of columns, rows, slices; `in_16_bits` is whether whole values are kept so."""
        self.image = sitk.Image(size, sitk.sitkInt16 if in_16_bits else sitk.sitkFloat32)
        self.voxels = writable_voxels(self.image)

    def store(self, index: int, values: NDArray[Any]) -> None:
        """Store a slice (rows, columns)."""
        if self.voxels.dtype == np.int16 and values.dtype != np.int16:
            with np.errstate(invalid="ignore"):  # of NaN, which is no whole number
                whole = values.astype(np.int16)
            if not np.array_equal(whole, values):
                self._widen()
        self.voxels[index] = values

    def _widen(self) -> None:
        self.image = sitk.Cast(self.image, sitk.sitkFloat32)
        self.voxels = writable_voxels(self.image)


def filled_on(grid: sitk.Image, value: int) -> sitk.Image:
    """One value, uint8, in every voxel of the grid of an image."""
    image = sitk.Image(grid.GetSize(), sitk.sitkUInt8) + value
    image.CopyInformation(grid)
    return image


def grid_of_slice(image: sitk.Image, index: int) -> sitk.Image:
    """The grid of the slice with this index along the third axis, see `grid_of_box`."""
    columns, rows, _ = image.GetSize()
    return grid_of_box(image, (slice(index, index + 1), slice(0, rows), slice(0, columns)))


def grid_of_box(image: sitk.Image, box: Box) -> sitk.Image:
    """A volume, uint8, on the grid of a box (slices, rows, columns) of an image.

    It costs less than to extract the box.
    """
    grid = sitk.Image([part.stop - part.start for part in box[::-1]], sitk.sitkUInt8)
    grid.SetOrigin(image.TransformIndexToPhysicalPoint([part.start for part in box[::-1]]))
    grid.SetSpacing(image.GetSpacing())
    grid.SetDirection(image.GetDirection())
    return grid


def bounding_box(mask: BoolArray) -> tuple[slice, slice]:
    """Rows and columns of the smallest box that contains a mask (Y, X); empty if nothing is."""
    rows, columns = (np.flatnonzero(lines) for lines in (mask.any(axis=1), mask.any(axis=0)))
    if not rows.size:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def affine_of(image: sitk.Image) -> Float64Array:
    """The affine of a volume as in NIfTI: indices (column, row, slice, 1) to RAS mm, (4, 4)."""
    affine = np.eye(4)
    axes = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    affine[:3, :3], affine[:3, 3] = axes, image.GetOrigin()
    return RAS_FROM_LPS @ affine


def set_affine(image: sitk.Image, affine: Float64Array) -> None:
    """Give a volume the geometry of an affine, see `affine_of`; its columns must not be 0."""
    lps = RAS_FROM_LPS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())


def copied(image: sitk.Image) -> sitk.Image:
    """A copy with pixels of its own; SimpleITK's copies share them until one is changed."""
    copy = sitk.Image(image)
    copy.MakeUnique()
    return copy


def kept_per_image(
    function: Callable[Concatenate[sitk.Image, Others], sitk.Image],
) -> Callable[Concatenate[sitk.Image, Others], sitk.Image]:
    """A function whose value is computed once for each image and kept as long as the image exists.

    Neither the image nor its geometry may be changed after the first call. Each call returns a copy
    of the value, since ITK's filters write into their inputs and threads must not share them.
    """
    kept: dict[tuple[Hashable, ...], sitk.Image] = {}

    @wraps(function)
    def value_of(
        image: sitk.Image, /, *others: Others.args, **options: Others.kwargs
    ) -> sitk.Image:
        key = (id(image), *others, *options.items())
        if key not in kept:
            value = function(image, *others, **options)
            if key not in kept:  # no other thread was sooner
                kept[key] = value
                weakref.finalize(image, kept.pop, key, None).atexit = False
        return copied(kept[key])

    return value_of


def positions_mm(grid: sitk.Image, voxels: NDArray[np.int64]) -> Float64Array:
    """Positions of voxels (n, 3), indices z, y, x, on the grid of an image; LPS mm, (n, 3)."""
    axes = np.array(grid.GetDirection()).reshape(3, 3) * np.array(grid.GetSpacing())
    return np.asarray(np.array(grid.GetOrigin()) + voxels[:, ::-1] @ axes.T)


def continuous_indices(grid: sitk.Image, points_mm: Float64Array) -> Float64Array:
    """Continuous indices (..., 3), in the order z, y, x, of points (..., 3), LPS mm."""
    axes = np.array(grid.GetDirection()).reshape(3, 3) / np.array(grid.GetSpacing())
    return np.asarray(((points_mm - np.array(grid.GetOrigin())) @ axes)[..., ::-1])
