"""Which files of a folder go to a PACS."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pydicom.uid import MediaStorageDirectoryStorage

from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.read.scan import DICOM_SUFFIXES, RESOURCE_FORK, list_files
from radfuse.dicom.uids import is_uid
from radfuse.errors import InputError, NoImageError

NAMES = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
"""What the file meta information must tell, for a PACS is told it before the data set."""


@dataclass(frozen=True)
class Outgoing:
    """A DICOM file and what it is."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str


@dataclass(frozen=True)
class Failure:
    """A file that did not go, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Parcel:
    """What is to be sent."""

    files: tuple[Outgoing, ...]
    damaged: tuple[Failure, ...]
    """DICOM files that cannot be sent as they are."""

    others: int
    """Files that are passed over: no DICOM, or a DICOMDIR."""


def pack(paths: Sequence[Path]) -> Parcel:
    """Find the DICOM files among files and below folders, whatever they are called.

    Raises `InputError` for a path that does not exist or may not be read, `NoImageError`
    where there is no DICOM at all.
    """
    found: list[Outgoing | Failure | None] = []
    for path in paths:
        found += [_look(file, named=file == path) for file in _files(path)]
    files = tuple(item for item in found if isinstance(item, Outgoing))
    damaged = tuple(item for item in found if isinstance(item, Failure))
    if not files and not damaged:
        raise NoImageError(
            f"{', '.join(map(str, paths))}: no DICOM among {len(found)} files; give another folder"
        )
    return Parcel(files, damaged, found.count(None))


def _files(path: Path) -> list[Path]:
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        return list_files(path) if path.is_dir() else [path]
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error


def _look(path: Path, *, named: bool) -> Outgoing | Failure | None:
    """What to do with a file; one that the user named is never passed over."""
    try:
        if not is_dicom(path):
            claims = path.suffix.lower() in DICOM_SUFFIXES
            junk = not claims or path.name.startswith(RESOURCE_FORK)
            return None if junk and not named else Failure(path, "damaged, or no DICOM file")
        meta = read_file_meta_info(path)
    except OSError as error:
        return Failure(path, f"cannot be read: {error.strerror}")
    except Exception:  # a damaged header makes the parser raise whatever it likes
        return Failure(path, "its file meta information is damaged; copy it again")
    kind, instance, syntax = (str(meta.get(name, "")) for name in NAMES)
    if kind == MediaStorageDirectoryStorage:
        return None
    if not all(map(is_uid, (kind, instance, syntax))):
        return Failure(path, "its file meta information lacks UIDs; write it anew")
    return Outgoing(path, kind, instance, syntax)
