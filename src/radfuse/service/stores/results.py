"""What lies in a study's folder after a fusion: all of one run, or nothing.

A run of a killed server, or one that is cancelled in the last moment, may have put its results in
place without anybody knowing. So the folder itself says which outcome lies there; and a mark lies
there while the results of a run replace those of the one before.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from radfuse.record import Record, Signoff
from radfuse.service.jobs.view_files import VIEW, take_fused_back

RESULT, REGISTRATION = "result", "registration.tfm"
"""The result's folder and its transform inside a study's folder."""

OUTCOME = "outcome.json"
"""The outcome inside the result's folder, with which it moves into place."""

PLACING = ".placing"
"""Lies in a study's folder while results move into place."""


class Outcome(BaseModel):
    """What a run has found, for the page."""

    model_config = ConfigDict(frozen=True)

    method: str
    window_hu: tuple[float, float]
    """Width and level of the fusion's CT window."""

    mr_range: tuple[float, float]
    """MR values that became 0 and 1."""

    quality: str
    """The registration's quality in a sentence."""

    trusted: bool
    registration_id: str
    alignment: str
    """`headers`, `file`, `manual`, or the start that led the search to it."""

    run: str = ""
    """Names the run: no two have the same."""

    notes: tuple[str, ...]
    """What was mended in reading or left out in writing, a sentence each."""

    record: str
    """The record's path inside the study's folder."""

    seconds: float


@contextmanager
def placing(folder: Path) -> Iterator[None]:
    """Mark a study's folder while results move into place; after an error the mark stays."""
    mark = folder / PLACING
    mark.touch()
    yield
    mark.unlink()


def sweep_folder(folder: Path) -> bool:
    """Remove what an ended run left half-written; whether results of two runs were mixed.

    Then none of them is left: what was replaced cannot be brought back.
    """
    for half in (*folder.glob(".radfuse-*"), *(folder / VIEW).glob(".radfuse-*")):
        shutil.rmtree(half, ignore_errors=True)
    mixed = (folder / PLACING).exists()
    if mixed:
        shutil.rmtree(folder / RESULT, ignore_errors=True)
        (folder / REGISTRATION).unlink(missing_ok=True)
        take_fused_back(folder)
        (folder / PLACING).unlink()
    return mixed


def read_outcome(folder: Path) -> tuple[Outcome | None, Signoff | None]:
    """The outcome that lies in a study's folder and its sign-off; None where there is none."""
    try:
        outcome = Outcome.model_validate_json((folder / RESULT / OUTCOME).read_bytes())
        record = Record.model_validate_json((folder / outcome.record).read_bytes())
    except (OSError, ValidationError):
        return None, None
    return outcome, record.signoff
