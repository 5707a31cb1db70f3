"""What a benchmark has measured, as the report reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from radfuse.arrays import UInt8Array
from radfuse.benchmark.run.work_items import Levels, fused_path, read_fused, read_levels
from radfuse.errors import NoImageError
from radfuse.metrics.region_fidelity import BONE_LEVEL

ROW_COLUMNS = ("profile", "method", "case", "patient", "slice", "metric", "value")
"""Columns of `rows.csv`, a value a line; `slice` is 0 for pictures."""

SPEED_COLUMNS = ("method", "case", "slices", "height", "width", "repetition", "seconds")
"""Columns of `speed.csv`: wall time to fuse a whole case, scaled and registered beforehand."""

SOURCES = ("ct", "mr")
"""What `Results.picture` calls the sources; no method can be called so."""

FAILURE_COLUMNS = ("method", "case", "message")
"""Columns of `failures.csv`."""


@dataclass(frozen=True)
class Measure:
    """A column of a table: one metric as one profile defines it."""

    profile: str
    name: str
    """As the profile's tables print it."""

    larger_is_better: bool
    unit: str
    summary: str
    source: str
    """Paper, DOI, convention."""

    @property
    def arrow(self) -> str:
        """Points to where better values lie."""
        return "↑" if self.larger_is_better else "↓"


@dataclass(frozen=True)
class Contestant:
    """A method and what must be known of it to read its numbers fairly."""

    name: str
    summary: str
    source: str
    patients_seen: frozenset[str]
    """Patients whose images shaped it, by training or by choice of constants."""

    note: str = ""
    """What was tuned on what."""


@dataclass(frozen=True)
class Results:
    """One benchmark: rows are long tables with the columns above."""

    title: str
    measures: tuple[Measure, ...]
    contestants: tuple[Contestant, ...]
    """In the order of the tables."""

    rows: pd.DataFrame
    speed: pd.DataFrame
    failures: pd.DataFrame
    record: Mapping[str, Any]
    """What was run: settings, cases, versions, platform, times; plain JSON."""

    folder: Path

    def picture(self, case: str, who: str) -> UInt8Array:
        """The slice to look at (H, W) of a case: of a method, or of `ct` or `mr`.

        Of a volume, the middle slice. Raises `NoImageError` where the method failed.
        """
        if who in SOURCES:
            levels = self._levels(case)
            images = levels.ct if who == "ct" else levels.mr
        else:
            path = fused_path(self.folder / "fused" / who, case)
            if path is None:
                raise NoImageError(f"{self.folder}: {who} has no image of {case}")
            images = read_fused(path)
        middle: UInt8Array = images[len(images) // 2]
        return middle

    def bone_level(self, case: str) -> float:
        """UInt8Array level above which the CT of a case shows bone."""
        known = self._levels(case).known.bone_level
        return BONE_LEVEL if known is None else known

    def _levels(self, case: str) -> Levels:
        return read_levels(self.folder / "sources" / f"{case}.npz")
