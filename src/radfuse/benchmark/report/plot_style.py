"""Style of the figures of a report, and reproducible SVG."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from radfuse.benchmark.report.result_tables import TRIVIAL
from radfuse.benchmark.results import ComparedMethod, ProfileMetric

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
)  # fmt: skip
"""Okabe and Ito's palette, safe for colour blindness, without its yellow."""

GREY, INK = "#8c8c8c", "#1a1a1a"
"""Trivial baselines, and text."""

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
"""Colours of methods, cyclic."""

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">")
"""Their number and that of the colours are coprime, so that pairs of both repeat late."""

WIDTH_INCHES = 12.6
"""Width of a whole figure."""

PANELS_A_ROW = 4
"""Metrics side by side; each row is a plot of its own, so that printing can break between."""

MAX_NAME_LENGTH = 24
"""Letters of a name in a figure; tables have the full name."""

RC_PARAMS: dict[Any, Any] = {
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "radfuse",
    "text.parse_math": False,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
}
"""matplotlib settings; names are not parsed as formulas, and identifiers are reproducible."""


@dataclass(frozen=True)
class Style:
    """Colour and marker of a method in all figures."""

    colour: str
    marker: str
    trivial: bool

    @property
    def inside(self) -> str:
        """Colour of the marker's interior: trivial baselines are hollow."""
        return "white" if self.trivial else self.colour


def styles_of(methods: Sequence[ComparedMethod]) -> dict[str, Style]:
    """The style of each method: grey for trivial baselines, colours for others."""
    trivial = [one.name for one in methods if one.name in TRIVIAL]
    others = [one.name for one in methods if one.name not in TRIVIAL]
    styles = {
        name: Style(GREY, MARKERS[position % len(MARKERS)], trivial=True)
        for position, name in enumerate(trivial)
    }
    for position, name in enumerate(others):
        colour, marker = COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)]
        styles[name] = Style(colour, marker, trivial=False)
    return styles


@contextmanager
def plot_style() -> Iterator[None]:
    """Apply the style within; letters missing in the font become boxes without a warning."""
    with mpl.rc_context(RC_PARAMS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def svg_of(figure: Figure) -> bytes:
    """The figure as SVG, without a date."""
    stream = BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def short(name: str) -> str:
    """A name for a figure: one line, shortened in the middle where it is too long."""
    line = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", name)
    half = MAX_NAME_LENGTH // 2
    return line if len(line) <= MAX_NAME_LENGTH else f"{line[:half]}…{line[1 - half :]}"


def title_of(metric: ProfileMetric) -> str:
    """Name, arrow and unit of a metric."""
    unit = f" ({metric.unit})" if metric.unit else ""
    return short(f"{metric.name} {metric.arrow}{unit}")
