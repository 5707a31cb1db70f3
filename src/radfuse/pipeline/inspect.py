"""What a file or folder holds, and whether it can be fused."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset

from radfuse.dicom.read.grouping import Stack, main_stack, stacks_of
from radfuse.dicom.read.pixels import check_values_of, planes_of
from radfuse.dicom.read.safe_read import missing_bytes
from radfuse.dicom.read.scan import (
    DIRECTORY_NAME,
    DicomSeries,
    Slice,
    files_below,
    is_dicom,
    listed_paths,
    scan_folder,
)
from radfuse.dicom.read.slice_geometry import lattice_of
from radfuse.errors import GeometryError, InputError, RadfuseError
from radfuse.io.archives import unpacked
from radfuse.io.images import read_picture
from radfuse.io.volume_checks import check_spacing, checked_volume
from radfuse.io.volumes import SUFFIXES, read_volume, volume_suffix
from radfuse.modality import FUSED, MODALITIES
from radfuse.pipeline.read import is_picture

PLANES = ("sagittal", "coronal", "axial")
"""The plane across each of the patient's axes: left, posterior, superior."""

NEARLY_UPRIGHT = 0.999
"""Cosine, of 2.6 degrees, from which on slices count as oblique."""


@dataclass(frozen=True)
class Place:
    """To whom and to what a DICOM series belongs."""

    patient_id: str
    patient_name: str
    study_uid: str
    study_date: str
    study: str
    """Its description."""

    body_part: str
    frame_of_reference_uid: str
    transfer_syntax: str


@dataclass(frozen=True)
class Finding:
    """One image or stack of a series."""

    name: str
    """File, or DICOM series with its description."""

    kind: str
    """CT, MR or another DICOM modality; volume; picture."""

    uid: str | None
    """What `--ct-series` or `--mr-series` takes."""

    files: int
    size: tuple[int, ...] | None = None
    spacing_mm: tuple[float, ...] | None = None
    plane: str | None = None
    problems: tuple[str, ...] = ()
    """Why it cannot be fused."""

    notes: tuple[str, ...] = ()
    """What would be mended or left out on reading."""

    place: Place | None = None
    """Of DICOM."""

    def line(self) -> str:
        """All of it but problems and notes in one line."""
        parts = [self.kind, self.name, f"{self.files} files" if self.files > 1 else ""]
        if self.size:
            parts.append(" x ".join(map(str, self.size)))
        if self.spacing_mm:
            parts.append(" x ".join(f"{step:.4g}" for step in self.spacing_mm) + " mm")
        parts += [self.plane or "", self.place.transfer_syntax if self.place else ""]
        parts += [f"UID {self.uid}" if self.uid else ""]
        return "  ".join(part for part in parts if part)


def inspect(path: Path, *, pixels: bool = True) -> tuple[list[Finding], int]:
    """What lies at a path, and the number of other files there.

    DICOM pixels are decoded slice by slice, to find the damaged ones, and not kept; or not at all
    without `pixels`. Raises `InputError` for a path that does not exist or may not be read.
    """
    try:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        with unpacked(path) as inner:
            findings, others = _findings(inner, pixels)
            return [_of_archive(found, inner, path) for found in findings], others
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error


def _of_archive(found: Finding, folder: Path, archive: Path) -> Finding:
    """What was found in an archive's folder, told as of the archive."""

    def told(text: str) -> str:
        return text.replace(str(folder), str(archive))

    return replace(
        found,
        name=told(found.name),
        problems=tuple(map(told, found.problems)),
        notes=tuple(map(told, found.notes)),
    )


def _findings(path: Path, pixels: bool) -> tuple[list[Finding], int]:
    if path.is_file() and not is_dicom(path):
        return [_file(path)], 0
    scan = scan_folder(path)
    files = [] if path.is_file() else files_below(path)
    volumes = [file for file in files if file.name.lower().endswith(SUFFIXES)]
    pictures = [file for file in files if is_picture(file)]
    findings = [found for series in scan.series for found in _series(series, pixels)]
    findings += [_file(file) for file in volumes + pictures]
    findings += [
        Finding(str(file), "DICOM", None, 1, problems=(reason,))
        for file, reason in scan.broken.items()
    ]
    if scan.absent:
        told = (f"{listed_paths(scan.absent)}: named here, but not there",)
        findings.append(Finding(DIRECTORY_NAME, "list", None, 1, problems=told))
    known = {file for file in volumes + pictures if file not in scan.broken}
    return findings, scan.others - len(known)


def _series(series: DicomSeries, pixels: bool) -> list[Finding]:
    modality = MODALITIES.get(series.modality)
    if not series.is_image or series.is_localizer or modality not in FUSED:
        return [_passed_over(series)]
    stacks, notes = stacks_of(series)
    try:
        choice = main_stack(series, stacks, notes, modality)
    except GeometryError as error:
        told = str(error).splitlines()[0].removesuffix(":")
        found = [_stack(stack, pixels) for stack in stacks]
        return [replace(one, notes=(*one.notes, *notes, told)) for one in found]
    first = _stack(choice.stack, pixels)
    return [replace(first, notes=(*choice.notes, *first.notes))]


