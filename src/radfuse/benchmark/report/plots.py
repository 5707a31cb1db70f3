"""The figures of a profile: spread of cases, ranks, speed against quality."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from radfuse.benchmark.report.plot_style import (
    GREY,
    INK,
    PANELS_A_ROW,
    WIDTH_INCHES,
    Style,
    plot_style,
    short,
    styles_of,
    svg_of,
    title_of,
)
from radfuse.benchmark.report.result_tables import TRIVIAL
from radfuse.benchmark.results import ComparedMethod
from radfuse.benchmark.statistics.analysis import MetricStatistics

PALE_GREY, PALE_BLUE = "#e6e6e6", "#cfe4f1"
"""Boxes of trivial baselines, and of others."""

RANK_INCHES = 0.25
"""Height of one rank among parallel coordinates."""

LABEL_RANKS = 0.68
"""Smallest distance of two names there, in ranks."""

ONE_LABEL_A_DECADE = 30
"""Ratio of the longest to the shortest time from which an axis has no labels between decades."""

PANEL_INCHES, LEGEND_INCHES = 2.4, 0.45
"""Height of a panel of speed against quality, and of the names above it."""


def rows_of(columns: Sequence[MetricStatistics]) -> list[Sequence[MetricStatistics]]:
    """Metrics that share a row of panels."""
    starts = range(0, len(columns), PANELS_A_ROW)
    return [columns[start : start + PANELS_A_ROW] for start in starts]


def box_plots(methods: Sequence[ComparedMethod], columns: Sequence[MetricStatistics]) -> bytes:
    """Box plots of the cases, a panel per metric; whiskers to 1.5 interquartile ranges."""
    names = [one.name for one in methods]
    with plot_style():
        figure, grid = _panels(len(columns), 0.75 + 0.21 * len(names))
        for axes, column in zip(grid, columns, strict=True):
            _boxes(axes, column, names)
            axes.set_yticklabels([short(name) for name in names] if axes is grid[0] else [])
        return svg_of(figure)


def _panels(count: int, height_inches: float) -> tuple[Figure, list[Axes]]:
    """A row of panels, each as wide as in a full row."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    grid = figure.subplots(1, PANELS_A_ROW, squeeze=False)[0]
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, list(grid[:count])


def _boxes(axes: Axes, column: MetricStatistics, names: Sequence[str]) -> None:
    drawn = axes.boxplot(
        [column.values[name].dropna().to_numpy() for name in names],
        orientation="horizontal",
        patch_artist=True,
        showmeans=True,
        widths=0.62,
        medianprops={"color": INK, "linewidth": 1.4},
        meanprops={"marker": "D", "markersize": 3, "markerfacecolor": "white",
                   "markeredgecolor": INK, "markeredgewidth": 0.7},
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": GREY},
        whiskerprops={"color": GREY},
        capprops={"color": GREY},
    )  # fmt: skip
    for name, box in zip(names, drawn["boxes"], strict=True):
        box.set(facecolor=PALE_GREY if name in TRIVIAL else PALE_BLUE, edgecolor=GREY)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#ebebeb", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title_of(column.metric), loc="left")


def rank_lines(methods: Sequence[ComparedMethod], columns: Sequence[MetricStatistics]) -> bytes:
    """Parallel coordinates: an axis per metric, scaled by mean rank, best on top."""
    styles, count = styles_of(methods), len(methods)
    ranks = {
        one.name: [column.ranking.mean_ranks.get(one.name, np.nan) for column in columns]
        for one in methods
    }
    with plot_style():
        figure = Figure(figsize=(WIDTH_INCHES, 0.7 + RANK_INCHES * count), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(-0.15, len(columns) - 0.9), ylim=(count + 0.5, 0.5))
        for name, heights in ranks.items():
            _rank_line(axes, heights, styles[name])
        _end_labels(axes, {name: heights[-1] for name, heights in ranks.items()}, styles)
        labels = [short(f"{one.metric.name} {one.metric.arrow}") for one in columns]
        axes.set_xticks(range(len(columns)), labels)
        axes.set_ylabel("mean rank within patients")
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.tick_params(axis="x", length=0)
        axes.grid(axis="x", color="#d9d9d9", linewidth=0.8)
        return svg_of(figure)


def _rank_line(axes: Axes, heights: Sequence[float], style: Style) -> None:
    axes.plot(
        range(len(heights)), heights,
        color=style.colour, marker=style.marker, markersize=5, clip_on=False,
        linewidth=1.0 if style.trivial else 1.5, linestyle=(0, (4, 2)) if style.trivial else "-",
        markerfacecolor=style.inside, zorder=2 if style.trivial else 3,
    )  # fmt: skip


def _end_labels(axes: Axes, ends: Mapping[str, float], styles: Mapping[str, Style]) -> None:
    """Names to the right of the last axis, moved apart where they would overlap."""
    ranked = sorted((end, name) for name, end in ends.items() if not np.isnan(end))
    positions = spread_apart(np.array([end for end, _ in ranked]), LABEL_RANKS)
    right = axes.get_xlim()[1]
    for (end, name), position in zip(ranked, positions, strict=True):
        axes.annotate(
            short(name), (right - 0.1, end), (right, position), annotation_clip=False, va="center",
            arrowprops={"arrowstyle": "-", "color": styles[name].colour, "linewidth": 0.8},
        )  # fmt: skip


def spread_apart(positions: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Ascending positions moved as little as possible, in squares, to a minimum distance."""
    if not positions.size:
        return positions
    steps = gap * np.arange(positions.size)
    moved: NDArray[np.float64] = isotonic_regression(positions - steps).x + steps
    return moved


def speed_and_quality(
    methods: Sequence[ComparedMethod],
    columns: Sequence[MetricStatistics],
    speed: pd.DataFrame,
    *,
    legend: bool,
) -> bytes:
    """Mean of a metric against the median time per slice, a panel per metric.

    `speed` is the result of `description_tables.speed_summary`.
    """
    timed = {name: style for name, style in styles_of(methods).items() if name in speed.index}
    with plot_style():
        figure, grid = _panels(len(columns), PANEL_INCHES + LEGEND_INCHES * legend)
        for axes, column in zip(grid, columns, strict=True):
            for name, style in timed.items():
                position = [speed["ms_median"][name]], [column.summary["mean"][name]]
                axes.add_line(_point(style, *position))
            axes.autoscale_view()
            _speed_axis(axes)
            axes.set_title(title_of(column.metric), loc="left")
        if legend:
            points = [_point(style, [], [], short(name)) for name, style in timed.items()]
            figure.legend(handles=points, loc="outside upper left", ncols=8, handletextpad=0.2)
        return svg_of(figure)


def _point(style: Style, across: list[float], up: list[float], label: str = "") -> Line2D:
    return Line2D(
        across, up, label=label, color=style.colour, marker=style.marker, markersize=6,
        linestyle="none", markerfacecolor=style.inside,
    )  # fmt: skip


def _speed_axis(axes: Axes) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1,) if high > ONE_LABEL_A_DECADE * low else (1, 2, 5)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("ms per slice, median")
    axes.grid(color="#ebebeb", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(0.08)
