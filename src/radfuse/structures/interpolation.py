"""Shape-based interpolation of the slices between drawn slices.

The signed distance to the contours is interpolated, not the pixels (Raya and Udupa 1990,
doi:10.1109/42.52980). A component with exactly one counterpart on the next drawn slice is first
shifted onto it, centroid on centroid, so that a structure oblique to the slices keeps its size,
and its distances follow monotone cubics through the neighbouring drawn slices as well (Fritsch
and Butland 1984, doi:10.1137/0905021): linear interpolation would lose 4 % of the volume of a ball
with a radius of 16 slices that is drawn on every fourth slice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import (
    center_of_mass,
    distance_transform_edt,
    find_objects,
    label,
    map_coordinates,
    shift,
)

from radfuse.arrays import BoolArray, Float64Array
from radfuse.errors import InputError

Spacing = tuple[float, float]
"""Between rows and between columns, mm."""

Match = tuple[BoolArray, BoolArray]
"""A component on a drawn slice and its counterpart on the next."""

CONNECTIVITY_8 = np.ones((3, 3), np.int8)
"""Pixels that share a corner belong to one component."""

MAX_GAP_MM = 15.0
"""Largest distance between slices at which contours that do not overlap can belong to one body:
three slices of 5 mm, the thickest used for planning on heads. Farther apart they may be two
lesions."""

PADDING = 1
"""Empty pixels around all drawn masks, so that every contour is closed."""


def interpolate_slices(
    drawn: Mapping[int, BoolArray], spacing_mm: Spacing, *, slice_mm: float
) -> dict[int, BoolArray]:
    """The masks of the slices between drawn ones, by slice index.

    Contours that do not overlap are one body only if they are near each other: within
    `MAX_GAP_MM`, and no farther apart than the width of the smaller one. Slices between others
    stay empty.

    Parameters
    ----------
    drawn
        Masks (H, W) of one shape by slice index; an empty one counts as not drawn.
    spacing_mm
        Between rows and between columns.
    slice_mm
        From slice to slice.

    Raises
    ------
    InputError
        There is no slice between two drawn slices, or between two of one body.
    """
    filled = sorted(index for index, mask in drawn.items() if mask.any())
    if not any(upper - lower > 1 for lower, upper in pairwise(filled)):
        raise InputError(
            f"no slice to interpolate between the {len(filled)} drawn slices; draw on two slices "
            "with others between them"
        )
    box = find_objects(np.logical_or.reduce([drawn[at] for at in filled]).astype(np.int8))[0]
    masks = [np.pad(drawn[at][box], PADDING) for at in filled]
    distances, interpolated = _SignedDistances(spacing_mm), {}
    gaps_mm = [(upper - lower) * slice_mm for lower, upper in pairwise(filled)]
    matches = [
        _matches(lower, upper, distances, gap_mm)
        for gap_mm, (lower, upper) in zip(gaps_mm, pairwise(masks), strict=True)
    ]
    for gap, (lower, upper) in enumerate(pairwise(filled)):
        overlap = (masks[gap] & masks[gap + 1]).any()
        if upper - lower == 1 or not (matches[gap] or overlap):
            continue
        is_far = gaps_mm[gap] > MAX_GAP_MM
        parts = list(_parts(gap, filled, masks, matches, distances, is_far=is_far))
        for index in range(lower + 1, upper):
            mask = np.logical_or.reduce([part.at(index) for part in parts])
            interpolated[index] = np.zeros(drawn[lower].shape, np.bool_)
            interpolated[index][box] = mask[PADDING:-PADDING, PADDING:-PADDING]
    if not interpolated:
        raise InputError(
            "nothing was interpolated: the contours on the drawn slices do not overlap and are too "
            "far apart to belong to one body; draw on a slice between them"
        )
    return interpolated


class _SignedDistances:
    """Signed distances to contours, each computed once."""

    def __init__(self, spacing_mm: Spacing) -> None:
        self._spacing_mm = spacing_mm
        self._computed: dict[bytes, Float64Array] = {}

    def of(self, mask: BoolArray) -> Float64Array:
        """To the nearest pixel of the other value, mm, positive inside; zero is half-way."""
        key = mask.tobytes()
        if key not in self._computed:
            both = (distance_transform_edt(side, self._spacing_mm) for side in (mask, ~mask))
            self._computed[key] = np.subtract(*both)
        return self._computed[key]


@dataclass(frozen=True)
class _Part:
    """A component followed over some drawn slices."""

    slices: list[int]
    distances_mm: list[Float64Array]
    """Signed distances to its contour on each slice, positive inside, (H, W)."""

    centres: Float64Array
    """Row and column on each slice, (slices, 2)."""

    def at(self, index: int) -> BoolArray:
        """Its mask on a slice in between; cubics are evaluated where its two neighbours differ."""
        centre = PchipInterpolator(self.slices, self.centres)(index)
        shifts = centre - self.centres
        after = int(np.searchsorted(self.slices, index))
        lower, upper = (
            shift(self.distances_mm[at], shifts[at], order=1, mode="nearest") > 0
            for at in (after - 1, after)
        )
        mask = np.asarray(lower & upper)
        undecided = np.nonzero(lower ^ upper)
        values = [
            map_coordinates(distance, undecided - offset[:, None], order=1, mode="nearest")
            for distance, offset in zip(self.distances_mm, shifts, strict=True)
        ]
        mask[undecided] = PchipInterpolator(self.slices, values)(index) > 0
        return mask


def _parts(
    gap: int,
    slices: list[int],
    masks: list[BoolArray],
    matches: list[list[Match]],
    distances: _SignedDistances,
    *,
    is_far: bool,
) -> Iterator[_Part]:
    """The parts between a drawn slice and the next: matches, and all unmatched components as one.

    On slices that are far apart, components that overlap no other end on their slice.
    """
    lower, upper = masks[gap], masks[gap + 1]
    for ours, theirs in matches[gap]:
        before = [one for one, other in matches[gap - 1] if (other == ours).all()] if gap else []
        later = matches[gap + 1] if gap + 1 < len(matches) else []
        after = [other for one, other in later if (one == theirs).all()]
        chain = [*before, ours, theirs, *after]
        first = gap - len(before)
        yield _Part(
            slices[first : first + len(chain)],
            [distances.of(mask) for mask in chain],
            np.array([center_of_mass(mask) for mask in chain]),
        )
        lower, upper = lower & ~ours, upper & ~theirs
    if (lower & upper).any() or (not is_far and (lower | upper).any()):
        ends = _end_distances_mm(lower, upper, distances)
        yield _Part(slices[gap : gap + 2], list(ends), np.zeros((2, 2)))


def _matches(
    lower: BoolArray, upper: BoolArray, distances: _SignedDistances, gap_mm: float
) -> list[Match]:
    """Components that overlap only each other, or the single component of each if near."""
    (ours, count), (theirs, other_count) = (label(mask, CONNECTIVITY_8) for mask in (lower, upper))
    if count == other_count == 1 and (
        (lower & upper).any() or (gap_mm <= MAX_GAP_MM and _are_near(lower, upper, distances))
    ):
        return [(lower, upper)]
    both = np.unique(np.stack([ours, theirs])[:, lower & upper], axis=1)
    return [
        (ours == one, theirs == other)
        for one, other in both.T
        if (both[0] == one).sum() == (both[1] == other).sum() == 1
    ]


def _are_near(lower: BoolArray, upper: BoolArray, distances: _SignedDistances) -> bool:
    """Whether two masks in one plane are no farther apart than the width of the smaller one."""
    apart_mm = -distances.of(lower)[upper].max()
    width_mm = 2 * min(distances.of(mask).max() for mask in (lower, upper))
    return bool(apart_mm <= width_mm)


def _end_distances_mm(
    lower: BoolArray, upper: BoolArray, distances: _SignedDistances
) -> tuple[Float64Array, Float64Array]:
    """Signed distances of two masks; where one is empty, the other shrinks to nothing there."""
    if not lower.any():
        upper_mm, lower_mm = _end_distances_mm(upper, lower, distances)
        return lower_mm, upper_mm
    distance = distances.of(lower)
    if upper.any():
        return distance, distances.of(upper)
    return distance, distance - distance.max()
