"""Run the delineation study: image by image, kept as they come; stop and go on at will.

The folder has
    plan.json       which methods and settings it was begun with, by digest
    rows.csv        a measured value a line
    tumours.csv     what is known of each tumour, a line each
    failures.csv    which method failed on which tumour in the last run, and why
    report.md       written anew at the end of each run
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from radfuse.benchmark.experiments.delineation import (
    CT_ALONE,
    MEASURES,
    MR_ALONE,
    PROFILE,
    SPACING_MM,
    TRUTH_COLUMNS,
    TUMOURS,
    Image,
    Sources,
    clicks_of,
    images,
    measured,
    phantom_sources,
    truth_of,
)
from radfuse.benchmark.results import (
    FAILURE_COLUMNS,
    ROW_COLUMNS,
    SPEED_COLUMNS,
    Contestant,
    Results,
)
from radfuse.benchmark.run.methods import Entrant, entrants
from radfuse.benchmark.run.output_folder import Begun, locked, take
from radfuse.benchmark.run.runner import reason
from radfuse.benchmark.run.tables import Table
from radfuse.benchmark.settings import Settings
from radfuse.errors import InputError
from radfuse.intensity import Window, window_named
from radfuse.methods.catalogue import load_method
from radfuse.phantom.head import DEFAULT_SEED, check_spacing
from radfuse.progress import ProgressCallback
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import library_versions, now, platform_name

TITLE = "Does fusion help to find a tumour's border?"
"""Of the report."""

ALONE = (
    Contestant(CT_ALONE, "the CT in HU, in no window", "", frozenset()),
    Contestant(MR_ALONE, "the MR on the CT's grid", "", frozenset()),
)
"""The images without fusion."""


@dataclass(frozen=True)
class Case:
    """A made-up head with one tumour of a kind."""

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
class Study:
    """What is measured, on whom, and where it is kept."""

    folder: Path
    patients: int
    """Seeds from `DEFAULT_SEED` on."""

    methods: Sequence[str]
    """Names of the catalogue, paths of ONNX files."""

    tumours: Sequence[str] = tuple(TUMOURS)
    spacing_mm: float = SPACING_MM
    window: str = DEFAULT_WINDOW

    @property
    def rows(self) -> Table:
        """Measured values; a unit is a method and a case."""
        return Table(self.folder / "rows.csv", ROW_COLUMNS, 3)

    @property
    def truths(self) -> Table:
        """The tumours; a unit is a case."""
        return Table(self.folder / "tumours.csv", TRUTH_COLUMNS, 1)

    @property
    def failures(self) -> Table:
        """What went wrong in the last run; a unit is a method and a case."""
        return Table(self.folder / "failures.csv", FAILURE_COLUMNS, 2)

    @property
    def seeds(self) -> range:
        """One a patient."""
        return range(DEFAULT_SEED, DEFAULT_SEED + self.patients)

    @property
    def cases(self) -> list[Case]:
        """All tumours, patient by patient."""
        return [Case(seed, kind) for seed in self.seeds for kind in self.tumours]

    @property
    def command(self) -> str:
        """What makes the study again."""
        options = [f"--seeds {self.patients}", f"--spacing {self.spacing_mm:g}"]
        options += [f"--tumour {kind}" for kind in self.tumours if len(self.tumours) < len(TUMOURS)]
        options += [f"--window-preset {self.window}"] * (self.window != DEFAULT_WINDOW)
        options += [f"--method {Path(name).name}" for name in self.methods]
        return f"radfuse study delineation --output study {' '.join(options)}"


@dataclass(frozen=True)
class Findings:
    """What a study came to."""

    results: Results
    truths: pd.DataFrame
    """`TRUTH_COLUMNS`."""


def run_delineation(study: Study, *, overwrite: bool, report: ProgressCallback) -> Findings:
    """Do what is still to be done of a study: fuse, click, grow, compare.

    Rows have the click's number as slice. A method that fails costs its own rows. Raises
    `InputError` for unknown methods, kinds of tumours, windows, and a spacing that no phantom has;
    `OutputError` for a folder with something else in it, or that cannot be written to.
    """
    if unknown := [kind for kind in study.tumours if kind not in TUMOURS]:
        raise InputError(f"no tumour '{unknown[0]}'; there are {', '.join(TUMOURS)}")
    check_spacing(study.spacing_mm)
    window = window_named(study.window)
    known = entrants(Settings(methods=tuple(study.methods)))
    methods = {
        entrant.contestant.name: load_method(use, window=window)
        for use, entrant in zip(study.methods, known, strict=True)
    }
    take(study.folder, _digests(study, known), overwrite=overwrite)
    with locked(study.folder):
        _measure_all(study, images(methods), window, report)
        return _findings(study, [*ALONE, *(one.contestant for one in known)])


def _digests(study: Study, known: Sequence[Entrant]) -> Begun:
    """What tells whether kept rows are still those of the study."""
    return {
        "methods": {one.contestant.name: one.digest for one in known},
        "settings": {
            "kind": PROFILE,
            "version of radfuse": version("radfuse"),
            "spacing": f"{study.spacing_mm:g} mm",
            "window": study.window,
        },
    }


def _measure_all(
    study: Study, known: Mapping[str, Image], window: Window, report: ProgressCallback
) -> None:
    """Whatever is not in the tables yet; one patient is in memory at a time."""
    study.failures.path.unlink(missing_ok=True)
    study.rows.recover()
    study.truths.recover()
    done, told = study.rows.done(), study.truths.done()
    for index, case in enumerate(study.cases):
        report("growing regions", index / len(study.cases))
        waiting = {
            name: image for name, image in known.items() if (PROFILE, name, case.name) not in done
        }
        if not waiting and (case.name,) in told:
            continue
        sources = phantom_sources(case.seed, case.kind, spacing_mm=study.spacing_mm, window=window)
        if (case.name,) not in told:
            study.truths.append([(case.name, case.kind, *truth_of(sources))])
        for name, image in waiting.items():
            _measure(study, case, sources, name, image)


def _measure(study: Study, case: Case, sources: Sources, name: str, image: Image) -> None:
    """Add the rows of an image; one that fails is noted and costs no other's."""
    try:
        found = list(measured(image(sources), sources, clicks_of(case.seed, sources)))
    except Exception as error:  # somebody's graph fails in whatever way it likes
        study.failures.append([(name, case.name, reason(error))])
        return
    study.rows.append(
        (PROFILE, name, case.name, case.patient, click, *pair)
        for click, values in enumerate(found)
        for pair in values.items()
    )


def _findings(study: Study, contestants: Sequence[Contestant]) -> Findings:
    """All that was measured of the study; the folder may hold more."""
    rows, truths = study.rows.read(), study.truths.read()
    names, cases = [one.name for one in contestants], [case.name for case in study.cases]
    return Findings(
        Results(
            title=TITLE,
            measures=MEASURES,
            contestants=tuple(contestants),
            rows=rows[rows["method"].isin(names) & rows["case"].isin(cases)],
            speed=pd.DataFrame(columns=list(SPEED_COLUMNS)),
            failures=study.failures.read(),
            record=_record(study),
            folder=study.folder,
        ),
        truths[truths["case"].isin(cases)],
    )


def _record(study: Study) -> dict[str, Any]:
    return {
        "command": study.command,
        "made": f"{now():%Y-%m-%d %H:%M} UTC",
        "patients": f"{study.patients}, seeds {study.seeds[0]} to {study.seeds[-1]}",
        "tumours": ", ".join(study.tumours),
        "CT pixel, mm": study.spacing_mm,
        "CT window of the fusion": study.window,
        "platform": platform_name(),
        "versions": library_versions(),
    }
