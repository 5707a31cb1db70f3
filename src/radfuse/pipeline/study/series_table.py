"""The series of some folders, archives and files, to choose from: a row each, with a thumbnail.

A row says nothing of who the patient is but a number, the same for one patient.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import SimpleITK as sitk
from pydicom import Dataset

from radfuse.dicom.read.grouping import group_slices
from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.read.scan import Scan, list_files, scan_folder
from radfuse.dicom.read.series import DicomSeries
from radfuse.errors import GeometryError, InputError, RadfuseError
from radfuse.io.archives import unpacked
from radfuse.io.volumes import SUFFIXES, read_volume
from radfuse.modality import CT, MR
from radfuse.pipeline.inspect import InspectedSeries, inspect_file, inspect_series
from radfuse.pipeline.pairing import Candidate, suggested_pairs
from radfuse.pipeline.read import is_image_file
from radfuse.pipeline.study.sequences import best_mr
from radfuse.pipeline.study.thumbnail import image_thumbnail, volume_thumbnail
from radfuse.progress import ProgressCallback
from radfuse.record import read_record
from radfuse.series import Patient, Series

MADE_BY_RADFUSE = "made by radfuse"
"""Why a series cannot be chosen that radfuse has written."""

PLANAR = "a 2-D image; the viewer fuses volumes"
"""Why an image cannot be chosen."""


MAX_RECORDS = 20
"""Files beside a volume that are read as records."""


@dataclass(frozen=True)
class SeriesRow:
    """A series, or a file of a volume."""

    path: str
    """Of the folder, archive or file that it is read from, below the given one."""

    uid: str | None
    """Of the series, or of one of its volumes."""

    kind: str
    """DICOM code of its modality; `volume` where the file does not state it."""

    plane: str = ""
    size: tuple[int, ...] = ()
    """Columns, rows, slices."""

    spacing_mm: tuple[float, ...] = ()
    date: str = ""
    """YYYY-MM-DD of the acquisition, series or study, or as the header has it."""

    description: str = ""
    patient: int = 0
    """Number of the patient among those of the table, from 1; 0 where it is not stated."""

    is_own: bool = False
    """Whether radfuse made it."""

    blocked: str = ""
    """Why it cannot be chosen; empty where it can."""

    notes: tuple[str, ...] = ()
    thumbnail: bytes = b""
    """PNG; empty where there is none."""


@dataclass(frozen=True)
class Suggestion:
    """Which series to fuse; empty UIDs where a person has to choose."""

    ct: str = ""
    mr: str = ""
    note: str = ""
    """Why this MR, where there are several."""


Send = Callable[[SeriesRow | Suggestion], None]


def list_series(paths: Sequence[Path], send: Send, report: ProgressCallback) -> None:
    """Send a row for each series of some paths, and at the end a suggestion.

    Only headers and the middle slices are read. Raises `InputError` for a path that cannot be read.
    """
    patients: list[Patient] = []
    with ExitStack() as opened:
        scans = []
        for path in paths:
            inner = opened.enter_context(unpacked(path, numbered=True))
            if inner.is_dir() or is_dicom(inner):
                scan = scan_folder(inner, report)
                scans.append(scan)
                _send_series(scan, path, inner, patients, send, report)
            for file in _other_files(inner, scans[-1] if inner.is_dir() else None):
                send(_file_row(file, path, inner))
        send(_suggestion(scans))


def _send_series(
    scan: Scan,
    path: Path,
    inner: Path,
    patients: list[Patient],
    send: Send,
    report: ProgressCallback,
) -> None:
    for number, series in enumerate(scan.series):
        report("reading series", number / len(scan.series))
        volumes = {one.uid: one for one in group_slices(series)[0]} if series.is_image else {}
        for one in inspect_series(series, scan, pixels=False):
            row = _row(one, series, path, patients)
            blocked = row.blocked.replace(str(inner), path.name)
            row = replace(row, blocked=blocked)
            if (volume := volumes.get(one.uid or "")) and not row.blocked:
                with suppress(RadfuseError):  # reading it will say why
                    shown = volume_thumbnail(volume, is_ct=series.modality == CT.code)
                    row = replace(row, thumbnail=shown)
            send(row)


def _row(
    one: InspectedSeries, series: DicomSeries, path: Path, patients: list[Patient]
) -> SeriesRow:
    header = series.headers[0]
    is_own = bool(series.derivation and series.derivation.is_own)
    blocked = MADE_BY_RADFUSE if is_own else one.left_out or "; ".join(one.problems)
    return SeriesRow(
        path=str(path),
        uid=one.uid,
        kind=one.kind,
        plane=one.plane or "",
        size=one.size or (),
        spacing_mm=one.spacing_mm or (),
        date=_date(header),
        description=str(header.get("SeriesDescription") or header.get("ProtocolName") or ""),
        patient=_patient_number(Patient.of(header), patients),
        is_own=is_own,
        blocked=blocked,
        notes=one.notes,
    )


def _date(header: Dataset) -> str:
    values = (str(header.get(one) or "") for one in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    text = next(filter(None, values), "")
    with suppress(ValueError):
        return datetime.strptime(text, "%Y%m%d").date().isoformat()
    return text


def _patient_number(patient: Patient, patients: list[Patient]) -> int:
    if patient == Patient():
        return 0
    for number, known in enumerate(patients, 1):
        if not patient.differs_from(known):
            return number
    patients.append(patient)
    return len(patients)


def _other_files(inner: Path, scan: Scan | None) -> Iterator[Path]:
    """Volume files and 2-D images of a folder, or the file itself unless it is DICOM."""
    if scan is None:
        yield from [] if is_dicom(inner) else list_files(inner)
        return
    for file in scan.others:
        if file.name.lower().endswith(SUFFIXES) or is_image_file(file):
            yield file


def _file_row(file: Path, path: Path, inner: Path) -> SeriesRow:
    inspected = inspect_file(file)
    is_packed = inner != path
    blocked = "; ".join(inspected.problems).replace(str(inner), path.name)
    is_own = _is_own(file)
    if is_own:
        blocked = MADE_BY_RADFUSE
    elif inspected.kind == "image":
        blocked = PLANAR
    elif is_packed and not blocked:
        blocked = "in an archive; unpack it and open the folder"
    row = SeriesRow(
        path=str(path if is_packed else file),
        uid=None,
        kind=inspected.kind,
        plane=inspected.plane or "",
        size=inspected.size or (),
        spacing_mm=inspected.spacing_mm or (),
        description=file.name if not is_packed else "",
        is_own=is_own,
        blocked=blocked,
    )
    if blocked:
        return row
    return replace(row, thumbnail=image_thumbnail(read_volume(file), is_ct=False))


def _is_own(file: Path) -> bool:
    """Whether a record beside a file says that radfuse wrote it."""
    for path in sorted(file.parent.glob("*.json"))[:MAX_RECORDS]:
        with suppress(InputError):
            if file.name in {one.path for one in read_record(path).outputs}:
                return True
    return False


def _suggestion(scans: Sequence[Scan]) -> Suggestion:
    """The CT and MR that `radfuse fuse --study` selects; of several MR the best one."""
    series = tuple(one for scan in scans for one in scan.series)
    if not series:
        return Suggestion()
    try:
        pairs = suggested_pairs(replace(scans[0], series=series))
    except GeometryError:
        return Suggestion()
    cts = list({pair.ct.volume.uid: pair.ct for pair in pairs}.values())
    mrs = list({pair.mr.volume.uid: pair.mr for pair in pairs}.values())
    if len(cts) != 1 or cts[0].ambiguity:
        return Suggestion()
    chosen, why = best_mr([_with_headers(one) for one in mrs])
    note = why if len(mrs) > 1 else ""
    return Suggestion(
        cts[0].volume.uid, "" if mrs[chosen].ambiguity else mrs[chosen].volume.uid, note
    )


def _with_headers(one: Candidate) -> Series:
    """A series of the candidate's headers and spacing, without its voxels."""
    grid = sitk.Image(1, 1, 1, sitk.sitkUInt8)
    grid.SetSpacing(one.geometry.spacing_mm)
    return Series(grid, MR, one.volume.slices[0].path, (), (one.header,))
