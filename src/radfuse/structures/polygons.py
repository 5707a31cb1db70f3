"""From masks of a slice to closed polygons and back: pixel for pixel the same.

A ring is a closed polygon, (points, 2) float64: column and row of each corner, pixel centres at
whole numbers, the last point not repeated.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from contourpy import FillType, contour_generator
from numpy.typing import NDArray

from radfuse.arrays import BoolArray
from radfuse.errors import InputError

Ring = NDArray[np.float64]

LEVEL = 0.5
"""The boundary runs half-way between the centre of a pixel inside and of one outside."""

CHANNEL_OFFSET = 0.25
"""A channel runs this many pixels beside the top of its hole: corners of traced rings lie on
halves, so that it meets neither a corner nor the centre of a pixel."""

CROSSINGS_PER_PIXEL = 4
"""A ring that crosses the rows of a slice more often than this for each of its pixels is no
outline of anything, and would take long to fill."""


@dataclass(frozen=True)
class Region:
    """A connected part of a mask: its outer boundary and those of its holes."""

    outer: Ring
    holes: tuple[Ring, ...]


def trace(mask: BoolArray) -> list[Region]:
    """The boundaries of a mask (Y, X), its frame included; `rasterise` gives the mask back."""
    values = np.pad(mask, 1).astype(np.float64)
    generator = contour_generator(z=values, fill_type=FillType.OuterOffset)
    regions = []
    for points, offsets in zip(*generator.filled(LEVEL, np.inf), strict=True):
        closed = [points[first:last] for first, last in pairwise(offsets)]
        outer, *holes = (_corners(ring[:-1] - 1.0) for ring in closed)
        regions.append(Region(outer, tuple(holes)))
    return regions


def _corners(ring: Ring) -> Ring:
    """The ring without points on the straight line between their neighbours."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return np.asarray(ring[turns])


def keyholed(region: Region) -> Ring:
    """One ring for a traced region with holes: a channel of no width leads into each.

    It runs at 12 o'clock, as PS3.3 C.8.8.6.3 shows it.
    """
    channels = []
    for hole in region.holes:
        top = hole[np.lexsort(hole.T)[0]]
        column = float(top[0]) + CHANNEL_OFFSET
        edges, rows = _crossings(hole, column)
        channels.append((float(rows.min()), column, int(edges[rows.argmin()]), hole))
    ring = region.outer
    for row, column, edge, hole in sorted(channels, key=lambda channel: channel[0]):
        edges, rows = _crossings(ring, column)
        above = np.where(rows < row, rows, -np.inf)
        at = int(edges[above.argmax()])
        start, end = (column, float(above.max())), (column, row)
        ring = np.concatenate(
            [ring[: at + 1], [start, end], hole[edge + 1 :], hole[: edge + 1], [end, start],
             ring[at + 1 :]]
        )  # fmt: skip
    return ring


def _crossings(ring: Ring, column: float) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Edges, by their first corner, that cross a column, and at which rows."""
    start, end = ring, np.roll(ring, -1, axis=0)
    (edges,) = np.nonzero((start[:, 0] <= column) != (end[:, 0] <= column))
    (x0, y0), (x1, y1) = start[edges].T, end[edges].T
    return edges, y0 + (column - x0) * (y1 - y0) / (x1 - x0)


def rasterise(ring: Ring, shape: tuple[int, int]) -> BoolArray:
    """The pixels (Y, X) with their centre inside a ring, by the even-odd rule.

    What lies beyond the frame is cut off. Raises `InputError` for a ring that crosses the rows so
    often that it is no outline.
    """
    rows, columns = shape
    begin, end = ring, np.roll(ring, -1, axis=0)
    upwards = (begin[:, 1] > end[:, 1])[:, None]  # each edge is walked one way, a channel's too
    (x0, y0), (x1, y1) = np.where(upwards, end, begin).T, np.where(upwards, begin, end).T
    first, last = (np.clip(np.ceil(y), 0, rows).astype(np.int64) for y in (y0, y1))
    counts = last - first
    total = int(counts.sum())
    if total > CROSSINGS_PER_PIXEL * rows * columns:
        raise InputError(
            f"{len(ring)} points that cross the image's {rows} rows {total} times are no outline"
        )
    edge = np.repeat(np.arange(len(ring)), counts)
    row = first[edge] + np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    x = x0[edge] + (row - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    column = np.clip(np.ceil(x), 0, columns).astype(np.int64)
    mask = np.zeros(shape, np.bool_)
    if total:
        (top, left), (bottom, right) = (
            (int(end(row)), int(end(column))) for end in (np.min, np.max)
        )
        size = bottom + 1 - top, right + 1 - left
        toggles = np.bincount((row - top) * size[1] + column - left, minlength=size[0] * size[1])
        inside = np.logical_xor.accumulate(toggles.reshape(size) % 2 == 1, axis=1)
        mask[top : bottom + 1, left:right] = inside[:, :-1]
    return mask


def area(ring: Ring) -> float:
    """What a ring holds, in pixels."""
    across, down = ring.T
    return abs(float(across @ np.roll(down, -1) - down @ np.roll(across, -1))) / 2
