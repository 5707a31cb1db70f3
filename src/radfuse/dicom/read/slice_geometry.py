"""Where the slices of a stack lie, by their headers alone, and on which regular grid they go.

Slices of a tilted gantry do not lie above each other, slices of two acquisitions are not evenly
spaced. Both can be resampled onto a regular grid that has the orientation of the slices: each slice
is shifted within its plane, and missing heights are interpolated between neighbours. What was never
measured is not invented: a hole between slices beyond `HOLE_LIMIT_MM` is refused.
"""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.dicom.read.grouping import (
    NAMED,
    SAME_PLACE_MM,
    Stack,
    listed,
    names,
    numbers,
)
from radfuse.dicom.read.scan import Slice
from radfuse.errors import GeometryError
from radfuse.io.volume_checks import RIGHT_ANGLE_TOLERANCE

GRID_TOLERANCE_MM = 0.1
"""How far a slice may lie from its place on a regular grid; headers round to this."""

DRIFT_TOLERANCE_MM = 0.2
"""How far the slices of one stack may drift sideways before it counts as gantry tilt."""

LARGEST_TILT_DEGREES = 45.0
"""No gantry tilts this far (30 degrees is the most); slices that lean more are no stack."""

HOLE_LIMIT_MM = 3.0
"""The thickest layer between two slices that may be filled by interpolation though nothing was
measured there: a step less the slices' thickness. Thinner than what a planning system's largest
slice spacing for the head loses anyway."""

FINE_STEPS = 0.1
"""Share of the steps that may be finer than the step of the regular grid."""

FINEST_STEP_MM = 0.5
"""A grid is not made finer than this because a few slices nearly lie on each other."""

GAP_SHARE = 0.5
"""Evenly spaced slices with more than this share of their thickness unmeasured between them are
read, for nothing is resampled, but it is noted."""

ON_A_PIXEL = 1e-4
"""Share of a pixel by which a shift may miss a whole number of them."""


@dataclass(frozen=True)
class Lattice:
    """The slices in order, and the regular grid for them."""

    slices: tuple[Slice, ...]
    """From the lowest along the normal to the highest."""

    origin_mm: Float64Array
    """LPS, of the centre of the grid's first voxel, (3,)."""

    axes: Float64Array
    """Unit vectors along a row, along a column, along the normal, as columns, (3, 3)."""

    spacing_mm: tuple[float, float, float]
    """Along the axes."""

    size: tuple[int, int, int]
    """Voxels along the axes."""

    heights_mm: Float64Array
    """Of the slices above the first, (n,)."""

    shifts_mm: Float64Array
    """From the grid's first column and row to each slice's, (n, 2); zero without tilt."""

    is_even: bool
    """Whether the slices lie on the grid's planes."""

    is_tilted: bool
    notes: tuple[str, ...]

    @property
    def regridded(self) -> bool:
        """Whether voxels are resampled on the way."""
        return self.is_tilted or not self.is_even


def lattice_of(stack: Stack) -> Lattice:
    """Order the slices of a stack and find the grid for them.

    Raises `GeometryError` for slices without a place, at one place, beside each other, leaning by
    more than a gantry does, or with a hole between them.
    """
    slices = stack.slices
    if len(slices) < 2:
        raise GeometryError(
            f"{slices[0].name}: one slice only; give the folder with 2 or more of its series"
        )
    _check_one_patient(slices)
    axes = _axes(np.median(_table(slices, "ImageOrientationPatient", 6), axis=0), slices[0])
    between = np.median(_table(slices, "PixelSpacing", 2), axis=0)
    if not between.min() > 0:
        raise GeometryError(
            f"{slices[0].path.parent}: PixelSpacing {between[0]:g} x {between[1]:g} mm; "
            "export the series again"
        )
    places = _table(slices, "ImagePositionPatient", 3)
    order = np.argsort(places @ axes[:, 2], kind="stable")
    ordered = tuple(slices[index] for index in order)
    return _laid(ordered, places[order], axes, between[::-1])


