"""From the slices of a DICOM series to one volume, or a refusal that names the slices."""

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut

from radfuse.errors import GeometryError, InputError
from radfuse.intensity import AIR_HU
from radfuse.io.dicom.scan import DicomSeries

Floats = NDArray[np.float64]

ANGLE_TOLERANCE = 1e-4
"""Difference of direction cosines within a series that rounding explains."""

GRID_TOLERANCE_MM = 0.1
"""How far a slice may lie from its place on a regular grid; headers round to this."""

DRIFT_TOLERANCE_MM = 0.2
"""How far the slices of one stack may drift sideways before it counts as gantry tilt."""

GREY = ("MONOCHROME1", "MONOCHROME2", None)
"""Photometric interpretations of scanners' images; palettes and colours are none."""

NAMED = 3
"""Files named in an error message, at most."""


def read_stack(series: DicomSeries) -> tuple[sitk.Image, DicomSeries]:
    """The volume of a series (float32, LPS mm) and the series in the volume's order.

    CT in HU. Raises `GeometryError` for what does not lie on one regular grid, `InputError` for
    pixels that are truncated, in colour, or several frames a file.
    """
    _check_alike(series)
    positions = _table(series, "ImagePositionPatient", 3)
    cosines = np.median(_table(series, "ImageOrientationPatient", 6), axis=0)
    rows, columns = _directions(cosines, series.files[0])
    normal = np.cross(rows, columns)
    order = np.argsort(positions @ normal, kind="stable")
    series = DicomSeries(
        series.uid,
        tuple(series.headers[index] for index in order),
        tuple(series.files[index] for index in order),
    )
    step = _regular_step_mm(positions[order], normal, series.files)
    between_rows, between_columns = np.median(_table(series, "PixelSpacing", 2), axis=0)
    if not min(between_rows, between_columns) > 0:
        raise GeometryError(
            f"{series.files[0].parent}: PixelSpacing {between_rows:g} x {between_columns:g} mm; "
            "export the series again"
        )
    image = sitk.GetImageFromArray(_voxels(series))
    image.SetSpacing((between_columns, between_rows, step))
    image.SetOrigin(positions[order[0]].tolist())
    image.SetDirection(np.column_stack([rows, columns, normal]).ravel().tolist())
    return image, series


def _check_alike(series: DicomSeries) -> None:
    """Refuse a series whose images cannot belong to one grid, and name the odd ones."""
    pairs = list(zip(series.headers, series.files, strict=True))
    if several := [path for header, path in pairs if int(header.get("NumberOfFrames") or 1) > 1]:
        raise InputError(f"{_names(several)}: multi-frame; convert to one image a file first")
    if coloured := [path for header, path in pairs if header.get("SamplesPerPixel", 1) != 1]:
        raise InputError(
            f"{_names(coloured)}: a colour image, not the values of a scanner; give the original"
        )
    if strange := [
        path for header, path in pairs if header.get("PhotometricInterpretation") not in GREY
    ]:
        raise InputError(f"{_names(strange)}: no grey image of a scanner; give the original")
    sizes = np.array([(header.Rows, header.Columns) for header in series.headers], np.float64)
    _check_same(series, "size", sizes, 0)
    _check_same(series, "orientation", _table(series, "ImageOrientationPatient", 6))
    _check_same(series, "pixel spacing", _table(series, "PixelSpacing", 2))
    frames = [str(header.get("FrameOfReferenceUID") or "") for header in series.headers]
    usual = max(frames, key=frames.count)
    if odd := [path for path, frame in zip(series.files, frames, strict=True) if frame != usual]:
        raise GeometryError(
            f"{_names(odd)}: another frame of reference than the rest of the series; move away"
        )
    if len(series.files) < 2:
        raise GeometryError(
            f"{series.files[0]}: one slice only; give the folder with 2 or more of its series"
        )


def _table(series: DicomSeries, keyword: str, count: int) -> Floats:
    """The numbers of an attribute of every image, (images, count), none of them missing."""
    rows = [_numbers(header, keyword) for header in series.headers]
    if lacking := [
        path
        for row, path in zip(rows, series.files, strict=True)
        if row.shape != (count,) or not np.isfinite(row).all()
    ]:
        raise GeometryError(
            f"{_names(lacking)}: no {keyword} of {count} numbers, so the place in the patient is "
            "unknown; export the series again"
        )
    return np.array(rows)


def _numbers(header: Dataset, keyword: str) -> Floats:
    """The numbers of an attribute; empty for what is absent or no number."""
    try:
        value = header.get(keyword)
        return np.atleast_1d(np.array([] if value is None else value, np.float64))
    except ValueError:
        return np.array([])


def _check_same(
    series: DicomSeries, what: str, table: Floats, tolerance: float = ANGLE_TOLERANCE
) -> None:
    _, kind, counts = np.unique(table.round(2), axis=0, return_inverse=True, return_counts=True)
    usual = np.median(table[kind == counts.argmax()], axis=0)
    odd = np.abs(table - usual).max(axis=1) > tolerance
    if odd.any():
        files = [path for path, is_odd in zip(series.files, odd, strict=True) if is_odd]
        raise GeometryError(
            f"series of {len(table)} images with {what} {_listed(usual)}, but "
            f"{_listed(table[odd][0])} in {_names(files)}; move these away"
        )


