"""Smooth contours stay near the traced ones and keep pixels, area, holes and islands."""

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from radfuse.arrays import BoolArray, Float64Array
from radfuse.structures.contour_smoothing import (
    AREA_TOLERANCE,
    MAX_SHIFT,
    signed_area,
    smooth_contour,
)
from radfuse.structures.polygons import Polygon, keyhole_contour, rasterise, trace_polygons
from structure_kit import blobs

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))
ROUNDING = 1e-9


def closed(polygon: Polygon) -> list[Float64Array]:
    return [polygon.outer, *polygon.holes]


def distances(points: Float64Array, contour: Float64Array) -> Float64Array:
    """From points to the nearest point of a closed contour."""
    begin, edge = contour, np.roll(contour, -1, axis=0) - contour
    offset = points[:, None] - begin
    share = (offset * edge).sum(-1) / (edge * edge).sum(-1)
    nearest = np.clip(share, 0, 1)[..., None] * edge
    return np.asarray(np.linalg.norm(offset - nearest, axis=-1).min(axis=1))


def dense(contour: Float64Array) -> Float64Array:
    """The vertices and points on the edges between them."""
    after = np.roll(contour, -1, axis=0)
    return np.vstack([contour + share * (after - contour) for share in (0, 0.25, 0.5, 0.75)])


@settings(max_examples=40, deadline=None)
@given(masks)
def test_smooth_contours_fill_to_the_same_mask(mask: BoolArray) -> None:
    polygons = trace_polygons(mask, smooth=True)
    filled = [
        [rasterise(one, mask.shape) for one in contours]
        for contours in (map(keyhole_contour, polygons), chain(*map(closed, polygons)))
    ]
    empty = np.zeros(mask.shape, bool)
    np.testing.assert_array_equal(np.logical_or.reduce([empty, *filled[0]]), mask)
    np.testing.assert_array_equal(np.logical_xor.reduce([empty, *filled[1]]), mask)


@settings(max_examples=40, deadline=None)
@given(masks)
def test_smooth_contours_are_near_and_keep_the_area(mask: BoolArray) -> None:
    for traced, smooth in zip(trace_polygons(mask), trace_polygons(mask, smooth=True), strict=True):
        for before, after in zip(closed(traced), closed(smooth), strict=True):
            assert distances(dense(after), before).max() <= MAX_SHIFT + ROUNDING
            assert distances(dense(before), after).max() <= MAX_SHIFT + ROUNDING
            pixels = rasterise(before, mask.shape).sum()
            np.testing.assert_allclose(abs(signed_area(after)), pixels, rtol=AREA_TOLERANCE)
            assert np.sign(signed_area(after)) == np.sign(signed_area(before))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 3), st.floats(0.05, 0.95))
def test_smooth_contours_of_a_slice_do_not_cross(seed: int, grain: float, share: float) -> None:
    mask = blobs((24, 21), seed, grain=grain, share=share)
    contours = list(chain(*map(closed, trace_polygons(mask, smooth=True))))
    for number, contour in enumerate(contours):
        for other in contours[number + 1 :]:
            inside = points_inside(contour, other)
            assert inside.all() or not inside.any()
        assert not crosses_itself(contour)


def points_inside(points: Float64Array, contour: Float64Array) -> BoolArray:
    """Whether points are inside a closed contour, by the even-odd rule."""
    (x0, y0), (x1, y1) = contour.T, np.roll(contour, -1, axis=0).T
    x, y = points.T[:, :, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossed = (y0 <= y) != (y1 <= y)
        is_right = x0 + (y - y0) * (x1 - x0) / (y1 - y0) > x
    return np.asarray((crossed & is_right).sum(axis=1) % 2 == 1)


def crosses_itself(contour: Float64Array) -> bool:
    def side(of: Float64Array, begin: Float64Array, end: Float64Array) -> Float64Array:
        edge, offset = end - begin, of - begin
        return np.asarray(np.sign(edge[..., 0] * offset[..., 1] - edge[..., 1] * offset[..., 0]))

    begin, end = contour[:, None], np.roll(contour, -1, axis=0)[:, None]
    other, after = contour[None], np.roll(contour, -1, axis=0)[None]
    crossed = (side(other, begin, end) * side(after, begin, end) < 0) & (
        side(begin, other, after) * side(end, other, after) < 0
    )
    return bool(crossed.any())


@pytest.mark.parametrize("radius", [3.0, 8.3, 20.0, 33.3])
def test_a_disc_is_rounder_and_turns_less(radius: float) -> None:
    rows, columns = np.mgrid[:80, :80]
    mask = (rows - 40.2) ** 2 + (columns - 39.7) ** 2 <= radius**2
    (traced,), (smooth,) = trace_polygons(mask), trace_polygons(mask, smooth=True)
    deviations = [np.hypot(*(one.outer - [39.7, 40.2]).T).std() for one in (traced, smooth)]
    assert deviations[1] < 0.9 * deviations[0]
    assert turning(smooth.outer) < 0.6 * turning(traced.outer) + 0.6


def turning(contour: Float64Array) -> float:
    """Sum of the absolute changes of direction in full turns."""
    edges = np.diff(np.vstack([contour, contour[:2]]), axis=0)
    angles = np.unwrap(np.arctan2(edges[:, 1], edges[:, 0]))
    return float(sum(abs(after - before) for before, after in pairwise(angles)) / (2 * np.pi))


def test_a_straight_boundary_stays_straight() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 10:50] = True
    (polygon,) = trace_polygons(mask, smooth=True)
    middle = polygon.outer[np.abs(polygon.outer[:, 0] - 29.5) < 8]
    np.testing.assert_allclose(np.unique(np.round(middle[:, 1], 2)), [9.5, 29.5], atol=0.05)


def test_smoothing_ignores_direction_of_a_contour() -> None:
    mask = blobs((30, 30), 4)
    contour = max((one.outer for one in trace_polygons(mask)), key=len)
    backwards = smooth_contour(contour[::-1])[::-1]
    np.testing.assert_allclose(backwards, smooth_contour(contour), atol=1e-9)
