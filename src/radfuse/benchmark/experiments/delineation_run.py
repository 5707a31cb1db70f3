"""Run the delineation experiment image by image; can be stopped and resumed.

The output folder contains
    plan.json       digests of the methods and settings it was begun with
    rows.csv        one measured value per line
    tumours.csv     the properties of each tumour, one line each
    failures.csv    method, tumour and reason of each failure in the last run
    report.md       rewritten at the end of each run
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from radfuse.benchmark.experiments.delineation import (
    CT_ALONE,
    METRICS,
    MR_ALONE,
    PROFILE,
    SPACING_MM,
    TUMOUR_COLUMNS,
    TUMOURS,
    ImageFunction,
    TumourImages,
    image_functions,
    make_tumour_images,
    measure_regions,
    seed_points_of,
    tumour_properties,
)
from radfuse.benchmark.results import (
    FAILURE_COLUMNS,
    ROW_COLUMNS,
    SPEED_COLUMNS,
    ComparedMethod,
    Results,
)
from radfuse.benchmark.run.append_only_table import AppendOnlyTable
from radfuse.benchmark.run.methods import BenchmarkMethod, find_methods
from radfuse.benchmark.run.output_folder import Digests, start_or_resume
from radfuse.benchmark.run.runner import reason
from radfuse.benchmark.settings import BenchmarkSettings
from radfuse.errors import InputError
from radfuse.intensity import Window, window_named
from radfuse.io.lock import locked_output
from radfuse.methods.loading import load_method
from radfuse.phantom.head import DEFAULT_SEED, check_spacing
from radfuse.progress import ProgressCallback
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import library_versions, now, platform_name

TITLE = "Does fusion help to find a tumour's border?"
"""Title of the report."""

SINGLE_MODALITIES = (
    ComparedMethod(CT_ALONE, "the CT in HU, without window", "", frozenset()),
    ComparedMethod(MR_ALONE, "the MR on the CT's grid", "", frozenset()),
)
"""The images without fusion."""


@dataclass(frozen=True)
class TumourCase:
    """A phantom's head with one tumour of a kind."""

    seed: int
    kind: str

    @property
    def name(self) -> str:
        """Of the case."""
        return f"{self.patient} {self.kind}"

    @property
    def patient(self) -> str:
        """Shared by the tumours of a head."""
        return f"phantom-{self.seed}"


@dataclass(frozen=True)
class DelineationExperiment:
    """Methods, phantoms and output folder."""

    folder: Path
    patients: int
    """Seeds from `DEFAULT_SEED` on."""

    methods: Sequence[str]
    """Names of the catalogue, paths of ONNX files."""

    tumours: Sequence[str] = tuple(TUMOURS)
    spacing_mm: float = SPACING_MM
    window: str = DEFAULT_WINDOW

    @property
    def rows(self) -> AppendOnlyTable:
        """Measured values; keys are profile, method and case."""
        return AppendOnlyTable(self.folder / "rows.csv", ROW_COLUMNS, 3)

    @property
    def properties(self) -> AppendOnlyTable:
        """Properties of the tumours; keys are cases."""
        return AppendOnlyTable(self.folder / "tumours.csv", TUMOUR_COLUMNS, 1)

    @property
    def failures(self) -> AppendOnlyTable:
        """Failures of the last run; keys are method and case."""
        return AppendOnlyTable(self.folder / "failures.csv", FAILURE_COLUMNS, 2)

    @property
    def seeds(self) -> range:
        """One per patient."""
        return range(DEFAULT_SEED, DEFAULT_SEED + self.patients)

    @property
    def cases(self) -> list[TumourCase]:
        """All tumours, patient by patient."""
        return [TumourCase(seed, kind) for seed in self.seeds for kind in self.tumours]

    @property
    def command(self) -> str:
        """The command that repeats the experiment."""
        options = [f"--seeds {self.patients}", f"--spacing {self.spacing_mm:g}"]
        options += [f"--tumour {kind}" for kind in self.tumours if len(self.tumours) < len(TUMOURS)]
        options += [f"--window-preset {self.window}"] * (self.window != DEFAULT_WINDOW)
        options += [f"--method {Path(name).name}" for name in self.methods]
        return f"radfuse experiment delineation --output OUT {' '.join(options)}"


@dataclass(frozen=True)
class DelineationResults:
    """The results of the experiment."""

    results: Results
    properties: pd.DataFrame
    """`TUMOUR_COLUMNS`."""


