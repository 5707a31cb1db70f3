"""Closed contours of the mask of a slice and back, without changing a pixel.

A contour is a closed polygon, (points, 2) float64: column and row of each vertex. Pixel centres
have integer coordinates; the last point does not repeat the first.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

from radfuse.arrays import BoolArray
from radfuse.errors import InputError
from radfuse.structures.contour_smoothing import smooth_contour

Contour = NDArray[np.float64]

LEVEL = 0.5
"""The boundary is half-way between the centres of pixels inside and outside."""

CHANNEL_OFFSET = 0.25
"""Distance in pixels of a channel from the pixel column at the top of its hole: the vertices of
traced contours have half-integer coordinates, so that a channel meets neither a vertex nor a pixel
centre."""

MAX_CROSSINGS_PER_PIXEL = 4
"""A contour that crosses the rows of a slice more often than this for each of its pixels cannot
be an outline, and would take long to fill."""


@dataclass(frozen=True)
class Polygon:
    """A connected part of a mask: its outer contour and those of its holes."""

    outer: Contour
    holes: tuple[Contour, ...]


def trace_polygons(mask: BoolArray, *, smooth: bool = False) -> list[Polygon]:
    """The polygons of a mask (Y, X), its border included; `rasterise` restores the mask.

    With `smooth` their contours are those of `smooth_contour`, else they go half-way between
    pixels inside and outside.
    """
    finish = smooth_contour if smooth else _without_collinear
    values = np.pad(mask, 1).astype(np.float64)
    generator = contour_generator(z=values, fill_type=FillType.OuterOffset)
    polygons = []
    for points, offsets in zip(*generator.filled(LEVEL, np.inf), strict=True):
        closed = [points[first:last] for first, last in pairwise(offsets)]
        outer, *holes = (finish(contour[:-1] - 1.0) for contour in closed)
        polygons.append(Polygon(outer, tuple(holes)))
    return polygons


def _without_collinear(contour: Contour) -> Contour:
    """The contour without points on the straight line between their neighbours."""
    before = contour - np.roll(contour, 1, axis=0)
    after = np.roll(contour, -1, axis=0) - contour
    is_vertex = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return np.asarray(contour[is_vertex])


def keyhole_contour(polygon: Polygon) -> Contour:
    """One contour of a polygon with holes: a channel of zero width leads to each hole.

    The channel is at 12 o'clock, as in PS3.3 C.8.8.6.3.
    """
    channels = []
    for hole in polygon.holes:
        column = _channel_column(hole)
        edges, rows = _crossings(hole, column)
        channels.append((float(rows.min()), column, int(edges[rows.argmin()]), hole))
    contour = polygon.outer
    for row, column, edge, hole in sorted(channels, key=lambda channel: channel[0]):
        edges, rows = _crossings(contour, column)
        above = np.where(rows < row, rows, -np.inf)
        at = int(edges[above.argmax()])
        start, end = (column, float(above.max())), (column, row)
        contour = np.concatenate(
            [contour[: at + 1], [start, end], hole[edge + 1 :], hole[: edge + 1], [end, start],
             contour[at + 1 :]]
        )  # fmt: skip
    return contour


def _channel_column(hole: Contour) -> float:
    """The column of the channel to a hole: at its top, and within its width."""
    top = hole[np.lexsort(hole.T)[0], 0]
    column = np.rint(top) + CHANNEL_OFFSET
    return float(column if column < hole[:, 0].max() else (top + hole[:, 0].max()) / 2)


def _crossings(contour: Contour, column: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The edges, by their first vertex, that cross a column, and the rows of the crossings."""
    start, end = contour, np.roll(contour, -1, axis=0)
    (edges,) = np.nonzero((start[:, 0] <= column) != (end[:, 0] <= column))
    (x0, y0), (x1, y1) = start[edges].T, end[edges].T
    return edges, y0 + (column - x0) * (y1 - y0) / (x1 - x0)


def rasterise(contour: Contour, shape: tuple[int, int]) -> BoolArray:
    """The pixels (Y, X) whose centre is inside a contour, by the even-odd rule.

    Parts outside the slice are clipped. Raises `InputError` for a contour that crosses the rows
    so often that it cannot be an outline.
    """
    rows, columns = shape
    begin, end = contour, np.roll(contour, -1, axis=0)
    upwards = (begin[:, 1] > end[:, 1])[:, None]  # all edges in one direction, channels as well
    (x0, y0), (x1, y1) = np.where(upwards, end, begin).T, np.where(upwards, begin, end).T
    first, last = (np.clip(np.ceil(y), 0, rows).astype(np.int64) for y in (y0, y1))
    counts = last - first
    total = int(counts.sum())
    if total > MAX_CROSSINGS_PER_PIXEL * rows * columns:
        raise InputError(
            f"a contour of {len(contour)} points crosses the {rows} rows of the image {total} times"
        )
    edge = np.repeat(np.arange(len(contour)), counts)
    row = first[edge] + np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    x = x0[edge] + (row - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    column = np.clip(np.ceil(x), 0, columns).astype(np.int64)
    mask = np.zeros(shape, np.bool_)
    if total:
        (top, left), (bottom, right) = (
            (int(extreme(row)), int(extreme(column))) for extreme in (np.min, np.max)
        )
        size = bottom + 1 - top, right + 1 - left
        toggles = np.bincount((row - top) * size[1] + column - left, minlength=size[0] * size[1])
        inside = np.logical_xor.accumulate(toggles.reshape(size) % 2 == 1, axis=1)
        mask[top : bottom + 1, left:right] = inside[:, :-1]
    return mask


def contour_area(contour: Contour) -> float:
    """The area inside a contour, in pixels."""
    x, y = contour.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