def _check_one_patient(slices: tuple[Slice, ...]) -> None:
    if len({str(one.header.get("PatientID") or "") for one in slices}) > 1:
        raise GeometryError(
            f"{slices[0].path.parent}: images of two patients in one series; part them"
        )


def _laid(
    slices: tuple[Slice, ...], places: Float64Array, axes: Float64Array, pixel_mm: Float64Array
) -> Lattice:
    """The lattice of slices in order; `pixel_mm` is along a row and along a column."""
    travel = places - places[0]
    sideways, heights = travel @ axes[:, :2], travel @ axes[:, 2]
    steps = np.diff(heights)
    if steps.min() < SAME_PLACE_MM:
        at = int(steps.argmin())
        raise GeometryError(
            f"{names(slices[at : at + 2])}: two slices at the same position; move one of them, or "
            "the second acquisition, away"
        )
    tilt = _tilt_degrees(sideways, heights, slices)
    step, count, is_even = _regular(heights, slices)
    shifts = sideways if tilt else np.zeros_like(sideways)
    first = np.floor(shifts.min(axis=0) / pixel_mm + ON_A_PIXEL) * pixel_mm
    beyond = np.ceil((shifts.max(axis=0) - first) / pixel_mm - ON_A_PIXEL).astype(int)
    header = slices[0].header
    notes = [_tilt_note(tilt, slices)] if tilt else []
    notes += _gap_note(step, slices) if is_even else [_uneven_note(steps, step, slices)]
    return Lattice(
        slices=slices,
        origin_mm=places[0] + axes[:, :2] @ first,
        axes=axes,
        spacing_mm=(float(pixel_mm[0]), float(pixel_mm[1]), step),
        size=(int(header.Columns + beyond[0]), int(header.Rows + beyond[1]), count),
        heights_mm=heights,
        shifts_mm=shifts - first,
        is_even=is_even,
        is_tilted=bool(tilt),
        notes=tuple(notes),
    )


def _table(slices: tuple[Slice, ...], keyword: str, count: int) -> Float64Array:
    """The numbers of an attribute of every slice, (slices, count), none of them missing."""
    rows = [numbers(one.header, keyword) for one in slices]
    if lacking := [
        one
        for row, one in zip(rows, slices, strict=True)
        if row.shape != (count,) or not np.isfinite(row).all()
    ]:
        raise GeometryError(
            f"{names(lacking)}: no {keyword} of {count} numbers, so the place in the patient is "
            "unknown; export the series again"
        )
    return np.array(rows)


def _axes(cosines: Float64Array, first: Slice) -> Float64Array:
    """Unit vectors along a row, along a column, and normal to both, as columns."""
    rows, columns = cosines[:3], cosines[3:]
    lengths = np.array([np.linalg.norm(rows), np.linalg.norm(columns)])
    if max(np.abs(lengths - 1).max(), abs(rows @ columns)) > RIGHT_ANGLE_TOLERANCE:
        raise GeometryError(
            f"{first.name}: ImageOrientationPatient {listed(cosines)} is no right angle of unit "
            "vectors; export the series again"
        )
    rows = rows / lengths[0]
    columns = columns - (columns @ rows) * rows
    columns /= np.linalg.norm(columns)
    return np.column_stack([rows, columns, np.cross(rows, columns)])


def _tilt_degrees(
    sideways: Float64Array, heights: Float64Array, slices: tuple[Slice, ...]
) -> float:
    """By how much the stack leans, 0 within rounding; `sideways` is (slices, 2) in mm."""
    if np.linalg.norm(sideways, axis=1).max() <= DRIFT_TOLERANCE_MM:
        return 0.0
    lean = sideways[-1] / heights[-1]
    away = np.linalg.norm(sideways - np.outer(heights, lean), axis=1)
    if away.max() > DRIFT_TOLERANCE_MM:
        stray, apart_mm = _stray(sideways, heights)
        raise GeometryError(
            f"{slices[stray].name}: this slice lies {apart_mm:.1f} mm beside the line of "
            f"the others in {slices[0].path.parent}; two series are mixed; move one away"
        )
    degrees = float(np.degrees(np.arctan(np.linalg.norm(lean))))
    if degrees > LARGEST_TILT_DEGREES:
        raise GeometryError(
            f"{slices[0].path.parent}: slices lean by {degrees:.1f} degrees, more than a gantry "
            "tilts; two series are mixed; export the series again"
        )
    return degrees


