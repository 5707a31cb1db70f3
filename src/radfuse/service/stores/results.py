"""Runs of a study: each fusion writes a folder of its own, which never changes.

A run's name is a hash of all its inputs. The study's file names the current run, which is shown;
writing that file is the only moment at which another result, or a sign-off, appears.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from radfuse.dicom.read.dicomdir import DIRECTORY_NAME
from radfuse.dicom.read.scan import list_files, scan_folder
from radfuse.errors import InputError
from radfuse.io.staging import Staging, staging
from radfuse.jobs.containment import run_contained
from radfuse.pipeline.qa.signoff import sign_result
from radfuse.record import Record, Signoff, digest, read_record
from radfuse.schema import Values, VersionedModel
from radfuse.service.jobs.view_files import FUSED, VIEW, read_view, write_view
from radfuse.service.models import FrozenModel

RUNS = "results"
"""Folder of the runs in a study's folder, a folder each."""

RESULT, REGISTRATION = "result", "registration.tfm"
"""The result's folder and its transform inside a run's folder."""

OUTCOME = "outcome.json"
"""File of the outcome, in the result's folder."""

INPUTS = "inputs.json"
"""List of the input files by role, in the result's folder; it stays on this machine."""

LISTED = "listed"
"""Key in `INPUTS` of all files that were in the folders of the images."""

NOT_INPUTS = {"created", "seconds", "outputs", "left_out", "platform"}
"""Fields of a record that do not identify its run."""

REPLACING = ".placing"
"""Mark file of earlier versions in a study's folder: results of two jobs are mixed in it."""


def _with_renamed_keys(values: Values) -> Values:
    """Version 1 to 2."""
    renamed = {"trusted": "qa_passed", "run": "job"}
    return {renamed.get(key, key): value for key, value in values.items()}


class FurtherOutcome(FrozenModel):
    """Registration of an image besides the one that is fused."""

    label: str
    quality: str
    """Its registration QA in one sentence."""

    qa_passed: bool
    note: str
    """What it is registered by."""

    origin: str = ""
    """As `FusionOutcome.alignment`; begins with `manual` where a person aligned it."""


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

    residuals: Mapping[str, tuple[float, int]] = {}
    """By region of the skull: how far it is outside that of the CT, mm, and its patches."""

    worst_point_mm: tuple[float, float, float] | None = None
    """The worst point of the brain, LPS mm of the CT; None where the error is not estimated."""

    further: tuple[FurtherOutcome, ...] = ()
    notes: tuple[str, ...]
    """What was corrected on reading or left out on writing, a sentence each."""

    record: str
    """Path of the record, relative to the folder of the run."""

    seconds: float


def run_folder(folder: Path, run: str) -> Path:
    """The folder of a run in a study's folder."""
    return folder / RUNS / run


def store_run(stage: Staging, written: Path, record: Record) -> str:
    """Give a complete run in a durable staging folder of `RUNS` its name, and return it.

    A run with the same inputs that is there already is kept.
    """
    facts = json.dumps(record.model_dump(mode="json", exclude=NOT_INPUTS), sort_keys=True)
    name = sha256(facts.encode()).hexdigest()[:16]
    if read_outcome(stage.folder.parent / name)[0] is not None:
        shutil.rmtree(written)
        return name
    written.replace(stage.folder / name)
    return name


def sign_run(folder: Path, run: str, signoff: Signoff) -> tuple[str, str]:
    """Write a signed copy of a run; returns its name and a note for the user, see `sign_result`."""
    with staging(folder / RUNS, durable=True) as stage:
        copy = shutil.copytree(run_folder(folder, run), stage.folder / "run")
        outcome, _ = read_outcome(copy)
        if outcome is None:
            raise InputError("the result is damaged; fuse again")
        note = sign_result(copy / outcome.record, signoff)
        return store_run(stage, copy, read_record(copy / outcome.record)), note


def clean_folder(folder: Path, current: str) -> None:
    """Remove incomplete files of an ended job, and unsigned runs other than the current one.

    Runs that cannot be read are kept: they may be signed.
    """
    for parent in (folder, folder / VIEW, folder / RUNS):
        for staged in parent.glob(".radfuse-*"):
            shutil.rmtree(staged, ignore_errors=True)
    for run in (folder / RUNS).glob("*"):
        with suppress(InputError):
            outcome, signoff = read_outcome(run)
            if run.name != current and outcome is not None and signoff is None:
                shutil.rmtree(run, ignore_errors=True)


