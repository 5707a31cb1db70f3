"""Read the structures of an RT Structure Set onto the grid of the series they were drawn on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radfuse.arrays import BoolArray, Float64Array
from radfuse.dicom.rtstruct.parse import Drawing, DrawnSet, read_drawings
from radfuse.dicom.rtstruct.slice_planes import SlicePlanes, from_slices, slice_planes
from radfuse.errors import GeometryError, InputError
from radfuse.series import Series
from radfuse.structures.label_maps import Colour, Structure
from radfuse.structures.polygons import Ring, area, rasterise

FLAT_MM = 0.2
"""How far the points of a contour may lie from their plane: headers round to this. A contour of
another orientation spreads over many slices."""

SAME_PLANE_MM = 0.01
"""Contours whose heights differ by less are of one plane."""

MOST_COVERED = 100
"""Times that all contours together may cover the image: more than any head has structures, and a
bound to the time that filling them takes."""

EDGE = 0.01
"""Pixels beyond the edge that rounding explains."""

ON_PLANE_MM = 0.1
"""A contour this near to a slice lies on it: the rounding of headers."""


@dataclass(frozen=True)
class Outline:
    """A structure as rings of pixel coordinates on the slices of a series."""

    name: str
    colour: Colour
    rings: dict[int, list[Ring]]
    """By index of the slice."""

    excluding: bool
    """Whether the rings are combined by exclusive or."""


@dataclass(frozen=True)
class StructureSet:
    """The outlines of a structure set, on the slices of a series."""

    source: Path
    series: Series
    planes: SlicePlanes
    outlines: tuple[Outline, ...]
    notes: tuple[str, ...]
    """What was passed over or taken otherwise than it is written, a sentence each."""

    def structures(self) -> Iterator[Structure]:
        """Fill one structure after the other, on the grid of the series' image.

        A plain contour that lies wholly in what is filled already is a hole: many programs mean
        it so. Raises `InputError` for a ring that is no outline.
        """
        for outline in self.outlines:
            stack = np.zeros((len(self.planes.origins_mm), *self.planes.shape), np.bool_)
            for index, rings in outline.rings.items():
                try:
                    _fill(stack[index], rings, excluding=outline.excluding)
                except InputError as error:
                    raise InputError(
                        f"{self.source}: structure '{outline.name}': {error}; export it again"
                    ) from error
            mask = from_slices(stack, self.series, self.planes)
            yield Structure(outline.name, mask, outline.colour)


def _fill(filled: BoolArray, rings: list[Ring], *, excluding: bool) -> None:
    """Fill an empty slice, one ring after the other, the large ones first."""
    for ring in sorted(rings, key=area, reverse=True):
        mask = rasterise(ring, (filled.shape[0], filled.shape[1]))
        if excluding or not (mask & ~filled).any():
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
        What it was drawn on. A contour between two slices goes to the nearer one; of several
        planes of contours at one slice the nearest counts; each with a note.
    accept_frame
        Take the structures as drawn in the series' frame of reference though they name another.
    accept_patients
        Go on though file and series name different patients.

    Raises
    ------
    InputError
        The file is damaged or no structure set, or of another patient.
    GeometryError
        It was drawn on another series: another frame of reference, contours that do not lie
        along the slices, a structure wholly outside of the image.
    """
    planes = slice_planes(series)
    drawn = read_drawings(path)
    if not accept_patients:
        _check_patient(drawn, series, path)
    if not accept_frame:
        _check_frame(drawn, series, path)
    notes = list(drawn.notes)
    outlines = [_outline(drawing, planes, path, notes) for drawing in drawn.drawings]
    _check_covered(outlines, planes, path)
    return StructureSet(path, series, planes, tuple(outlines), tuple(notes))


def _check_covered(outlines: list[Outline], planes: SlicePlanes, path: Path) -> None:
    far = np.array(planes.shape[::-1])
    boxes = [
        np.ptp(np.clip(ring, 0, far), axis=0).prod()
        for outline in outlines
        for rings in outline.rings.values()
        for ring in rings
    ]
    covered = sum(boxes) / (far.prod() * len(planes.origins_mm))
    if covered > MOST_COVERED:
        raise InputError(
            f"{path}: {len(boxes)} contours that cover the image {covered:.0f} times over; "
            "export fewer structures"
        )


