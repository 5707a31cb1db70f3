"""What the images of a method may hide, as `benchmarks/hidden_findings.py` measured it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

TABLE = "findings_kept.json"
"""How often each method of the catalogue kept each kind of finding, and how that was measured."""

KEPT_SHARE = 0.8
"""A kind of finding is kept if at least this share of its findings is; else it may be hidden."""


@dataclass(frozen=True)
class FindingCounts:
    """Findings of one kind: how many were inserted, kept, and shown with the opposite sign."""

    kept: int
    inverted: int
    inserted: int


@cache
def measured_table() -> Mapping[str, Any]:
    """The table as it is stored: settings, and the counts of each method by kind."""
    table: dict[str, Any] = json.loads(files(__package__).joinpath(TABLE).read_text("utf-8"))
    return table


def finding_counts(method: str) -> dict[str, FindingCounts]:
    """Counts by kind; empty for a method that was not measured."""
    measured = measured_table()["methods"].get(method, {"kinds": {}})["kinds"]
    return {kind: FindingCounts(*counts) for kind, counts in measured.items()}


def hidden_kinds(method: str) -> tuple[str, ...]:
    """The kinds of findings that a method may hide."""
    counts = finding_counts(method).items()
    return tuple(kind for kind, one in counts if one.kept < KEPT_SHARE * one.inserted)


def findings_sentence(method: str, unmeasured: str = "") -> str:
    """Which kinds of findings the images of a method keep, hide and invert, in one line.

    Volumes fused with the default options and CT window were measured; `unmeasured` names what
    differs from that.
    """
    counts = finding_counts(method)
    if unmeasured or not counts:
        return f"not measured for {unmeasured or 'this method'}"
    hidden = hidden_kinds(method)
    inverted = [kind for kind in hidden if counts[kind].inverted]
    kept = f"keeps {len(counts) - len(hidden)} of {len(counts)} kinds of findings"
    names = [f"may hide: {' | '.join(hidden)}"] * bool(hidden)
    names += [f"may show inverted: {' | '.join(inverted)}"] * bool(inverted)
    return "; ".join([kept, *names])
