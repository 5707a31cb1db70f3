"""The map of the skull's residuals: one cell a region, in the orientation of axial planes."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radfuse.pipeline.qa.residual_map import residual_map
from radfuse.pipeline.qa.sheet import write_qa_sheet
from radfuse.registration.qa.regions import MAX_RESIDUAL_MM, Residuals, region_names

CELL = re.compile(
    r'<g><title>(.*?)</title><path d="(.*?)" fill="rgb\((\d+),(\d+),(\d+)\)"/>'
    r'<text x="(.*?)" y="(.*?)">(.*?)</text></g>'
)

residuals_of = st.dictionaries(
    st.sampled_from(region_names()), st.tuples(st.floats(-5, 5), st.integers(5, 200))
)


def cells(residuals: Residuals) -> dict[str, tuple[str, tuple[int, ...], np.ndarray]]:
    """Text, colour and position by region."""
    return {
        title.split(": ")[0]: (
            text,
            tuple(map(int, (red, green, blue))),
            np.array([float(x), float(y)]),
        )
        for title, _, red, green, blue, x, y, text in CELL.findall(residual_map(residuals))
    }


@given(residuals_of)
def test_every_region_has_a_cell_with_its_residual(residuals: Residuals) -> None:
    found = cells(residuals)
    assert set(found) == set(region_names())
    for name, (text, (red, _, blue), _) in found.items():
        if name not in residuals:
            assert text == "\N{EN DASH}"
            assert red == blue
        else:
            assert text == f"{residuals[name][0]:+.1f}"
            assert (red >= blue) if residuals[name][0] > 0 else (red <= blue)


def test_the_colour_deepens_up_to_the_largest_usual_residual() -> None:
    sizes = np.linspace(0, 2 * MAX_RESIDUAL_MM, 9)
    for sign in (1, -1):
        blues_and_reds = [
            cells({"vertex": (float(sign * size), 30)})["vertex"][1][:: 2 * sign] for size in sizes
        ]
        opposite = [values[1] for values in blues_and_reds]
        assert opposite[0] == 255
        assert opposite == sorted(opposite, reverse=True)
        assert opposite[4] == opposite[8] < opposite[3]


@pytest.mark.parametrize(
    ("sector", "direction"),
    [
        ("left", (1, 0)),
        ("right", (-1, 0)),
        ("front", (0, -1)),
        ("back", (0, 1)),
        ("front left", (1, -1)),
        ("back right", (-1, 1)),
    ],
)
def test_left_is_on_the_right_and_the_front_above(sector: str, direction: tuple[int, int]) -> None:
    found = cells({})
    upper, lower = (found[f"{sector}, {ring}"][2] for ring in ("upper", "lower"))
    for position in (upper, lower):
        np.testing.assert_allclose(
            position / np.linalg.norm(position),
            np.divide(direction, np.hypot(*direction)),
            atol=0.01,
        )
    assert np.linalg.norm(upper) < np.linalg.norm(lower)
    assert np.linalg.norm(found["vertex"][2]) == 0


def test_cells_are_drawn_where_their_texts_are() -> None:
    for title, path, *_, x, y, _ in CELL.findall(residual_map({})):
        corners = np.array(
            re.findall(r"(?:[ML]|\d 0 [01] [01] )(-?[\d.]+) (-?[\d.]+)", path), float
        )
        if ", " in title:
            assert len(corners) == 5
            assert np.linalg.norm(corners[:4].mean(axis=0) - (float(x), float(y))) < 8


def test_the_sheet_has_the_map_before_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "qa.html"
    write_qa_sheet(path, [], {"Facts": {"a": "b"}}, residuals={"vertex": (1.2, 40)})
    html = path.read_text(encoding="utf-8")
    assert html.index(">+1.2</text>") < html.index("<h2>Facts</h2>")
    write_qa_sheet(path, [], {}, residuals={})
    assert "<svg" not in path.read_text(encoding="utf-8")
