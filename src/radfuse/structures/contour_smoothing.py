"""Smooth contours that enclose the same pixels as the traced ones, within fixed bounds.

A traced contour has a vertex half-way between each pixel inside and its neighbour outside, so it
has a step wherever the boundary is oblique to the pixels. Its vertices are smoothed by a binomial
filter, and none is shifted by more than `MAX_SHIFT`. Three properties follow from that bound alone:

* Every point of the smooth contour is within `MAX_SHIFT` of the traced one, and vice versa: an
  edge is not shifted farther than its ends.
* It encloses the same pixel centres: their distance from a traced contour is at least
  sqrt(2) / 4 = 0.354.
* Contours of one slice, also those of holes and islands, do not meet: their distance, and that of
  edges of one contour that have no vertex in common, is at least sqrt(1/2) = 0.707.

The area is that of the enclosed pixels, as in the volume of the mask; a traced contour encloses
half a pixel less, because it cuts the corners.
"""

from typing import Final

import numpy as np

from radfuse.arrays import Float64Array as Contour

MAX_SHIFT: Final = 0.3
"""Largest shift of a vertex in pixels."""

STEPS: Final = 24
"""Of the binomial filter (1, 2, 1) / 4; its effect ends at wavelengths of about 15 vertices."""

AREA_TOLERANCE: Final = 0.01
"""Largest relative deviation from the area of the enclosed pixels."""

AREA_STEPS: Final = 8
"""Corrections of the area by an offset along the normals."""

CUT_CORNERS: Final = 0.5
"""Pixels that a traced contour encloses less than the pixels inside it: an eighth at each corner,
with four more convex than concave ones."""

STRENGTHS: Final = (1.0, 0.5, 0.25, 0.0)
"""Shares of the smoothing, tried until the area is right."""


def smooth_contour(traced: Contour) -> Contour:
    """The smooth contour of a closed traced one, whose vertices are half-way between pixels.

    Parameters
    ----------
    traced
        (points, 2), column and row, with a vertex for every pixel edge of the boundary.

    Returns
    -------
    Contour
        As many points, each within `MAX_SHIFT` of its own; the area is within `AREA_TOLERANCE` of
        that of the enclosed pixels. A contour for which no smoothing keeps that is unchanged.
    """
    signed = signed_area(traced)
    wanted = float(signed + np.copysign(CUT_CORNERS, signed))
    smoothed = _filtered(traced)
    for strength in STRENGTHS:
        contour = _with_area(traced, traced + strength * (smoothed - traced), wanted)
        if abs(signed_area(contour) - wanted) <= AREA_TOLERANCE * abs(wanted):
            return contour
    return traced


def signed_area(contour: Contour) -> float:
    """The area inside a contour in pixels, negative where its direction is the opposite."""
    x, y = (contour - contour[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _filtered(traced: Contour) -> Contour:
    """The vertices after the binomial filter, each within `MAX_SHIFT` of its own."""
    contour = traced
    for _ in range(STEPS):
        neighbours = np.roll(contour, 1, axis=0) + np.roll(contour, -1, axis=0)
        contour = _bounded(traced, (2 * contour + neighbours) / 4)
    return contour


def _with_area(traced: Contour, contour: Contour, wanted: float) -> Contour:
    """The contour offset along its normals to an area, as far as the bound allows."""
    for _ in range(AREA_STEPS):
        along = np.roll(contour, -1, axis=0) - np.roll(contour, 1, axis=0)
        length = np.hypot(*along.T)
        normals = np.column_stack([along[:, 1], -along[:, 0]]) / np.maximum(length, 1e-9)[:, None]
        offset = (wanted - signed_area(contour)) / (length.sum() / 2)
        contour = _bounded(traced, contour + offset * normals)
    return contour


def _bounded(traced: Contour, contour: Contour) -> Contour:
    shift = contour - traced
    length = np.hypot(*shift.T)
    return np.asarray(
        traced + shift * np.minimum(1.0, MAX_SHIFT / np.maximum(length, 1e-9))[:, None]
    )
