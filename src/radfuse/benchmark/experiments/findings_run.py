"""The findings experiment: insert findings into phantoms and measure what methods keep of them.

The output folder contains
    plan.json       digests of the methods and settings it was begun with
    rows.csv        one finding per line, as one method shows it
    guards.csv      specks, overshoot and flicker of each method on each phantom
    tiles/          parts of the images around the findings
    failures.csv    method, phantom and reason of each failure in the last run
    report.md       rewritten at the end of each run, with cases.png
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from radfuse.benchmark.case import Case
from radfuse.benchmark.findings.measure import FindingsRun, check_kinds
from radfuse.benchmark.findings.results import FindingsResults
from radfuse.benchmark.load_cases import find_cases
from radfuse.benchmark.results import FAILURE_COLUMNS, ComparedMethod
from radfuse.benchmark.run.append_only_table import AppendOnlyTable
from radfuse.benchmark.run.methods import BenchmarkMethod, find_methods
from radfuse.benchmark.run.output_folder import Digests, start_or_resume
from radfuse.benchmark.run.runner import reason
from radfuse.benchmark.settings import BenchmarkSettings
from radfuse.errors import InputError
from radfuse.intensity import window_named
from radfuse.io.lock import locked_output
from radfuse.phantom.findings import FIRST_REPORTING_SEED, KINDS, TUNING_SEEDS
from radfuse.phantom.head import check_spacing
from radfuse.progress import ProgressCallback
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import library_versions, now, platform_name

SPACING_MM = 1.2
"""Pixel spacing of the phantoms' CT: findings of 2 mm need it."""

PLACEMENTS = 2
"""Findings of each kind in each phantom."""


@dataclass(frozen=True)
class FindingsExperiment:
    """Methods, phantoms, kinds and output folder."""

    folder: Path
    patients: int
    methods: Sequence[str]
    """Names of the catalogue, paths of ONNX files."""

    kinds: tuple[str, ...] = ()
    """All if empty."""

    placements: int = PLACEMENTS
    spacing_mm: float = SPACING_MM
    window: str = DEFAULT_WINDOW
    is_tuning: bool = False
    """Whether the seeds are those for tuning methods."""

    @property
    def seeds(self) -> range:
        """One per patient."""
        return self._first(self.patients)

    @property
    def placement_seeds(self) -> range:
        """One per placement."""
        return self._first(self.placements)

    @property
    def failures(self) -> AppendOnlyTable:
        """Failures of the last run; keys are method and case."""
        return AppendOnlyTable(self.folder / "failures.csv", FAILURE_COLUMNS, 2)

    @property
    def command(self) -> str:
        """The command that repeats the experiment."""
        options = [f"--seeds {self.patients}", f"--placements {self.placements}"]
        options += [f"--spacing {self.spacing_mm:g}"]
        options += [f'--kind "{kind}"' for kind in self.kinds]
        options += [f"--window-preset {self.window}"] * (self.window != DEFAULT_WINDOW)
        options += ["--tuning"] * self.is_tuning
        options += [f"--method {Path(name).name}" for name in self.methods]
        return f"radfuse experiment findings --output OUT {' '.join(options)}"

    def _first(self, count: int) -> range:
        first = TUNING_SEEDS[0] if self.is_tuning else FIRST_REPORTING_SEED
        return range(first, first + count)


@dataclass(frozen=True)
class FindingsOutcome:
    """The results of the experiment."""

    findings: FindingsResults
    methods: tuple[ComparedMethod, ...]
    failures: pd.DataFrame
    record: dict[str, Any]


def run_findings(
    experiment: FindingsExperiment, *, overwrite: bool, report: ProgressCallback
) -> FindingsOutcome:
    """Run or resume an experiment. A failure of one method does not affect others.

    Raises `InputError` for unknown methods, kinds and windows, a spacing out of the range of
    phantoms and more tuning seeds than there are; `OutputError` for a folder with other files, or
    that cannot be written.
    """
    kinds = check_kinds(experiment.kinds)
    check_spacing(experiment.spacing_mm)
    window_named(experiment.window)
    _check_tuning_seeds(experiment)
    settings = BenchmarkSettings(
        methods=tuple(experiment.methods), phantoms=tuple(experiment.seeds),
        phantom_spacing_mm=experiment.spacing_mm, window=experiment.window,
    )  # fmt: skip
    methods, cases = find_methods(settings), find_cases(settings)
    start_or_resume(experiment.folder, _digests(experiment, kinds, methods), overwrite=overwrite)
    fusing = {one.name: one.load for one in methods if one.load}
    run = FindingsRun(
        experiment.folder, kinds, tuple(experiment.placement_seeds), fusing, "rows.csv"
    )
    with locked_output(experiment.folder):
        _measure_all(experiment, run, cases, report)
        return FindingsOutcome(
            run.collect([case.name for case in cases]),
            tuple(one.info for one in methods),
            experiment.failures.read(),
            _record(experiment),
        )


def _check_tuning_seeds(experiment: FindingsExperiment) -> None:
    if experiment.is_tuning and max(experiment.patients, experiment.placements) > len(TUNING_SEEDS):
        raise InputError(
            f"there are {len(TUNING_SEEDS)} seeds for tuning, {TUNING_SEEDS[0]} to "
            f"{TUNING_SEEDS[-1]}; choose at most as many --seeds and --placements"
        )


def _digests(
    experiment: FindingsExperiment, kinds: Sequence[str], methods: Sequence[BenchmarkMethod]
) -> Digests:
    """Digests of everything that rows depend on."""
    return {
        "methods": {method.name: method.digest for method in methods},
        "settings": {
            "kind": "findings",
            "version of radfuse": version("radfuse"),
            "kinds of findings": "; ".join(kinds),
            "spacing": f"{experiment.spacing_mm:g} mm",
            "window": experiment.window,
        },
    }


def _measure_all(
    experiment: FindingsExperiment,
    run: FindingsRun,
    cases: Sequence[Case],
    report: ProgressCallback,
) -> None:
    """Measure what is not in the tables yet; one phantom is in memory at a time."""
    experiment.failures.path.unlink(missing_ok=True)
    run.recover()
    waiting = run.waiting(case.name for case in cases)
    for index, case in enumerate(cases):
        report("inserting findings", index / len(cases))
        if left := waiting.get(case.name):
            failed = partial(_record_failure, experiment, case.name)
            run.measure(case, case.load(), left, failed)


def _record_failure(
    experiment: FindingsExperiment, case: str, method: str, error: Exception
) -> None:
    experiment.failures.append([(method, case, reason(error))])


def _record(experiment: FindingsExperiment) -> dict[str, Any]:
    seeds, placements = experiment.seeds, experiment.placement_seeds
    return {
        "command": experiment.command,
        "made": f"{now():%Y-%m-%d %H:%M} UTC",
        "phantoms": f"{len(seeds)}, seeds {seeds[0]} to {seeds[-1]}",
        "placements": f"{len(placements)} per phantom, seeds {placements[0]} to {placements[-1]}",
        "kinds": "; ".join(experiment.kinds or KINDS),
        "CT pixel, mm": experiment.spacing_mm,
        "CT window of the fusion": experiment.window,
        "platform": platform_name(),
        "versions": library_versions(),
    }
