"""A benchmark's plan and its folder.

The folder has
    plan.json       which cases, methods and settings of values were begun with, by digest
    fused/          the fused images, METHOD/CASE.png, or .npy for volumes
    sources/        the cases' CT and MR in 8 bits, CASE.npz
    rows.csv        a measured value a line, added as they are made
    speed.csv       seconds of each fusion that was timed
    failures.csv    which method failed on which case in the last run, and why
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from radfuse.benchmark.cases import cases_of
from radfuse.benchmark.image_pairs import Case
from radfuse.benchmark.results import FAILURE_COLUMNS, ROW_COLUMNS, SOURCES, SPEED_COLUMNS
from radfuse.benchmark.run.methods import Entrant, entrants
from radfuse.benchmark.run.output_folder import Begun, keep_inputs, take
from radfuse.benchmark.run.tables import Table
from radfuse.benchmark.settings import Settings
from radfuse.errors import InputError
from radfuse.methods.catalogue import METHODS
from radfuse.metrics.profiles import PROFILES

LONGEST_NAME = 200
"""Bytes of a name that still makes a file's with every suffix."""


@dataclass(frozen=True)
class Plan:
    """What is compared on what, and where it is kept."""

    settings: Settings
    cases: Sequence[Case]
    entrants: Sequence[Entrant]
    folder: Path

    @property
    def rows(self) -> Table:
        """Measured values; a unit is a profile, a method and a case."""
        return Table(self.folder / "rows.csv", ROW_COLUMNS, 3)

    @property
    def speed(self) -> Table:
        """Times; a unit is a method and a case."""
        return Table(self.folder / "speed.csv", SPEED_COLUMNS, 2)

    @property
    def failures(self) -> Table:
        """What went wrong in the last run; a unit is a method and a case."""
        return Table(self.folder / "failures.csv", FAILURE_COLUMNS, 2)

    def fused(self, method: str) -> Path:
        """Folder of a method's fused images."""
        return self.folder / "fused" / method

    def sources(self, case: str) -> Path:
        """File of a case in 8 bits."""
        return self.folder / "sources" / f"{case}.npz"

    def digests(self) -> Begun:
        """What tells whether kept images and rows are still those of the plan, by kind and name."""
        return {
            "cases": {case.name: case.digest for case in self.cases},
            "methods": {entrant.contestant.name: entrant.digest for entrant in self.entrants},
            "patients": {case.name: case.patient for case in self.cases},
            "settings": self._settings_of_values(),
        }

    def _settings_of_values(self) -> dict[str, str]:
        """What else decides a value: rows made with another mixture cannot be compared."""
        has_slices = self.settings.volumes or self.settings.phantoms
        every = {"every": str(self.settings.every)} if has_slices else {}
        return {"version of radfuse": version("radfuse"), **every}


def make_plan(settings: Settings, folder: Path, *, overwrite: bool = False) -> Plan:
    """Look up cases and methods, and claim the folder.

    A folder begun before may gain cases, methods and profiles; with `overwrite` it is emptied, but
    only once all is found. Raises `InputError` for what cannot be found or lies in the folder,
    `OutputError` where that holds other images under the same names or anything else.
    """
    _check_profiles(settings.profiles)
    plan = Plan(settings, cases_of(settings), entrants(settings), folder)
    _check_names(plan)
    keep_inputs(folder, _inputs(plan))
    take(folder, plan.digests(), overwrite=overwrite)
    return plan


def _inputs(plan: Plan) -> Iterator[Path]:
    """Where the benchmark reads."""
    yield from plan.settings.pairs
    for volume in plan.settings.volumes:
        yield from (volume.ct, volume.mr)
    uses = (*plan.settings.methods, *(theirs.use for theirs in plan.settings.theirs))
    yield from (Path(use) for use in uses if use not in METHODS)


def _check_profiles(profiles: Sequence[str]) -> None:
    if not profiles:
        raise InputError(f"no profile to measure by; name some of {', '.join(PROFILES)}")
    if doubled := sorted({name for name in profiles if profiles.count(name) > 1}):
        raise InputError(f"profile {', '.join(doubled)} is named twice; name it once")


def _check_names(plan: Plan) -> None:
    """Names become names of files: refuse those that would lie elsewhere."""
    names = [case.name for case in plan.cases] + [one.contestant.name for one in plan.entrants]
    if odd := [name for name in names if not _can_be_a_file(name)]:
        raise InputError(f"{', '.join(map(repr, odd[:5]))}: not a name for a file; rename it")
    cases = {case.name for case in plan.cases}
    if unknown := [name for name in plan.settings.pictured if name not in cases]:
        raise InputError(f"no case {', '.join(unknown[:5])} to be pictured; choose among the cases")
    known = [entrant.contestant.name for entrant in plan.entrants]
    if taken := sorted(set(SOURCES).intersection(known)):
        raise InputError(f"a method is called {', '.join(taken)}, as a source; name it otherwise")
    if plan.settings.reference and plan.settings.reference not in known:
        raise InputError(
            f"the reference {plan.settings.reference} is not among the methods {', '.join(known)}"
        )


def _can_be_a_file(name: str) -> bool:
    """Whether a name is plain: printable, of Unicode's letters, not hidden, not too long."""
    plain = Path(name).name == name != "" and not name.startswith(".") and name.isprintable()
    return plain and len(name.encode()) <= LONGEST_NAME
