"""What DICOM series a folder holds, by its headers alone."""

import logging
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
)

from radfuse.dicom.read.multiframe import frame_headers
from radfuse.dicom.read.safe_read import begins_like_dicom, check_size, open_dataset
from radfuse.errors import InputError

LOG = logging.getLogger(__name__)

PREAMBLE = 128
"""Bytes before the letters DICM."""

SLICE_CLASSES = {
    CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage,
    MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage,
}  # fmt: skip
"""Kinds of object that are images, even where their header ends before it says so."""

DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}
"""A file of such a name is DICOM, or was before it was damaged; never junk to pass over."""

NO_DICOM = "damaged, or no DICOM file"
"""What is said of a file that its name or its kind promised to be an image."""

RESOURCE_FORK = "._"
"""Begins the names of the files that macOS puts beside others on foreign disks."""

DIRECTORY_NAME = "DICOMDIR"
"""The file on a disk that lists its images."""

READERS = 8
"""Headers read at once: hides the delay of a hospital's network drive."""

BULK_BYTES = 64 * 1024
"""An attribute of more bytes is no header of an image that any of our work needs."""


FUNCTIONAL_GROUPS = {0x52009229, 0x52009230}
"""Tags of the shared and the per-frame functional groups, which are as long as they are."""


@dataclass(frozen=True)
class Slice:
    """One image in a plane: a file, or a frame of a file."""

    header: Dataset
    """Without pixels; a frame has the attributes that a file of its own would have."""

    path: Path
    frame: int | None = None
    """Index in a multi-frame file, from 0."""

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return str(self.path) if self.frame is None else f"{self.path} frame {self.frame + 1}"


@dataclass(frozen=True)
class DicomSeries:
    """The images of one series, in order of file name."""

    uid: str
    slices: tuple[Slice, ...]

    @cached_property
    def headers(self) -> tuple[Dataset, ...]:
        """One a slice."""
        return tuple(one.header for one in self.slices)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Each file once."""
        return tuple(dict.fromkeys(one.path for one in self.slices))

    @property
    def modality(self) -> str:
        """The DICOM modality: CT, MR, ..."""
        return str(self.headers[0].get("Modality", "?"))

    @property
    def description(self) -> str:
        """What the scanner or its user called it."""
        return str(self.headers[0].get("SeriesDescription") or "no description")

    @property
    def is_image(self) -> bool:
        """Whether it has pixels: not so a structure set or a registration."""
        return all(header.get(keyword) for header in self.headers[:1]
                   for keyword in ("Rows", "Columns"))  # fmt: skip

    @property
    def is_localizer(self) -> bool:
        """Whether all its images are scout views."""
        return all(is_localizer(header) for header in self.headers)

    @property
    def line(self) -> str:
        """One line for a list to choose from."""
        scout = ", localizer" if self.is_localizer else ""
        count = f"{len(self.slices)} images{scout}"
        return f"{self.modality} '{self.description}', {count}, UID {self.uid}"


def is_localizer(header: Dataset) -> bool:
    """Whether an image is a scout view."""
    return "LOCALIZER" in (header.get("ImageType") or ())


@dataclass(frozen=True)
class Scan:
    """All that a folder holds."""

    folder: Path
    series: tuple[DicomSeries, ...]
    broken: Mapping[Path, str]
    """DICOM files whose header cannot be read or ends too early, and why."""

    others: int
    """Files that are no DICOM: reports, junk."""

    absent: tuple[Path, ...] = ()
    """Files that a DICOMDIR names and that are not there."""

    def problems(self) -> list[str]:
        """What is wrong with files of no series, a sentence each."""
        told = [f"{path}: {reason}; left out" for path, reason in self.broken.items()]
        if self.absent:
            told.append(f"{listed_paths(self.absent)}: named in DICOMDIR, but not there")
        return told


@dataclass(frozen=True)
class _Read:
    """What a file turned out to be: images, a list of files, a damaged file, or no DICOM."""

    path: Path
    slices: tuple[Slice, ...] = ()
    is_directory: bool = False
    reason: str = ""
    """Why it cannot be read."""


def is_dicom(path: Path) -> bool:
    """Whether a file begins like DICOM, with or without the preamble.

    Raises `PermissionError` for what may not be read.
    """
    with path.open("rb") as stream:
        stream.seek(PREAMBLE)
        return stream.read(4) == b"DICM" or begins_like_dicom(path)


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and its subfolders, sorted; links to folders are not followed.

    Raises `PermissionError` for a subfolder that may not be read: slices in it would be missing.
    """

    def refuse(error: OSError) -> None:
        raise error

    paths = [
        Path(parent, name) for parent, _, names in os.walk(folder, onerror=refuse) for name in names
    ]
    return sorted(path for path in paths if path.is_file())


