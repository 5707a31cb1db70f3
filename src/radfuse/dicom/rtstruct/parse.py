"""Parse an RT Structure Set file: names, colours and closed contours of its ROIs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.uid import RTStructureSetStorage

from radfuse.arrays import Float64Array
from radfuse.errors import InputError, RadfuseError
from radfuse.series import Patient
from radfuse.structures.label_maps import RgbColour, palette_colour

MAX_FILE_BYTES = 1 << 28
"""Structure sets of a head are smaller; the contours of a larger file would fill the memory."""

MAX_CONTOURS = 100_000
"""Sixty structures with five contours on each of 300 slices are fewer."""

MAX_COORDINATE_MM = 10_000.0
"""Larger coordinates are not positions in a patient."""

CLOSED, CLOSED_XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
"""ContourGeometricType of contours that enclose an area."""

MIN_POINTS = 3
"""Points of a contour that encloses an area."""


@dataclass(frozen=True)
class Roi:
    """A region of interest as in the file."""

    name: str
    colour: RgbColour
    frame_of_reference_uid: str
    """Empty if absent."""

    contours: tuple[Float64Array, ...]
    """Closed contours, (points, 3) each, LPS mm."""

    is_xor: bool
    """Whether the contours are combined by exclusive or."""

    algorithm: str = ""
    """ROIGenerationAlgorithm; empty if absent."""


@dataclass(frozen=True)
class ParsedStructureSet:
    """The ROIs of a file, not yet related to a series."""

    patient: Patient
    """Empty if absent."""

    rois: tuple[Roi, ...]
    notes: tuple[str, ...]
    """Contours that were skipped and ROIs that were renamed, a sentence each."""


def parse_structure_set(path: Path) -> ParsedStructureSet:
    """Read a structure set; contours that enclose no area are skipped with a note.

    Raises `InputError` for a file that is damaged, not a structure set or too large, and for
    contours with invalid coordinates.
    """
    header = _header(path)
    notes: list[str] = []
    try:
        with disable_value_validation():
            names = _names(header, path)
            _check_count(header, path)
            items = _contour_items(header, names, path)
            rois = tuple(
                _roi(item, name, items.get(number), index, path, notes)
                for index, (number, (item, name)) in enumerate(_unique(names, notes).items())
            )
            return ParsedStructureSet(Patient.of(header), rois, tuple(notes))
    except RadfuseError:
        raise
    except Exception as error:  # pydicom raises any type for a damaged element
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{path}: damaged structure set ({reason}); export it again") from error


def _header(path: Path) -> Dataset:
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise InputError(
            f"{path}: {size / 2**20:.0f} MiB, above the limit of {MAX_FILE_BYTES >> 20} MiB for a "
            "structure set; export fewer structures"
        )
    try:
        header = pydicom.dcmread(path, force=True)
        sop_class, modality = header.get("SOPClassUID"), header.get("Modality")
    except Exception as error:  # pydicom raises any type for a damaged file
        raise InputError(f"{path}: damaged or truncated; copy it again") from error
    if sop_class != RTStructureSetStorage:
        found = f"modality {modality}" if modality else "no DICOM"
        raise InputError(f"{path}: not an RT Structure Set ({found}); give the RTSTRUCT file")
    return header


def _names(header: Dataset, path: Path) -> dict[int, tuple[Dataset, str]]:
    """Item and name of each ROI by its number."""
    names: dict[int, tuple[Dataset, str]] = {}
    for item in header.get("StructureSetROISequence") or ():
        number, name = int(item.ROINumber), str(item.get("ROIName") or "").strip()
        if number in names:
            raise InputError(
                f"{path}: '{names[number][1]}' and '{name}' have the same ROINumber {number}; "
                "export it again"
            )
        names[number] = item, name or f"ROI_{number}"
    if not names or "ROIContourSequence" not in header:
        missing = "ROIContourSequence" if names else "StructureSetROISequence"
        raise InputError(f"{path}: a structure set without {missing}; export it again")
    return names


def _unique(
    names: dict[int, tuple[Dataset, str]], notes: list[str]
) -> dict[int, tuple[Dataset, str]]:
    """The same with unique names."""
    used: set[str] = set()
    unique = {}
    for number, (item, name) in names.items():
        new = f"{name}_{number}" if name in used else name
        if new != name:
            notes.append(f"'{name}': the name of two structures; number {number} is now '{new}'")
        used.add(new)
        unique[number] = item, new
    return unique


def _check_count(header: Dataset, path: Path) -> None:
    items = header.get("ROIContourSequence") or ()
    count = sum(len(item.get("ContourSequence") or ()) for item in items)
    if count > MAX_CONTOURS:
        raise InputError(
            f"{path}: {count} contours, above the limit of {MAX_CONTOURS}; export fewer structures"
        )


def _contour_items(
    header: Dataset, names: dict[int, tuple[Dataset, str]], path: Path
) -> dict[int, Dataset]:
    """The ROIContourSequence items by ROI number."""
    items: dict[int, Dataset] = {}
    for item in header.get("ROIContourSequence") or ():
        number = int(item.ReferencedROINumber)
        if number not in names or number in items:
            reason = "occur twice" if number in items else "belong to no structure"
            raise InputError(
                f"{path}: the contours of ROINumber {number} {reason}; export it again"
            )
        items[number] = item
    return items


def _roi(
    item: Dataset, name: str, contour_item: Dataset | None, index: int, path: Path, notes: list[str]
) -> Roi:
    contours: dict[bytes, Float64Array] = {}
    sequence = list((contour_item.get("ContourSequence") if contour_item else None) or ())
    types = [str(contour.get("ContourGeometricType") or "") for contour in sequence]
    for number, (contour, kind) in enumerate(zip(sequence, types, strict=True), start=1):
        points = _points_mm(contour, f"{path}: structure '{name}', contour {number}")
        if kind in (CLOSED, CLOSED_XOR) and len(points) >= MIN_POINTS:
            contours[points.tobytes()] = points
    if skipped := len(sequence) - len(contours):
        notes.append(
            f"'{name}': {skipped} of {len(sequence)} contours skipped: points, open lines or "
            "duplicates"
        )
    return Roi(
        name=name,
        colour=_colour(contour_item) or palette_colour(index),
        frame_of_reference_uid=str(item.get("ReferencedFrameOfReferenceUID") or ""),
        contours=tuple(contours.values()),
        is_xor=CLOSED_XOR in types,
        algorithm=str(item.get("ROIGenerationAlgorithm") or ""),
    )


def _colour(contour_item: Dataset | None) -> RgbColour | None:
    values = list((contour_item.get("ROIDisplayColor") if contour_item else None) or ())
    if len(values) != 3 or not all(0 <= int(value) <= 255 for value in values):
        return None
    red, green, blue = map(int, values)
    return red, green, blue


def _points_mm(contour: Dataset, where: str) -> Float64Array:
    """The points of a contour (n, 3); `InputError` for invalid coordinates."""
    try:
        coordinates = np.fromiter(_coordinates(contour), np.float64)
    except ValueError as error:
        raise InputError(f"{where}: {error}; the file is damaged, export it again") from error
    if len(coordinates) % 3 or not (np.abs(coordinates) < MAX_COORDINATE_MM).all():
        raise InputError(
            f"{where}: {len(coordinates)} numbers in ContourData are not points in a patient; the "
            "file is damaged, export it again"
        )
    count = contour.get("NumberOfContourPoints")
    if count is not None and int(count) * 3 != len(coordinates):
        raise InputError(
            f"{where}: {len(coordinates) // 3} points, but NumberOfContourPoints is {int(count)}; "
            "the file is damaged, export it again"
        )
    return coordinates.reshape(-1, 3)


def _coordinates(contour: Dataset) -> Iterator[float]:
    """The coordinates from the raw bytes: pydicom's numbers would need ten times the memory."""
    if "ContourData" not in contour:
        return
    value = contour.get_item("ContourData").value or b""
    text = value.decode("ascii", "replace").rstrip("\0 ")
    yield from map(float, text.split("\\") if text else ())
