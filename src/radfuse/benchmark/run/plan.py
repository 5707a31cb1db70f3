"""The plan of a benchmark: its cases, methods and files.

The output folder contains
    plan.json       digests of the cases, methods and settings it was begun with
    fused/          the fused images, METHOD/CASE.png, or .npy for volumes
    sources/        CT and MR of the cases in 8 bits, CASE.npz
    rows.csv        one measured value per line, appended during the run
    speed.csv       seconds of each timed fusion
    failures.csv    method, case and reason of each failure in the last run
    findings.csv    and other files of `radfuse.benchmark.findings.measure`, if asked for
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from radfuse.benchmark.case import Case
from radfuse.benchmark.findings.measure import FindingsRun, check_kinds
from radfuse.benchmark.functional.measure import check_profile
from radfuse.benchmark.load_cases import find_cases
from radfuse.benchmark.results import FAILURE_COLUMNS, ROW_COLUMNS, SPEED_COLUMNS
from radfuse.benchmark.run.append_only_table import AppendOnlyTable
from radfuse.benchmark.run.methods import BenchmarkMethod, find_methods
from radfuse.benchmark.run.output_folder import Digests, check_inputs_outside, start_or_resume
from radfuse.benchmark.settings import BenchmarkSettings
from radfuse.errors import InputError
from radfuse.methods.catalogue import METHODS
from radfuse.metrics.profiles import PROFILES

MAX_NAME_BYTES = 200
"""Longest name of a case or method; file names add a suffix."""


@dataclass(frozen=True)
class Plan:
    """Compared methods, cases, and the output folder."""

    settings: BenchmarkSettings
    cases: Sequence[Case]
    methods: Sequence[BenchmarkMethod]
    folder: Path

    @property
    def rows(self) -> AppendOnlyTable:
        """Measured values; keys are profile, method and case."""
        return AppendOnlyTable(self.folder / "rows.csv", ROW_COLUMNS, 3)

    @property
    def speed(self) -> AppendOnlyTable:
        """Times; keys are method and case."""
        return AppendOnlyTable(self.folder / "speed.csv", SPEED_COLUMNS, 2)

    @property
    def failures(self) -> AppendOnlyTable:
        """Failures of the last run; keys are method and case."""
        return AppendOnlyTable(self.folder / "failures.csv", FAILURE_COLUMNS, 2)

    @cached_property
    def findings(self) -> FindingsRun | None:
        """Findings to insert into the cases, by the methods that can fuse them."""
        asked = self.settings.findings
        if asked is None:
            return None
        methods = {one.name: one.load for one in self.methods if one.load}
        seeds = tuple(dict.fromkeys(asked.seeds))
        return FindingsRun(self.folder, check_kinds(asked.kinds), seeds, methods)

    def fused(self, method: str) -> Path:
        """Folder of a method's fused images."""
        return self.folder / "fused" / method

    def sources(self, case: str) -> Path:
        """File with the source images of a case in 8 bits."""
        return self.folder / "sources" / f"{case}.npz"

    def digests(self) -> Digests:
        """Digests of everything that images and rows depend on, by kind and name."""
        return {
            "cases": {case.name: case.digest for case in self.cases},
            "methods": {method.name: method.digest for method in self.methods},
            "patients": {case.name: case.patient for case in self.cases},
            "settings": self._settings_digests(),
        }

    def _settings_digests(self) -> dict[str, str]:
        """Settings that values depend on; rows with other settings cannot be compared."""
        has_slices = self.settings.volumes or self.settings.phantoms
        step = {"every": str(self.settings.slice_step)} if has_slices else {}
        kinds = {"kinds of findings": "; ".join(self.findings.kinds)} if self.findings else {}
        return {"version of radfuse": version("radfuse"), **step, **kinds}


def make_plan(settings: BenchmarkSettings, folder: Path, *, overwrite: bool = False) -> Plan:
    """Find cases and methods, then start or resume the output folder.

    An existing folder may gain cases, methods and profiles; with `overwrite` it is emptied, but
    only after all inputs were found. Raises `InputError` for missing inputs and inputs inside the
    folder, `OutputError` where it has other images under the same names or other files.
    """
    _check_profiles(settings.profiles)
    if settings.functional:
        _check_functional(settings)
    plan = Plan(settings, find_cases(settings), find_methods(settings), folder)
    _check_names(plan)
    check_inputs_outside(folder, _inputs(plan))
    start_or_resume(folder, plan.digests(), overwrite=overwrite)
    return plan


def _inputs(plan: Plan) -> Iterator[Path]:
    """Files and folders that the benchmark reads."""
    yield from plan.settings.pairs
    for volume in plan.settings.volumes:
        yield from (volume.ct, volume.mr)
    uses = (*plan.settings.methods, *(external.use for external in plan.settings.external))
    yield from (Path(use) for use in uses if use not in METHODS)


def _check_profiles(profiles: Sequence[str]) -> None:
    if not profiles:
        raise InputError(f"no profile to measure by; name some of {', '.join(PROFILES)}")
    if duplicates := sorted({name for name in profiles if profiles.count(name) > 1}):
        raise InputError(f"profile {', '.join(duplicates)} is named twice; name it once")


def _check_functional(settings: BenchmarkSettings) -> None:
    """Refuse what is of CT and MR only."""
    for profile in settings.profiles:
        check_profile(profile, functional=True)
    of_ct = {
        "volumes": settings.volumes,
        "phantoms": settings.phantoms,
        "findings": settings.findings,
        "shown_cases": settings.shown_cases,
    }
    if wrong := [name for name, value in of_ct.items() if value]:
        raise InputError(f"a benchmark of PET or SPECT has no {', '.join(wrong)}; leave them out")


def _check_names(plan: Plan) -> None:
    """Refuse names that are no file names, since they become names of files."""
    names = [case.name for case in plan.cases] + [one.name for one in plan.methods]
    if invalid := [name for name in names if not _is_file_name(name)]:
        raise InputError(f"{', '.join(map(repr, invalid[:5]))}: not a valid file name; rename it")
    cases = {case.name for case in plan.cases}
    if unknown := [name for name in plan.settings.shown_cases or () if name not in cases]:
        raise InputError(f"no case {', '.join(unknown[:5])} to show; choose among the cases")
    known = [method.name for method in plan.methods]
    if plan.settings.reference and plan.settings.reference not in known:
        raise InputError(
            f"the reference {plan.settings.reference} is not among the methods {', '.join(known)}"
        )


def _is_file_name(name: str) -> bool:
    """Whether a name is plain: printable, of Unicode's letters, not hidden, not too long."""
    plain = Path(name).name == name != "" and not name.startswith(".") and name.isprintable()
    return plain and len(name.encode()) <= MAX_NAME_BYTES
