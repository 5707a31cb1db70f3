"""Synthetic results of a benchmark with failures, ties, methods without spread, and development
patients."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from radfuse.arrays import UInt8Array
from radfuse.benchmark.results import (
    FAILURE_COLUMNS,
    ROW_COLUMNS,
    SPEED_COLUMNS,
    ComparedMethod,
    ProfileMetric,
    Results,
)
from radfuse.benchmark.statistics.analysis import MetricStatistics, analyse
from radfuse.errors import NoImageError
from radfuse.metrics.region_fidelity import BONE_LEVEL

HOSTILE = r"a_b%c&d#e$f{g}h~i^j\k<l>m|n[o]*p`"
"""Characters with a meaning in LaTeX or Markdown."""

SIDE = 96
CASES_A_PATIENT = 6
PATIENTS = ("p1", "p2", "p3", "p4")
METHODS = ("average", "flat", "network", "twin", "broken")
"""`twin` equals `network`, `flat` has no spread, `broken` fails on `BROKEN_CASES`."""

BROKEN_CASES = ("p1-0", "p1-1", "p3-4")
REFERENCE = "network"
METRICS = (
    ProfileMetric("one", "MI", True, "bit", "mutual information", "Qu 2002, 256 bins"),
    ProfileMetric("one", "SF", True, "", "spatial frequency", "Eskicioglu 1995"),
    ProfileMetric("two", "VIF", True, "", "visual information fidelity", "Sheikh 2006"),
    ProfileMetric("two", "CV", False, "", "Chen and Varshney's error", "Chen 2007"),
)
SCALES = {"MI": 4.0, "SF": 30.0, "VIF": 0.5, "CV": 900.0}


@dataclass(frozen=True)
class SyntheticResults(Results):
    """Results whose images are computed from a synthetic head."""

    def middle_slice(self, case: str, name: str) -> UInt8Array:
        ct, mr = head(case)
        if name in {"ct", "mr"}:
            return ct if name == "ct" else mr
        if ((self.failures["method"] == name) & (self.failures["case"] == case)).any():
            raise NoImageError(f"{name} has no image of {case}")
        names = [one.name for one in self.methods]
        share = names.index(name) / len(names)
        fused = (1 - share) * np.maximum(ct, mr) + share * (ct / 2 + mr / 2)
        return np.rint(fused).astype(np.uint8)

    def bone_level(self, case: str) -> float:  # noqa: ARG002
        return BONE_LEVEL


def head(case: str) -> tuple[UInt8Array, UInt8Array]:
    """CT and MR of a synthetic head; the case's name is the seed."""
    rng = np.random.default_rng(list(case.encode()))
    down, across = np.indices((SIDE, SIDE)) / SIDE - 0.5
    radius = np.hypot(down / 0.95, across / 0.8)
    texture = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2)
    ventricle = np.hypot(down, (np.abs(across) - 0.08) * 2) < 0.11
    ct = np.where((radius > 0.44) & (radius < 0.5), 250.0, np.where(radius <= 0.44, 90.0, 0.0))
    mr = np.where(radius < 0.42, 130 + 250 * texture, np.where(radius < 0.53, 30.0, 0.0))
    ct, mr = np.where(ventricle, 60, ct), np.where(ventricle, 35, mr)
    levels = [np.clip(gaussian_filter(image, 0.6), 0, 255) for image in (ct, mr)]
    return levels[0].astype(np.uint8), levels[1].astype(np.uint8)


def methods(names: Sequence[str] = METHODS) -> tuple[ComparedMethod, ...]:
    """`network` has a development patient, and `broken` one more."""
    development = {"network": {"p4", "elsewhere"}, "broken": {"p3", "p4"}}
    return tuple(
        ComparedMethod(
            name, f"what {name} does", "a paper", frozenset(development.get(name, ())),
            "trained on p4" if name in development else "",
        )
        for name in names
    )  # fmt: skip


