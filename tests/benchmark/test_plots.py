"""Figures of a report: reproducible, with any names, without side effects on matplotlib."""

from dataclasses import replace
from xml.etree import ElementTree
from xml.parsers import expat

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_kit import METHODS, REFERENCE, SyntheticResults, columns_of, methods

from radfuse.benchmark.report.critical_difference_diagram import can_be_drawn, critical_differences
from radfuse.benchmark.report.description_tables import speed_summary
from radfuse.benchmark.report.document import Figure
from radfuse.benchmark.report.plot_style import GREY, MAX_NAME_LENGTH, short, styles_of, title_of
from radfuse.benchmark.report.plots import (
    box_plots,
    rank_lines,
    rows_of,
    speed_and_quality,
    spread_apart,
)
from radfuse.benchmark.report.result_tables import TRIVIAL
from radfuse.benchmark.report.sections import report_sections, slug
from radfuse.benchmark.results import ComparedMethod
from radfuse.benchmark.statistics.analysis import MetricStatistics
from radfuse.benchmark.statistics.critical_difference import Ranking

TEXT = "{http://www.w3.org/2000/svg}text"
"""Name of a text in SVG."""

ODD_NAMES = ("$x^2", "</svg> --> <script>", "\N{SNOWMAN}漢字\x00\x1b", "a" * 200, "two\nlines")


def all_drawings(results: SyntheticResults, columns: list[MetricStatistics]) -> dict[str, bytes]:
    sections = report_sections(results, columns, REFERENCE, [])
    figures = [one for part in sections for one in part.blocks if isinstance(one, Figure)]
    return {plot.name: plot.svg for figure in figures for plot in figure.plots}


def texts(svg: bytes) -> list[str]:
    """Texts of a plot, each its own element: they can be searched and read aloud."""
    return [(text.text or "").strip() for text in ElementTree.fromstring(svg).iter(TEXT)]  # noqa: S314


def check_xml(svg: bytes) -> None:
    elements: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, _: elements.append(name)
    parser.Parse(svg, True)
    assert elements[0] == "svg"
    assert "script" not in elements


