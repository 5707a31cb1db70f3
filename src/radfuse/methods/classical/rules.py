"""What the multiscale methods share: which coefficient is chosen, and in which unit they compute.

Rules of MST-SR, Liu, Liu and Wang 2015, doi:10.1016/j.inffus.2014.09.004; the choice by activity
and vote is that of Li, Manjunath and Mitra 1995, doi:10.1006/gmip.1995.1022.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from radfuse.arrays import BoolArray, Float32Array, Float64Array, FloatArray
from radfuse.errors import InputError
from radfuse.methods.sparse_coding.patches import check_size
from radfuse.methods.transforms.borders import mirrored
from radfuse.parallel import in_order

Coefficients = NDArray[Any]
"""Real or complex, (N, rows, columns)."""

WHITE = 255
"""Grey level of white: the constants of the authors' codes are in grey levels."""

MAJORITY = 4
"""More than as many of nine neighbours are a majority."""

SLICES_AT_ONCE = 2
"""Slices of a thread: their coefficients are in memory together."""


def in_grey_levels(
    fuse: Callable[[Float64Array, Float64Array], Float64Array],
    first: Float32Array,
    second: Float32Array,
    white: float = WHITE,
) -> Float32Array:
    """Images (N, H, W) in [0, 1], fused in float64 on a scale from 0 to white, then clipped.

    Images of 8 bits are exact on the scale of their own grey levels, so that ties stay ties. Raises
    `InputError` for images of different shapes and for those without a pixel.
    """
    check_pair(first, second)

    def fused(start: int) -> Float32Array:
        images = (
            (each[start : start + SLICES_AT_ONCE] * each.dtype.type(white)).astype(np.float64)
            for each in (first, second)
        )
        return np.asarray(np.clip(fuse(*images) / white, 0, 1), np.float32)

    return np.concatenate(list(in_order(fused, range(0, len(first), SLICES_AT_ONCE))))


def in_unit_range(
    fuse: Callable[[FloatArray, FloatArray], FloatArray], first: Float32Array, second: Float32Array
) -> Float32Array:
    """As `in_grey_levels`, but fused on a scale from 0 to 1: exact grey levels over white."""

    def fused(one: Float64Array, other: Float64Array) -> Float64Array:
        return np.asarray(fuse(one / WHITE, other / WHITE) * WHITE, np.float64)

    return in_grey_levels(fused, first, second)


def check_pair(first: Float32Array, second: Float32Array, least: int = 1) -> None:
    """Raise `InputError` for arrays that are not two (N, H, W) of one shape with a pixel.

    The same for images with fewer than `least` rows or columns.
    """
    if first.shape != second.shape or first.ndim != 3 or not first.size:
        raise InputError(
            f"images of shapes {first.shape} and {second.shape} cannot be fused; give two of one "
            "shape (slices, rows, columns)"
        )
    check_size(first.shape[1:], least)


def vote_for_first(first: Coefficients, second: Coefficients) -> BoolArray:
    """Where most of nine neighbours are more active in the first of two bands (N, H, W).

    The activity is the largest modulus of 3 x 3 coefficients. A tie is a vote for the second.
    """
    return _votes_of_nine(_activity(first) > _activity(second)) > MAJORITY


def larger_by_vote(first: Coefficients, second: Coefficients) -> Coefficients:
    """The coefficients of the band that wins the vote at each position."""
    return np.where(vote_for_first(first, second), first, second)


def larger(first: Coefficients, second: Coefficients) -> Coefficients:
    """The coefficient with the larger modulus at each position; of a tie, that of the second."""
    return np.where(np.abs(first) > np.abs(second), first, second)


def mean(first: Coefficients, second: Coefficients) -> Coefficients:
    """Half the sum of two bases."""
    return np.asarray((first + second) / 2)


def sum_of_nine(values: FloatArray) -> FloatArray:
    """Sums over 3 x 3 neighbours of bands (..., H, W); the border reflects with its edge.

    Without cancellation, so that a sum of squares is never negative.
    """
    rows = correlate1d(values, np.ones(3), -2, mode="reflect")
    return np.asarray(correlate1d(rows, np.ones(3), -1, mode="reflect"))


def _activity(band: Coefficients) -> NDArray[Any]:
    """Of a band with its border: (N, H + 2, W + 2)."""
    outside = np.pad(mirrored(np.abs(band), 1), ((0, 0), (1, 1), (1, 1)))
    of_rows = np.maximum(np.maximum(outside[:, :-2], outside[:, 1:-1]), outside[:, 2:])
    larger = np.maximum(of_rows[..., :-2], of_rows[..., 1:-1])
    return np.asarray(np.maximum(larger, of_rows[..., 2:]))


def _votes_of_nine(votes: BoolArray) -> NDArray[np.uint8]:
    """Of (N, H + 2, W + 2), those inside: (N, H, W)."""
    counts = votes.view(np.uint8)
    of_rows = counts[:, :-2] + counts[:, 1:-1] + counts[:, 2:]
    total: NDArray[np.uint8] = of_rows[..., :-2] + of_rows[..., 1:-1] + of_rows[..., 2:]
    return total