def rows_of(
    metrics: Sequence[ProfileMetric], names: Sequence[str], patients: Sequence[str], seed: int
) -> pd.DataFrame:
    """Values of all methods on all cases, a patient's alike."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[object, ...]] = []
    for metric in metrics:
        scale = SCALES[metric.name]
        gains = dict(zip(names, rng.uniform(0.8, 1.2, len(names)), strict=True))
        for patient in patients:
            level = rng.normal(1, 0.1)
            for index in range(CASES_A_PATIENT):
                case = f"{patient}-{index}"
                shared = rng.normal(0, 0.05)
                for name in names:
                    value = scale * gains[name] * (level + shared + rng.normal(0, 0.03))
                    rows.append((metric.profile, name, case, patient, 0, metric.name, float(value)))
    return pd.DataFrame(rows, columns=list(ROW_COLUMNS))


def speeds(names: Sequence[str], cases: Sequence[str], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    typical = 10 ** rng.uniform(-4, -1, len(names))
    return pd.DataFrame(
        [
            (name, case, 1, SIDE, SIDE, repetition, float(seconds * rng.uniform(1, 1.3)))
            for name, seconds in zip(names, typical, strict=True)
            for case in cases
            for repetition in range(2)
        ],
        columns=list(SPEED_COLUMNS),
    )


def synthetic_results(folder: Path = Path(), seed: int = 3) -> SyntheticResults:
    """Two profiles, five methods, 24 cases of four patients."""
    rows = rows_of(METRICS, METHODS, PATIENTS, seed)
    rows.loc[rows["method"] == "flat", "value"] = 0.25
    twin = rows[rows["method"] == "network"].assign(method="twin")
    rows = pd.concat([rows[rows["method"] != "twin"], twin], ignore_index=True)
    failed = (rows["method"] == "broken") & rows["case"].isin(BROKEN_CASES)
    failures = [("broken", case, "ran out of <memory> & gave up") for case in BROKEN_CASES]
    return SyntheticResults(
        title="Fusion of synthetic heads",
        metrics=METRICS,
        methods=methods(),
        rows=rows[~failed].reset_index(drop=True),
        speed=speeds(METHODS, sorted(rows["case"].unique()), seed),
        failures=pd.DataFrame(failures, columns=list(FAILURE_COLUMNS)),
        record={
            "made": "2024-05-06 07:08 UTC",
            "cores": 2,
            "settings": {"profiles": ["one", "two"], "window": {"low": -100}},
            "inputs": [{"case": "p1-0", "sha256": "ab"}, {"case": "p1-1", "patient": "p1"}],
        },
        folder=folder,
    )


def hostile(folder: Path = Path()) -> SyntheticResults:
    """Names and texts that would be commands in HTML, LaTeX or Markdown."""
    results = synthetic_results(folder)
    names = {name: f"{name} {HOSTILE} <script>alert(1)</script>" for name in METHODS}
    names[REFERENCE] = REFERENCE
    return replace(
        results,
        title=f"{HOSTILE}\n\n% title <script>alert(2)</script>",
        methods=tuple(
            replace(one, name=names[one.name], note="]]> --> \\end{table*}")
            for one in results.methods
        ),
        rows=results.rows.assign(method=results.rows["method"].map(names)),
        speed=results.speed.assign(method=results.speed["method"].map(names)),
        failures=pd.DataFrame(
            [(names["broken"], "p1-0", "a | b\n# c <img src=x onerror=alert(3)>")],
            columns=list(FAILURE_COLUMNS),
        ),
        record={"path": "<b>/home/_x_|y"},
    )


def columns_of(results: Results, profile: str = "one") -> list[MetricStatistics]:
    """The statistics of one profile."""
    own = tuple(one for one in results.metrics if one.profile == profile)
    return analyse(replace(results, metrics=own), REFERENCE, rng=np.random.default_rng(0))
