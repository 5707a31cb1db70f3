"""A report of what is wrong with DICOM files: each by itself, and all together."""

import logging
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.uid import MediaStorageDirectoryStorage

from radfuse.dicom.deidentify.identifiers import Identifiers, identifiers_of
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
from radfuse.dicom.validate.problem import Finding, Instance
from radfuse.dicom.validate.references import check_references
from radfuse.dicom.validate.series import check_orientation, check_series
from radfuse.errors import InputError, NoImageError
from radfuse.progress import ProgressCallback

LOG = logging.getLogger(__name__)

LEFT_IN_FILE = 4096
"""Bytes from which on a value is not read before it is asked for: pixels, above all."""


ALONE = (check_values, check_identity, check_required, check_conditions, check_orientation,
         check_pixels)  # fmt: skip
"""What is checked of one object; the values first, for the others rely on them."""


@dataclass(frozen=True)
class CheckReport:
    """What was found."""

    path: Path
    files: int
    """DICOM files checked."""

    others: int
    """Files that are no DICOM objects: DICOMDIR, documents, junk."""

    findings: tuple[Finding, ...]
    identifiers: Identifiers
    """Those of all patients in the files."""

    judges: tuple[str, ...]
    """Programs that checked: radfuse, and dciodvfy if it is installed."""

    @property
    def errors(self) -> int:
        """Number of errors."""
        return sum(finding.severity == "error" for finding in self.findings)

    def anonymous(self) -> "CheckReport":
        """The same without names and IDs of patients in paths and messages."""
        return replace(
            self,
            path=Path(self.identifiers.hide_in_path(self.path)),
            findings=tuple(
                replace(
                    finding,
                    file=Path(self.identifiers.hide_in_path(finding.file)),
                    message=self.identifiers.hide(finding.message),
                )
                for finding in self.findings
            ),
        )


def check(
    path: Path | str,
    *,
    with_dciodvfy: bool = True,
    report: ProgressCallback = lambda _stage, _share: None,
) -> CheckReport:
    """Check a DICOM file, or all DICOM files in a folder and below.

    A damaged file is an error of that file. Messages may have values of attributes in them;
    `CheckReport.anonymous` takes names and IDs out.

    Raises `InputError` for a path that does not exist or may not be read, `NoImageError`
    where there is no DICOM file.
    """
    path = Path(path)
    try:
        candidates = _candidates(path)
        instances: list[Instance] = []
        findings: list[Finding] = []
        for done, file in enumerate(candidates):
            report("checking files", done / len(candidates))
            found = _instance(file, findings)
            if found is not None:
                instances.append(found)
                findings += _guarded(found, _alone(found))
                findings += _quoted(found) if with_dciodvfy else ()
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error
    broken = {finding.file for finding in findings if not finding.attribute}
    checked = len({instance.file for instance in instances} | broken)
    if not checked:
        raise NoImageError(f"{path}: no DICOM files; give another file or folder")
    report("checking series and references", None)
    findings += _together(instances)
    LOG.info("files checked", extra={"files": checked, "findings": len(findings)})
    return CheckReport(
        path=path,
        files=checked,
        others=(len(list_files(path)) if path.is_dir() else 1) - checked,
        findings=_sorted(findings),
        identifiers=identifiers_of(*(instance.dataset for instance in instances)),
        judges=("radfuse", *[dciodvfy.PROGRAM] * (with_dciodvfy and dciodvfy.is_installed())),
    )


def _candidates(path: Path) -> list[Path]:
    """Files with the DICOM preamble, and those whose name says that they should have it."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    files = list_files(path) if path.is_dir() else [path]
    return [
        file for file in files
        if is_dicom(file) or (file.suffix.lower() in DICOM_SUFFIXES and file.name[:2] != "._")
    ]  # fmt: skip


def _instance(file: Path, findings: list[Finding]) -> Instance | None:
    """The object in a file; None, and a finding where it is due, for what is none."""
    if not is_dicom(file):
        findings.append(Finding("error", file, "", "no DICOM file: the letters DICM are missing"))
        return None
    try:
        open_dataset(file, pixels=False)  # refuses what would cost hours or all memory
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # values are complained of one by one, later
            dataset = pydicom.dcmread(file, defer_size=LEFT_IN_FILE)
            sop_class = dataset.file_meta.get("MediaStorageSOPClassUID")
    except PermissionError:
        raise
    except InputError as error:
        reason = str(error).removeprefix(f"{file}: ").split("; replace")[0]
        findings.append(Finding("error", file, "", reason))
        return None
    except Exception as error:  # a damaged file makes the parser raise whatever it likes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        findings.append(Finding("error", file, "", f"damaged, cannot be read: {reason[:200]}"))
        return None
    if sop_class == MediaStorageDirectoryStorage:
        return None
    return Instance(file, dataset, file.stat().st_size)


def _alone(instance: Instance) -> Iterator[Finding]:
    for one in ALONE:
        yield from one(instance)


def _quoted(instance: Instance) -> Iterator[Finding]:
    for line in dciodvfy.errors_of(instance.file):
        yield instance.error(dciodvfy.PROGRAM, line)


def _guarded(instance: Instance, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings up to the point where a hostile file stops a check."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield from findings
    except Exception as error:  # values contradict each other in more ways than can be foreseen
        yield instance.error("", f"cannot be checked to the end: {type(error).__name__}")


def _together(instances: list[Instance]) -> Iterator[Finding]:
    """What is wrong between the objects: doubled UIDs, series, references."""
    known: dict[str, Instance] = {}
    series: dict[str, list[Instance]] = {}
    for instance in instances:
        uid = instance.text("SOPInstanceUID")
        if uid and uid in known:
            yield instance.error("SOPInstanceUID", f"that of {known[uid].file.name}, too")
        elif uid:
            known[uid] = instance
        series.setdefault(instance.text("SeriesInstanceUID"), []).append(instance)
    for uid, members in series.items():
        if uid:
            yield from _guarded(members[0], check_series(members))
    for instance in instances:
        yield from _guarded(instance, check_references(instance, known))


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    """By file, errors first; each once."""
    once = dict.fromkeys(findings)
    return tuple(sorted(once, key=lambda one: (one.file, one.severity, one.attribute, one.message)))
