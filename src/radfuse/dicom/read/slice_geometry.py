"""Geometry of the slices of a volume: their order, and the regular grid for them.

Unevenly spaced slices are interpolated onto a grid with their orientation, and a gantry tilt is
corrected (`gantry_tilt`). A gap without data of more than `MAX_GAP_MM` is refused.
"""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.dicom.read.gantry_tilt import tilt_degrees, tilt_note, upright_extent
from radfuse.dicom.read.series import Slice, VolumeSlices
from radfuse.dicom.read.slice_plane import (
    MAX_NAMES,
    SlicePlane,
    float_values,
    format_values,
    slice_names,
    slice_numbers,
    slice_plane,
)
from radfuse.errors import GeometryError
from radfuse.io.volume_checks import RIGHT_ANGLE_TOLERANCE
from radfuse.series import Patient

SAME_POSITION_MM = 0.1
"""Slices nearer than this have the same position; headers round to it."""

SAME_POSITION_REMEDIES = (
    "move away one of them, or the second acquisition",
    "export the acquisitions of this file as one series each",
)
"""What to do with two files, or two frames of one file."""

GRID_TOLERANCE_MM = 0.1
"""Distance of a slice from its position on a regular grid that is rounding of headers."""

MAX_GAP_MM = 3.0
"""Thickest layer without data between two slices that is interpolated: the spacing less the
thickness of the slices. It is below the largest slice spacing that planning systems use for the
head."""

FINE_STEP_QUANTILE = 0.1
"""Fraction of the spacings that may be finer than the spacing of the grid."""

MIN_STEP_MM = 0.5
"""Finest spacing of the grid, even if a few slices are nearer to each other."""

MAX_GAP_FRACTION = 0.5
"""Evenly spaced slices with a larger gap between them, relative to their thickness, get a note."""


@dataclass(frozen=True)
class SliceGeometry:
    """The slices in order, and the regular grid for them."""

    slices: tuple[Slice, ...]
    """In the direction of the normal."""

    origin_mm: Float64Array
    """LPS, of the centre of the first voxel of the grid, (3,)."""

    axes: Float64Array
    """Unit vectors along a row, along a column, along the normal, as columns, (3, 3)."""

    spacing_mm: tuple[float, float, float]
    """Along the axes."""

    size: tuple[int, int, int]
    """Voxels along the axes."""

    heights_mm: Float64Array
    """Heights of the slices above the first, along the normal, (n,)."""

    shifts_mm: Float64Array
    """From the first pixel of the grid to that of each slice, (n, 2); zero without tilt."""

    is_even: bool
    """Whether the slices are on the planes of the grid."""

    is_tilted: bool
    notes: tuple[str, ...]

    @property
    def regridded(self) -> bool:
        """Whether the volume is resampled."""
        return self.is_tilted or not self.is_even


def slice_geometry(volume: VolumeSlices) -> SliceGeometry:
    """Sort the slices of a volume along their normal and compute the grid for them.

    Raises `GeometryError` for slices of several patients, without a position, with the same
    position, off the line through the others, or with a gap between them.
    """
    slices = volume.slices
    if len(slices) < 2:
        raise GeometryError(
            f"{slices[0].name}: only one slice, a volume needs 2 or more; give the folder of the "
            "series"
        )
    _check_one_patient(slices)
    cosines = np.median(_attribute_table(slices, "ImageOrientationPatient", 6), axis=0)
    axes = _axes(cosines, slices[0])
    pixel_mm = np.median(_attribute_table(slices, "PixelSpacing", 2), axis=0)
    if not pixel_mm.min() > 0:
        raise GeometryError(
            f"{slices[0].path.parent}: PixelSpacing is {pixel_mm[0]:g} x {pixel_mm[1]:g} mm, "
            "expected positive values; export the series again"
        )
    median = replace(slice_plane(slices[0].header), orientation=cosines, spacing_mm=pixel_mm)
    positions = _attribute_table(slices, "ImagePositionPatient", 3)
    order = np.argsort(positions @ axes[:, 2], kind="stable")
    ordered = tuple(slices[index] for index in order)
    grid = _regular_grid(ordered, positions[order], axes, pixel_mm[::-1])
    return replace(grid, notes=(*_deviation_note(ordered, median), *grid.notes))


def _deviation_note(slices: tuple[Slice, ...], median: SlicePlane) -> list[str]:
    """A note on slices whose corners are not where the common orientation and spacing have them."""
    distances = [slice_plane(one.header).corner_distance_mm(median) for one in slices]
    deviating = [index for index, distance in enumerate(distances) if distance > GRID_TOLERANCE_MM]
    if not deviating:
        return []
    return [
        f"{slice_numbers(deviating)}: ImageOrientationPatient or PixelSpacing differs from the "
        f"other slices, by {max(distances):.2g} mm at a corner; read with the common geometry"
    ]


def _check_one_patient(slices: tuple[Slice, ...]) -> None:
    patients = {Patient.of(one.header) for one in slices}
    if any(one.id != other.id or one.differs_from(other)
           for one, other in combinations(patients, 2)):  # fmt: skip
        raise GeometryError(
            f"{slices[0].path.parent}: the series has images of several patients (PatientID, or "
            "name and date of birth); move those of the others away"
        )