def scan_folder(folder: Path) -> Scan:
    """Read the headers of all files in a folder and below, whatever they are called.

    A file in place of the folder is scanned alone, a DICOMDIR as the folder that it lies in.
    Raises `PermissionError` for what may not be read.
    """
    if folder.is_file() and folder.name.upper() == DIRECTORY_NAME:
        folder = folder.parent
    return _scan(folder, [folder] if folder.is_file() else files_below(folder))


def _scan(folder: Path, paths: list[Path]) -> Scan:
    found: dict[str, list[Slice]] = {}
    broken, listings, others = {}, [], 0
    with ThreadPoolExecutor(READERS) as readers:
        for file in readers.map(_read, paths):
            for one in file.slices:
                slices = found.setdefault(str(one.header.SeriesInstanceUID), [])
                _share_equal(one.header, slices[0].header if slices else one.header)
                slices.append(one)
            if file.reason:
                broken[file.path] = file.reason
            listings += [file.path] if file.is_directory else []
            others += not file.slices and not file.reason
    LOG.info(
        "folder scanned",
        extra={"files": len(paths), "series": len(found), "damaged": len(broken), "other": others},
    )
    return Scan(
        folder=folder,
        series=tuple(DicomSeries(uid, tuple(slices)) for uid, slices in found.items()),
        broken=broken,
        others=others,
        absent=tuple(path for listing in listings for path in absent_files(listing)),
    )


def _share_equal(header: Dataset, first: Dataset) -> None:
    """Keep once what thousands of slices say alike: it is most of what a header holds."""
    for tag in list(header.keys()):
        if tag in first:
            element, same = header.get_item(tag), first.get_item(tag)
            if (element.VR, element.value) == (same.VR, same.value):
                header[tag] = same


def _read(path: Path) -> _Read:
    try:
        header = _header(path)
        if header is None:
            return _Read(path)
        if _class_of(header) == MediaStorageDirectoryStorage:
            return _Read(path, is_directory=True)
        frames = frame_headers(header)
    except InputError as error:
        return _Read(path, reason=str(error).removeprefix(f"{path}: ").split(";")[0])
    except (ValueError, TypeError, AttributeError) as error:  # what damaged groups make of frames
        return _Read(path, reason=f"damaged: {error}")
    slices = (Slice(one, path, index if len(frames) > 1 else None)
              for index, one in enumerate(frames))  # fmt: skip
    return _Read(path, tuple(slices))


def _header(path: Path) -> Dataset | None:
    """The header of a DICOM file; None for a file of another kind.

    Raises `InputError` for a damaged one, `PermissionError` for one that may not be read.
    """
    if not is_dicom(path):
        named_so = path.suffix.lower() in DICOM_SUFFIXES
        cut_short = not path.suffix and _is_blank(path)
        if (named_so or cut_short) and not path.name.startswith("."):
            raise InputError(f"{path}: {NO_DICOM}")
        return None
    header = open_dataset(path, pixels=False)
    _drop_bulk(header)
    kind = _class_of(header)
    if kind == MediaStorageDirectoryStorage:
        return header
    sized = all(header.get(keyword) for keyword in ("Rows", "Columns"))
    if not header.get("SeriesInstanceUID"):
        raise InputError(f"{path}: damaged: no SeriesInstanceUID; export it again")
    if kind in SLICE_CLASSES and not sized:
        raise InputError(f"{path}: damaged: an image without Rows and Columns; export it again")
    if sized:
        check_size(header, path)
    return header


def _is_blank(path: Path) -> bool:
    """Whether nothing but a preamble's zeros is left of a file: a slice cut short."""
    return path.stat().st_size <= PREAMBLE and not path.read_bytes().strip(b"\0")


def _class_of(header: Dataset) -> UID | None:
    kind: UID | None = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")
    return kind


def _drop_bulk(header: Dataset) -> None:
    """Forget private and bulky attributes: of thousands of slices they would fill the memory."""
    for tag in list(header.keys()):
        value = header.get_item(tag).value
        if tag.is_private or (isinstance(value, bytes) and len(value) > BULK_BYTES
                              and tag not in FUNCTIONAL_GROUPS):  # fmt: skip
            del header[tag]


def absent_files(listing: Path) -> list[Path]:
    """The files that a DICOMDIR names and that are not there.

    Names are compared, whatever case a disk gave to them, and never opened: a name that leads
    elsewhere does no harm.
    """
    records = open_dataset(listing, pixels=False).get("DirectoryRecordSequence") or ()
    named = [record.get("ReferencedFileID") for record in records]
    parts = [[name] if isinstance(name, str) else list(name) for name in named if name]
    there = {str(path.relative_to(listing.parent)).lower() for path in files_below(listing.parent)}
    return [
        listing.parent.joinpath(*map(str, names))
        for names in parts
        if str(Path(*map(str, names))).lower() not in there
    ]


def listed_paths(paths: Iterable[Path], most: int = 3) -> str:
    """The first of some paths, and how many more there are."""
    names = [str(path) for path in paths]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
