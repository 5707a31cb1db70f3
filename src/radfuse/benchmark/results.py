"""The results of a benchmark, as input of the statistics and the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from radfuse.arrays import UInt8Array
from radfuse.benchmark.findings.results import FindingsResults
from radfuse.benchmark.run.work_items import GreySources, fused_path, read_fused, read_sources
from radfuse.benchmark.settings import FunctionalPairs
from radfuse.errors import NoImageError
from radfuse.metrics.region_fidelity import BONE_LEVEL

ROW_COLUMNS = ("profile", "method", "case", "patient", "slice", "metric", "value")
"""Columns of `rows.csv`, one value per line; `slice` is 0 for images."""

SPEED_COLUMNS = ("method", "case", "slices", "height", "width", "repetition", "seconds")
"""Columns of `speed.csv`: wall time to fuse a whole case, scaled and registered beforehand."""

SOURCES = ("ct", "mr")
"""Names of the sources in `Results.middle_slice`; no method can have them."""

FAILURE_COLUMNS = ("method", "case", "message")
"""Columns of `failures.csv`."""


@dataclass(frozen=True)
class ProfileMetric:
    """A metric as one profile defines it: a column of a table."""

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
        """Points up where larger is better, else down."""
        return "↑" if self.larger_is_better else "↓"


@dataclass(frozen=True)
class ComparedMethod:
    """A compared method, and what is needed to judge its numbers."""

    name: str
    summary: str
    source: str
    development_patients: frozenset[str]
    """Patients, with their data set, whose images were used to train or tune it."""

    note: str = ""
    """How images were used to tune it."""

    patients_known: bool = True
    """Whether it is known which patients of the benchmark are among the development patients."""


@dataclass(frozen=True)
class Results:
    """Results of a benchmark; the data frames are long tables with the columns above."""

    title: str
    metrics: tuple[ProfileMetric, ...]
    methods: tuple[ComparedMethod, ...]
    """In the order of the tables."""

    rows: pd.DataFrame
    speed: pd.DataFrame
    failures: pd.DataFrame
    record: Mapping[str, Any]
    """Settings, cases, versions, platform and times of the run; plain JSON."""

    folder: Path
    functional: FunctionalPairs | None = None
    """How the pairs are of PET or SPECT, if they are."""

    findings: FindingsResults | None = None
    """What the methods keep of inserted findings, where that was asked for."""

    def middle_slice(self, case: str, name: str) -> UInt8Array:
        """The image (H, W) of a case, fused by a method, or `ct` or `mr`; the middle of a volume.

        Raises `NoImageError` where the method failed.
        """
        if name in SOURCES:
            sources = self._sources(case)
            images = sources.ct if name == "ct" else sources.mr
        else:
            path = fused_path(self.folder / "fused" / name, case)
            if path is None:
                raise NoImageError(f"{self.folder}: {name} has no image of {case}")
            images = read_fused(path)
        middle: UInt8Array = images[len(images) // 2]
        return middle

    def bone_level(self, case: str) -> float:
        """Grey level of 255 above which the CT of a case shows bone."""
        level = self._sources(case).facts.bone_level
        return BONE_LEVEL if level is None else level

    def _sources(self, case: str) -> GreySources:
        return read_sources(self.folder / "sources" / f"{case}.npz")
