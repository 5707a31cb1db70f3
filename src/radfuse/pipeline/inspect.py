"""Inspection of a file or folder: its series, and their problems."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset

from radfuse.dicom.read.derived import Derivation
from radfuse.dicom.read.dicomdir import DIRECTORY_NAME
from radfuse.dicom.read.grouping import VOLUME_MARK, group_slices, main_volume
from radfuse.dicom.read.nuclear.spect import volume_problem
from radfuse.dicom.read.nuclear.standard_uptake import uptake_notes
from radfuse.dicom.read.pixel_data.extent import missing_bytes
from radfuse.dicom.read.pixels import check_pixel_values, header_notes, slice_values
from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.read.scan import Scan, damage_of, format_paths, scan_folder
from radfuse.dicom.read.series import DicomSeries, Slice, VolumeSlices, sop_class
from radfuse.dicom.read.slice_geometry import slice_geometry
from radfuse.errors import GeometryError, InputError, RadfuseError
from radfuse.io.archives import unpacked
from radfuse.io.images import read_image
from radfuse.io.volume_checks import (
    check_spacing,
    check_voxel_count,
    checked_volume,
    registered_size_problem,
)
from radfuse.io.volumes import SUFFIXES, format_problem, read_volume, volume_suffix
from radfuse.modality import CT, MODALITIES, Modality
from radfuse.pipeline.hounsfield import MAX_SAMPLES, in_hounsfield_units
from radfuse.pipeline.read import is_image_file
from radfuse.series import Series

PLANES = ("sagittal", "coronal", "axial")
"""The plane across each of the patient's axes: left, posterior, superior."""

NEARLY_UPRIGHT = 0.999
"""Cosine of 2.6 degrees; below it slices count as oblique."""


@dataclass(frozen=True)
class DicomContext:
    """Patient, study and frame of reference of a DICOM series."""

    patient_id: str
    patient_name: str
    study_uid: str
    study_date: str
    study: str
    """Description of the study."""

    body_part: str
    frame_of_reference_uid: str
    transfer_syntax: str


@dataclass(frozen=True)
class InspectedSeries:
    """One file, or one volume of a DICOM series, with its problems."""

    name: str
    """File, or DICOM series with its description."""

    kind: str
    """DICOM modality, volume or image."""

    uid: str | None
    """For `--ct-series` or `--mr-series`."""

    files: int
    size: tuple[int, ...] | None = None
    spacing_mm: tuple[float, ...] | None = None
    plane: str | None = None
    problems: tuple[str, ...] = ()
    """Reasons why it cannot be fused."""

    notes: tuple[str, ...] = ()
    """What reading would correct or leave out."""

    dicom: DicomContext | None = None
    """Only of a DICOM series."""

    is_volume: bool = False
    """Whether it is a volume of a DICOM series to choose from, not our own output."""

    left_out: str = ""
    """Why it is never fused, in words that many series share; empty for what can be fused."""

    objects: int = 0
    """Images or other objects of a DICOM series; several may be in one file."""

    def line(self) -> str:
        """One line, without problems and notes."""
        parts = [self.kind, self.name, f"{self.files} files" if self.files > 1 else ""]
        if self.size:
            parts.append(" x ".join(map(str, self.size)))
        if self.spacing_mm:
            parts.append(" x ".join(f"{step:.4g}" for step in self.spacing_mm) + " mm")
        parts += [self.plane or "", self.dicom.transfer_syntax if self.dicom else ""]
        parts += [f"UID {self.uid}" if self.uid else ""]
        return "  ".join(part for part in parts if part)


def inspect(
    path: Path, *, pixels: bool = True, numbered: bool = False
) -> tuple[list[InspectedSeries], int]:
    """The series at a path, and the number of other files there.

    DICOM pixels are decoded slice by slice to find damage, unless `pixels` is False. With
    `numbered` messages name the files of an archive by number. Raises `InputError` for a path that
    does not exist or cannot be read.
    """
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        with unpacked(path, numbered=numbered) as inner:
            inspected, others = _inspected(inner, pixels)
            return [_in_archive(one, inner, path) for one in inspected], others
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error


def _in_archive(one: InspectedSeries, folder: Path, archive: Path) -> InspectedSeries:
    """The same, with the archive's path instead of the folder that it was unpacked into."""

    def renamed(text: str) -> str:
        return text.replace(str(folder), str(archive))

    return replace(one, name=renamed(one.name), problems=tuple(map(renamed, one.problems)))


def _inspected(path: Path, pixels: bool) -> tuple[list[InspectedSeries], int]:
    if path.is_file() and not is_dicom(path):
        return [inspect_file(path)], 0
    scan = scan_folder(path)
    files = [file for file in scan.others
             if file.name.lower().endswith(SUFFIXES) or is_image_file(file)]  # fmt: skip
    inspected = [one for series in scan.series for one in inspect_series(series, scan, pixels)]
    inspected = [*_with_choices(inspected), *map(inspect_file, files)]
    inspected += [
        InspectedSeries(format_paths(paths), "DICOM", None, len(paths), problems=(reason,))
        for reason, paths in _by_reason(scan.broken.items()).items()
    ]
    if scan.missing:
        missing = (f"lists missing files: {format_paths(tuple(scan.missing))}",)
        inspected.append(InspectedSeries(DIRECTORY_NAME, "list", None, 1, problems=missing))
    return inspected, len(scan.others) - len(files)