def test_figures_repeat_byte_for_byte_without_a_date(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    first, second = (all_drawings(results, columns) for _ in range(2))
    assert first == second
    assert list(first) == [
        "1-one-ranks-1", "1-one-ranks-2", "1-one-lines", "1-one-boxes-1", "1-one-speed-1",
    ]  # fmt: skip
    for svg in first.values():
        check_xml(svg)
        assert b"dc:date" not in svg


def test_figures_leave_the_settings_of_matplotlib_alone(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    before = dict(mpl.rcParams)
    box_plots(results.methods, columns)
    assert dict(mpl.rcParams) == before


def test_any_name_can_be_drawn(results: SyntheticResults, columns: list[MetricStatistics]) -> None:
    names = dict(zip(METHODS, ODD_NAMES, strict=True))
    changed = [
        replace(
            column,
            values=column.values.rename(columns=names),
            summary=column.summary.rename(index=names),
            ranking=replace(
                column.ranking,
                mean_ranks={names[name]: rank for name, rank in column.ranking.mean_ranks.items()},
                groups=tuple(tuple(names[name] for name in run) for run in column.ranking.groups),
            ),
        )
        for column in columns
    ]
    odd = [replace(one, name=names[one.name]) for one in methods()]
    speed = speed_summary(results.speed.replace({"method": names}))
    for svg in (
        box_plots(odd, changed),
        rank_lines(odd, changed),
        speed_and_quality(odd, changed, speed, legend=True),
        critical_differences(changed[0].metric, changed[0].ranking),
    ):
        check_xml(svg)
        assert "$x^2" in " ".join(texts(svg))


def test_long_names_keep_their_ends() -> None:
    assert short("res2fusion") == "res2fusion"
    assert short("a\tb\x00c") == "a b c"
    long = short("res2fusion-spatial-mean-softmax")
    assert long == "res2fusion-s…ean-softmax"
    assert len(long) == MAX_NAME_LENGTH


def test_trivial_baselines_are_grey_and_all_pens_differ() -> None:
    names = sorted(TRIVIAL) + [f"method {number}" for number in range(20)]
    styles = styles_of([ComparedMethod(name, "", "", frozenset()) for name in names])
    assert list(styles) == names
    assert {styles[name].colour for name in TRIVIAL} == {GREY}
    assert GREY not in {styles[name].colour for name in names[len(TRIVIAL) :]}
    assert len(set(styles.values())) == len(names)


@given(st.lists(st.floats(1, 15), max_size=15), st.floats(0.1, 2))
def test_labels_move_apart_in_order(places: list[float], gap: float) -> None:
    moved = spread_apart(np.sort(np.array(places, np.float64)), gap)
    assert len(moved) == len(places)
    assert (np.diff(moved) >= gap - 1e-9).all()
    np.testing.assert_allclose(moved.sum(), sum(places), atol=1e-6)


def test_labels_with_room_stay_where_they_are() -> None:
    np.testing.assert_allclose(spread_apart(np.array([1.0, 2.0, 5.0]), 0.5), [1, 2, 5])


def test_box_plots_name_methods_once_and_every_metric(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    shown = texts(box_plots(results.methods, columns))
    assert [shown.count(name) for name in METHODS] == [1] * len(METHODS)
    assert [title_of(one.metric) in shown for one in columns] == [True, True]
    assert title_of(columns[0].metric) == "MI ↑ (bit)"


def test_rank_lines_leave_out_a_method_without_ranks(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    ranks = {"network": 1.0, "twin": 2.0}
    few = [replace(one, ranking=replace(one.ranking, mean_ranks=ranks)) for one in columns]
    shown = texts(rank_lines(results.methods, few))
    assert [name in shown for name in METHODS] == [False, False, True, True, False]


def test_rank_lines_can_end_without_any_rank(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    none = [replace(one, ranking=replace(one.ranking, mean_ranks={})) for one in columns]
    check_xml(rank_lines(results.methods, none))


def ranking(names: tuple[str, ...], distance: float) -> Ranking:
    ranks = {name: place + 1.0 for place, name in enumerate(names)}
    return Ranking("patient", 4, ranks, 1.0, 0.5, distance, (names[:2],))


@pytest.mark.parametrize(
    ("distance", "words"),
    [(1.5, "critical difference 1.5"), (9.0, "critical difference 9.0, longer than the scale")],
)
def test_a_diagram_says_its_critical_difference(
    columns: list[MetricStatistics], distance: float, words: str
) -> None:
    svg = critical_differences(columns[0].metric, ranking(("a", "b", "c"), distance))
    shown = texts(svg)
    assert words in shown
    assert {"a  1.0", "b  2.0", "3.0  c", "MI ↑ (bit)"} <= set(shown)


@pytest.mark.parametrize(
    ("methods", "numbers"), [(12, list(range(1, 13))), (22, [1, 5, 10, 15, 20])]
)
def test_a_diagram_of_many_methods_numbers_each_fifth_rank(
    columns: list[MetricStatistics], methods: int, numbers: list[int]
) -> None:
    names = tuple(f"m{place}" for place in range(methods))
    shown = texts(critical_differences(columns[0].metric, ranking(names, 3.0)))
    assert [int(text) for text in shown if text.isdecimal()] == numbers


def test_one_method_or_no_complete_case_makes_no_diagram(results: SyntheticResults) -> None:
    assert not can_be_drawn(ranking(("a", "b"), float("nan")))
    cases = sorted(results.rows["case"].unique())
    fails = dict(zip(cases, METHODS * 5, strict=False))
    rows = results.rows[results.rows["case"].map(fails) != results.rows["method"]]
    never = replace(results, rows=rows)
    names = list(all_drawings(never, columns_of(never)))
    assert names == ["1-one-boxes-1", "1-one-speed-1"]


@pytest.mark.parametrize(("spread", "labels"), [(1.5, ["20"]), (1000, ["100", "1000"])])
def test_times_have_labels_however_far_they_spread(
    results: SyntheticResults, columns: list[MetricStatistics], spread: float, labels: list[str]
) -> None:
    speed = results.speed.assign(seconds=0.015)
    speed.loc[speed["method"] == "twin", "seconds"] *= spread
    shown = texts(speed_and_quality(results.methods, columns, speed_summary(speed), legend=False))
    assert set(labels) <= set(shown)
    assert not set(METHODS) & set(shown)


def test_untimed_methods_are_not_in_the_legend(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    speed = speed_summary(results.speed[results.speed["method"] == "twin"])
    shown = texts(speed_and_quality(results.methods, columns, speed, legend=True))
    assert [name in shown for name in METHODS] == [False, False, False, True, False]


def test_metrics_come_in_rows_of_four(columns: list[MetricStatistics]) -> None:
    assert [len(row) for row in rows_of(columns * 5)] == [4, 4, 2]


def test_a_profile_may_have_any_name_in_a_file() -> None:
    assert slug("../a b/ü_1") == "a-b-1"
