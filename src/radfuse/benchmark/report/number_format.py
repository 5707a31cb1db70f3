"""Number formats of a report, and the marks of the best values."""

import math
from collections.abc import Sequence

import pandas as pd

from radfuse.benchmark.report.document import Mark

LEVELS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
"""Stars of p values below each level."""

NO_NUMBER = "\N{EN DASH}"
"""Printed for missing values."""

MINUS = "\N{MINUS SIGN}"
"""As wide as the plus sign, unlike the hyphen."""


def decimals_of(values: Sequence[float]) -> int:
    """Decimal places that give the largest value four digits, or three below 1."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return 3
    power = math.floor(math.log10(largest))
    return max(0, 3 - power) if power >= 0 else 2 - power


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with a number of decimal places; no sign where it rounds to 0."""
    if not math.isfinite(value):
        return NO_NUMBER
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    sign = MINUS if value < 0 else "+" * signed
    return sign + text


def p_text(p: float) -> str:
    """A p value with three decimal places, without the leading 0."""
    if math.isnan(p):
        return NO_NUMBER
    if p < LEVELS[0][0]:
        return "<.001"
    return f"{p:.3f}".removeprefix("0")


def stars(p: float) -> str:
    """The stars of a p value; none for NaN."""
    return next((sign for level, sign in LEVELS if p < level), "")


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 case, 2 cases."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def marks_of(means: pd.Series, decimals: int, *, larger_is_better: bool) -> dict[str, Mark]:
    """Best and second best by name, of the printed means; equal ones share a mark."""
    printed = means.round(decimals).dropna()
    levels = sorted(printed.unique(), reverse=larger_is_better)
    words: tuple[Mark, Mark] = ("best", "second")
    return {
        str(name): word
        for level, word in zip(levels, words, strict=False)
        for name in printed.index[printed == level]
    }
