"""Gantry tilt: detected in the positions of the slices, corrected by shifting each in its plane.

The slices of a tilted gantry are not above each other: each is offset sideways in proportion to its
height. The shift moves them onto an upright grid that contains them all.
"""

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array, Float64Array
from radfuse.dicom.read.series import Slice
from radfuse.errors import GeometryError

SIDEWAYS_TOLERANCE_MM = 0.2
"""Sideways offset of slices from a straight line that is not a gantry tilt; headers round."""

MAX_TILT_DEGREES = 45.0
"""Gantries tilt up to 30 degrees; larger offsets are not a gantry tilt."""

PIXEL_TOLERANCE = 1e-4
"""Rounding of an offset, in pixels."""


def tilt_degrees(
    offsets_mm: Float64Array, heights_mm: Float64Array, slices: tuple[Slice, ...]
) -> float:
    """Angle of the gantry, 0 within rounding.

    `offsets_mm` (slices, 2), along the rows and columns, and `heights_mm` (slices,), along the
    normal, are relative to the first slice. Raises `GeometryError` for slices that are not on a
    line and for an angle above `MAX_TILT_DEGREES`.
    """
    if np.linalg.norm(offsets_mm, axis=1).max() <= SIDEWAYS_TOLERANCE_MM:
        return 0.0
    slope = offsets_mm[-1] / heights_mm[-1]
    deviation = np.linalg.norm(offsets_mm - np.outer(heights_mm, slope), axis=1)
    folder = slices[0].path.parent
    if deviation.max() > SIDEWAYS_TOLERANCE_MM:
        outlier, distance_mm = _outlier(offsets_mm, heights_mm)
        raise GeometryError(
            f"{slices[outlier].name}: the slice is {distance_mm:.1f} mm off the line through the "
            f"other slices in {folder}; two series may be mixed; move one away"
        )
    degrees = float(np.degrees(np.arctan(np.linalg.norm(slope))))
    if degrees > MAX_TILT_DEGREES:
        raise GeometryError(
            f"{folder}: the slices are offset as by a gantry tilt of {degrees:.1f} degrees, the "
            f"maximum is {MAX_TILT_DEGREES:g}; two series may be mixed; export the series again"
        )
    return degrees


def _outlier(offsets_mm: Float64Array, heights_mm: Float64Array) -> tuple[int, float]:
    """Index of the slice farthest from the line through the others, and the distance in mm."""
    fits = []
    line = np.column_stack([np.ones_like(heights_mm), heights_mm])
    for index in range(len(heights_mm)):
        others = np.arange(len(heights_mm)) != index
        slope = np.linalg.lstsq(line[others], offsets_mm[others], rcond=None)[0]
        residuals = np.linalg.norm(offsets_mm - line @ slope, axis=1)
        fits.append((residuals[others].max(), -residuals[index], index))
    _, distance, outlier = min(fits)
    return outlier, float(-distance)


def upright_extent(
    offsets_mm: Float64Array, pixel_mm: Float64Array
) -> tuple[Float64Array, tuple[int, int]]:
    """Grid that contains all slices: its offset from the first slice, and columns and rows to add.

    The offset is a multiple of `pixel_mm`, the pixel spacing along the rows and columns.
    """
    first = np.floor(offsets_mm.min(axis=0) / pixel_mm + PIXEL_TOLERANCE) * pixel_mm
    extra = np.ceil((offsets_mm.max(axis=0) - first) / pixel_mm - PIXEL_TOLERANCE).astype(int)
    return first, (int(extra[0]), int(extra[1]))


def shift_in_plane(
    values: Float32Array,
    pixel_mm: tuple[float, float],
    shift_mm: Float64Array,
    size: tuple[int, int],
) -> Float32Array:
    """A slice (rows, columns) on the upright grid of `size` columns and rows.

    `shift_mm` is from the first pixel of the grid to that of the slice. Linear interpolation; NaN
    outside the slice.
    """
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(pixel_mm)
    image.SetOrigin(shift_mm.tolist())
    resampled = sitk.Resample(
        image, size, sitk.Transform(2, sitk.sitkIdentity), sitk.sitkLinear,
        (0.0, 0.0), pixel_mm, (1.0, 0.0, 0.0, 1.0), np.nan,
    )  # fmt: skip
    return np.array(sitk.GetArrayViewFromImage(resampled), np.float32)


def tilt_note(degrees: float) -> str:
    """Note on a corrected gantry tilt."""
    return f"gantry tilt of {degrees:.1f} degrees corrected: each slice was shifted in its plane"
