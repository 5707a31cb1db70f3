"""Tracing a mask and filling its contours restores the mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from radfuse.errors import InputError
from radfuse.structures.polygons import keyhole_contour, rasterise, trace_polygons
from structure_kit import blobs

SQUARE = np.array([[1.5, 0.5], [4.5, 0.5], [4.5, 3.5], [1.5, 3.5]])

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))


def union(contours: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    return np.logical_or.reduce([np.zeros(shape, bool), *(rasterise(r, shape) for r in contours)])


def exclusive(contours: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    return np.logical_xor.reduce([np.zeros(shape, bool), *(rasterise(r, shape) for r in contours)])


@settings(deadline=None)
@given(masks)
def test_keyholed_rings_fill_to_the_mask(mask: np.ndarray) -> None:
    contours = [keyhole_contour(polygon) for polygon in trace_polygons(mask)]
    np.testing.assert_array_equal(union(contours, mask.shape), mask)


@settings(deadline=None)
@given(masks)
def test_outer_rings_and_holes_exclude_each_other_to_the_mask(mask: np.ndarray) -> None:
    contours = [
        contour for polygon in trace_polygons(mask) for contour in (polygon.outer, *polygon.holes)
    ]
    np.testing.assert_array_equal(exclusive(contours, mask.shape), mask)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 6), st.floats(0.3, 3), st.floats(0.1, 0.95))
def test_rings_survive_a_turn_and_the_rounding_of_a_file(
    seed: int, angle: float, spacing: float, share: float
) -> None:
    mask = blobs((40, 37), seed, share=share)
    turn = spacing * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    written = [
        np.round(keyhole_contour(polygon) @ turn - 300, 4) for polygon in trace_polygons(mask)
    ]
    back = [(contour + 300) @ np.linalg.inv(turn) for contour in written]
    np.testing.assert_array_equal(union(back, mask.shape), mask)


def test_a_square_is_the_pixels_whose_centre_it_holds() -> None:
    filled = rasterise(SQUARE, (5, 6))
    wanted = np.zeros((5, 6), bool)
    wanted[1:4, 2:5] = True
    np.testing.assert_array_equal(filled, wanted)


def test_filling_ignores_ring_start_and_direction() -> None:
    filled = rasterise(SQUARE, (5, 6))
    for shift in range(4):
        np.testing.assert_array_equal(rasterise(np.roll(SQUARE, shift, 0), (5, 6)), filled)
        np.testing.assert_array_equal(rasterise(np.roll(SQUARE, shift, 0)[::-1], (5, 6)), filled)


@pytest.mark.parametrize("shift", [(-40, 0), (40, 0), (0, -40), (0, 40)])
def test_what_lies_beyond_the_frame_is_cut_off(shift: tuple[int, int]) -> None:
    wide = (SQUARE - [3, 2]) * 30 + [3, 2]
    half = rasterise(wide + shift, (5, 6))
    assert rasterise(wide, (5, 6)).all()
    assert half.shape == (5, 6)
    assert half.all()
    assert not rasterise(SQUARE + shift, (5, 6)).any()


def test_a_traced_ring_has_no_point_on_a_straight_line() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:7, 2:7] = True
    (polygon,) = trace_polygons(mask)
    assert len(polygon.outer) == 8  # a square with its corners cut


def test_a_ring_within_a_hole_is_a_region_of_its_own() -> None:
    mask = np.ones((9, 9), bool)
    mask[1:8, 1:8] = False
    mask[3:6, 3:6] = True
    holes = sorted(len(polygon.holes) for polygon in trace_polygons(mask))
    assert holes == [0, 1]


def test_a_zigzag_that_would_take_long_to_fill_is_refused() -> None:
    zigzag = np.column_stack([np.arange(60.0), np.where(np.arange(60) % 2, -5.0, 50.0)])
    with pytest.raises(
        InputError, match=r"contour of 60 points crosses the 8 rows of the image 4\d\d times"
    ):
        rasterise(zigzag, (8, 8))
