"""From the slices of a DICOM series to one volume, or a refusal that names the slices."""

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_rescale

from radfuse.errors import GeometryError, InputError
from radfuse.intensity import AIR_HU
from radfuse.io.dicom_scan import DicomSeries

Floats = NDArray[np.float64]

ANGLE_TOLERANCE = 1e-3
"""Difference of direction cosines within a series that rounding explains."""

GRID_TOLERANCE_MM = 0.1
"""How far a slice may lie from its place on a regular grid; headers round to this."""

DRIFT_TOLERANCE_MM = 0.2
"""How far the slices of one stack may drift sideways before it counts as gantry tilt."""

NAMED = 3
"""Files named in an error message, at most."""


def read_stack(series: DicomSeries) -> tuple[sitk.Image, DicomSeries]:
    """The volume of a series (float32, LPS mm) and the series in the volume's order.

    CT in HU. Raises `GeometryError` for what does not lie on one regular grid, `InputError` for
    pixels that are truncated, in colour, or several frames a file.
    """
    _check_alike(series)
    rows, columns = _directions(series.headers[0])
    normal = np.cross(rows, columns)
    positions = np.array([header.ImagePositionPatient for header in series.headers], np.float64)
    order = np.argsort(positions @ normal, kind="stable")
    series = DicomSeries(
        series.uid,
        tuple(series.headers[index] for index in order),
        tuple(series.files[index] for index in order),
    )
    step = _regular_step_mm(positions[order], normal, series.files)
    image = sitk.GetImageFromArray(_voxels(series))
    between_rows, between_columns = map(float, series.headers[0].PixelSpacing)
    image.SetSpacing((between_columns, between_rows, step))
    image.SetOrigin(positions[order[0]].tolist())
    image.SetDirection(np.column_stack([rows, columns, normal]).ravel().tolist())
    return image, series


def _check_alike(series: DicomSeries) -> None:
    """Refuse a series whose images cannot belong to one grid, and name the odd ones."""
    for keyword in ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing"):
        if lacking := [
            path
            for header, path in zip(series.headers, series.files, strict=True)
            if not header.get(keyword)
        ]:
            raise GeometryError(f"{_names(lacking)}: no {keyword}: place in the patient unknown")
    if several := [
        path
        for header, path in zip(series.headers, series.files, strict=True)
        if int(header.get("NumberOfFrames") or 1) > 1
    ]:
        raise InputError(f"{_names(several)}: multi-frame; convert to one image a file first")
    if coloured := [
        path
        for header, path in zip(series.headers, series.files, strict=True)
        if header.get("SamplesPerPixel", 1) != 1
    ]:
        raise InputError(f"{_names(coloured)}: a colour image, not the values of a scanner")
    _check_same(series, "size", [(h.Rows, h.Columns) for h in series.headers], 0)
    orientations = [h.ImageOrientationPatient for h in series.headers]
    _check_same(series, "orientation", orientations, ANGLE_TOLERANCE)
    _check_same(series, "pixel spacing", [h.PixelSpacing for h in series.headers], ANGLE_TOLERANCE)
    frames = {header.get("FrameOfReferenceUID") for header in series.headers}
    if len(frames) > 1:
        raise GeometryError(f"{series.line}: {len(frames)} frames of reference in one series")
    if len(series.files) < 2:
        raise GeometryError(f"{series.files[0]}: one slice only; a volume needs 2 or more")


def _check_same(series: DicomSeries, what: str, values: list, tolerance: float) -> None:  # type: ignore[type-arg]
    table = np.array(values, np.float64)
    usual = np.median(table, axis=0)
    odd = np.abs(table - usual).max(axis=1) > tolerance
    if odd.any():
        files = [path for path, is_odd in zip(series.files, odd, strict=True) if is_odd]
        raise GeometryError(
            f"series of {len(table)} images with {what} {_listed(usual)}, but "
            f"{_listed(table[odd][0])} in {_names(files)}; move these away"
        )


def _directions(header: Dataset) -> tuple[Floats, Floats]:
    """Unit vectors along a row and along a column of the image."""
    cosines = np.array(header.ImageOrientationPatient, np.float64)
    rows, columns = cosines[:3], cosines[3:]
    lengths = np.array([np.linalg.norm(rows), np.linalg.norm(columns)])
    if np.abs(lengths - 1).max() > ANGLE_TOLERANCE or abs(rows @ columns) > ANGLE_TOLERANCE:
        raise GeometryError(f"ImageOrientationPatient {_listed(cosines)} has no right angle")
    rows = rows / lengths[0]
    columns = columns - (columns @ rows) * rows
    return rows, columns / np.linalg.norm(columns)


def _regular_step_mm(positions: Floats, normal: Floats, files: tuple[Path, ...]) -> float:
    """Distance of neighbouring slices; raises `GeometryError` where it is not one."""
    travel = positions - positions[0]
    heights = travel @ normal
    steps = np.diff(heights)
    for index in np.flatnonzero(steps < GRID_TOLERANCE_MM):
        raise GeometryError(f"{_names(files[index : index + 2])}: two slices at the same position")
    drift = np.linalg.norm(travel - np.outer(heights, normal), axis=1)
    if drift.max() > DRIFT_TOLERANCE_MM:
        tilt = np.degrees(np.arctan2(drift[-1], heights[-1]))
        raise GeometryError(
            f"{files[0].parent}: slices drift sideways by {drift.max():.1f} mm, a gantry tilt of "
            f"{tilt:.1f} degrees; rectify the series first"
        )
    step = float(heights[-1] / len(steps))
    off = np.abs(heights - step * np.arange(len(heights)))
    if off.max() > GRID_TOLERANCE_MM:
        usual = float(np.median(steps))
        worst = int(np.abs(steps - usual).argmax())
        raise GeometryError(
            f"{files[0].parent}: slices are {steps.min():g} to {steps.max():g} mm apart, mostly "
            f"{usual:g}; the step is {steps[worst]:g} between {_names(files[worst : worst + 2])}: "
            "a slice is missing or two series are mixed"
        )
    return step


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
    values = np.asarray(apply_rescale(stored, header), np.float32)
    if "PixelPaddingValue" in header:
        ends = header.PixelPaddingValue, header.get("PixelPaddingRangeLimit", None)
        low, high = ends[0], ends[0] if ends[1] is None else ends[1]
        padding = (stored >= min(low, high)) & (stored <= max(low, high))
        values = np.where(padding, np.float32(AIR_HU if header.Modality == "CT" else 0), values)
    return values


def _names(files: list[Path] | tuple[Path, ...]) -> str:
    listed = ", ".join(str(path) for path in files[:NAMED])
    return f"{listed} and {len(files) - NAMED} more" if len(files) > NAMED else listed


def _listed(values: Floats) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in np.atleast_1d(values)) + ")"