def read_outcome(run: Path) -> tuple[FusionOutcome | None, Signoff | None]:
    """Outcome and sign-off of the result in a run's folder; None where there is no result.

    Raises `InputError` for those of a newer version of radfuse.
    """
    try:
        outcome = FusionOutcome.model_validate_json((run / RESULT / OUTCOME).read_bytes())
        record = Record.model_validate_json((run / outcome.record).read_bytes())
    except (OSError, ValidationError):
        return None, None
    return outcome, record.signoff


def write_inputs(result: Path, files: Mapping[str, Sequence[Path]], listed: list[Path]) -> None:
    """Write the list of the input files by role, and of all files that were beside them."""
    names = {role: list(map(str, paths)) for role, paths in files.items()}
    names[LISTED] = list(map(str, listed))
    (result / INPUTS).write_text(json.dumps(names), encoding="utf-8")


def files_beside(sources: Sequence[Path]) -> list[Path]:
    """All files in the folders of the images, in which a series may get more slices."""
    folders = {path.parent if path.name.upper() == DIRECTORY_NAME else path for path in sources}
    return [path for folder in sorted(folders) for path in list_files(folder)]


def check_inputs(run: Path, sources: Sequence[Path], *, contents: bool = True) -> None:
    """Raise `InputError` where inputs of a run were changed, removed or added since the fusion.

    `sources` are the paths of all images. Without `contents` changed values are not noticed.
    Results of earlier versions have no list of their files, or of those beside, and these are not
    checked.
    """
    path = run / RESULT / INPUTS
    files: dict[str, list[Path]] = {
        role: list(map(Path, names))
        for role, names in json.loads(path.read_bytes() if path.is_file() else b"{}").items()
    }
    listed = files.pop(LISTED, None)
    for role, names in files.items():
        if not all(map(Path.is_file, names)):
            raise _changed(role)
    if listed is not None:
        known = {*listed, *(name for names in files.values() for name in names)}
        if new := [path for path in files_beside(sources) if path not in known]:
            for role in run_contained(_added_to, files, new, path=new[0]):
                raise _changed(role)
    outcome, _ = read_outcome(run)
    if contents and outcome is not None:
        record = read_record(run / outcome.record)
        inputs = {source.role: source for source in record.inputs}
        for role, source in (inputs | {one.label: one.image for one in record.further}).items():
            names = files.get(role, [])
            if names and digest(names) != source.sha256:
                raise _changed(role)


def _added_to(files: Mapping[str, Sequence[Path]], new: Sequence[Path]) -> list[str]:
    """Roles whose series new files belong to."""
    added = {series.uid for path in new for series in scan_folder(path).series}
    return [
        role
        for role, names in files.items()
        if added & {series.uid for series in scan_folder(names[0]).series}
    ]


def _changed(role: str) -> InputError:
    return InputError(
        f"the files of the {role} were changed after the fusion; fuse again, review the result and "
        "sign"
    )


def name_of_flat(folder: Path) -> str:
    """Name of the run of a result that an earlier version wrote into the study's own folder."""
    with suppress(OSError):
        return sha256((folder / RESULT / OUTCOME).read_bytes()).hexdigest()[:16]
    return "unreadable"


def move_flat(folder: Path) -> None:
    """Move such a result into the folder of its run; after a kill the move is continued."""
    run, view = run_folder(folder, name_of_flat(folder)), read_view(folder)
    run.mkdir(parents=True, exist_ok=True)
    if view is not None and view.fused is not None:
        write_view(run, view)
        with suppress(FileNotFoundError):
            (folder / VIEW / FUSED).replace(run / VIEW / FUSED)
        write_view(folder, view.model_copy(update={"fused": None, "preview": None}))
    with suppress(FileNotFoundError):
        (folder / REGISTRATION).replace(run / REGISTRATION)
    if (run / RESULT).exists():  # the same result, from a backup
        shutil.rmtree(folder / RESULT)
    else:
        (folder / RESULT).replace(run / RESULT)
    (folder / REPLACING).unlink(missing_ok=True)
