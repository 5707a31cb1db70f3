"""What DICOM series a folder holds, by its headers alone."""

import os
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    MediaStorageDirectoryStorage,
    MRImageStorage,
)

from radfuse.errors import InputError, NothingHereError
from radfuse.series import Modality

PREAMBLE = 128
"""Bytes before the letters DICM."""

SLICE_CLASSES = {CTImageStorage, EnhancedCTImageStorage, MRImageStorage, EnhancedMRImageStorage}
"""Kinds of object that are images, even where their header ends before it says so."""

DIRECTORIES = {MediaStorageDirectoryStorage}
"""Kinds of object that belong to no series: DICOMDIR."""

DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}
"""A file of such a name is DICOM, or was before it was damaged; never junk to pass over."""

RESOURCE_FORK = "._"
"""Begins the names of the files that macOS puts beside others on foreign disks."""


@dataclass(frozen=True)
class DicomSeries:
    """The images of one series, in order of file name; headers without pixels."""

    uid: str
    headers: tuple[Dataset, ...]
    files: tuple[Path, ...]

    @property
    def modality(self) -> str:
        """The DICOM modality: CT, MR, ..."""
        return str(self.headers[0].get("Modality", "?"))

    @property
    def is_localizer(self) -> bool:
        """Whether all its images are scout views."""
        return all("LOCALIZER" in header.get("ImageType", ()) for header in self.headers)

    @property
    def line(self) -> str:
        """One line for a list to choose from."""
        text = self.headers[0].get("SeriesDescription", "") or "no description"
        scout = ", localizer" if self.is_localizer else ""
        return f"{self.modality} '{text}', {len(self.files)} images{scout}, UID {self.uid}"


@dataclass(frozen=True)
class Scan:
    """All that a folder holds."""

    folder: Path
    series: tuple[DicomSeries, ...]
    broken: tuple[Path, ...]
    """DICOM files whose header cannot be read or ends too early."""

    others: int
    """Files that are no DICOM image: reports, DICOMDIR, junk."""


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICOM preamble."""
    with path.open("rb") as stream:
        stream.seek(PREAMBLE)
        return stream.read(4) == b"DICM"


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and its subfolders, sorted.

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

    Raises `PermissionError` for what may not be read.
    """
    found: dict[str, list[tuple[Dataset, Path]]] = {}
    broken, others = [], 0
    for path in files_below(folder):
        try:
            header = _image_header(path)
        except PermissionError:
            raise
        except Exception:  # a damaged header makes the parser raise whatever it likes
            broken.append(path)
            continue
        if header is None:
            others += 1
        else:
            found.setdefault(str(header.SeriesInstanceUID), []).append((header, path))
    series = [
        DicomSeries(uid, tuple(header for header, _ in images), tuple(path for _, path in images))
        for uid, images in found.items()
    ]
    return Scan(folder, tuple(series), tuple(broken), others)


def _is_blank(path: Path) -> bool:
    """Whether nothing but a preamble's zeros is left of a file: a slice cut short."""
    return path.stat().st_size <= PREAMBLE and not path.read_bytes().strip(b"\0")


def _image_header(path: Path) -> Dataset | None:
    """The header of a DICOM image, without pixels; None for a file of another kind.

    Raises `InvalidDicomError` for an image whose header ends too early.
    """
    if not is_dicom(path):
        named_so = path.suffix.lower() in DICOM_SUFFIXES
        cut_short = not path.suffix and _is_blank(path)
        if (named_so or cut_short) and not path.name.startswith(RESOURCE_FORK):
            raise InvalidDicomError
        return None
    header = pydicom.dcmread(path, stop_before_pixels=True)
    kind = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")
    if all(header.get(keyword) for keyword in ("Rows", "Columns", "SeriesInstanceUID")):
        int(header.get("NumberOfFrames") or 1)
        return header
    if kind in SLICE_CLASSES or ("SeriesInstanceUID" not in header and kind not in DIRECTORIES):
        raise InvalidDicomError
    return None


def choose_series(scan: Scan, modality: Modality, uid: str | None) -> DicomSeries:
    """The series asked for, else the only one of the modality that is no localizer.

    Raises `NothingHereError` where there is none, `InputError` where there is a choice to make.
    """
    if scan.broken:
        more = f" and {len(scan.broken) - 1} more" if len(scan.broken) > 1 else ""
        raise InputError(
            f"{scan.broken[0]}{more}: damaged, or no DICOM file; replace it or move it away"
        )
    listed = "\n  ".join(sorted(series.line for series in scan.series)) or "no DICOM images"
    if uid is not None:
        for series in scan.series:
            if series.uid == uid and series.modality == modality:
                return series
        raise InputError(
            f"{scan.folder}: no {modality} series with UID {uid}; there are\n  {listed}"
        )
    wanted = [
        series for series in scan.series if series.modality == modality and not series.is_localizer
    ]
    if not wanted:
        raise NothingHereError(f"{scan.folder}: no {modality} series; there are\n  {listed}")
    if len(wanted) > 1:
        listed = "\n  ".join(sorted(series.line for series in wanted))
        flag = f"--{modality.lower()}-series UID"
        raise InputError(
            f"{scan.folder}: {len(wanted)} {modality} series; choose with {flag}:\n  {listed}"
        )
    return wanted[0]
