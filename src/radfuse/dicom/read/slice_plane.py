"""What slices of one volume have in common: image type, size, and their plane within rounding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydicom import Dataset

from radfuse.arrays import Float64Array
from radfuse.dicom.read.derived import is_localizer
from radfuse.dicom.read.series import Slice

CORNER_TOLERANCE_MM = 0.5
"""Distance between the corners of two images, laid on each other at their first pixel, up to which
their planes are one: half a pixel of a head scan. Scanners and programs round direction cosines to
1e-3 and pixel spacings to 1e-4 mm."""

PARALLEL = 0.9
"""Cosine of 26 degrees: nearer planes may be of one volume; reformats and localizers are not."""

ON_LINE_MM = 1.0
"""Distance from the line through the positions of a volume; other planes start elsewhere."""

MAX_NAMES = 3
"""Files that a message names."""

MAX_DIGITS = 17
"""Significant digits of two numbers that differ."""


@dataclass(frozen=True)
class SlicePlane:
    """What the slices of a volume agree in."""

    modality: str
    image_type: str
    """Grey, colour or localizer."""

    size: tuple[float, float]
    """Rows and columns."""

    orientation: Float64Array
    """Cosines along a row and along a column, (6,); empty if unknown."""

    spacing_mm: Float64Array
    """Between rows and between columns, (2,); empty if unknown."""

    @property
    def exact(self) -> tuple[object, ...]:
        """What is equal for slices of one plane."""
        return (
            self.modality,
            self.image_type,
            self.size,
            len(self.orientation),
            len(self.spacing_mm),
        )

    @property
    def normal(self) -> Float64Array:
        """Normal of the plane, (3,); empty if unknown."""
        if self.orientation.shape != (6,):
            return np.array([])
        return np.cross(self.orientation[:3], self.orientation[3:])

    def matches(self, other: "SlicePlane") -> bool:
        """Whether both are planes of one volume, within rounding."""
        return self.exact == other.exact and self.corner_distance_mm(other) <= CORNER_TOLERANCE_MM

    def corner_distance_mm(self, other: "SlicePlane") -> float:
        """Largest distance between their corners if the first pixels coincide; 0 if unknown."""
        if self.orientation.shape != (6,) or self.spacing_mm.shape != (2,):
            return 0.0
        sides = np.nan_to_num(self._sides_mm() - other._sides_mm())
        return float(np.linalg.norm([*sides, sides.sum(axis=0)], axis=1).max())

    def _sides_mm(self) -> Float64Array:
        """Vectors along the first row and the first column of the image, (2, 3)."""
        lengths = np.multiply(self.size, self.spacing_mm)[::-1]
        return self.orientation.reshape(2, 3) * lengths[:, None]

    def difference(self, other: "SlicePlane") -> str:
        """The first difference in words; empty for planes of one volume."""
        if self.matches(other):
            return ""
        for name, ours, theirs in (
            ("modality", self.modality, other.modality),
            ("image type", self.image_type, other.image_type),
            ("size", np.array(self.size), np.array(other.size)),
        ):
            if not np.array_equal(ours, theirs):
                return _not(name, ours, theirs)
        if not replace(self, spacing_mm=other.spacing_mm).matches(other):
            return _not("orientation", self.orientation, other.orientation)
        return _not("pixel spacing", self.spacing_mm, other.spacing_mm)


def _not(name: str, ours: str | Float64Array, theirs: str | Float64Array) -> str:
    """The words for two values, with as many digits as tell them apart."""
    for digits in range(4, MAX_DIGITS):
        words = [format_values(values, digits) for values in (ours, theirs)]
        if words[0] != words[1]:
            break
    return f"{name} is {words[0]}, not {words[1]}"


def slice_plane(header: Dataset) -> SlicePlane:
    """The plane of a slice."""
    image_type = "grey" if header.get("SamplesPerPixel", 1) == 1 else "colour"
    rows, columns = (
        float(next(iter(float_values(header, keyword)), 0)) for keyword in ("Rows", "Columns")
    )
    return SlicePlane(
        str(header.get("Modality") or "?"),
        "localizer" if is_localizer(header) else image_type,
        (rows, columns),
        float_values(header, "ImageOrientationPatient"),
        float_values(header, "PixelSpacing"),
    )


def may_continue(slices: Sequence[Slice], others: Sequence[Slice]) -> bool:
    """Whether slices that differ from a volume may be a part of its body nevertheless.

    They are not if they are in colour, or if their plane crosses those of the volume and starts
    elsewhere: reformats and localizers.
    """
    plane, other = (slice_plane(part[0].header) for part in (slices, others))
    if plane.image_type == "colour" != other.image_type:
        return False
    positions, line = (positions_mm(part) for part in (slices, others))
    if not (positions.size and line.size and plane.normal.size and other.normal.size):
        return True
    if not abs(plane.normal @ other.normal) <= PARALLEL:  # it may be NaN
        return True
    direction = line[-1] - line[0] if len(line) > 1 else other.normal
    direction = direction / (np.linalg.norm(direction) or 1.0)
    relative = positions - line[0]
    sideways = relative - np.outer(relative @ direction, direction)
    return not np.linalg.norm(sideways, axis=1).max() > ON_LINE_MM  # it may be NaN


def positions_mm(slices: Sequence[Slice]) -> Float64Array:
    """ImagePositionPatient of every slice, (slices, 3); empty if one is unknown."""
    positions = [float_values(one.header, "ImagePositionPatient") for one in slices]
    return np.array(positions if all(one.shape == (3,) for one in positions) else [])


def float_values(header: Dataset, keyword: str) -> Float64Array:
    """The values of an attribute as floats; empty if it is missing or not numeric."""
    try:
        value = header.get(keyword)
        if isinstance(value, str):  # stored as a text that is not split, as UT
            value = value.split("\\")
        return np.atleast_1d(np.array([] if value is None else value, np.float64))
    except (ValueError, TypeError):
        return np.array([])


def image_count(slices: Sequence[Slice]) -> str:
    """The number of images, in words for a note."""
    return f"{len(slices)} image{'s' if len(slices) > 1 else ''}"


def slice_numbers(indices: Sequence[int]) -> str:
    """The first of some slices by their position along the normal, from 1, for a note."""
    numbers = [str(index + 1) for index in indices]
    if len(numbers) > MAX_NAMES:
        numbers = [*numbers[:MAX_NAMES], f"{len(numbers) - MAX_NAMES} more"]
    listed = " and ".join(filter(None, [", ".join(numbers[:-1]), numbers[-1]]))
    return f"slice{'s' if len(numbers) > 1 else ''} {listed}"


def slice_names(slices: Sequence[Slice]) -> str:
    """The files of the first slices, and the number of the others."""
    first = ", ".join(one.name for one in slices[:MAX_NAMES])
    return f"{first} and {len(slices) - MAX_NAMES} more" if len(slices) > MAX_NAMES else first


def format_values(values: str | Float64Array, digits: int = 4) -> str:
    """Numbers in parentheses, text as it is."""
    if isinstance(values, str):
        return values or "none"
    return "(" + ", ".join(f"{value:.{digits}g}" for value in np.atleast_1d(values)) + ")"