def run_delineation(
    experiment: DelineationExperiment, *, overwrite: bool, report: ProgressCallback
) -> DelineationResults:
    """Run or resume an experiment: fuse, grow regions, compare them with the truth.

    Rows have the number of the seed point as slice. A failure of one method does not affect others.
    Raises `InputError` for unknown methods, kinds of tumours and windows, and a spacing out of the
    range of phantoms; `OutputError` for a folder with other files, or that cannot be written.
    """
    if unknown := [kind for kind in experiment.tumours if kind not in TUMOURS]:
        raise InputError(f"no tumour '{unknown[0]}'; there are {', '.join(TUMOURS)}")
    check_spacing(experiment.spacing_mm)
    window = window_named(experiment.window)
    methods = find_methods(BenchmarkSettings(methods=tuple(experiment.methods)))
    loaded = {
        method.name: load_method(use, window=window)
        for use, method in zip(experiment.methods, methods, strict=True)
    }
    start_or_resume(experiment.folder, _digests(experiment, methods), overwrite=overwrite)
    with locked_output(experiment.folder):
        _measure_all(experiment, image_functions(loaded), window, report)
        return _collect(experiment, [*SINGLE_MODALITIES, *(method.info for method in methods)])


def _digests(experiment: DelineationExperiment, methods: Sequence[BenchmarkMethod]) -> Digests:
    """Digests of everything that rows depend on."""
    return {
        "methods": {method.name: method.digest for method in methods},
        "settings": {
            "kind": PROFILE,
            "version of radfuse": version("radfuse"),
            "spacing": f"{experiment.spacing_mm:g} mm",
            "window": experiment.window,
        },
    }


def _measure_all(
    experiment: DelineationExperiment,
    functions: Mapping[str, ImageFunction],
    window: Window,
    report: ProgressCallback,
) -> None:
    """Measure what is not in the tables yet; one patient is in memory at a time."""
    experiment.failures.path.unlink(missing_ok=True)
    experiment.rows.recover()
    experiment.properties.recover()
    measured, described = (
        table.finished_keys() for table in (experiment.rows, experiment.properties)
    )
    for index, case in enumerate(experiment.cases):
        report("growing regions", index / len(experiment.cases))
        waiting = {
            name: function
            for name, function in functions.items()
            if (PROFILE, name, case.name) not in measured
        }
        if not waiting and (case.name,) in described:
            continue
        images = make_tumour_images(
            case.seed, case.kind, spacing_mm=experiment.spacing_mm, window=window
        )
        if (case.name,) not in described:
            experiment.properties.append([(case.name, case.kind, *tumour_properties(images))])
        for name, function in waiting.items():
            _measure(experiment, case, images, name, function)


def _measure(
    experiment: DelineationExperiment,
    case: TumourCase,
    images: TumourImages,
    name: str,
    function: ImageFunction,
) -> None:
    """Append the rows of a method, or record its failure."""
    try:
        seed_points = seed_points_of(case.seed, images)
        by_seed_point = list(measure_regions(function(images), images, seed_points))
    except Exception as error:  # external graphs raise any exception
        experiment.failures.append([(name, case.name, reason(error))])
        return
    experiment.rows.append(
        (PROFILE, name, case.name, case.patient, index, *metric_and_value)
        for index, values in enumerate(by_seed_point)
        for metric_and_value in values.items()
    )


def _collect(
    experiment: DelineationExperiment, methods: Sequence[ComparedMethod]
) -> DelineationResults:
    """The results of the experiment's methods and cases; the folder may contain more."""
    rows, properties = experiment.rows.read(), experiment.properties.read()
    names, cases = [one.name for one in methods], [case.name for case in experiment.cases]
    return DelineationResults(
        Results(
            title=TITLE,
            metrics=METRICS,
            methods=tuple(methods),
            rows=rows[rows["method"].isin(names) & rows["case"].isin(cases)],
            speed=pd.DataFrame(columns=list(SPEED_COLUMNS)),
            failures=experiment.failures.read(),
            record=_record(experiment),
            folder=experiment.folder,
        ),
        properties[properties["case"].isin(cases)],
    )


def _record(experiment: DelineationExperiment) -> dict[str, Any]:
    return {
        "command": experiment.command,
        "made": f"{now():%Y-%m-%d %H:%M} UTC",
        "patients": f"{experiment.patients}, seeds {experiment.seeds[0]} to {experiment.seeds[-1]}",
        "tumours": ", ".join(experiment.tumours),
        "CT pixel, mm": experiment.spacing_mm,
        "CT window of the fusion": experiment.window,
        "platform": platform_name(),
        "versions": library_versions(),
    }