def _by_reason(reasons: Iterable[tuple[Path, str]]) -> dict[str, list[Path]]:
    """The files that share each reason."""
    shared: dict[str, list[Path]] = {}
    for path, reason in reasons:
        shared.setdefault(reason, []).append(path)
    return shared


def _shared_problems(problems: list[tuple[Path, str]]) -> list[str]:
    """One line for each reason; for several files their number and the first."""
    lines = []
    for reason, paths in _by_reason((path, _reason(path, text)) for path, text in problems).items():
        count = f"{len(paths)} files, the first {paths[0]}" if len(paths) > 1 else paths[0]
        lines.append(f"{count}: {reason}")
    return lines


def _reason(path: Path, problem: str) -> str:
    return problem.removeprefix(f"{path}: ")


def _with_choices(inspected: list[InspectedSeries]) -> list[InspectedSeries]:
    """The same, with a note on each of several that `--ct` or `--mr` cannot choose from."""
    uids: dict[str, set[str]] = {}
    for one in inspected:
        if one.is_volume and one.uid:
            uids.setdefault(one.kind, set()).add(one.uid.partition(VOLUME_MARK)[0])
    noted = []
    for one in inspected:
        count, option = len(uids.get(one.kind, ())), f"--{_option(one.kind)}"
        note = f"one of {count} {one.kind} series; with {option}, choose one by {option}-series UID"
        is_choice = one.is_volume and count > 1
        noted.append(replace(one, notes=(*one.notes, note)) if is_choice else one)
    return noted


def _option(kind: str) -> str:
    """The command-line option for a kind of image."""
    return MODALITIES[kind].option if kind in MODALITIES else kind.lower()


def inspect_series(series: DicomSeries, scan: Scan, pixels: bool) -> list[InspectedSeries]:
    """The volumes of a series of a scan; with `pixels` they are decoded to find damage."""
    modality = MODALITIES.get(series.modality)
    if not series.is_image or series.is_localizer or modality is None:
        return [_not_fused(series)]
    inspected = _volumes(series, scan, modality, pixels)
    if damage := damage_of(scan, series):
        inspected = [replace(one, problems=(*one.problems, damage)) for one in inspected]
    return [_derived(one, series.derivation) if series.derivation else one for one in inspected]


def _volumes(
    series: DicomSeries, scan: Scan, modality: Modality, pixels: bool
) -> list[InspectedSeries]:
    """The main volume of a series, else all."""
    volumes, notes = group_slices(series)
    try:
        choice = main_volume(series, volumes, notes, modality, scan.series)
    except GeometryError as error:
        reason = str(error).splitlines()[0].removesuffix(":")
        inspected = [_volume(volume, pixels) for volume in volumes]
        return [replace(one, notes=(*one.notes, *notes, reason)) for one in inspected]
    first = _volume(choice.volume, pixels)
    return [replace(first, notes=(*choice.notes, *first.notes))]


def _derived(one: InspectedSeries, derivation: Derivation) -> InspectedSeries:
    """The same with a note on when it is selected."""
    selected = f"not selected without --{_option(one.kind)}-series UID"
    if derivation.is_fused:
        selected = "not a candidate"
    elif derivation.is_alternative:
        selected = "selected where there is no primary series"
    note = f"derived: {derivation.reason}; {selected}"
    return replace(one, notes=(note, *one.notes), is_volume=not derivation.is_own)


def _not_fused(series: DicomSeries) -> InspectedSeries:
    """A series that is not fused, with the reason."""
    kind = sop_class(series.headers[0])
    what = kind.name if kind else "no SOP class"
    *others, last = MODALITIES
    reason = f"{series.modality} ({what}), not {', '.join(others)} or {last}"
    if series.is_localizer:
        reason = "a localizer"
    elif series.derivation:
        reason = f"derived: {series.derivation.reason}"
    elif problem := volume_problem(series.headers[0]):
        reason = problem
    elif not series.is_image and series.modality in MODALITIES:
        reason = f"{what}, no slices of a volume"
    elif series.headers[0].get("SamplesPerPixel", 1) != 1:
        reason = f"{reason}: colour images, not the values of a scanner"
    named = _named(VolumeSlices(series.uid, series.slices, ""))
    return replace(named, notes=(f"ignored: {reason}",), left_out=reason)


def left_out_summary(inspected: list[InspectedSeries]) -> list[str]:
    """What is never fused, by its kind and number, which cannot identify a patient."""
    counts: Counter[str] = Counter()
    for one in inspected:
        counts[one.left_out] += one.objects
    return [
        f"left out: {count} {'object' if count == 1 else 'objects'}: {reason}"
        for reason, count in counts.items()
        if reason
    ]


