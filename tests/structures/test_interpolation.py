"""Bodies drawn on every fourth slice are restored; drawn slices are not changed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radfuse.errors import InputError
from radfuse.structures.interpolation import MAX_GAP_MM, interpolate_slices
from structure_kit import dice

SQUARE = (1.0, 1.0)
STEP = 4
Body = NDArray[np.bool_]


def between(
    drawn: dict[int, Body], spacing_mm: tuple[float, float] = SQUARE, slice_mm: float = 1.0
) -> dict[int, Body]:
    return interpolate_slices(drawn, spacing_mm, slice_mm=slice_mm)


z, y, x = np.indices((33, 72, 80))


def ball(radius: float = 15.0) -> Body:
    return np.asarray((z - 16) ** 2 + (y - 35) ** 2 + (x - 40) ** 2 <= radius**2)


def cone() -> Body:
    return np.asarray((y - 35) ** 2 + (x - 40) ** 2 <= (4 + 0.8 * z) ** 2)


def oblique_cylinder() -> Body:
    return np.asarray((y - 20 - z) ** 2 + (x - 60 + z) ** 2 <= 10**2)


def two_cylinders() -> Body:
    left, right = (
        (y - 35) ** 2 + (x - middle) ** 2 <= radius**2 for middle, radius in ((20, 9), (55, 14))
    )
    return np.asarray(left | right)


def hollow_cylinder() -> Body:
    squares = (y - 35) ** 2 + (x - 40) ** 2
    return np.asarray((squares <= 20**2) & (squares > 9**2))


BODIES = {
    "ball": ball(),
    "cone": cone(),
    "oblique cylinder": oblique_cylinder(),
    "two cylinders": two_cylinders(),
    "hollow cylinder": hollow_cylinder(),
}


def refilled(body: Body, step: int = STEP) -> Body:
    """Between the first and the last slice that are drawn."""
    drawn = {index: body[index] for index in range(0, len(body), step)}
    found = between(drawn, SQUARE)
    whole = np.zeros_like(body)
    for index, mask in (drawn | found).items():
        whole[index] = mask
    return whole


@pytest.mark.parametrize("name", BODIES)
def test_a_body_drawn_on_every_fourth_slice_comes_back(name: str) -> None:
    body = BODIES[name]
    drawn = [index for index in range(0, len(body), STEP) if body[index].any()]
    kept = slice(drawn[0], drawn[-1] + 1)
    assert dice(refilled(body)[kept], body[kept]) >= 0.98


def test_only_slices_between_drawn_ones_are_given() -> None:
    body = ball()
    drawn = {4: body[4], 5: body[5], 9: body[9], 12: np.zeros_like(body[0]), 14: body[14]}
    assert sorted(between(drawn, SQUARE)) == [6, 7, 8, *range(10, 14)]


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(-8, 8), columns=st.integers(-8, 8), up=st.integers(0, 50))
def test_what_is_moved_comes_out_moved(rows: int, columns: int, up: int) -> None:
    drawn = {index: ball(12.0)[index] for index in (8, 13, 20)}
    moved = {index + up: np.roll(mask, (rows, columns), (0, 1)) for index, mask in drawn.items()}
    found = between(moved, SQUARE)
    for index, mask in between(drawn, SQUARE).items():
        np.testing.assert_array_equal(found[index + up], np.roll(mask, (rows, columns), (0, 1)))


def disc(column: int) -> Body:
    """Of 13 pixels' width."""
    return np.asarray((y[0] - 35) ** 2 + (x[0] - column) ** 2 <= 6**2)


def test_an_outline_that_moves_beyond_itself_keeps_its_size() -> None:
    found = between({0: disc(15), 4: disc(35)})
    for index, mask in found.items():
        assert dice(mask, disc(15 + 5 * index)) > 0.98


@pytest.mark.parametrize(
    ("column", "slices", "slice_mm"), [(35, 30, 1.0), (35, 4, 5.0), (60, 4, 1.0)]
)
def test_lesions_that_are_too_far_apart_to_be_one_are_not_joined(
    column: int, slices: int, slice_mm: float
) -> None:
    lesions = {0: disc(15), slices: disc(column)}
    with pytest.raises(InputError, match="too far apart to belong to one body; draw on a slice b"):
        between(lesions, slice_mm=slice_mm)
    found = between({-4: disc(15), **lesions, slices + 2: disc(column)}, slice_mm=slice_mm)
    assert sorted(found) == [-3, -2, -1, slices + 1]


def test_overlapping_outlines_are_one_body_at_any_distance() -> None:
    assert len(between({0: disc(15), 30: disc(18)})) == 29


def test_unmatched_region_ends_in_place_on_distant_slices() -> None:
    both = two_cylinders()[0]
    one = both & (x[0] > 40)
    for mask in between({0: both, 30: one}).values():
        np.testing.assert_array_equal(mask, one)


def test_slices_up_to_the_largest_gap_are_one_body() -> None:
    assert len(between({0: disc(15), 3: disc(35)}, slice_mm=MAX_GAP_MM / 3)) == 2


def test_one_part_becomes_two_and_none_is_lost() -> None:
    one = (y[0] - 35) ** 2 + ((x[0] - 40) / 2) ** 2 <= 12**2
    two = ((y[0] - 35) ** 2 + (x[0] - 24) ** 2 <= 64) | ((y[0] - 35) ** 2 + (x[0] - 56) ** 2 <= 64)
    areas = [mask.sum() for mask in between({0: one, 4: two}, SQUARE).values()]
    assert one.sum() > areas[0] > areas[1] > areas[2] > two.sum()


def test_unmatched_region_shrinks_towards_the_empty_slice() -> None:
    both = two_cylinders()[0]
    one = both & (x[0] > 40)
    for first, second in ((both, one), (one, both)):
        found = between({0: first, 4: second}, SQUARE)
        areas = [(found[index] & ~one).sum() for index in (1, 2, 3)]
        ordered = areas if first is both else areas[::-1]
        assert both.sum() - one.sum() > ordered[0] > ordered[1] > ordered[2] > 0
        for mask in found.values():
            np.testing.assert_array_equal(mask & (x[0] > 40), one)


def test_long_pixels_are_taken_as_they_are() -> None:
    squares = (y[0] * 3.0 - 100) ** 2 + (x[0] * 1.0 - 40) ** 2
    found = between({0: squares <= 15**2, 4: squares <= 35**2}, (3.0, 1.0))
    assert dice(found[2], squares <= 25**2) > 0.97


def test_a_part_at_the_edge_of_the_image_stays_there() -> None:
    corner = (y[0] < 10) & (x[0] < 12)
    np.testing.assert_array_equal(between({3: corner, 5: corner}, SQUARE)[4], corner)


@pytest.mark.parametrize("drawn", [{}, {3: ball()[16]}, {3: ball()[16], 4: ball()[16]}])
def test_nothing_to_fill_is_said(drawn: dict[int, Body]) -> None:
    with pytest.raises(InputError, match="drawn slices; draw on two slices with others between"):
        between(drawn, SQUARE)
