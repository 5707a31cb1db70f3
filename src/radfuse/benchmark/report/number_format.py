"""How a report writes numbers, and which of them stand out."""

import math
from collections.abc import Sequence

import pandas as pd

from radfuse.benchmark.report.document import Mark

LEVELS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
"""Stars by the p value that they stay below."""

NO_NUMBER = "\N{EN DASH}"
"""Stands where there is none."""

MINUS = "\N{MINUS SIGN}"
"""As wide as a plus, unlike the hyphen."""


def decimals_of(values: Sequence[float]) -> int:
    """Places behind the point that give the largest value four digits, three below 1."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return 3
    power = math.floor(math.log10(largest))
    return max(0, 3 - power) if power >= 0 else 2 - power


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with so many places behind the point; what rounds to 0 has no sign."""
    if not math.isfinite(value):
        return NO_NUMBER
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    sign = MINUS if value < 0 else "+" * signed
    return sign + text


def p_text(p: float) -> str:
    """A p value to three places, without the 0 before its point."""
    if math.isnan(p):
        return NO_NUMBER
    if p < LEVELS[0][0]:
        return "<.001"
    return f"{p:.3f}".removeprefix("0")


def stars(p: float) -> str:
    """As many as `LEVELS` grants; none for NaN."""
    return next((sign for level, sign in LEVELS if p < level), "")


def counted(count: int, noun: str) -> str:
    """How many there are of something, in words: 1 case, 2 cases."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def marks_of(means: pd.Series, decimals: int, *, larger_is_better: bool) -> dict[str, Mark]:
    """Best and second best by name, of the means as printed: what prints alike shares a mark."""
    printed = means.round(decimals).dropna()
    levels = sorted(printed.unique(), reverse=larger_is_better)
    words: tuple[Mark, Mark] = ("best", "second")
    return {
        str(name): word
        for level, word in zip(levels, words, strict=False)
        for name in printed.index[printed == level]
    }
