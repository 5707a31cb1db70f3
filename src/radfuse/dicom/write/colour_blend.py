"""CT in grey below, MR in hot colours above: Secondary Capture with a place in the patient."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage

from radfuse.arrays import Float32Array
from radfuse.dicom.write.derivation_context import Origin
from radfuse.dicom.write.derived_headers import code_item, fill_empty
from radfuse.dicom.write.series import write_planes
from radfuse.intensity import grey_levels
from radfuse.record import NOTICE

SERIES_NUMBER = 303
"""Above the numbers that scanners give."""

WORKSTATION = "WSD"
"""ConversionType: made by a workstation, not scanned from film or paper."""

RED_UNTIL, YELLOW_UNTIL = 3 / 8, 6 / 8
"""Where red, then green is full in MATLAB's colour map `hot`, which others have followed."""

Sliced = tuple[Float32Array, Float32Array, NDArray[np.bool_]]
"""CT in [0, 1], MR in [0, 1], where the MR looked; each (Y, X)."""


def write_colour(
    folder: Path, planes: Callable[[int], Sliced], origin: Origin, opacity: float
) -> tuple[Path, ...]:
    """Write the blend of each slice of the CT's grid, RGB of 8 bits.

    `opacity` of the MR is in [0, 1]. Errors are those of `write.write_planes`.
    """
    share = f"{opacity:.0%}"
    header = origin.image_header(SERIES_NUMBER, "COLOUR CT+MR", share, "Registration and blending")
    header.SOPClassUID = SecondaryCaptureImageStorage
    header.Modality = "OT"
    header.ConversionType = WORKSTATION
    header.ImageType = ["DERIVED", "SECONDARY"]
    fill_empty(header, ("PatientOrientation",))
    header.DerivationDescription = (
        f"CT in grey, window {origin.window} HU; above it the rigidly registered MR in hot "
        f"colours from {origin.mr_range[0]:g} to {origin.mr_range[1]:g}, opacity {share}; "
        f"{origin.grid}; where the MR did not look, the CT alone. {NOTICE}"
    )
    header.DerivationCodeSequence = [code_item(codes.DCM.SpatialResampling)]
    return write_planes(
        folder, origin.ct.image, lambda index: blend(*planes(index), opacity), header,
        per_slice=origin.slice_attributes,
    )  # fmt: skip


def blend(
    ct: Float32Array, mr: Float32Array, looked: NDArray[np.bool_], opacity: float
) -> NDArray[np.uint8]:
    """Red, green, blue (Y, X, 3) of the MR above the CT; the CT alone where the MR did not look."""
    share = np.where(looked, opacity, 0.0)[..., None]
    blended = (1 - share) * ct[..., None] + share * hot(mr)
    return grey_levels(blended.astype(np.float32)).astype(np.uint8)


def hot(values: Float32Array) -> Float32Array:
    """Black over red and yellow to white, in [0, 1], for values in [0, 1]; adds a last axis."""
    red = values / RED_UNTIL
    green = (values - RED_UNTIL) / (YELLOW_UNTIL - RED_UNTIL)
    blue = (values - YELLOW_UNTIL) / (1 - YELLOW_UNTIL)
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 1)
