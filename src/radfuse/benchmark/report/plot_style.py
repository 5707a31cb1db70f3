"""How the figures of a report look, and how they become SVG that repeats byte for byte."""

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
from radfuse.benchmark.results import Contestant, Measure

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
)  # fmt: skip
"""Okabe and Ito's palette, told apart by the colour-blind; without its yellow, pale on white."""

GREY, INK = "#8c8c8c", "#1a1a1a"
"""Trivial baselines, and text."""

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
"""Of methods, in turn."""

MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">")
"""As many as share no divisor with the colours, so that pairs of both repeat late."""

WIDTH_INCHES = 12.6
"""Width of a whole figure."""

PANELS_A_ROW = 4
"""Metrics side by side; each row is a drawing of its own, so that pages break between."""

LONGEST_NAME = 24
"""Letters of a name in a figure; tables have the whole."""

LOOK: dict[Any, Any] = {
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
"""matplotlib settings; names are never read as formulas, and identifiers do not vary."""


@dataclass(frozen=True)
class Pen:
    """How one method is drawn in all figures."""

    colour: str
    marker: str
    trivial: bool

    @property
    def inside(self) -> str:
        """Colour within a marker: trivial baselines are hollow."""
        return "white" if self.trivial else self.colour


def pens_of(contestants: Sequence[Contestant]) -> dict[str, Pen]:
    """A pen a method: grey for trivial baselines, colours in turn for others."""
    trivial = [one.name for one in contestants if one.name in TRIVIAL]
    others = [one.name for one in contestants if one.name not in TRIVIAL]
    pens = {
        name: Pen(GREY, MARKERS[place % len(MARKERS)], trivial=True)
        for place, name in enumerate(trivial)
    }
    for place, name in enumerate(others):
        colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
        pens[name] = Pen(colour, marker, trivial=False)
    return pens


@contextmanager
def look() -> Iterator[None]:
    """Within it figures look alike; letters that the font lacks become boxes without a warning."""
    with mpl.rc_context(LOOK), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def svg_of(figure: Figure) -> bytes:
    """The figure as SVG, without a date."""
    stream = BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def short(name: str) -> str:
    """A name for a figure: one line, its middle left out where it is too long."""
    line = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", name)
    half = LONGEST_NAME // 2
    return line if len(line) <= LONGEST_NAME else f"{line[:half]}…{line[1 - half :]}"


def title_of(measure: Measure) -> str:
    """Name, arrow and unit of a metric."""
    unit = f" ({measure.unit})" if measure.unit else ""
    return short(f"{measure.name} {measure.arrow}{unit}")
