"""Diagrams of critical differences: mean ranks on a line, bars over methods that do not differ.

The diagram follows Demsar 2006, Journal of Machine Learning Research 7: 1-30, figure 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from radfuse.benchmark.report.plot_style import (
    GREY,
    INK,
    WIDTH_INCHES,
    plot_style,
    short,
    svg_of,
    title_of,
)
from radfuse.benchmark.results import ProfileMetric
from radfuse.benchmark.statistics.bootstrap import MIN_PATIENTS
from radfuse.benchmark.statistics.critical_difference import Ranking

HALF_INCHES = WIDTH_INCHES / 2
"""Width of one diagram; two are side by side."""

NAMES_INCHES = 2.0
"""Width of the names on either side."""

LINE_INCHES, BAR_INCHES = 0.17, 0.075
"""Distances of names, and of bars."""

TITLE_INCHES, DISTANCE_INCHES, AXIS_INCHES = 0.18, 0.38, 0.72
"""Distances of title, critical difference and scale from the top."""

MAX_RANK_LABELS, LABEL_STEP = 12, 5
"""With more ranks than this only the first and each fifth have a label."""


@dataclass(frozen=True)
class _Canvas:
    """Axes in inches from the top left corner, and the position of ranks on them."""

    axes: Axes
    ranking: Ranking

    def x_of(self, rank: float) -> float:
        """Distance of a rank from the left, in inches."""
        share = (rank - 1) / (len(self.ranking.mean_ranks) - 1)
        return NAMES_INCHES + share * (HALF_INCHES - 2 * NAMES_INCHES)

    def line(self, across: Sequence[float], down: Sequence[float], width: float) -> None:
        """A line through points in inches."""
        colour = GREY if width < 0.8 else INK
        self.axes.plot(across, down, color=colour, linewidth=width, solid_capstyle="butt")

    def text(self, across: float, down: float, text: str, align: str) -> None:
        """Small letters at a point in inches."""
        self.axes.text(across, down, text, size=7.5, ha=align, va="center")


def can_be_drawn(ranking: Ranking) -> bool:
    """Whether there are at least two methods, and two patients with cases that all have."""
    return ranking.units >= MIN_PATIENTS and not np.isnan(ranking.critical_difference)


def critical_differences(metric: ProfileMetric, ranking: Ranking) -> bytes:
    """The diagram of one metric, for rankings that `can_be_drawn`."""
    names_top = AXIS_INCHES + 0.2 + BAR_INCHES * len(ranking.groups)
    height = names_top + LINE_INCHES * ((len(ranking.mean_ranks) + 1) // 2) + 0.05
    with plot_style():
        figure = Figure(figsize=(HALF_INCHES, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, HALF_INCHES), ylim=(height, 0))
        axes.set_axis_off()
        axes.text(0.05, TITLE_INCHES, title_of(metric), weight="bold", size=9.5, va="center")
        canvas = _Canvas(axes, ranking)
        _draw_scale(canvas)
        _draw_distance(canvas)
        _draw_names(canvas, names_top)
        _draw_groups(canvas)
        return svg_of(figure)


def _draw_scale(canvas: _Canvas) -> None:
    worst = len(canvas.ranking.mean_ranks)
    canvas.line([canvas.x_of(1), canvas.x_of(worst)], [AXIS_INCHES] * 2, 0.8)
    for rank in range(1, worst + 1):
        canvas.line([canvas.x_of(rank)] * 2, [AXIS_INCHES - 0.05, AXIS_INCHES], 0.8)
        if worst <= MAX_RANK_LABELS or rank == 1 or rank % LABEL_STEP == 0:
            canvas.text(canvas.x_of(rank), AXIS_INCHES - 0.12, str(rank), "center")


def _draw_distance(canvas: _Canvas) -> None:
    """The critical difference above the scale, unless it is longer than the scale."""
    distance, right = canvas.ranking.critical_difference, HALF_INCHES - NAMES_INCHES
    fits = distance <= len(canvas.ranking.mean_ranks) - 1
    note = "" if fits else ", longer than the scale"
    canvas.text(right, TITLE_INCHES, f"critical difference {distance:.1f}{note}", "right")
    if fits:
        left = right - canvas.x_of(1 + distance) + canvas.x_of(1)
        canvas.line([left, right], [DISTANCE_INCHES] * 2, 1.2)
        for end in (left, right):
            canvas.line([end] * 2, [DISTANCE_INCHES - 0.04, DISTANCE_INCHES + 0.04], 1.2)


def _draw_names(canvas: _Canvas, top: float) -> None:
    """The better half on the left, best on top; the other on the right, worst on top."""
    ranked = list(canvas.ranking.mean_ranks.items())
    half = (len(ranked) + 1) // 2
    left, right = NAMES_INCHES - 0.15, HALF_INCHES - NAMES_INCHES + 0.15
    for index, (name, rank) in enumerate(ranked[:half]):
        down = top + LINE_INCHES * (index + 0.5)
        _draw_leader(canvas, rank, down, left)
        canvas.text(left - 0.06, down, f"{short(name)}  {rank:.1f}", "right")
    for index, (name, rank) in enumerate(reversed(ranked[half:])):
        down = top + LINE_INCHES * (index + 0.5)
        _draw_leader(canvas, rank, down, right)
        canvas.text(right + 0.06, down, f"{rank:.1f}  {short(name)}", "left")


def _draw_leader(canvas: _Canvas, rank: float, down: float, edge: float) -> None:
    """From the scale down to the name's height, and across to it."""
    across = canvas.x_of(rank)
    canvas.line([across, across, edge], [AXIS_INCHES, down, down], 0.7)


def _draw_groups(canvas: _Canvas) -> None:
    for index, group in enumerate(canvas.ranking.groups):
        ranks = [canvas.ranking.mean_ranks[name] for name in group]
        ends = [canvas.x_of(min(ranks)) - 0.04, canvas.x_of(max(ranks)) + 0.04]
        canvas.line(ends, [AXIS_INCHES + 0.12 + BAR_INCHES * index] * 2, 3)
