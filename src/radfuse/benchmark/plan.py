"""A benchmark's plan and its folder.

The folder has
    plan.json       which cases and methods were begun with, by digest
    fused/          the fused images, METHOD/CASE.png, or .npy for volumes
    sources/        the cases' CT and MR in 8 bits, CASE.npz
    rows.csv        a measured value a line, added as they are made
    speed.csv       seconds of each fusion that was timed
    failures.csv    which method failed on which case in the last run, and why
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radfuse.benchmark.cases import cases_of
from radfuse.benchmark.contestants import Entrant, entrants
from radfuse.benchmark.results import FAILURE_COLUMNS, ROW_COLUMNS, SPEED_COLUMNS
from radfuse.benchmark.settings import Settings
from radfuse.benchmark.store import Table
from radfuse.data.cases import Case
from radfuse.errors import InputError, OutputError

PLAN = "plan.json"
"""Name of the file that says what a folder was begun with."""


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

    def digests(self) -> dict[str, Mapping[str, str]]:
        """What tells whether kept images are still those of the cases and methods."""
        return {
            "cases": {case.name: case.digest for case in self.cases},
            "methods": {entrant.contestant.name: entrant.digest for entrant in self.entrants},
        }


def make_plan(settings: Settings, folder: Path) -> Plan:
    """Look up cases and methods, and claim the folder.

    A folder begun before may gain cases, methods and profiles. Raises `InputError` for what cannot
    be found, `OutputError` where the folder holds other images under the same names.
    """
    plan = Plan(settings, cases_of(settings), entrants(settings), folder)
    _check_names(plan)
    ours = plan.digests()
    for kind, before in _begun_with(folder).items():
        now = ours.get(kind, {})
        if changed := [name for name, mark in before.items() if now.get(name, mark) != mark]:
            raise OutputError(
                f"{folder}: begun with other {kind} called {', '.join(changed[:5])}; pass "
                "--overwrite or another --output"
            )
        ours[kind] = {**before, **now}
    try:
        (folder / "sources").mkdir(parents=True, exist_ok=True)
        (folder / PLAN).write_text(json.dumps(ours, indent=1))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to: {error.strerror}") from error
    return plan


def _check_names(plan: Plan) -> None:
    """Names become names of files: refuse those that would lie elsewhere."""
    names = [case.name for case in plan.cases] + [one.contestant.name for one in plan.entrants]
    if odd := [name for name in names if Path(name).name != name or name.startswith(".")]:
        raise InputError(f"{', '.join(odd[:5])}: not a name for a file; rename it")
    known = [entrant.contestant.name for entrant in plan.entrants]
    if plan.settings.reference and plan.settings.reference not in known:
        raise InputError(
            f"the reference {plan.settings.reference} is not among the methods {', '.join(known)}"
        )


def _begun_with(folder: Path) -> dict[str, dict[str, str]]:
    path = folder / PLAN
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"{folder}: holds something else; choose another --output")
        return {}
    try:
        before: dict[str, dict[str, str]] = json.loads(path.read_text())
    except ValueError as error:
        raise OutputError(f"{path}: damaged; pass --overwrite or another --output") from error
    return before