def _named(volume: VolumeSlices) -> InspectedSeries:
    """Name and headers, without problems."""
    series = DicomSeries(volume.uid, volume.slices)
    what = f" ({volume.difference})" if volume.difference else ""
    scout = ", localizer" if series.is_localizer else ""
    name = f"'{series.description}'{scout}{what}"
    return InspectedSeries(
        name,
        series.modality,
        series.uid,
        len(series.files),
        objects=len(series.slices),
        dicom=_dicom_context(series.headers[0]),
    )


def _dicom_context(header: Dataset) -> DicomContext:
    def text(keyword: str) -> str:
        return str(header.get(keyword) or "")

    syntax = header.file_meta.get("TransferSyntaxUID")
    return DicomContext(
        patient_id=text("PatientID"),
        patient_name=text("PatientName"),
        study_uid=text("StudyInstanceUID"),
        study_date=text("StudyDate"),
        study=text("StudyDescription"),
        body_part=text("BodyPartExamined"),
        frame_of_reference_uid=text("FrameOfReferenceUID"),
        transfer_syntax=str(syntax.name).split(",")[0] if syntax else "",
    )


def _volume(volume: VolumeSlices, pixels: bool) -> InspectedSeries:
    named = replace(_named(volume), is_volume=True)
    damage: list[str] = []
    try:
        check_pixel_values(volume.slices)
        damage = (_damage if pixels else _shortage)(volume.slices)
        geometry = slice_geometry(volume)
        check_spacing(geometry.spacing_mm, volume.slices[0].path.parent)
        check_voxel_count(geometry.size, volume.slices[0].path.parent)
    except RadfuseError as error:
        return replace(named, problems=(str(error), *damage))
    return replace(
        named,
        size=geometry.size,
        spacing_mm=geometry.spacing_mm,
        plane=_plane(geometry.axes[:, 2].tolist()),
        problems=(*damage, *filter(None, [registered_size_problem(geometry.size)])),
        notes=(
            *geometry.notes,
            *header_notes(volume.slices),
            *uptake_notes([one.header for one in volume.slices]),
        ),
    )


def _damage(slices: tuple[Slice, ...]) -> list[str]:
    """Problems of the pixels of a volume, of a CT also values that are not HU."""
    found, ends, samples = [], [], []
    by_path: dict[Path, list[Slice]] = {}
    for one in slices:
        by_path.setdefault(one.path, []).append(one)
    pixels = len(slices) * int(slices[0].header.Rows) * int(slices[0].header.Columns)
    step = math.ceil(math.sqrt(pixels / MAX_SAMPLES))
    for frames in by_path.values():
        try:
            for _, plane in slice_values(tuple(frames)):
                ends += [float(plane.min()), float(plane.max())]
                samples.append(plane[::step, ::step].copy())
        except RadfuseError as error:
            found.append((frames[0].path, str(error)))
    if found or not ends:
        return _shared_problems(found)
    if min(ends) == max(ends):
        return [f"every value is {ends[0]:g}; the image is empty"]
    if MODALITIES.get(str(slices[0].header.get("Modality"))) is CT:
        image = sitk.GetImageFromArray(np.stack(samples))
        headers = tuple(one.header for one in slices)
        try:
            in_hounsfield_units(Series(image, CT, slices[0].path.parent, (), headers), None, None)
        except InputError as error:
            return [str(error)]
    return []


def _shortage(slices: tuple[Slice, ...]) -> list[str]:
    """Files that are shorter than their headers require."""
    found = []
    for path, header in {one.path: one.header for one in slices}.items():
        try:
            if count := missing_bytes(path, header):
                found.append((path, f"pixels truncated: {count} bytes are missing"))
        except RadfuseError as error:
            found.append((path, str(error)))
    return _shared_problems(found)


def inspect_file(path: Path) -> InspectedSeries:
    """A file of another format, which is loaded to find its problems."""
    if is_image_file(path):
        return _loaded(path, "image", lambda: sitk.GetImageFromArray(read_image(path)))
    if volume_suffix(path) is not None:
        return _loaded(path, "volume", lambda: read_volume(path))
    return InspectedSeries(str(path), "unknown", None, 1, problems=(format_problem(path),))


def _loaded(path: Path, kind: str, load: Callable[[], sitk.Image]) -> InspectedSeries:
    """Load the image to find its problems."""
    named = InspectedSeries(str(path), kind, None, 1)
    try:
        image = load()
        if image.GetDimension() == 2:
            return replace(named, size=image.GetSize())
        image = checked_volume(image, path)
    except RadfuseError as error:
        return replace(named, problems=(str(error),))
    return replace(
        named,
        size=image.GetSize(),
        spacing_mm=image.GetSpacing(),
        plane=_plane(image.GetDirection()[2::3]),
        problems=tuple(filter(None, [registered_size_problem(image.GetSize())])),
    )


def _plane(normal: tuple[float, ...] | list[float]) -> str:
    """The patient's plane of slices with this normal."""
    parts = np.abs(normal)
    oblique = "" if parts.max() > NEARLY_UPRIGHT else ", oblique"
    return PLANES[int(parts.argmax())] + oblique
