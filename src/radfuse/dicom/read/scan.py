"""Scan a folder for DICOM series, by the headers of its files."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from radfuse.dicom.read.dicomdir import DIRECTORY_NAME, missing_dicomdir_files
from radfuse.dicom.read.fragments import join_fragments
from radfuse.dicom.read.multiframe import frame_headers
from radfuse.dicom.read.nuclear.pet import private_tags
from radfuse.dicom.read.safe_read import (
    PREAMBLE_BYTES,
    Decoded,
    check_size,
    is_dicom,
    open_dataset,
    silenced,
)
from radfuse.dicom.read.series import SLICE_CLASSES, DicomSeries, Slice, sop_class
from radfuse.errors import InputError
from radfuse.io.archives import is_compressed_dicom
from radfuse.progress import ProgressCallback, no_progress

LOG = logging.getLogger(__name__)

DICOM_SUFFIXES = {".dcm", ".dicom", ".ima"}
"""Files with such names are never ignored: if they are not DICOM, they are damaged."""

NO_DICOM = "damaged, or not a DICOM file"
"""Problem of a file whose name indicates DICOM and whose content does not."""

RESOURCE_FORK = "._"
"""Prefix of the files that macOS adds to other files on foreign disks."""

READERS = 8
"""Threads that read headers, against the latency of network drives; on others they only wait for
each other."""

TRIED_FILES, MAX_WAITING = 16, 2.0
"""Files after which it is decided whether threads are used, and the largest ratio of waiting to
processor time without them."""

BULK_BYTES = 64 * 1024
"""Longer attributes are dropped from headers."""

REPORTED_FILES = 50
"""Progress is reported after so many files."""

MAX_PATHS = 3
"""Paths that a message names."""

CLAIMS = ("SeriesInstanceUID", "Modality")
"""Attributes of a damaged file that say where it belongs, if they can be read."""

FUNCTIONAL_GROUPS = {0x52009229, 0x52009230}
"""Tags of the shared and the per-frame functional groups, which are kept at any length."""


@dataclass(frozen=True)
class Scan:
    """Content of a folder."""

    folder: Path
    series: tuple[DicomSeries, ...]
    broken: Mapping[Path, str]
    """Damaged or truncated DICOM files, with the reason."""

    others: tuple[Path, ...]
    """Files other than DICOM."""

    missing: Mapping[Path, str] = field(default_factory=dict)
    """Files that a DICOMDIR lists and that do not exist, with SeriesInstanceUIDs of images."""

    def problems(self) -> list[str]:
        """The number of damaged and of missing files, for notes."""
        counts = {
            "damaged files left out": len(self.broken),
            "files listed in DICOMDIR, but missing": len(self.missing),
        }
        return [f"{what}: {count}; `radfuse info` names them" for what, count in counts.items()
                if count]  # fmt: skip


@dataclass(frozen=True)
class _ScannedFile:
    """A file with images, a DICOMDIR, a damaged file, or a file other than DICOM."""

    path: Path
    slices: tuple[Slice, ...] = ()
    is_dicomdir: bool = False
    damage: str = ""
    """Reason why it cannot be read."""


def list_files(folder: Path) -> list[Path]:
    """All regular files in a folder and its subfolders, sorted; links to folders are not followed.

    Of a file, such as an archive, the file itself. Raises `PermissionError` for a subfolder without
    read permission.
    """
    if folder.is_file():
        return [folder]

    def refuse(error: OSError) -> None:
        raise error

    paths = [
        Path(parent, name) for parent, _, names in os.walk(folder, onerror=refuse) for name in names
    ]
    return sorted(path for path in paths if path.is_file())


def scan_folder(folder: Path, report: ProgressCallback = no_progress) -> Scan:
    """Read the headers of all files in a folder and its subfolders, independent of their names.

    For a file instead of a folder only that file is scanned, for a DICOMDIR its folder. Raises
    `PermissionError` for files and folders without read permission.
    """
    if folder.is_file() and folder.name.upper() == DIRECTORY_NAME:
        folder = folder.parent
    return _scan(folder, list_files(folder), report)


def _scan(folder: Path, paths: list[Path], report: ProgressCallback) -> Scan:
    series: dict[tuple[str, str], list[Slice]] = {}
    broken, dicomdirs, others = {}, [], []
    for number, file in enumerate(_scanned_files(paths)):
        if number % REPORTED_FILES == 0:
            report("reading headers", number / len(paths))
        for one in file.slices:
            slices = series.setdefault(_series_key(one.header), [])
            _share_equal_elements(one.header, slices[0].header if slices else one.header)
            slices.append(one)
        if file.damage:
            broken[file.path] = file.damage
        dicomdirs += [file.path] if file.is_dicomdir else []
        others += [] if file.slices or file.damage or file.is_dicomdir else [file.path]
    joined = join_fragments(DicomSeries(uid, tuple(slices)) for (uid, _), slices in series.items())
    counts = {"series": len(joined), "damaged": len(broken), "other": len(others)}
    LOG.info("folder scanned", extra={"files": len(paths), **counts})
    return Scan(
        folder=folder,
        series=joined,
        broken=broken,
        others=tuple(others),
        missing=_missing(dicomdirs, joined),
    )


def _scanned_files(paths: list[Path]) -> Iterator[_ScannedFile]:
    """The files in their order; by several threads where the first ones were waited for."""
    decoded: Decoded = {}
    scan_one = partial(_scan_file, decoded=decoded)
    start_s, start_cpu_s = time.perf_counter(), time.thread_time()
    first, others = [*map(scan_one, paths[:TRIED_FILES])], paths[TRIED_FILES:]
    used_s = time.thread_time() - start_cpu_s
    has_waited = time.perf_counter() - start_s > (1 + MAX_WAITING) * used_s
    yield from first
    if not has_waited:
        yield from map(scan_one, others)
        return
    with ThreadPoolExecutor(READERS) as readers:
        yield from readers.map(scan_one, others)


def _missing(dicomdirs: list[Path], series: Iterable[DicomSeries]) -> dict[Path, str]:
    """What the DICOMDIRs list and what does not exist."""
    if not dicomdirs:
        return {}
    instances = frozenset(str(h.get("SOPInstanceUID")) for one in series for h in one.headers)
    return {
        path: uid
        for dicomdir in dicomdirs
        for path, uid in missing_dicomdir_files(
            dicomdir, list_files(dicomdir.parent), instances
        ).items()
    }


def _series_key(header: Dataset) -> tuple[str, str]:
    """UID of the series; a structure set or a report with the UID of a CT is another series."""
    kind = sop_class(header)
    return str(header.SeriesInstanceUID), "" if kind in SLICE_CLASSES else str(kind)


def _share_equal_elements(header: Dataset, first: Dataset) -> None:
    """Keep equal elements of the headers of a series only once: they are most of the memory."""
    if header is first:
        return
    kept = dict(first.items())
    for tag, element in list(header.items()):
        same = kept.get(tag)
        if same is element:
            continue
        if same is not None and (element.VR, element.value) == (same.VR, same.value):
            header[tag] = same


def _scan_file(path: Path, decoded: Decoded) -> _ScannedFile:
    try:
        header = _header(path, decoded)
        if header is None:
            return _ScannedFile(path)
        if sop_class(header) == MediaStorageDirectoryStorage:
            return _ScannedFile(path, is_dicomdir=True)
        frames = frame_headers(header)
    except InputError as error:
        return _ScannedFile(path, damage=str(error).removeprefix(f"{path}: ").split(";")[0])
    except (ValueError, TypeError, AttributeError) as error:  # damaged functional groups
        return _ScannedFile(path, damage=f"damaged: {error}")
    slices = (Slice(one, path, index if len(frames) > 1 else None)
              for index, one in enumerate(frames))  # fmt: skip
    return _ScannedFile(path, tuple(slices))


def _header(path: Path, decoded: Decoded) -> Dataset | None:
    """The header of a DICOM file; None for another file.

    Raises `InputError` for a damaged file, `PermissionError` for one without read permission.
    """
    if not is_dicom(path):
        if is_compressed_dicom(path):
            raise InputError(f"{path}: compressed with gzip, decompress it with gunzip first")
        has_dicom_name = path.suffix.lower() in DICOM_SUFFIXES
        is_truncated = not path.suffix and _is_blank(path)
        if (has_dicom_name or is_truncated) and not path.name.startswith("."):
            raise InputError(f"{path}: {NO_DICOM}")
        return None
    header = open_dataset(path, pixels=False, decoded=decoded)
    _drop_bulk(header)
    kind = sop_class(header)
    if kind == MediaStorageDirectoryStorage:
        return header
    has_size = all(header.get(keyword) for keyword in ("Rows", "Columns"))
    if not header.get("SeriesInstanceUID"):
        raise InputError(f"{path}: SeriesInstanceUID is missing; export it again")
    if kind in SLICE_CLASSES and not has_size:
        raise InputError(f"{path}: damaged: Rows or Columns is missing; export it again")
    if has_size:
        check_size(header, path)
    return header


def _is_blank(path: Path) -> bool:
    """Whether a file ends within its preamble: a truncated slice."""
    return path.stat().st_size <= PREAMBLE_BYTES and not path.read_bytes().strip(b"\0")


def _drop_bulk(header: Dataset) -> None:
    """Drop private and long attributes, which would fill the memory with thousands of slices."""
    kept = private_tags(header)
    for tag in list(header.keys()):
        value = header.get_item(tag).value
        is_long = isinstance(value, bytes) and len(value) > BULK_BYTES
        if (tag.is_private and tag not in kept) or (is_long and tag not in FUNCTIONAL_GROUPS):
            del header[tag]


def damage_of(scan: Scan, series: DicomSeries) -> str:
    """Why a series may lack slices, with what to do; empty without a damaged or missing file."""
    if paths := [path for path in scan.broken if _may_belong(path, series, scan)]:
        return (
            f"{format_paths(paths)}: {scan.broken[paths[0]]}; may be of the {series.modality} "
            f"series {series.uid}, which then lacks slices; export again, or move away to read the "
            "others"
        )
    if missing := [path for path, uid in scan.missing.items() if uid in _uids(series)]:
        return (
            f"{format_paths(missing)}: missing, but {DIRECTORY_NAME} lists it in the "
            f"{series.modality} series {series.uid}, which then lacks slices; copy the medium "
            f"again, or move {DIRECTORY_NAME} away to read the others"
        )
    return ""


def _may_belong(path: Path, series: DicomSeries, scan: Scan) -> bool:
    """Whether a damaged file states the series, or states no other and is beside its files.

    What it states may be truncated. A UID that no series has proves nothing: it may be damaged, or
    slices may have SeriesInstanceUIDs of their own.
    """
    uid, modality = _claims(path)
    if not series.modality.startswith(modality):
        return False
    if uid and any(own.startswith(uid) for own in _uids(series)):
        return True
    if any(uid in _uids(other) for other in scan.series):
        return False
    beside = [one for one in scan.series if path.parent in {file.parent for file in one.files}]
    return not beside or any(one is series for one in beside)


def _uids(series: DicomSeries) -> set[str]:
    return {str(header.SeriesInstanceUID) for header in series.headers}


def _claims(path: Path) -> list[str]:
    """What can be read of `CLAIMS`; empty for the rest."""
    try:
        with silenced():
            header = pydicom.dcmread(
                path, stop_before_pixels=True, force=True, specific_tags=list(CLAIMS)
            )
            return [str(header.get(keyword) or "") for keyword in CLAIMS]
    except Exception:  # pydicom raises errors of many types at a damaged file
        return [""] * len(CLAIMS)


def format_paths(paths: Sequence[Path]) -> str:
    """The first paths, and the number of the others."""
    first = ", ".join(map(str, paths[:MAX_PATHS]))
    return f"{first} and {len(paths) - MAX_PATHS} more" if len(paths) > MAX_PATHS else first
