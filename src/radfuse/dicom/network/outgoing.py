"""The DICOM files to send to a PACS."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pydicom.uid import MediaStorageDirectoryStorage

from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.read.scan import DICOM_SUFFIXES, RESOURCE_FORK, list_files
from radfuse.dicom.uids import is_uid
from radfuse.errors import InputError, NoImageError

META_UIDS = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
"""UIDs in the file meta information that are sent to a PACS before the data set."""


@dataclass(frozen=True)
class OutgoingFile:
    """A DICOM file with its UIDs."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str


@dataclass(frozen=True)
class SendFailure:
    """A file that was not sent, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class OutgoingFiles:
    """The files to send, and those that cannot be sent."""

    files: tuple[OutgoingFile, ...]
    damaged: tuple[SendFailure, ...]
    """DICOM files that cannot be sent unchanged."""

    skipped: int
    """Files that are not DICOM, or a DICOMDIR."""


def collect_files(paths: Sequence[Path]) -> OutgoingFiles:
    """Find the DICOM files among files and in folders, with any file name.

    Raises `InputError` for a path that does not exist or cannot be read, `NoImageError` if there
    is no DICOM file.
    """
    found: list[OutgoingFile | SendFailure | None] = []
    for path in paths:
        found += [_inspect(file, named=file == path) for file in _files(path)]
    files = tuple(item for item in found if isinstance(item, OutgoingFile))
    damaged = tuple(item for item in found if isinstance(item, SendFailure))
    if not files and not damaged:
        raise NoImageError(
            f"{', '.join(map(str, paths))}: no DICOM among {len(found)} files; give another folder"
        )
    return OutgoingFiles(files, damaged, found.count(None))


def _files(path: Path) -> list[Path]:
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        return list_files(path) if path.is_dir() else [path]
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error


def _inspect(path: Path, *, named: bool) -> OutgoingFile | SendFailure | None:
    """Inspect a file; None to skip it, but a file that the user named is never skipped."""
    try:
        if not is_dicom(path):
            has_suffix = path.suffix.lower() in DICOM_SUFFIXES
            skip = not named and (not has_suffix or path.name.startswith(RESOURCE_FORK))
            return None if skip else SendFailure(path, "damaged, or not a DICOM file")
        meta = read_file_meta_info(path)
    except OSError as error:
        return SendFailure(path, f"cannot be read: {error.strerror}")
    except Exception:  # pydicom raises any type for a damaged header
        return SendFailure(path, "damaged file meta information; copy it again")
    sop_class, instance, syntax = (str(meta.get(name, "")) for name in META_UIDS)
    if sop_class == MediaStorageDirectoryStorage:
        return None
    if not all(map(is_uid, (sop_class, instance, syntax))):
        return SendFailure(path, "file meta information without UIDs; export it again")
    return OutgoingFile(path, sop_class, instance, syntax)