def _regular_grid(
    slices: tuple[Slice, ...], positions: Float64Array, axes: Float64Array, pixel_mm: Float64Array
) -> SliceGeometry:
    """The grid for sorted slices; `pixel_mm` is along a row and along a column."""
    relative = positions - positions[0]
    offsets, heights = relative @ axes[:, :2], relative @ axes[:, 2]
    steps = np.diff(heights)
    if steps.min() < SAME_POSITION_MM:
        at = int(steps.argmin())
        raise GeometryError(
            f"{slice_names(slices[at : at + 2])}: two slices have the same position; "
            + SAME_POSITION_REMEDIES[slices[at].frame is not None]
        )
    tilt = tilt_degrees(offsets, heights, slices)
    step, count, is_even = _regular_steps(heights, slices)
    if not tilt:
        offsets = np.zeros_like(offsets)
    first, (columns, rows) = upright_extent(offsets, pixel_mm)
    header = slices[0].header
    notes = [tilt_note(tilt)] if tilt else []
    notes += _gap_note(step, slices) if is_even else [_uneven_note(steps, step)]
    return SliceGeometry(
        slices=slices,
        origin_mm=positions[0] + axes[:, :2] @ first,
        axes=axes,
        spacing_mm=(float(pixel_mm[0]), float(pixel_mm[1]), step),
        size=(int(header.Columns) + columns, int(header.Rows) + rows, count),
        heights_mm=heights,
        shifts_mm=offsets - first,
        is_even=is_even,
        is_tilted=bool(tilt),
        notes=tuple(notes),
    )


def _attribute_table(slices: tuple[Slice, ...], keyword: str, count: int) -> Float64Array:
    """The values of an attribute of every slice, (slices, count)."""
    rows = [float_values(one.header, keyword) for one in slices]
    if invalid := [
        one
        for row, one in zip(rows, slices, strict=True)
        if row.shape != (count,) or not np.isfinite(row).all()
    ]:
        raise GeometryError(
            f"{slice_names(invalid)}: {keyword} is missing or not {count} numbers, so the position "
            "in the patient is unknown; export the series again"
        )
    return np.array(rows)


def _axes(cosines: Float64Array, first: Slice) -> Float64Array:
    """Unit vectors along a row, along a column, and normal to both, as columns."""
    rows, columns = cosines[:3], cosines[3:]
    lengths = np.array([np.linalg.norm(rows), np.linalg.norm(columns)])
    if max(np.abs(lengths - 1).max(), abs(rows @ columns)) > RIGHT_ANGLE_TOLERANCE:
        raise GeometryError(
            f"{first.name}: ImageOrientationPatient is {format_values(cosines)}, not two "
            "perpendicular unit vectors; export the series again"
        )
    rows = rows / lengths[0]
    columns = columns - (columns @ rows) * rows
    columns /= np.linalg.norm(columns)
    return np.column_stack([rows, columns, np.cross(rows, columns)])


def _regular_steps(heights: Float64Array, slices: tuple[Slice, ...]) -> tuple[float, int, bool]:
    """Spacing and number of the planes of the grid, and whether each slice is on one of them.

    The first and last plane are the first and last slice.
    """
    steps = np.diff(heights)
    even = float(heights[-1] / len(steps))
    if np.abs(heights - even * np.arange(len(heights))).max() <= GRID_TOLERANCE_MM:
        return even, len(heights), True
    _check_gaps(steps, slices)
    fine = float(np.quantile(steps, FINE_STEP_QUANTILE, method="lower"))
    fine = max(fine, min(MIN_STEP_MM, float(np.median(steps))))
    count = round(float(heights[-1]) / fine)
    return float(heights[-1] / count), count + 1, False


def _check_gaps(steps: Float64Array, slices: tuple[Slice, ...]) -> None:
    median = float(np.median(steps))
    thickness = np.array([_thickness_mm(one, median) for one in slices])
    gaps = steps - (thickness[:-1] + thickness[1:]) / 2
    worst = int(gaps.argmax())
    if gaps[worst] > MAX_GAP_MM:
        raise GeometryError(
            f"{slices[0].path.parent}: the slice spacing is {steps.min():.4g} to "
            f"{steps.max():.4g} mm, median {median:.4g}; it is {steps[worst]:.4g} mm between "
            f"{slice_names(slices[worst : worst + 2])}, a gap of {gaps[worst]:.4g} mm without data "
            f"(at most {MAX_GAP_MM:g} are interpolated); a slice is missing or two series are "
            "mixed; export the series again"
        )


def _thickness_mm(one: Slice, largest: float) -> float:
    """SliceThickness; `largest` if it is missing, impossible or larger."""
    values = float_values(one.header, "SliceThickness")
    return float(values[0]) if values.size == 1 and 0 < values[0] < largest else largest


def _gap_note(step: float, slices: tuple[Slice, ...]) -> list[str]:
    thickness = float(np.median([_thickness_mm(one, step) for one in slices]))
    if step - thickness <= MAX_GAP_FRACTION * thickness:
        return []
    return [
        f"slices of {thickness:.4g} mm thickness are {step:.4g} mm apart; there are no data "
        "between them"
    ]


def _uneven_note(steps: Float64Array, step: float) -> str:
    deviation = np.abs(steps - step)
    largest_first = np.argsort(-deviation, kind="stable")
    odd = [index for index in largest_first if deviation[index] > GRID_TOLERANCE_MM]
    named = [f"{steps[index]:.4g} mm between {slice_numbers([index, index + 1])}"
             for index in sorted(odd[:MAX_NAMES])]  # fmt: skip
    more = f" and {len(odd) - MAX_NAMES} more" if len(odd) > MAX_NAMES else ""
    return (
        f"the slice spacing is {steps.min():.4g} to {steps.max():.4g} mm; interpolated to "
        f"{step:.4g} mm; it is {'; '.join(named)}{more}"
    )
