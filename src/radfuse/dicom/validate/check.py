"""Validate DICOM files: each object, their series, and references between them."""

import logging
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.uid import MediaStorageDirectoryStorage

from radfuse.dicom.read.safe_read import is_dicom, open_dataset
from radfuse.dicom.read.scan import DICOM_SUFFIXES, list_files
from radfuse.dicom.validate import dciodvfy
from radfuse.dicom.validate.attributes import (
    check_conditions,
    check_identity,
    check_required,
    check_values,
)
from radfuse.dicom.validate.pixels import check_pixels
from radfuse.dicom.validate.problem import Instance, Problem
from radfuse.dicom.validate.references import check_references
from radfuse.dicom.validate.series import check_orientation, check_series
from radfuse.errors import InputError, NoImageError
from radfuse.progress import ProgressCallback, no_progress

LOG = logging.getLogger(__name__)

DEFER_BYTES = 4096
"""Longer values, such as pixels, are read only on access."""

INSTANCE_CHECKS = (
    check_values, check_identity, check_required, check_conditions, check_orientation,
    check_pixels,
)  # fmt: skip
"""Checks of one object; values first, since the other checks rely on them."""


@dataclass(frozen=True)
class CheckReport:
    """The problems of all checked files."""

    path: Path
    files: int
    """Number of checked DICOM files."""

    skipped: int
    """Files that are not DICOM objects: DICOMDIR, documents, other files."""

    problems: tuple[Problem, ...]
    validators: tuple[str, ...]
    """Programs that checked: radfuse, and dciodvfy if it is installed."""

    @property
    def errors(self) -> int:
        """Number of errors."""
        return sum(problem.severity == "error" for problem in self.problems)


def check(
    path: Path | str, *, with_dciodvfy: bool = True, report: ProgressCallback = no_progress
) -> CheckReport:
    """Validate a DICOM file, or all DICOM files in and below a folder.

    A damaged file is an error of that file. Messages contain no text of attributes, which may
    identify a patient.

    Raises `InputError` for a path that does not exist or cannot be read, `NoImageError` if there
    is no DICOM file.
    """
    path = Path(path)
    try:
        candidates = _candidates(path)
        instances: list[Instance] = []
        problems: list[Problem] = []
        for done, file in enumerate(candidates):
            report("checking files", done / len(candidates))
            instance = _instance(file, problems)
            if instance is not None:
                instances.append(instance)
                problems += _guarded(instance, _check_instance(instance))
                problems += _by_dciodvfy(instance) if with_dciodvfy else ()
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error
    unreadable = {problem.file for problem in problems if not problem.attribute}
    checked = len({instance.file for instance in instances} | unreadable)
    if not checked:
        raise NoImageError(f"{path}: no DICOM files; give another file or folder")
    report("checking series and references", None)
    problems += _check_relations(instances)
    LOG.info("files checked", extra={"files": checked, "problems": len(problems)})
    return CheckReport(
        path=path,
        files=checked,
        skipped=(len(list_files(path)) if path.is_dir() else 1) - checked,
        problems=_sorted(problems),
        validators=("radfuse", *[dciodvfy.PROGRAM] * (with_dciodvfy and dciodvfy.is_installed())),
    )


def _candidates(path: Path) -> list[Path]:
    """Files with a DICOM preamble, and those with a suffix of DICOM files."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    files = list_files(path) if path.is_dir() else [path]
    return [
        file for file in files
        if is_dicom(file) or (file.suffix.lower() in DICOM_SUFFIXES and file.name[:2] != "._")
    ]  # fmt: skip


def _instance(file: Path, problems: list[Problem]) -> Instance | None:
    """The object in a file; otherwise None, with a problem unless it is a DICOMDIR."""
    if not is_dicom(file):
        problems.append(
            Problem("error", file, "", "not a DICOM file: the letters DICM are missing")
        )
        return None
    try:
        open_dataset(file, pixels=False)  # refuses files that would need hours or all memory
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values are checked one by one later
            dataset = pydicom.dcmread(file, defer_size=DEFER_BYTES)
            sop_class = dataset.file_meta.get("MediaStorageSOPClassUID")
    except PermissionError:
        raise
    except InputError as error:
        reason = str(error).removeprefix(f"{file}: ").split("; replace")[0]
        problems.append(Problem("error", file, "", reason))
        return None
    except Exception as error:  # pydicom raises any type for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        problems.append(Problem("error", file, "", f"damaged, cannot be read: {reason[:200]}"))
        return None
    if sop_class == MediaStorageDirectoryStorage:
        return None
    return Instance(file, dataset, file.stat().st_size)


def _check_instance(instance: Instance) -> Iterator[Problem]:
    for one in INSTANCE_CHECKS:
        yield from one(instance)


def _by_dciodvfy(instance: Instance) -> Iterator[Problem]:
    for line in dciodvfy.errors_of(instance.file):
        yield instance.error(dciodvfy.PROGRAM, line)


def _guarded(instance: Instance, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Problems up to the point at which a damaged file stops a check."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from problems
    except Exception as error:  # values may contradict each other in any way
        yield instance.error("", f"the check was not completed: {type(error).__name__}")


def _check_relations(instances: list[Instance]) -> Iterator[Problem]:
    """Problems between objects: duplicate UIDs, series, references."""
    known: dict[str, Instance] = {}
    series: dict[str, list[Instance]] = {}
    for instance in instances:
        uid = instance.text("SOPInstanceUID")
        if uid and uid in known:
            yield instance.error("SOPInstanceUID", f"same as in {known[uid].file.name}")
        elif uid:
            known[uid] = instance
        series.setdefault(instance.text("SeriesInstanceUID"), []).append(instance)
    for uid, members in series.items():
        if uid:
            yield from _guarded(members[0], check_series(members))
    for instance in instances:
        yield from _guarded(instance, check_references(instance, known))


def _sorted(problems: list[Problem]) -> tuple[Problem, ...]:
    """Distinct problems by file, errors first."""
    distinct = dict.fromkeys(problems)
    return tuple(
        sorted(distinct, key=lambda one: (one.file, one.severity, one.attribute, one.message))
    )
