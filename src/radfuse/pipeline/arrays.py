"""A series from an array or a SimpleITK image, for images that are in memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

from radfuse.arrays import Float32Array, Float64Array, FloatArray, set_affine
from radfuse.errors import InputError
from radfuse.io.volume_checks import check_values, checked_volume
from radfuse.modality import CT, Modality, modality_named
from radfuse.pipeline.hounsfield import in_hounsfield_units
from radfuse.recipe import Recipe
from radfuse.series import Series

Source = Series | Path | str | NDArray[Any] | sitk.Image
"""What is fused: a series, a path, or an image in memory."""

IN_MEMORY = Path("array")
"""Source of a series from an array."""


def series_of(
    values: ArrayLike | sitk.Image,
    modality: Modality | str,
    *,
    value_range: tuple[float, float] | None = None,
    spacing_mm: Sequence[float] | None = None,
    affine: ArrayLike | None = None,
) -> Series:
    """A series from an array or a SimpleITK image, which is copied.

    Parameters
    ----------
    values
        A 2-D image (rows, columns), of a PET or SPECT also RGB (rows, columns, 3); or a volume
        (slices, rows, columns) in the unit of its modality: HU, Bq/ml, counts, arbitrary for an MR.
        A volume of SimpleITK keeps its geometry.
    modality
        Its DICOM code, "CT", "MR", "PT" or "NM", or a `Modality`.
    value_range
        Of a 2-D image: the values of black and white, such as (0, 255).
    spacing_mm
        Of an array of a volume: distance of columns, rows and slices. The first slice is inferior,
        the first row anterior, the first column on the patient's right.
    affine
        Instead of it: maps indices (column, row, slice, 1) to RAS mm, (4, 4), as in NIfTI. Arrays
        of nibabel, MONAI and TorchIO, (columns, rows, slices), are transposed: `values.T`.

    Raises
    ------
    InputError
        For shapes, values, ranges or geometries that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import radfuse
    >>> levels = np.arange(96, dtype=np.uint8).reshape(8, 12)
    >>> radfuse.series_of(levels, "MR", value_range=(0, 255))
    <Series: MR, 12 x 8 pixels, no DICOM headers>
    >>> radfuse.series_of(np.arange(120.0).reshape(4, 5, 6), "CT", spacing_mm=(0.5, 0.5, 2.0))
    <Series: CT, 6 x 5 x 4 voxels of 0.5 x 0.5 x 2 mm, no DICOM headers>
    """
    modality = modality_named(modality) if isinstance(modality, str) else modality
    if isinstance(values, sitk.Image):
        if values.GetDimension() == 3:
            _refuse_geometry(spacing_mm, affine)
            return Series(_volume_of_image(values), modality, IN_MEMORY)
        if values.GetDimension() != 2:
            raise InputError(f"an image of {values.GetDimension()} dimensions; give 2 or 3")
        values = sitk.GetArrayFromImage(values)
    numbers = _real_numbers(values)
    has_geometry = spacing_mm is not None or affine is not None
    is_rgb = numbers.ndim == 3 and numbers.shape[-1] == 3 and not has_geometry
    if numbers.ndim == 3 and not is_rgb:
        return Series(_volume(numbers, spacing_mm, affine), modality, IN_MEMORY)
    if numbers.ndim == 2 or (is_rgb and modality.is_colour):
        return Series(_image(numbers, value_range), modality, IN_MEMORY)
    colours = ", or RGB (rows, columns, 3)" if modality.is_colour else ""
    raise InputError(
        f"an array of shape {numbers.shape} as {modality}: give (rows, columns){colours}, or "
        "(slices, rows, columns) with spacing_mm or affine"
    )


def series_in_memory(
    values: NDArray[Any] | sitk.Image, modality: Modality, recipe: Recipe
) -> Series:
    """What `fuse` makes of an image in memory, checked as `read` checks the values of a file.

    A 2-D array is of 8 bits, or real numbers in [0, 1]. Raises `InputError` for another one, an
    array of a volume, which has no geometry, and values that are not of the modality.
    """
    is_array = not isinstance(values, sitk.Image)
    if is_array and np.ndim(values) == 3 and np.shape(values)[-1] != 3:
        raise InputError(
            f"an array of shape {np.shape(values)} has no geometry; give radfuse.series_of(ARRAY, "
            f"'{modality}', spacing_mm=...)"
        )
    series = series_of(values, modality, value_range=_usual_range(values))
    if series.is_volume and modality is CT:
        return in_hounsfield_units(series, recipe.ct_scale, recipe.ct_offset)
    return series


def _usual_range(values: NDArray[Any] | sitk.Image) -> tuple[float, float] | None:
    """Black and white of a 2-D image by its type; None of another type."""
    array = sitk.GetArrayViewFromImage(values) if isinstance(values, sitk.Image) else values
    if array.dtype == np.uint8:
        return (0.0, 255.0)
    return (0.0, 1.0) if array.dtype.kind == "f" else None


def _refuse_geometry(spacing_mm: object, affine: object) -> None:
    if spacing_mm is not None or affine is not None:
        raise InputError("an image has its own geometry; leave out spacing_mm and affine")


def _volume_of_image(image: sitk.Image) -> sitk.Image:
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(
            f"a volume of {image.GetPixelIDTypeAsString()}; give one real number per voxel"
        )
    return checked_volume(sitk.Cast(image, sitk.sitkFloat32), IN_MEMORY)


def _real_numbers(values: object) -> FloatArray:
    try:
        given = np.asarray(values)
    except ValueError as error:
        raise InputError("an array whose rows differ in length; give rows of one length") from error
    if given.dtype.kind not in "biuf" or not given.size:
        raise InputError(
            f"an array of shape {given.shape} and type {given.dtype}: give real numbers, at least "
            "one; of complex ones the magnitude"
        )
    with np.errstate(over="ignore"):  # infinite values are refused by name
        return given.astype(np.float32)


def _finite(values: object, *shape: int) -> list[float]:
    """Finite numbers of a shape, row by row; none for anything else."""
    try:
        given = np.asarray(values)
    except ValueError:
        return []
    is_real = given.shape == shape and given.dtype.kind in "iuf"
    return [float(one) for one in given.flat] if is_real and np.isfinite(given).all() else []


def _image(values: FloatArray, value_range: tuple[float, float] | None) -> sitk.Image:
    if not (limits := _finite(value_range, 2)):
        raise InputError(
            f"a 2-D array with value_range {value_range}: give value_range, the values of black "
            "and white"
        )
    low, high = limits
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]  # grey, as files in grey
    check_values(values, IN_MEMORY)
    lowest, highest = float(values.min()), float(values.max())
    if not low < high or lowest < low or highest > high:
        raise InputError(
            f"values from {lowest:g} to {highest:g} in value_range ({low:g}, {high:g}); give a "
            "range that contains them"
        )
    scaled = ((values - low) / (high - low)).astype(np.float32)
    return sitk.GetImageFromArray(scaled, isVector=scaled.ndim == 3)


def _volume(
    values: Float32Array, spacing_mm: Sequence[float] | None, affine: ArrayLike | None
) -> sitk.Image:
    if spacing_mm is not None and affine is not None:
        raise InputError("give spacing_mm or affine, not both")
    image = sitk.GetImageFromArray(values)
    if affine is not None:
        set_affine(image, _checked_affine(affine))
        return checked_volume(image, IN_MEMORY)
    spacing = _finite(spacing_mm, 3)
    if not spacing or not all(0 < one < 1e3 for one in spacing):
        raise InputError(
            f"a volume with spacing_mm {spacing_mm}: give the distance of columns, rows and slices "
            "in mm, or affine"
        )
    image.SetSpacing(spacing)
    return checked_volume(image, IN_MEMORY)


def _checked_affine(affine: ArrayLike) -> Float64Array:
    """A matrix (4, 4) that maps to a volume; `InputError` for anything else."""
    matrix = np.reshape(_finite(affine, 4, 4) or [0.0] * 16, (4, 4))
    if np.linalg.det(matrix) == 0 or not np.array_equal(matrix[3], (0, 0, 0, 1)):
        raise InputError("affine: give a regular matrix (4, 4) whose last row is 0, 0, 0, 1")
    return matrix
