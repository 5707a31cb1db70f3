"""A series from an array, for images that are in memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import FloatArray
from radfuse.errors import InputError
from radfuse.io.volume_checks import check_values, checked_volume
from radfuse.modality import Modality, modality_named
from radfuse.series import Series

IN_MEMORY = Path("array")
"""Source of a series from an array."""


def series_of(
    values: FloatArray,
    modality: Modality | str,
    *,
    value_range: tuple[float, float] | None = None,
    spacing_mm: Sequence[float] | None = None,
) -> Series:
    """A series from an array, which is copied.

    Parameters
    ----------
    values
        A 2-D image (rows, columns), of a PET or SPECT also RGB (rows, columns, 3); or a volume
        (slices, rows, columns) in the unit of its modality, the first slice inferior, the first
        row anterior, the first column on the patient's right.
    modality
        A row of `modality`, or its DICOM code.
    value_range
        Of a 2-D image: the values of black and white, such as (0, 255).
    spacing_mm
        Of a volume: distance of columns, rows and slices.

    Raises
    ------
    InputError
        For shapes, values or ranges that do not fit.
    """
    modality = modality_named(modality) if isinstance(modality, str) else modality
    numbers = _real_numbers(values)
    is_rgb = numbers.ndim == 3 and numbers.shape[-1] == 3 and spacing_mm is None
    if numbers.ndim == 3 and not is_rgb:
        return Series(_volume(numbers, spacing_mm), modality, IN_MEMORY)
    if numbers.ndim == 2 or (is_rgb and modality.is_colour):
        return Series(_image(numbers, value_range), modality, IN_MEMORY)
    colours = ", or RGB (rows, columns, 3)" if modality.is_colour else ""
    raise InputError(
        f"an array of shape {numbers.shape} as {modality}: give (rows, columns){colours}, or "
        "(slices, rows, columns) with spacing_mm"
    )


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


def _finite(values: object, count: int) -> list[float]:
    """As many finite numbers; none for anything else."""
    try:
        given = np.asarray(values)
    except ValueError:
        return []
    is_real = given.shape == (count,) and given.dtype.kind in "iuf"
    return [float(one) for one in given] if is_real and np.isfinite(given).all() else []


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


def _volume(values: FloatArray, spacing_mm: Sequence[float] | None) -> sitk.Image:
    spacing = _finite(spacing_mm, 3)
    if not spacing or not all(0 < one < 1e3 for one in spacing):
        raise InputError(
            f"a volume with spacing_mm {spacing_mm}: give the distance of columns, rows and slices "
            "in mm"
        )
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    return checked_volume(image, IN_MEMORY)
