"""The charts of a group report, as SVG inside its HTML; their colours are those of its style."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor

WIDTH, HEIGHT = 640, 150
"""Of a histogram without its axis, in its own units."""

BIN_MM = 0.25
"""Width of a bar of the histogram."""

LAST_MM = 4.0
"""From here on all errors are in one bar."""

AXIS_STEP_MM = 0.5


@dataclass(frozen=True)
class Bar:
    """A part of a bar."""

    style: str
    """Name of its class in the style sheet."""
    label: str
    count: int


def share_bar(bars: Sequence[Bar]) -> str:
    """A bar with parts as wide as their counts, and a legend with the counts and their share."""
    total = sum(bar.count for bar in bars)
    parts, left = [], 0.0
    for bar in bars:
        width = WIDTH * bar.count / total if total else 0.0
        if bar.count:
            parts.append(
                f'<rect class="{bar.style}" x="{left:.1f}" width="{width:.1f}" height="24"/>'
            )
        left += width
    legend = "".join(
        f'<li><span class="{bar.style}"></span>{escape(bar.label)}: {bar.count}'
        f"{f' ({bar.count / total:.0%})' if total else ''}</li>"
        for bar in bars
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} 24" role="img" aria-label="cases by verdict">{"".join(parts)}'
        f'</svg>\n<ul class="legend">{legend}</ul>'
    )


def histogram(errors_mm: Mapping[str, Sequence[float]]) -> str:
    """A histogram of values in mm, of several groups on top of each other.

    The keys are classes in the style sheet.
    """
    count = round(LAST_MM / BIN_MM) + 1
    bins = {
        style: [sum(_bin(value) == number for value in values) for number in range(count)]
        for style, values in errors_mm.items()
    }
    highest = max(map(sum, zip(*bins.values(), strict=True)), default=0)
    if not highest:
        return "<p>No error was estimated.</p>"
    step, shapes = WIDTH / count, []
    heights = [0.0] * count
    for style, numbers in bins.items():
        for number, cases in enumerate(numbers):
            size = HEIGHT * cases / highest
            heights[number] += size
            if cases:
                shapes.append(
                    f'<rect class="{style}" x="{number * step + 1:.1f}" '
                    f'y="{HEIGHT - heights[number]:.1f}" width="{step - 2:.1f}" '
                    f'height="{size:.1f}"/>'
                )
    return (
        f'<svg viewBox="-40 -14 {WIDTH + 50} {HEIGHT + 54}" role="img" '
        f'aria-label="histogram of estimated errors">{"".join(shapes)}{_axes(highest, step)}</svg>'
    )


def _bin(value_mm: float) -> int:
    return floor(min(value_mm, LAST_MM) / BIN_MM)


def _axes(highest: int, step: float) -> str:
    """The axes with their numbers, and what they count."""
    ticks = "".join(
        f'<text x="{number * AXIS_STEP_MM / BIN_MM * step:.1f}" y="{HEIGHT + 16}">'
        f"{number * AXIS_STEP_MM:g}</text>"
        for number in range(round(LAST_MM / AXIS_STEP_MM))
    )
    return (
        f'<path class="axis" d="M0 0 V{HEIGHT} H{WIDTH}"/>{ticks}'
        f'<text x="{WIDTH - step / 2:.1f}" y="{HEIGHT + 16}">&ge; {LAST_MM:g}</text>'
        f'<text x="{WIDTH / 2}" y="{HEIGHT + 36}">estimated error at the worst point of the brain, '
        f'mm</text><text class="count" x="-6" y="4">{highest}</text>'
        f'<text class="count" x="-6" y="{HEIGHT}">0</text>'
    )
