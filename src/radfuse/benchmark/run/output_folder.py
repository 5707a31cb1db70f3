"""The output folder of a benchmark: one run at a time, no foreign files, resumable."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from radfuse.errors import InputError, OutputError
from radfuse.io.lock import LOCK, locked_output
from radfuse.io.staging import staging

PLAN = "plan.json"
"""Name of the file with the digests that a folder was begun with."""


OWNED_FILES = {
    PLAN, "plan.draft", LOCK, "fused", "sources", "report", "rows.csv", "rows.parquet", "speed.csv",
    "failures.csv", "rows.draft", "speed.draft", "rows.parquet.draft", "report.md", "tumours.csv",
    "tumours.draft", "findings.csv", "guards.csv", "tiles", "cases.png",
}  # fmt: skip
"""All files and folders that a benchmark or an experiment writes; earlier versions wrote drafts."""

Digests = dict[str, dict[str, str]]
"""Digests by kind (cases, methods, settings) and name."""


def read_digests(folder: Path) -> Digests:
    """The digests that a folder was begun with; none for a new folder.

    Raises `OutputError` for a folder with other files, or a damaged plan.
    """
    path = folder / PLAN
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or _entries(folder) - {LOCK}):
            raise OutputError(f"{folder}: contains other files; choose another --output")
        return {}
    try:
        return TypeAdapter(Digests).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise OutputError(f"{path}: damaged; pass --overwrite or another --output") from error


def start_or_resume(folder: Path, digests: Digests, *, overwrite: bool) -> None:
    """Start a folder or resume in it, and write the digests to its plan.

    An existing folder may gain names; with `overwrite` it is emptied. Raises `OutputError` where it
    was begun with other digests, contains other files, is in use, or cannot be written.
    """
    if not overwrite:
        read_digests(folder)
    elif folder.exists():
        with locked_output(folder):
            clear_folder(folder)
    with locked_output(folder):
        _write_digests(folder, digests)


def _write_digests(folder: Path, digests: Digests) -> None:
    before = read_digests(folder)
    for kind, marks in before.items():
        now = digests.get(kind, {})
        if changed := [name for name, mark in marks.items() if now.get(name, mark) != mark]:
            raise OutputError(
                f"{folder}: begun with other {kind}: {', '.join(changed[:5])}; pass "
                "--overwrite or another --output"
            )
    kinds = dict.fromkeys([*digests, *before])
    merged = {kind: {**before.get(kind, {}), **digests.get(kind, {})} for kind in kinds}
    with staging(folder) as stage:
        (stage.folder / PLAN).write_text(json.dumps(merged, indent=1), encoding="utf-8")


def clear_folder(folder: Path) -> None:
    """Delete an earlier benchmark from its folder.

    Raises `OutputError` and deletes nothing where there are files that no benchmark wrote.
    """
    if not folder.exists():
        return
    if not folder.is_dir() or (_entries(folder) and not (folder / PLAN).is_file()):
        raise OutputError(f"{folder}: not the folder of a benchmark; choose another --output")
    if foreign := sorted(_entries(folder) - OWNED_FILES):
        raise OutputError(
            f"{folder}: {', '.join(foreign[:5])} is no file of a benchmark; move it elsewhere"
        )
    try:
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be emptied: {error.strerror}") from error


def _entries(folder: Path) -> set[str]:
    """Names in a folder, without staging folders that a crash left."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".radfuse-")}


def check_inputs_outside(folder: Path, inputs: Iterable[Path]) -> None:
    """Raise `InputError` for inputs inside the output folder, which might be deleted."""
    home = folder.resolve()
    for path in inputs:
        if path.resolve().is_relative_to(home):
            raise InputError(f"{path} is inside the output {folder}; choose another --output")