def _directions(cosines: Floats, path: Path) -> tuple[Floats, Floats]:
    """Unit vectors along a row and along a column of the image."""
    rows, columns = cosines[:3], cosines[3:]
    lengths = np.array([np.linalg.norm(rows), np.linalg.norm(columns)])
    if np.abs(lengths - 1).max() > ANGLE_TOLERANCE or abs(rows @ columns) > ANGLE_TOLERANCE:
        raise GeometryError(
            f"{path}: ImageOrientationPatient {_listed(cosines)} is no right angle of unit "
            "vectors; export the series again"
        )
    rows = rows / lengths[0]
    columns = columns - (columns @ rows) * rows
    return rows, columns / np.linalg.norm(columns)


def _regular_step_mm(positions: Floats, normal: Floats, files: tuple[Path, ...]) -> float:
    """Distance of neighbouring slices; raises `GeometryError` where it is not one."""
    travel = positions - positions[0]
    heights = travel @ normal
    steps = np.diff(heights)
    if steps.min() < GRID_TOLERANCE_MM:
        at = int(steps.argmin())
        raise GeometryError(
            f"{_names(files[at : at + 2])}: two slices at the same position; move one of them, or "
            "the second acquisition, away"
        )
    _check_upright(travel - np.outer(heights, normal), heights, files)
    step = float(heights[-1] / len(steps))
    off = np.abs(heights - step * np.arange(len(heights)))
    if off.max() > GRID_TOLERANCE_MM:
        usual = float(np.median(steps))
        worst = int(np.abs(steps - usual).argmax())
        raise GeometryError(
            f"{files[0].parent}: slices are {steps.min():.4g} to {steps.max():.4g} mm apart, "
            f"mostly {usual:.4g}; the step is {steps[worst]:.4g} between "
            f"{_names(files[worst : worst + 2])}: a slice is missing or two series are mixed; "
            "export the series again"
        )
    return step


def _check_upright(sideways: Floats, heights: Floats, files: tuple[Path, ...]) -> None:
    """Refuse slices that do not lie above each other; `sideways` is (slices, 3) in mm."""
    drift = np.linalg.norm(sideways, axis=1)
    if drift.max() <= DRIFT_TOLERANCE_MM:
        return
    lean = sideways[-1] / heights[-1]
    away = np.linalg.norm(sideways - np.outer(heights, lean), axis=1)
    if away.max() > DRIFT_TOLERANCE_MM:
        raise GeometryError(
            f"{files[away.argmax()]}: this slice lies {away.max():.1f} mm beside the line of the "
            f"others in {files[0].parent}; two series are mixed; move one away"
        )
    raise GeometryError(
        f"{files[0].parent}: slices drift sideways by {drift.max():.1f} mm, a gantry tilt of "
        f"{np.degrees(np.arctan(np.linalg.norm(lean))):.1f} degrees; rectify the series first"
    )


def _voxels(series: DicomSeries) -> NDArray[np.float32]:
    first = series.headers[0]
    voxels = np.empty((len(series.files), first.Rows, first.Columns), np.float32)
    for index, (header, path) in enumerate(zip(series.headers, series.files, strict=True)):
        voxels[index] = _slice(header, path)
    return voxels


def _slice(header: Dataset, path: Path) -> NDArray[np.float32]:
    """Rescaled values of one file; padding becomes air."""
    try:
        stored = pydicom.dcmread(path).pixel_array
    except Exception as error:  # a decoder raises whatever it likes at a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: pixels damaged or truncated: {reason[:200]}") from error
    values = _rescaled(stored, header, path)
    values[_padding(stored, header)] = AIR_HU if header.get("Modality") == "CT" else 0
    return values


def _rescaled(stored: NDArray[np.integer], header: Dataset, path: Path) -> NDArray[np.float32]:
    """Values in the unit of the series: HU for a CT."""
    if header.get("ModalityLUTSequence"):
        return np.array(apply_modality_lut(stored, header), np.float32)
    slope, intercept = (
        _numbers(header, keyword) if header.get(keyword) not in (None, "") else np.array([default])
        for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0))
    )
    if not (slope.size == intercept.size == 1 and np.isfinite([slope, intercept]).all() and slope):
        raise InputError(
            f"{path}: RescaleSlope {header.get('RescaleSlope')} and RescaleIntercept "
            f"{header.get('RescaleIntercept')} make no values; export the series again"
        )
    return (stored * slope + intercept).astype(np.float32)


def _padding(stored: NDArray[np.integer], header: Dataset) -> NDArray[np.bool_]:
    """Where nothing was measured, by PixelPaddingValue and PixelPaddingRangeLimit.

    Scanners write a negative value as unsigned: it has the right bits, not the right sign.
    """
    ends = [header.get(keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None:
        return np.zeros(stored.shape, np.bool_)
    bits = np.array([end for end in ends if end is not None], np.int64).astype(stored.dtype)
    return np.asarray((stored >= bits.min()) & (stored <= bits.max()))


def _names(files: list[Path] | tuple[Path, ...]) -> str:
    listed = ", ".join(str(path) for path in files[:NAMED])
    return f"{listed} and {len(files) - NAMED} more" if len(files) > NAMED else listed


def _listed(values: Floats) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in np.atleast_1d(values)) + ")"
