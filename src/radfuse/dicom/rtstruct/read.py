"""Read the structures of an RT Structure Set onto the grid of the series they were drawn on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radfuse.arrays import BoolArray, Float64Array
from radfuse.dicom.rtstruct.parse import ParsedStructureSet, Roi, parse_structure_set
from radfuse.dicom.rtstruct.slice_planes import SlicePlanes, mask_from_slices, slice_planes
from radfuse.errors import GeometryError, InputError
from radfuse.series import Series
from radfuse.structures.generation import Step, imported_step
from radfuse.structures.label_maps import RgbColour, Structure
from radfuse.structures.polygons import Contour, contour_area, rasterise

PLANARITY_TOLERANCE_MM = 0.2
"""Largest extent of a contour across the slices: headers round to this. A contour of another
orientation extends over many slices."""

SAME_PLANE_MM = 0.01
"""Contours whose positions along the normal differ by less are in one plane."""

MAX_COVERAGE = 100
"""Largest area of all contours, in areas of the image: more than the structures of any head have,
and a limit to the time of filling them."""

EDGE_TOLERANCE = 0.01
"""Pixels outside the image that rounding explains."""

ON_SLICE_TOLERANCE_MM = 0.1
"""A contour within this distance of a slice is on it: the rounding of headers."""


@dataclass(frozen=True)
class RoiOnSlices:
    """A ROI as contours in pixel coordinates on the slices of a series."""

    name: str
    colour: RgbColour
    contours: dict[int, list[Contour]]
    """By slice index."""

    is_xor: bool
    """Whether the contours are combined by exclusive or."""

    steps: tuple[Step, ...]
    """Of their generation."""


@dataclass(frozen=True)
class StructureSet:
    """The ROIs of a structure set, on the slices of a series."""

    source: Path
    series: Series
    planes: SlicePlanes
    rois: tuple[RoiOnSlices, ...]
    notes: tuple[str, ...]
    """Contours that were skipped or shifted, a sentence each."""

    def structures(self) -> Iterator[Structure]:
        """Fill one ROI after the other, on the grid of the series' image.

        A contour without XOR that is entirely inside others is a hole, as many programs write it.
        Raises `InputError` for a contour that cannot be filled.
        """
        for roi in self.rois:
            slices = np.zeros((len(self.planes.origins_mm), *self.planes.shape), np.bool_)
            for index, contours in roi.contours.items():
                try:
                    _fill(slices[index], contours, is_xor=roi.is_xor)
                except InputError as error:
                    raise InputError(
                        f"{self.source}: structure '{roi.name}': {error}; export it again"
                    ) from error
            mask = mask_from_slices(slices, self.series, self.planes)
            yield Structure(roi.name, mask, roi.colour, roi.steps)


def _fill(filled: BoolArray, contours: list[Contour], *, is_xor: bool) -> None:
    """Fill an empty slice, one contour after the other, large ones first."""
    for contour in sorted(contours, key=contour_area, reverse=True):
        mask = rasterise(contour, (filled.shape[0], filled.shape[1]))
        if is_xor or not (mask & ~filled).any():
            filled ^= mask
        else:
            filled |= mask


def read_structure_set(
    path: Path, series: Series, *, accept_frame: bool = False, accept_patients: bool = False
) -> StructureSet:
    """Read an RT Structure Set drawn on a CT or an MR from DICOM.

    Parameters
    ----------
    path
        The file.
    series
        The series on which it was drawn. A contour between two slices is assigned to the nearer
        one; of several contour planes at one slice the nearest is used; each with a note.
    accept_frame
        Take the structures as drawn in the series' frame of reference though they name another.
    accept_patients
        Continue though file and series name different patients.

    Raises
    ------
    InputError
        The file is damaged, not a structure set, or of another patient.
    GeometryError
        It was drawn on another series: another frame of reference, contours that are not parallel
        to the slices, a structure entirely outside the image.
    """
    planes = slice_planes(series)
    parsed = parse_structure_set(path)
    if not accept_patients:
        _check_patient(parsed, series, path)
    if not accept_frame:
        _check_frame(parsed, series, path)
    notes = list(parsed.notes)
    rois = [_on_slices(roi, planes, path, notes) for roi in parsed.rois]
    _check_coverage(rois, planes, path)
    return StructureSet(path, series, planes, tuple(rois), tuple(notes))


def _check_coverage(rois: list[RoiOnSlices], planes: SlicePlanes, path: Path) -> None:
    limits = np.array(planes.shape[::-1])
    areas = [
        np.ptp(np.clip(contour, 0, limits), axis=0).prod()
        for roi in rois
        for contours in roi.contours.values()
        for contour in contours
    ]
    coverage = sum(areas) / (limits.prod() * len(planes.origins_mm))
    if coverage > MAX_COVERAGE:
        raise InputError(
            f"{path}: {len(areas)} contours that cover the image {coverage:.0f} times; export "
            "fewer structures"
        )


def _check_patient(parsed: ParsedStructureSet, series: Series, path: Path) -> None:
    if parsed.patient.differs_from(series.patient):
        raise InputError(
            f"{path}: the patient (PatientID, or name and date of birth) differs "
            f"from that of {series.source}; if both are of one person, "
            "pass --accept-patients"
        )


def _check_frame(parsed: ParsedStructureSet, series: Series, path: Path) -> None:
    own = series.frame_of_reference_uid
    others = [roi for roi in parsed.rois if own and roi.frame_of_reference_uid not in ("", own)]
    if others:
        raise GeometryError(
            f"{path}: '{others[0].name}' is in frame of reference "
            f"{others[0].frame_of_reference_uid}, but {series.source} is in {own}; give the series "
            "on which it was drawn, or pass --accept-frame if this is the one"
        )


def _on_slices(roi: Roi, planes: SlicePlanes, path: Path, notes: list[str]) -> RoiOnSlices:
    steps = (imported_step(roi.algorithm),)
    if not roi.contours:
        return RoiOnSlices(roi.name, roi.colour, {}, roi.is_xor, steps)
    positions_mm = _positions_mm(roi, planes, path)
    index, relative_distance = planes.nearest(positions_mm)
    distance_mm = np.abs(positions_mm - planes.positions_mm[index])
    inside = relative_distance <= 1
    if not inside.any():
        raise GeometryError(
            f"{path}: structure '{roi.name}' extends from {positions_mm.min():.1f} to "
            f"{positions_mm.max():.1f} mm along the slices, the image from "
            f"{planes.positions_mm[0]:.1f} to {planes.positions_mm[-1]:.1f}; give the series on "
            "which it was drawn"
        )
    nearest_mm = np.full(len(planes.origins_mm), np.inf)
    np.minimum.at(nearest_mm, index, distance_mm)
    used = inside & (distance_mm <= nearest_mm[index] + SAME_PLANE_MM)
    contours: dict[int, list[Contour]] = {}
    for at in np.flatnonzero(used):
        contour = planes.pixels(index[at], roi.contours[at])
        contours.setdefault(int(index[at]), []).append(contour)
    notes += _notes(roi.name, planes, contours, distance_mm[used], inside, used)
    return RoiOnSlices(roi.name, roi.colour, contours, roi.is_xor, steps)


def _positions_mm(roi: Roi, planes: SlicePlanes, path: Path) -> Float64Array:
    """Of each contour along the normal; `GeometryError` for one not parallel to the slices."""
    positions = [points @ planes.normal for points in roi.contours]
    extents = np.array([np.ptp(position) for position in positions])
    if extents.max() > PLANARITY_TOLERANCE_MM:
        raise GeometryError(
            f"{path}: structure '{roi.name}', contour {int(extents.argmax()) + 1}: its points "
            f"extend over {extents.max():.1f} mm across the slices; give the series on which it "
            "was drawn"
        )
    return np.array([position.mean() for position in positions])


def _notes(
    name: str,
    planes: SlicePlanes,
    contours: dict[int, list[Contour]],
    distance_mm: Float64Array,
    inside: BoolArray,
    used: BoolArray,
) -> Iterator[str]:
    if distance_mm.max() > ON_SLICE_TOLERANCE_MM:
        yield (
            f"'{name}': contours up to {distance_mm.max():.2f} mm from a slice were assigned to "
            "the nearest"
        )
    if outside := np.count_nonzero(~inside):
        yield f"'{name}': {outside} of {len(inside)} contours are outside the first or last slice"
    if skipped := np.count_nonzero(inside & ~used):
        yield f"'{name}': {skipped} contours left out, others are nearer to the same slice"
    if gaps := max(contours) - min(contours) + 1 - len(contours):
        yield f"'{name}': no contour on {gaps} slices between its first and last"
    last = np.array(planes.shape[::-1]) - 0.5
    if clipped := sum(
        bool((contour < -0.5 - EDGE_TOLERANCE).any() or (contour > last + EDGE_TOLERANCE).any())
        for on_slice in contours.values()
        for contour in on_slice
    ):
        yield f"'{name}': {clipped} contours clipped at the edge of the image"
