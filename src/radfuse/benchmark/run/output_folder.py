"""Who may write into a benchmark's folder, and what may be taken out of it."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from radfuse.errors import InputError, OutputError

PLAN = "plan.json"
"""Name of the file that says what a folder was begun with."""

DRAFT = "plan.draft"
"""Its name while it is written; a folder with nothing else was left by a crash."""

LOCK = ".lock"
"""Held by the run that works in the folder; the system releases it when that ends, however."""

OURS = {
    PLAN, DRAFT, LOCK, "fused", "sources", "report", "rows.csv", "rows.parquet", "speed.csv",
    "failures.csv", "rows.draft", "speed.draft", "rows.parquet.draft", "report.md", "tumours.csv",
    "tumours.draft",
}  # fmt: skip
"""All that a benchmark or a study leaves in its folder."""

Begun = dict[str, dict[str, str]]
"""Digests by kind and name."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Work in a folder alone; raises `OutputError` where another run does, or nothing can."""
    lock = FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(f"{folder}: another run works in it; wait, or choose another") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def begun_with(folder: Path) -> Begun:
    """What a folder was begun with; nothing for a new one.

    Raises `OutputError` for a folder with something else in it, or a damaged plan.
    """
    path = folder / PLAN
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or _entries(folder) - {DRAFT, LOCK}):
            raise OutputError(f"{folder}: holds something else; choose another --output")
        return {}
    try:
        return TypeAdapter(Begun).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutputError(f"{path}: damaged; pass --overwrite or another --output") from error


def take(folder: Path, ours: Begun, *, overwrite: bool) -> None:
    """Claim a folder for what is named by digests, and keep these in its plan.

    A folder begun before may gain names; with `overwrite` it is emptied. Raises `OutputError` where
    it was begun with other digests, holds anything else, is in use, or cannot be written to.
    """
    if not overwrite:
        begun_with(folder)
    elif folder.exists():
        with locked(folder):
            clear(folder)
    with locked(folder):
        _begin(folder, ours)


def _begin(folder: Path, ours: Begun) -> None:
    before = begun_with(folder)
    for kind, marks in before.items():
        now = ours.get(kind, {})
        if changed := [name for name, mark in marks.items() if now.get(name, mark) != mark]:
            raise OutputError(
                f"{folder}: begun with other {kind}: {', '.join(changed[:5])}; pass "
                "--overwrite or another --output"
            )
    kinds = dict.fromkeys([*ours, *before])
    grown = {kind: {**before.get(kind, {}), **ours.get(kind, {})} for kind in kinds}
    try:
        (folder / DRAFT).write_text(json.dumps(grown, indent=1), encoding="utf-8")
        (folder / DRAFT).replace(folder / PLAN)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to: {error.strerror}") from error


def clear(folder: Path) -> None:
    """Take an earlier benchmark out of its folder.

    Raises `OutputError` where there is anything that no benchmark wrote; nothing is deleted then.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or (_entries(folder) and not (folder / PLAN).is_file()):
        raise OutputError(f"{folder}: not the folder of a benchmark; choose another --output")
    if strange := sorted(name for name in _entries(folder) - OURS if name[:9] != ".radfuse-"):
        raise OutputError(
            f"{folder}: {', '.join(strange[:5])} is no benchmark's; move it elsewhere"
        )
    try:
        for name in _entries(folder) - {LOCK}:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be emptied: {error.strerror}") from error


def _entries(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def keep_inputs(folder: Path, inputs: Iterable[Path]) -> None:
    """Raise `InputError` for inputs in the folder of the benchmark, where it might delete them."""
    home = folder.resolve()
    for path in inputs:
        if path.resolve().is_relative_to(home):
            raise InputError(f"{path} lies in the output {folder}; choose another --output")