def _stray(sideways: Float64Array, heights: Float64Array) -> tuple[int, float]:
    """The slice that lies farthest from the line through the others, and how far."""
    found = []
    for index in range(len(heights)):
        others = np.arange(len(heights)) != index
        line = np.column_stack([np.ones_like(heights), heights])
        slope = np.linalg.lstsq(line[others], sideways[others], rcond=None)[0]
        rest = np.linalg.norm(sideways - line @ slope, axis=1)
        found.append((rest[others].max(), -rest[index], index))
    _, away, stray = min(found)
    return stray, float(-away)


def _regular(heights: Float64Array, slices: tuple[Slice, ...]) -> tuple[float, int, bool]:
    """Step and number of the grid's planes, and whether each slice lies on one of its own.

    The grid ends where the slices end, so that the outermost are not interpolated.
    """
    steps = np.diff(heights)
    even = float(heights[-1] / len(steps))
    if np.abs(heights - even * np.arange(len(heights))).max() <= GRID_TOLERANCE_MM:
        return even, len(heights), True
    _check_holes(steps, slices)
    fine = float(np.quantile(steps, FINE_STEPS, method="lower"))
    fine = max(fine, min(FINEST_STEP_MM, float(np.median(steps))))
    count = round(float(heights[-1]) / fine)
    return float(heights[-1] / count), count + 1, False


def _check_holes(steps: Float64Array, slices: tuple[Slice, ...]) -> None:
    usual = float(np.median(steps))
    thickness = np.array([_thickness_mm(one, usual) for one in slices])
    holes = steps - (thickness[:-1] + thickness[1:]) / 2
    worst = int(holes.argmax())
    if holes[worst] > HOLE_LIMIT_MM:
        raise GeometryError(
            f"{slices[0].path.parent}: slices are {steps.min():.4g} to {steps.max():.4g} mm apart, "
            f"mostly {usual:.4g}; the step is {steps[worst]:.4g} between "
            f"{names(slices[worst : worst + 2])}, so {holes[worst]:.4g} mm were never measured (at "
            f"most {HOLE_LIMIT_MM:g} are interpolated): a slice is missing or two series are "
            "mixed; export the series again"
        )


def _thickness_mm(one: Slice, usual: float) -> float:
    found = numbers(one.header, "SliceThickness")
    return float(found[0]) if found.size == 1 and 0 < found[0] < usual else usual


def _tilt_note(degrees: float, slices: tuple[Slice, ...]) -> str:
    return (
        f"{slices[0].path.parent}: a gantry tilt of {degrees:.1f} degrees, rectified: each slice "
        "was shifted within its plane"
    )


def _gap_note(step: float, slices: tuple[Slice, ...]) -> list[str]:
    thickness = float(np.median([_thickness_mm(one, step) for one in slices]))
    if step - thickness <= GAP_SHARE * thickness:
        return []
    return [
        f"{slices[0].path.parent}: slices of {thickness:.4g} mm lie {step:.4g} mm apart; what is "
        "between them was never measured"
    ]


def _uneven_note(steps: Float64Array, step: float, slices: tuple[Slice, ...]) -> str:
    away = np.abs(steps - step)
    off = [index for index in np.argsort(-away, kind="stable") if away[index] > GRID_TOLERANCE_MM]
    told = [f"{steps[index]:.4g} mm between {names(slices[index : index + 2])}"
            for index in sorted(off[:NAMED])]  # fmt: skip
    more = f" and {len(off) - NAMED} more" if len(off) > NAMED else ""
    return (
        f"{slices[0].path.parent}: slices are {steps.min():.4g} to {steps.max():.4g} mm apart; "
        f"interpolated onto steps of {step:.4g} mm; the step is {'; '.join(told)}{more}"
    )
