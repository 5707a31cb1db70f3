"""How the values for CT and for MR become one."""

from collections.abc import Sequence
from typing import Literal

Pairing = Literal["mean", "sum"]
"""The field prints both under one name, one of them twice the other."""


def paired(of_sources: Sequence[float], pairing: Pairing) -> float:
    """Mean or sum of a metric's values for the sources."""
    total = sum(of_sources)
    return total / len(of_sources) if pairing == "mean" else total
