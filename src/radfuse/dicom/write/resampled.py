"""The MR on the grid and in the frame of the CT: every viewer then fuses the two by itself."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import MRImageStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.dicom.write.derivation_context import Origin, plain
from radfuse.dicom.write.derived_headers import code_item
from radfuse.dicom.write.series import Rescale, stored_type, stored_values, write_planes
from radfuse.record import NOTICE

SERIES_NUMBER = 302
"""Above the numbers that scanners give."""

UNSPECIFIED = "US"
"""RescaleType of values in arbitrary units."""

NOT_LOOKED = 0.0
"""The value where the MR did not look, in its units."""


def write_resampled(folder: Path, origin: Origin) -> tuple[Path, ...]:
    """Write the MR, linearly interpolated on the whole grid of the CT, slice by slice.

    Errors are those of `write.write_planes`.
    """
    rescale = rescale_of(origin.mr.image)
    kind = stored_type(_ends(origin.mr.image), rescale or Rescale(), folder)

    def plane(index: int) -> NDArray[np.generic]:
        grid = origin.ct.image[:, :, index : index + 1]
        values = sitk.GetArrayFromImage(resampled(origin.mr.image, grid, origin.mr_from_ct))
        return stored_values(values[0], rescale or Rescale(), kind)

    described = origin.mr.headers[0].get("SeriesDescription") if origin.mr.headers else None
    header = origin.mr_header(
        SERIES_NUMBER, "MR ON CT", plain(described or "rigid"), "Registration and resampling"
    )
    header.SOPClassUID = MRImageStorage
    low, high = origin.mr_range
    header.WindowCenter, header.WindowWidth = (
        format_number_as_ds(value) for value in ((low + high) / 2, high - low)
    )
    factor = f", stored in steps of {rescale.slope:g}" if rescale else ""
    header.DerivationDescription = (
        f"Rigidly registered MR, linearly interpolated; {origin.grid}{factor}; 0 where the MR did "
        f"not look. {NOTICE}"
    )
    header.DerivationCodeSequence = [code_item(codes.DCM.SpatialResampling)]
    return write_planes(
        folder, origin.ct.image, plane, header,
        rescale=rescale, per_slice=origin.slice_attributes,
    )  # fmt: skip


def resampled(mr: sitk.Image, grid: sitk.Image, mr_from_ct: sitk.Transform) -> sitk.Image:
    """The MR linearly interpolated on a grid (float32), `NOT_LOOKED` beyond it."""
    return sitk.Resample(mr, grid, mr_from_ct, sitk.sitkLinear, NOT_LOOKED, sitk.sitkFloat32)


def rescale_of(mr: sitk.Image) -> Rescale | None:
    """How MR values become 16 bits; None for whole numbers that fit as they are.

    Other values use all of the 16 bits, so that a step is under 1/32767 of the largest one.
    """
    values, (low, high) = sitk.GetArrayViewFromImage(mr), _ends(mr)
    limits = np.iinfo(np.int16 if low < 0 else np.uint16)
    fits = limits.min <= low and high <= limits.max
    if fits and all(np.array_equal(plane, np.rint(plane)) for plane in values):
        return None
    slope = max(high / limits.max, low / limits.min if low < 0 else 0.0)
    return Rescale(float(format_number_as_ds(slope)), 0.0, UNSPECIFIED)


def _ends(mr: sitk.Image) -> tuple[float, float]:
    """The lowest and highest values of the MR and of where it did not look."""
    values = sitk.GetArrayViewFromImage(mr)
    return min(float(values.min()), NOT_LOOKED), max(float(values.max()), NOT_LOOKED)