def _check_patient(drawn: DrawnSet, series: Series, path: Path) -> None:
    if drawn.patient and series.patient and drawn.patient != series.patient:
        raise InputError(
            f"{path}: of another patient than {series.source} by the headers' PatientID; if they "
            "are one person, pass --accept-patients"
        )


def _check_frame(drawn: DrawnSet, series: Series, path: Path) -> None:
    own = series.frame_of_reference_uid
    odd = [
        drawing
        for drawing in drawn.drawings
        if own and drawing.frame_of_reference_uid not in ("", own)
    ]
    if odd:
        raise GeometryError(
            f"{path}: '{odd[0].name}' is drawn in frame of reference "
            f"{odd[0].frame_of_reference_uid}, but {series.source} is in {own}; give the series "
            "that it was drawn on, or pass --accept-frame if this is the one"
        )


def _outline(drawing: Drawing, planes: SlicePlanes, path: Path, notes: list[str]) -> Outline:
    if not drawing.contours:
        return Outline(drawing.name, drawing.colour, {}, drawing.excluding)
    heights = _heights_mm(drawing, planes, path)
    index, away = planes.nearest(heights)
    apart_mm = np.abs(heights - planes.heights_mm[index])
    inside = away <= 1
    if not inside.any():
        raise GeometryError(
            f"{path}: structure '{drawing.name}' lies at {heights.min():.1f} to "
            f"{heights.max():.1f} mm along the slices, the image at {planes.heights_mm[0]:.1f} to "
            f"{planes.heights_mm[-1]:.1f}; give the series that it was drawn on"
        )
    nearest_mm = np.full(len(planes.origins_mm), np.inf)
    np.minimum.at(nearest_mm, index, apart_mm)
    used = inside & (apart_mm <= nearest_mm[index] + SAME_PLANE_MM)
    rings: dict[int, list[Ring]] = {}
    for at in np.flatnonzero(used):
        ring = planes.pixels(index[at], drawing.contours[at])
        rings.setdefault(int(index[at]), []).append(ring)
    notes += _notes(drawing.name, planes, rings, apart_mm[used], inside, used)
    return Outline(drawing.name, drawing.colour, rings, drawing.excluding)


def _heights_mm(drawing: Drawing, planes: SlicePlanes, path: Path) -> Float64Array:
    """Of each contour along the normal; `GeometryError` for one that is not flat there."""
    heights = [points @ planes.normal for points in drawing.contours]
    spread = np.array([np.ptp(height) for height in heights])
    if spread.max() > FLAT_MM:
        raise GeometryError(
            f"{path}: structure '{drawing.name}', contour {int(spread.argmax()) + 1}: its points "
            f"spread over {spread.max():.1f} mm across the slices; give the series that it was "
            "drawn on"
        )
    return np.array([height.mean() for height in heights])


def _notes(
    name: str,
    planes: SlicePlanes,
    rings: dict[int, list[Ring]],
    apart_mm: Float64Array,
    inside: BoolArray,
    used: BoolArray,
) -> Iterator[str]:
    if apart_mm.max() > ON_PLANE_MM:
        yield f"'{name}': contours up to {apart_mm.max():.2f} mm from a slice went to the nearest"
    if beyond := np.count_nonzero(~inside):
        yield f"'{name}': {beyond} of {len(inside)} contours lie beyond the first or last slice"
    if skipped := np.count_nonzero(inside & ~used):
        yield f"'{name}': {skipped} contours left out, others lie nearer to the same slice"
    if gaps := max(rings) - min(rings) + 1 - len(rings):
        yield f"'{name}': no contour on {gaps} slices between its first and last"
    far = np.array(planes.shape[::-1]) - 0.5
    if cut := sum(
        bool((ring < -0.5 - EDGE).any() or (ring > far + EDGE).any())
        for parts in rings.values()
        for ring in parts
    ):
        yield f"'{name}': {cut} contours cut off at the edge of the image"
