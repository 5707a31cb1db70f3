"""What a file or folder holds, and whether it can be fused."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from radfuse.errors import InputError, RadfuseError
from radfuse.io.dicom.scan import DicomSeries, files_below, is_dicom, scan_folder
from radfuse.io.dicom.stack import read_stack
from radfuse.io.grids import checked_volume
from radfuse.io.images import read_picture
from radfuse.io.read import is_picture
from radfuse.io.volumes import SUFFIXES, read_volume, volume_suffix

PLANES = ("sagittal", "coronal", "axial")
"""The plane across each of the patient's axes: left, posterior, superior."""


@dataclass(frozen=True)
class Finding:
    """One image or series."""

    name: str
    """File, or DICOM series with its description."""

    kind: str
    """CT, MR or another DICOM modality; volume; picture."""

    uid: str | None
    files: int
    size: tuple[int, ...] | None
    spacing_mm: tuple[float, ...] | None
    plane: str | None
    problems: tuple[str, ...]

    def line(self) -> str:
        """All of it but the problems in one line."""
        parts = [self.kind, self.name, f"{self.files} files" if self.files > 1 else ""]
        if self.size:
            parts.append(" x ".join(map(str, self.size)))
        if self.spacing_mm:
            parts.append(" x ".join(f"{step:.4g}" for step in self.spacing_mm) + " mm")
        parts += [self.plane or "", f"UID {self.uid}" if self.uid else ""]
        return "  ".join(part for part in parts if part)


def inspect(path: Path) -> tuple[list[Finding], int]:
    """What lies at a path, and the number of other files there.

    Raises `InputError` for a path that does not exist or may not be read.
    """
    try:
        return _findings(path)
    except PermissionError as error:
        raise InputError(f"{error.filename}: no permission to read") from error


def _findings(path: Path) -> tuple[list[Finding], int]:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_file():
        return [_file(path)], 0
    scan = scan_folder(path)
    volumes = [file for file in files_below(path) if file.name.lower().endswith(SUFFIXES)]
    pictures = [file for file in files_below(path) if is_picture(file)]
    findings = [_series(series) for series in scan.series]
    findings += [_file(file) for file in volumes + pictures]
    findings += [_unread(file, "DICOM", "damaged header") for file in scan.broken]
    return findings, scan.others - len(volumes) - len(pictures)


def _series(series: DicomSeries) -> Finding:
    text = str(series.headers[0].get("SeriesDescription", "")) or "no description"
    name = f"'{text}'" + (", localizer" if series.is_localizer else "")
    return _found(
        name, series.modality, series.uid, len(series.files), lambda: read_stack(series)[0]
    )


def _file(path: Path) -> Finding:
    if is_picture(path):
        return _found(
            str(path), "picture", None, 1, lambda: sitk.GetImageFromArray(read_picture(path))
        )
    if volume_suffix(path) is not None:
        return _found(str(path), "volume", None, 1, lambda: read_volume(path))
    if is_dicom(path):
        return _unread(path, "DICOM", "one DICOM file; give the folder with its whole series")
    return _unread(path, "unknown", "no known image format")


def _unread(path: Path, kind: str, problem: str) -> Finding:
    return Finding(str(path), kind, None, 1, None, None, None, (problem,))


def _found(
    name: str, kind: str, uid: str | None, files: int, load: Callable[[], sitk.Image]
) -> Finding:
    """Load the image to know what is wrong with it."""
    try:
        image = load()
        if image.GetDimension() == 2:
            return Finding(name, kind, uid, files, image.GetSize(), None, None, ())
        image = checked_volume(image, Path(name))
    except RadfuseError as error:
        return Finding(name, kind, uid, files, None, None, None, (str(error),))
    normal = [abs(part) for part in image.GetDirection()[2::3]]
    plane = PLANES[normal.index(max(normal))]
    oblique = "" if max(normal) > 0.999 else ", oblique"
    return Finding(name, kind, uid, files, image.GetSize(), image.GetSpacing(), plane + oblique, ())