def _passed_over(series: DicomSeries) -> Finding:
    """A series that is not fused, and why."""
    what = f"{series.modality}, not {' or '.join(map(str, FUSED))}"
    if series.is_localizer:
        what = "scout views"
    elif series.is_image and series.headers[0].get("SamplesPerPixel", 1) != 1:
        what = f"{what}: colour images, not the values of a scanner"
    return replace(_named(Stack(series.uid, series.slices, "")), notes=(f"passed over: {what}",))


def _named(stack: Stack) -> Finding:
    """A stack without a word on whether it can be read."""
    series = DicomSeries(stack.uid, stack.slices)
    scout = ", localizer" if series.is_localizer else ""
    what = f" ({stack.what})" if stack.what else ""
    name = f"'{series.description}'{scout}{what}"
    return Finding(
        name, series.modality, series.uid, len(series.files), place=_place(series.headers[0])
    )


def _place(header: Dataset) -> Place:
    def text(keyword: str) -> str:
        return str(header.get(keyword) or "")

    syntax = header.file_meta.get("TransferSyntaxUID")
    return Place(
        patient_id=text("PatientID"),
        patient_name=text("PatientName"),
        study_uid=text("StudyInstanceUID"),
        study_date=text("StudyDate"),
        study=text("StudyDescription"),
        body_part=text("BodyPartExamined"),
        frame_of_reference_uid=text("FrameOfReferenceUID"),
        transfer_syntax=str(syntax.name).split(",")[0] if syntax else "",
    )


def _stack(stack: Stack, pixels: bool) -> Finding:
    found = _named(stack)
    damage: list[str] = []
    try:
        check_values_of(stack.slices)
        damage = (_damage if pixels else _shortage)(stack.slices)
        lattice = lattice_of(stack)
        check_spacing(lattice.spacing_mm, stack.slices[0].path.parent)
    except RadfuseError as error:
        return replace(found, problems=(str(error), *damage))
    return replace(
        found,
        size=lattice.size,
        spacing_mm=lattice.spacing_mm,
        plane=_plane(lattice.axes[:, 2].tolist()),
        problems=tuple(damage),
        notes=lattice.notes,
    )


def _damage(slices: tuple[Slice, ...]) -> list[str]:
    """What is wrong with the pixels of a stack."""
    problems, ends = [], []
    by_path: dict[Path, list[Slice]] = {}
    for one in slices:
        by_path.setdefault(one.path, []).append(one)
    for of_one in by_path.values():
        try:
            for _, plane in planes_of(tuple(of_one)):
                ends += [float(plane.min()), float(plane.max())]
        except RadfuseError as error:
            problems.append(str(error))
    if not problems and ends:
        if min(ends) == max(ends):
            problems.append(f"every value is {ends[0]:g}; this is an empty image")
        elif problem := MODALITIES[slices[0].header.Modality].minimum_problem(min(ends)):
            problems.append(problem)
    return problems


def _shortage(slices: tuple[Slice, ...]) -> list[str]:
    """Files that are shorter than their headers say."""
    problems = []
    for path, header in {one.path: one.header for one in slices}.items():
        try:
            if lacking := missing_bytes(path, header):
                problems.append(f"{path}: pixels truncated: {lacking} bytes are missing")
        except RadfuseError as error:
            problems.append(str(error))
    return problems


def _file(path: Path) -> Finding:
    if is_picture(path):
        return _found(path, "picture", lambda: sitk.GetImageFromArray(read_picture(path)))
    if volume_suffix(path) is not None:
        return _found(path, "volume", lambda: read_volume(path))
    return Finding(str(path), "unknown", None, 1, problems=("no known image format",))


def _found(path: Path, kind: str, load: Callable[[], sitk.Image]) -> Finding:
    """Load the image to know what is wrong with it."""
    found = Finding(str(path), kind, None, 1)
    try:
        image = load()
        if image.GetDimension() == 2:
            return replace(found, size=image.GetSize())
        image = checked_volume(image, path)
    except RadfuseError as error:
        return replace(found, problems=(str(error),))
    return replace(
        found,
        size=image.GetSize(),
        spacing_mm=image.GetSpacing(),
        plane=_plane(image.GetDirection()[2::3]),
    )


def _plane(normal: tuple[float, ...] | list[float]) -> str:
    """In which of the patient's planes slices with this normal lie."""
    parts = np.abs(normal)
    oblique = "" if parts.max() > NEARLY_UPRIGHT else ", oblique"
    return PLANES[int(parts.argmax())] + oblique
