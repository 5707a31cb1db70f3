"""The moving series resampled onto the grid of the fixed one, so that any viewer can overlay them.

Each is written in the class of its source, with the attributes that give its values their meaning.
An MR is MR Image Storage. A PET is PET Image Storage with unit, corrections, radiopharmaceutical
and the times of the decay, so that an SUV of it is that of its source. A SPECT is one multi-frame
Nuclear Medicine image: that class has the position of a volume in the item of its detector (PS3.3
C.8.4.11), and no other one may state the modality NM. A series without such attributes, such as a
PET from NIfTI, and a CT, which must not invite dose calculation, are Secondary Capture with a
position.
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.dicom.codes import SPATIAL_RESAMPLING
from radfuse.dicom.write.derivation_context import DerivationContext, sanitized
from radfuse.dicom.write.derived_headers import code_item, make_capture
from radfuse.dicom.write.encoding import file_bytes
from radfuse.dicom.write.functional_headers import (
    is_pet_object,
    is_spect_object,
    make_pet,
    make_spect,
)
from radfuse.dicom.write.series import (
    Rescale,
    SliceSeries,
    pixel_attributes,
    rescale_attributes,
    stored_dtype,
    stored_values,
)
from radfuse.io.staging import refuse_nonempty, staging
from radfuse.modality import MR
from radfuse.record import NOTICE
from radfuse.series import Series

SERIES_NUMBER = 302
"""Above the numbers that scanners assign."""

UNSPECIFIED = "US"
"""RescaleType of values in arbitrary units."""

MIN_WHOLE_PEAK = 1000.0
"""Whole numbers with a peak of this or more are stored as whole numbers in an NM image, which has
no rescale by the standard: the rounding is below 0.05 % of the peak."""

FILE_NAME = "0001.dcm"
"""The only file of an NM series."""


def write_resampled(folder: Path, context: DerivationContext) -> tuple[Path, ...]:
    """Write the moving series, linearly interpolated on the whole grid of the fixed one.

    Returns the files: one for each slice, or one of an NM series. Errors are those of
    `write.write_slices`.
    """
    series = resampled_series(folder, context)
    if not is_spect_object(context.moving):
        return context.write(series)
    header = series.template
    make_spect(header, context)
    count = context.fixed.image.GetSize()[2]
    values = np.stack([series.stored_slice(index) for index in range(count)])
    return (_write_frames(folder, header, values, series.rescale),)


def resampled_series(folder: Path, context: DerivationContext) -> SliceSeries:
    """The series of `write_resampled`, but for a SPECT, which is one file."""
    moving = context.moving
    rescale = _rescale(moving)
    scale = rescale or Rescale()
    dtype = stored_dtype(_value_range(moving), scale, folder)

    def stored_slice(index: int) -> NDArray[np.generic]:
        values = context.moving_slice(index)
        known = np.where(np.isnan(values), np.float32(moving.modality.background), values)
        return stored_values(known, scale, dtype)

    header = _header(context, rescale)
    if is_pet_object(moving):
        make_pet(header, moving, context.fixed.image.GetSize()[2])
    elif moving.modality is MR:
        header.SOPClassUID = MRImageStorage
    elif not is_spect_object(moving):
        make_capture(header)
    own_attributes = _image_index if is_pet_object(moving) else None
    return SliceSeries(folder, stored_slice, header, rescale, own_attributes)


def resample_mr(mr: sitk.Image, grid: sitk.Image, mr_from_ct: sitk.Transform) -> sitk.Image:
    """The MR linearly interpolated on a grid (float32), 0 outside its field of view."""
    return _interpolated(mr, grid, mr_from_ct, MR.background)


def resample(moving: Series, grid: sitk.Image, moving_from_fixed: sitk.Transform) -> sitk.Image:
    """A series linearly interpolated on a grid (float32), background outside its field of view."""
    return _interpolated(moving.image, grid, moving_from_fixed, moving.modality.background)


def _interpolated(
    image: sitk.Image, grid: sitk.Image, transform: sitk.Transform, background: float
) -> sitk.Image:
    return sitk.Resample(image, grid, transform, sitk.sitkLinear, background, sitk.sitkFloat32)


def _header(context: DerivationContext, rescale: Rescale | None) -> Dataset:
    """The header of the new series, without a class."""
    moving, fixed = context.moving, context.fixed
    description = moving.headers[0].get("SeriesDescription") if moving.headers else None
    make = context.mr_header if moving.modality is MR else context.image_header
    header = make(
        SERIES_NUMBER, f"{moving.modality} ON {fixed.modality}", sanitized(description or "rigid"),
        "Registration and resampling",
    )  # fmt: skip
    low, high = context.moving_range
    header.WindowCenter, header.WindowWidth = (
        format_number_as_ds(value) for value in ((low + high) / 2, high - low)
    )
    precision = f", stored in steps of {rescale.slope:g}" if rescale else ""
    header.DerivationDescription = (
        f"Rigidly registered {moving.modality}, linearly interpolated; "
        f"{context.grid_description}{precision}; {moving.modality.background:g} outside the "
        f"{moving.modality} field of view. {NOTICE}"
    )
    header.DerivationCodeSequence = [code_item(SPATIAL_RESAMPLING)]
    return header


def _image_index(index: int) -> Dataset:
    """The number of a PET slice in its volume."""
    attributes = Dataset()
    attributes.ImageIndex = index + 1
    return attributes


def _write_frames(
    folder: Path, header: Dataset, values: NDArray[np.generic], rescale: Rescale | None
) -> Path:
    """Write stored values (Z, Y, X) as one file."""
    refuse_nonempty(folder, remedy="pass --overwrite or another --output")
    header.update(pixel_attributes(values[0]))
    header.PixelData = values.tobytes()
    if rescale is not None:
        header.update(rescale_attributes(rescale))
    with staging(folder.parent) as stage:
        draft = stage.path_of(folder)
        draft.mkdir()
        (draft / FILE_NAME).write_bytes(file_bytes(header))
    return folder / FILE_NAME


def _rescale(moving: Series) -> Rescale | None:
    """How the values of a series are stored; None for whole numbers as they are."""
    if moving.modality is MR:
        return rescale_of(moving.image)
    low, high = _value_range(moving)
    is_whole = (
        is_spect_object(moving) and high >= MIN_WHOLE_PEAK and rescale_of(moving.image) is None
    )
    return None if is_whole else _full_range(low, high, _rescale_type(moving))


def rescale_of(image: sitk.Image) -> Rescale | None:
    """How values in arbitrary units are scaled to 16 bits; None for integers that fit as they are.

    Other values use the full 16 bits, so that a step is below 1/32767 of the largest value.
    """
    values = sitk.GetArrayViewFromImage(image)
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    limits = np.iinfo(np.int16 if low < 0 else np.uint16)
    fits = limits.min <= low and high <= limits.max
    if fits and all(np.array_equal(plane, np.rint(plane)) for plane in values):
        return None
    return _full_range(low, high, UNSPECIFIED)


def _rescale_type(moving: Series) -> str:
    """RescaleType of the stored values; empty for a PET object, whose Units state it."""
    if is_pet_object(moving):
        return ""
    return moving.modality.unit if moving.modality.rescale_types else UNSPECIFIED


def _full_range(low: float, high: float, rescale_type: str) -> Rescale:
    """The rescale that uses the full 16 bits for a range that contains 0."""
    limits = np.iinfo(np.int16 if low < 0 else np.uint16)
    slope = max(high / limits.max, low / limits.min if low < 0 else 0.0) or 1.0
    return Rescale(float(format_number_as_ds(slope)), 0.0, rescale_type)


def _value_range(moving: Series) -> tuple[float, float]:
    """The lowest and highest value of a series, 0 and its background included."""
    values = sitk.GetArrayViewFromImage(moving.image)
    outside = (moving.modality.background, 0.0)
    return min(float(values.min()), *outside), max(float(values.max()), *outside)
