"""Aggregation of a metric's values for CT and for MR into one."""

from collections.abc import Sequence
from typing import Literal

Aggregation = Literal["mean", "sum"]
"""Published tables use both under one name; the sum is twice the mean."""


def aggregated(of_sources: Sequence[float], aggregation: Aggregation) -> float:
    """Mean or sum of a metric's values for the sources."""
    total = sum(of_sources)
    return total / len(of_sources) if aggregation == "mean" else total
