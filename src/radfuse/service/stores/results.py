"""Results in a study's folder: complete results of one fusion, or none.

A job that is cancelled or killed at its very end may have moved its results into the folder without
a message to the server. Therefore the outcome is stored with the results, and a mark file exists
while results of one job replace those of another.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from radfuse.errors import InputError
from radfuse.record import Record, Signoff, digest
from radfuse.schema import Values, VersionedModel
from radfuse.service.jobs.view_files import VIEW, remove_fused

RESULT, REGISTRATION = "result", "registration.tfm"
"""The result's folder and its transform inside a study's folder."""

OUTCOME = "outcome.json"
"""File of the outcome, in the result's folder."""

INPUTS = "inputs.json"
"""List of the input files by role, in the result's folder; it stays on this machine."""

REPLACING = ".placing"
"""Mark file in a study's folder while results are replaced."""


def _with_renamed_keys(values: Values) -> Values:
    """Version 1 to 2."""
    renamed = {"trusted": "qa_passed", "run": "job"}
    return {renamed.get(key, key): value for key, value in values.items()}


class FusionOutcome(VersionedModel):
    """Summary of a fusion, for the viewer."""

    migrations = (_with_renamed_keys,)

    method: str
    window_hu: tuple[float, float]
    """Width and level of the fusion's CT window."""

    mr_range: tuple[float, float]
    """MR values that were scaled to 0 and 1."""

    quality: str
    """Registration QA in one sentence."""

    qa_passed: bool
    """Whether registration QA passed."""

    registration_id: str
    alignment: str
    """Origin: `headers`, `file`, `manual`, or the initial pose of the search that led to it."""

    job: str = ""
    """Unique identifier of the job."""

    notes: tuple[str, ...]
    """What was corrected on reading or left out on writing, a sentence each."""

    record: str
    """Path of the record, relative to the study's folder."""

    seconds: float


@contextmanager
def replacing_results(folder: Path) -> Iterator[None]:
    """Keep the mark file in a study's folder while results are replaced, and after an error."""
    mark = folder / REPLACING
    mark.touch()
    yield
    mark.unlink()


def clean_folder(folder: Path) -> bool:
    """Remove incomplete files of an ended job; returns whether results of two jobs were mixed.

    Mixed results are removed, too.
    """
    for staged in (*folder.glob(".radfuse-*"), *(folder / VIEW).glob(".radfuse-*")):
        shutil.rmtree(staged, ignore_errors=True)
    mixed = (folder / REPLACING).exists()
    if mixed:
        shutil.rmtree(folder / RESULT, ignore_errors=True)
        (folder / REGISTRATION).unlink(missing_ok=True)
        remove_fused(folder)
        (folder / REPLACING).unlink()
    return mixed


def read_outcome(folder: Path) -> tuple[FusionOutcome | None, Signoff | None]:
    """Outcome and sign-off of the result in a study's folder; None where there is no result.

    Raises `InputError` for those of a newer version of radfuse.
    """
    try:
        outcome = FusionOutcome.model_validate_json((folder / RESULT / OUTCOME).read_bytes())
        record = Record.model_validate_json((folder / outcome.record).read_bytes())
    except (OSError, ValidationError):
        return None, None
    return outcome, record.signoff


def check_inputs(folder: Path, record: Record) -> None:
    """Raise `InputError` where an input file of a result was changed or removed since the fusion.

    Results of earlier versions have no list of their files and are not checked.
    """
    path = folder / RESULT / INPUTS
    files: dict[str, list[str]] = json.loads(path.read_bytes()) if path.is_file() else {}
    for source in record.inputs:
        names = [Path(name) for name in files.get(source.role, ())]
        if names and digest(names) != source.sha256:
            raise InputError(
                f"the files of the {source.role} were changed after the fusion; fuse again, review "
                "the result and sign"
            )
