"""The MR in hot colours over the CT in grey: Secondary Capture with a position in the patient."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage

from radfuse.arrays import Float32Array
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.derived_headers import add_empty, code_item
from radfuse.dicom.write.series import write_slices
from radfuse.intensity import grey_levels
from radfuse.record import NOTICE

SERIES_NUMBER = 303
"""Above the numbers that scanners assign."""

WORKSTATION = "WSD"
"""ConversionType: made by a workstation, not scanned from film or paper."""

MAX_RED_AT, MAX_GREEN_AT = 3 / 8, 6 / 8
"""Where red, then green reaches its maximum in MATLAB's colour map `hot`."""

ScaledSlice = tuple[Float32Array, Float32Array, NDArray[np.bool_]]
"""CT in [0, 1], MR in [0, 1], mask of the MR field of view; each (Y, X)."""


def write_colour_blend(
    folder: Path,
    scaled_slice: Callable[[int], ScaledSlice],
    context: DerivationContext,
    opacity: float,
) -> tuple[Path, ...]:
    """Write the blend of each slice of the CT's grid, RGB of 8 bits.

    `opacity` of the MR is in [0, 1]. Errors are those of `write.write_slices`.
    """
    percent = f"{opacity:.0%}"
    low, high = context.moving_range
    header = context.image_header(
        SERIES_NUMBER, "COLOUR CT+MR", percent, "Registration and blending"
    )
    header.SOPClassUID = SecondaryCaptureImageStorage
    header.Modality = "OT"
    header.ConversionType = WORKSTATION
    header.ImageType = ["DERIVED", "SECONDARY"]
    add_empty(header, ("PatientOrientation",))
    header.DerivationDescription = (
        f"CT in grey, window {context.window} HU; over it the rigidly registered MR in hot colours "
        f"from {low:g} to {high:g}, opacity {percent}; {context.grid_description}; CT only outside "
        f"the MR field of view. {NOTICE}"
    )
    header.DerivationCodeSequence = [code_item(codes.DCM.SpatialResampling)]
    return write_slices(
        folder, context.fixed.image, lambda index: blend(*scaled_slice(index), opacity), header,
        per_slice=context.slice_attributes,
    )  # fmt: skip


def blend(
    ct: Float32Array, mr: Float32Array, fov_mask: NDArray[np.bool_], opacity: float
) -> NDArray[np.uint8]:
    """Red, green, blue (Y, X, 3) of the MR over the CT; the CT only outside the field of view."""
    weight = np.where(fov_mask, np.float32(opacity), np.float32(0))
    levels = np.empty((*ct.shape, 3), np.uint8)
    for channel, colour in enumerate(_hot_channels(mr)):
        levels[..., channel] = grey_levels(ct + weight * (colour - ct))
    return levels


def hot(values: Float32Array) -> Float32Array:
    """Black over red and yellow to white, in [0, 1], for values in [0, 1]; adds a last axis."""
    return np.stack([*_hot_channels(values)], axis=-1)


def _hot_channels(values: Float32Array) -> Iterator[Float32Array]:
    """Red, green, blue."""
    starts = (0, MAX_RED_AT, MAX_GREEN_AT, 1)
    for start, end in itertools.pairwise(starts):
        yield np.clip((values - np.float32(start)) / np.float32(end - start), 0, 1)
