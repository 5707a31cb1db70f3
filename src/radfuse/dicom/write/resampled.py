"""The MR resampled onto the grid of the CT, so that any viewer can overlay the two."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.dicom.write.derivation_context import DerivationContext, sanitized
from radfuse.dicom.write.derived_headers import code_item
from radfuse.dicom.write.series import Rescale, stored_dtype, stored_values, write_slices
from radfuse.record import NOTICE

SERIES_NUMBER = 302
"""Above the numbers that scanners assign."""

UNSPECIFIED = "US"
"""RescaleType of values in arbitrary units."""

OUTSIDE_FOV = 0.0
"""The value outside the MR field of view, in the MR's units."""


def write_resampled(folder: Path, context: DerivationContext) -> tuple[Path, ...]:
    """Write the MR, linearly interpolated on the whole grid of the CT, slice by slice.

    Errors are those of `write.write_slices`.
    """
    mr = context.moving
    rescale = rescale_of(mr.image)
    dtype = stored_dtype(_value_range(mr.image), rescale or Rescale(), folder)

    def stored_slice(index: int) -> NDArray[np.generic]:
        grid = context.fixed.image[:, :, index : index + 1]
        values = sitk.GetArrayFromImage(resample_mr(mr.image, grid, context.moving_from_fixed))
        return stored_values(values[0], rescale or Rescale(), dtype)

    description = mr.headers[0].get("SeriesDescription") if mr.headers else None
    header = context.mr_header(
        SERIES_NUMBER, "MR ON CT", sanitized(description or "rigid"), "Registration and resampling"
    )
    header.SOPClassUID = MRImageStorage
    low, high = context.moving_range
    header.WindowCenter, header.WindowWidth = (
        format_number_as_ds(value) for value in ((low + high) / 2, high - low)
    )
    precision = f", stored in steps of {rescale.slope:g}" if rescale else ""
    header.DerivationDescription = (
        f"Rigidly registered MR, linearly interpolated; {context.grid_description}{precision}; "
        f"0 outside the MR field of view. {NOTICE}"
    )
    header.DerivationCodeSequence = [code_item(codes.DCM.SpatialResampling)]
    return write_slices(
        folder, context.fixed.image, stored_slice, header,
        rescale=rescale, per_slice=context.slice_attributes,
    )  # fmt: skip


def resample_mr(mr: sitk.Image, grid: sitk.Image, mr_from_ct: sitk.Transform) -> sitk.Image:
    """The MR linearly interpolated on a grid (float32), `OUTSIDE_FOV` outside its field of view."""
    return sitk.Resample(mr, grid, mr_from_ct, sitk.sitkLinear, OUTSIDE_FOV, sitk.sitkFloat32)


def rescale_of(mr: sitk.Image) -> Rescale | None:
    """How MR values are scaled to 16 bits; None for integers that fit as they are.

    Other values use the full 16 bits, so that a step is below 1/32767 of the largest value.
    """
    values, (low, high) = sitk.GetArrayViewFromImage(mr), _value_range(mr)
    limits = np.iinfo(np.int16 if low < 0 else np.uint16)
    fits = limits.min <= low and high <= limits.max
    if fits and all(np.array_equal(plane, np.rint(plane)) for plane in values):
        return None
    slope = max(high / limits.max, low / limits.min if low < 0 else 0.0)
    return Rescale(float(format_number_as_ds(slope)), 0.0, UNSPECIFIED)


def _value_range(mr: sitk.Image) -> tuple[float, float]:
    """The lowest and highest value of the MR, `OUTSIDE_FOV` included."""
    values = sitk.GetArrayViewFromImage(mr)
    return min(float(values.min()), OUTSIDE_FOV), max(float(values.max()), OUTSIDE_FOV)
