"""Colour images on the fixed grid: Secondary Capture with a position in the patient.

The moving series in hot colours over the fixed one in grey, or colours that the caller gives.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float32Array, bounding_box
from radfuse.dicom.codes import SPATIAL_RESAMPLING
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.derived_headers import code_item, make_capture
from radfuse.dicom.write.series import SliceSeries
from radfuse.intensity import grey_levels
from radfuse.record import NOTICE

SERIES_NUMBER = 303
"""Above the numbers that scanners assign."""

MAX_RED_AT, MAX_GREEN_AT = 3 / 8, 6 / 8
"""Where red, then green reaches its maximum in MATLAB's colour map `hot`."""

ScaledSlice = tuple[Float32Array, Float32Array, NDArray[np.bool_]]
"""CT in [0, 1], MR in [0, 1], mask of the MR field of view; each (Y, X)."""


def blend_series(
    folder: Path,
    scaled_slice: Callable[[int], ScaledSlice],
    context: DerivationContext,
    opacity: float,
) -> SliceSeries:
    """The series of the blend of each slice of the fixed grid, RGB of 8 bits.

    `opacity` of the moving series is in [0, 1].
    """
    percent = f"{opacity:.0%}"
    low, high = context.moving_range
    fixed, moving = context.fixed.modality, context.moving.modality
    window = f"{context.window} {fixed.unit}".strip()
    return colour_series(
        folder, lambda index: blend(*scaled_slice(index), opacity), context,
        label=percent, contribution="Registration and blending",
        derivation=f"{fixed} in grey, window {window}; over it the rigidly registered {moving} in "
        f"hot colours from {low:g} to {high:g}, opacity {percent}",
    )  # fmt: skip


def colour_series(
    folder: Path,
    rgb_slice: Callable[[int], NDArray[np.uint8]],
    context: DerivationContext,
    *,
    label: str,
    contribution: str,
    derivation: str,
) -> SliceSeries:
    """The series of colour slices on the fixed grid, of Secondary Capture.

    Parameters
    ----------
    rgb_slice
        Returns the slice with this index along the third axis, (Y, X, 3).
    label
        In SeriesDescription after the modalities: what distinguishes it, such as the method.
    contribution
        What the program did, in words.
    derivation
        How the colours are derived from the two series, in words without a full stop.
    """
    fixed, moving = context.fixed.modality, context.moving.modality
    header = context.image_header(SERIES_NUMBER, f"COLOUR {fixed}+{moving}", label, contribution)
    make_capture(header)
    header.DerivationDescription = (
        f"{derivation}; {context.grid_description}; {fixed} only outside the {moving} field of "
        f"view. {NOTICE}"
    )
    header.DerivationCodeSequence = [code_item(SPATIAL_RESAMPLING)]
    return SliceSeries(folder, rgb_slice, header)


def blend(
    ct: Float32Array, mr: Float32Array, fov_mask: NDArray[np.bool_], opacity: float
) -> NDArray[np.uint8]:
    """Red, green, blue (Y, X, 3) of the MR over the CT; the CT only outside the field of view."""
    levels = np.zeros((*ct.shape, 3), np.uint8)
    box = bounding_box((ct > 0) | (mr > 0))  # outside is air, which is black
    grey, weight = ct[box], np.where(fov_mask[box], np.float32(opacity), np.float32(0))
    for channel, colour in enumerate(_hot_channels(mr[box])):
        levels[box][..., channel] = grey_levels(grey + weight * (colour - grey))
    return levels


def hot(values: Float32Array) -> Float32Array:
    """Black over red and yellow to white, in [0, 1], for values in [0, 1]; adds a last axis."""
    return np.stack([*_hot_channels(values)], axis=-1)


def _hot_channels(values: Float32Array) -> Iterator[Float32Array]:
    """Red, green, blue."""
    starts = (0, MAX_RED_AT, MAX_GREEN_AT, 1)
    for start, end in itertools.pairwise(starts):
        yield np.clip((values - np.float32(start)) / np.float32(end - start), 0, 1)
