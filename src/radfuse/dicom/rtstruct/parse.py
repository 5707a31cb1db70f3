"""What an RT Structure Set file says: names, colours and closed contours, in the patient."""

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
from radfuse.structures.label_maps import Colour, palette_colour

LARGEST_BYTES = 1 << 28
"""A structure set of a head is smaller; the contours of a larger file would fill the memory."""

MOST_CONTOURS = 100_000
"""Sixty structures of five contours on each of three hundred slices are fewer."""

FARTHEST_MM = 10_000.0
"""A coordinate beyond this is no place in a patient."""

PLAIN, EXCLUDING = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"
"""Kinds of contours that have an inside."""

FEWEST_POINTS = 3
"""Corners of a contour that has an inside."""


@dataclass(frozen=True)
class Drawing:
    """A structure as it stands in the file."""

    name: str
    colour: Colour
    frame_of_reference_uid: str
    """Empty where the file does not say."""

    contours: tuple[Float64Array, ...]
    """Closed contours, (points, 3) each, LPS mm."""

    excluding: bool
    """Whether the contours are combined by exclusive or."""


@dataclass(frozen=True)
class DrawnSet:
    """All that a structure set holds."""

    patient: str
    """Identifier; empty where the file does not say."""

    drawings: tuple[Drawing, ...]
    notes: tuple[str, ...]
    """What was passed over or renamed, a sentence each."""


def read_drawings(path: Path) -> DrawnSet:
    """Read a structure set; contours without an inside are passed over with a note.

    Raises `InputError` for a file that is damaged, no structure set or absurdly large, and for
    contours whose numbers are none.
    """
    header = _header(path)
    notes: list[str] = []
    try:
        with disable_value_validation():
            names = _names(header, path)
            _check_count(header, path)
            items = _contour_items(header, names, path)
            drawings = tuple(
                _drawing(roi, name, items.get(number), place, path, notes)
                for place, (number, (roi, name)) in enumerate(_unique(names, notes).items())
            )
            return DrawnSet(str(header.get("PatientID") or ""), drawings, tuple(notes))
    except RadfuseError:
        raise
    except Exception as error:  # damaged elements make the parser raise whatever it likes
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{path}: a damaged structure set ({reason}); export it again") from error


def _header(path: Path) -> Dataset:
    if (size := path.stat().st_size) > LARGEST_BYTES:
        raise InputError(
            f"{path}: {size / 2**20:.0f} MiB; a structure set of a head has at most "
            f"{LARGEST_BYTES >> 20}; export fewer structures"
        )
    try:
        header = pydicom.dcmread(path, force=True)
        kind, modality = header.get("SOPClassUID"), header.get("Modality") or "no DICOM"
    except Exception as error:  # a damaged file makes the parser raise whatever it likes
        raise InputError(f"{path}: damaged or truncated; copy it again") from error
    if kind != RTStructureSetStorage:
        raise InputError(f"{path}: no RT Structure Set ({modality}); give the RTSTRUCT file")
    return header


def _names(header: Dataset, path: Path) -> dict[int, tuple[Dataset, str]]:
    """Item and name of each structure by its number."""
    found: dict[int, tuple[Dataset, str]] = {}
    for roi in header.get("StructureSetROISequence") or ():
        number, name = int(roi.ROINumber), str(roi.get("ROIName") or "").strip()
        if number in found:
            raise InputError(
                f"{path}: '{found[number][1]}' and '{name}' have the same number {number}; "
                "export it again"
            )
        found[number] = roi, name or f"ROI_{number}"
    if not found or "ROIContourSequence" not in header:
        what = "contours" if found else "structures"
        raise InputError(f"{path}: a structure set without {what}; export it again")
    return found


def _unique(
    names: dict[int, tuple[Dataset, str]], notes: list[str]
) -> dict[int, tuple[Dataset, str]]:
    """The same with a name of its own for each."""
    taken: set[str] = set()
    unique = {}
    for number, (roi, name) in names.items():
        own = f"{name}_{number}" if name in taken else name
        if own != name:
            notes.append(f"'{name}': the name of two structures; number {number} is now '{own}'")
        taken.add(own)
        unique[number] = roi, own
    return unique


def _check_count(header: Dataset, path: Path) -> None:
    items = header.get("ROIContourSequence") or ()
    count = sum(len(item.get("ContourSequence") or ()) for item in items)
    if count > MOST_CONTOURS:
        raise InputError(
            f"{path}: {count} contours; a structure set of a head has at most {MOST_CONTOURS}; "
            "export fewer structures"
        )


def _contour_items(
    header: Dataset, names: dict[int, tuple[Dataset, str]], path: Path
) -> dict[int, Dataset]:
    """The item with the contours of each structure that has one, by its number."""
    items: dict[int, Dataset] = {}
    for item in header.get("ROIContourSequence") or ():
        number = int(item.ReferencedROINumber)
        if number not in names or number in items:
            what = "are there twice" if number in items else "belong to no structure"
            raise InputError(f"{path}: the contours of number {number} {what}; export it again")
        items[number] = item
    return items


def _drawing(
    roi: Dataset, name: str, item: Dataset | None, place: int, path: Path, notes: list[str]
) -> Drawing:
    contours: dict[bytes, Float64Array] = {}
    drawn = list((item.get("ContourSequence") if item else None) or ())
    kinds = [str(contour.get("ContourGeometricType") or "") for contour in drawn]
    for number, (contour, kind) in enumerate(zip(drawn, kinds, strict=True), start=1):
        points = _points_mm(contour, f"{path}: structure '{name}', contour {number}")
        if kind in (PLAIN, EXCLUDING) and len(points) >= FEWEST_POINTS:
            contours[points.tobytes()] = points
    if passed := len(drawn) - len(contours):
        notes.append(
            f"'{name}': {passed} of {len(drawn)} contours passed over: points, open lines or the "
            "same contour again"
        )
    return Drawing(
        name=name,
        colour=_colour(item) or palette_colour(place),
        frame_of_reference_uid=str(roi.get("ReferencedFrameOfReferenceUID") or ""),
        contours=tuple(contours.values()),
        excluding=EXCLUDING in kinds,
    )


def _colour(item: Dataset | None) -> Colour | None:
    values = list((item.get("ROIDisplayColor") if item else None) or ())
    if len(values) != 3 or not all(0 <= int(value) <= 255 for value in values):
        return None
    red, green, blue = map(int, values)
    return red, green, blue


def _points_mm(contour: Dataset, whose: str) -> Float64Array:
    """The points of a contour (n, 3); `InputError` for what are no points."""
    try:
        numbers = np.fromiter(_numbers(contour), np.float64)
    except ValueError as error:
        raise InputError(f"{whose}: {error}; the file is damaged, export it again") from error
    if len(numbers) % 3 or not (np.abs(numbers) < FARTHEST_MM).all():
        raise InputError(
            f"{whose}: {len(numbers)} numbers that are no points in a patient; the file is "
            "damaged, export it again"
        )
    said = contour.get("NumberOfContourPoints")
    if said is not None and int(said) * 3 != len(numbers):
        raise InputError(
            f"{whose}: {len(numbers) // 3} points where it should have {int(said)}; the file is "
            "damaged, export it again"
        )
    return numbers.reshape(-1, 3)


def _numbers(contour: Dataset) -> Iterator[float]:
    """The coordinates from the raw bytes: pydicom's numbers would take ten times the room."""
    if "ContourData" not in contour:
        return
    value = contour.get_item("ContourData").value or b""
    text = value.decode("ascii", "replace").rstrip("\0 ")
    yield from map(float, text.split("\\") if text else ())
