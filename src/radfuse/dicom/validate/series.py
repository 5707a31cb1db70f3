"""Whether the images of a series form one volume of one acquisition."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.dicom.validate.problem import Instance, Problem

ANGLE_TOLERANCE = 1e-4
"""Largest deviation of direction cosines from orthonormal, by rounding."""

STEP_TOLERANCE_MM = 0.1
"""Tolerance of a slice position on a regular grid."""

SHIFT_TOLERANCE_MM = 0.2
"""Lateral shift of the slices of a volume above which it is gantry tilt."""

SAME_POSITION_MM = 0.01
"""Slices closer than this are at one position."""

SHARED = ("StudyInstanceUID", "Modality", "PatientID", "FrameOfReferenceUID")
"""Attributes with the same value in all objects of a series."""

VOLUME_KEYWORDS = ("EchoNumbers", "TemporalPositionIdentifier", "TriggerTime", "DiffusionBValue",
        "AcquisitionNumber", "ImageType")  # fmt: skip
"""Attributes that split a series into volumes at one position: echoes, phases, reconstructions."""


def check_orientation(instance: Instance) -> Iterator[Problem]:
    """Direction cosines that are not orthonormal, spacings that are not positive."""
    cosines = instance.numbers("ImageOrientationPatient", 6)
    if cosines is not None:
        rows, columns = cosines[:3], cosines[3:]
        lengths = np.array([np.linalg.norm(rows), np.linalg.norm(columns)])
        if np.abs(lengths - 1).max() > ANGLE_TOLERANCE:
            yield instance.error(
                "ImageOrientationPatient",
                "vectors of length {:.5g} and {:.5g}, not 1".format(*lengths),
            )
        elif abs(rows @ columns) > ANGLE_TOLERANCE:
            angle = np.degrees(np.arccos(rows @ columns))
            yield instance.error(
                "ImageOrientationPatient", f"an angle of {angle:.4g} degrees, not 90"
            )
    for keyword in ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"):
        values = instance.numbers(keyword, 2 if keyword == "PixelSpacing" else 1)
        if values is not None and values.min() <= 0:
            is_error = keyword == "PixelSpacing" or values.min() < 0
            problem = instance.error if is_error else instance.warning
            yield problem(keyword, f"{values.min():g} mm")
    if instance.dataset.get("ImagePositionPatient") and not instance.text("FrameOfReferenceUID"):
        yield instance.error("FrameOfReferenceUID", "missing, though the image has a position")


def check_series(instances: Sequence[Instance]) -> Iterator[Problem]:
    """Differences within a series, and irregular slice positions; localizers are left out."""
    yield from _shared(instances)
    slices = [
        instance
        for instance in instances
        if instance.numbers("ImagePositionPatient", 3) is not None
        and instance.numbers("ImageOrientationPatient", 6) is not None
        and "LOCALIZER" not in (instance.dataset.get("ImageType") or ())
    ]
    deviating = list(_deviating(slices))
    yield from deviating
    if not deviating and len(slices) > 1:
        yield from _positions(slices)


def _shared(instances: Sequence[Instance]) -> Iterator[Problem]:
    for keyword in SHARED:
        values = [instance.text(keyword) for instance in instances]
        usual = max(values, key=values.count)
        for instance, value in zip(instances, values, strict=True):
            if value != usual:
                yield instance.error(keyword, "differs from the rest of the series")


def _deviating(slices: Sequence[Instance]) -> Iterator[Problem]:
    """Slices with another orientation, spacing or size than most."""
    for keyword, read, tolerance in (
        ("ImageOrientationPatient", _reader("ImageOrientationPatient", 6), ANGLE_TOLERANCE),
        ("PixelSpacing", _reader("PixelSpacing", 2), ANGLE_TOLERANCE),
        ("Rows", _reader("Rows", 1), 0.0),
        ("Columns", _reader("Columns", 1), 0.0),
    ):
        values = np.array([read(instance) for instance in slices])
        if not len(values):
            continue
        usual = _most_frequent(values, tolerance)
        for instance, value in zip(slices, values, strict=True):
            if np.abs(value - usual).max() > tolerance:
                yield instance.error(
                    keyword, f"{_listed(value)}; the rest of the series has {_listed(usual)}"
                )


def _reader(keyword: str, count: int) -> Callable[[Instance], Float64Array]:
    def read(instance: Instance) -> Float64Array:
        values = instance.numbers(keyword, count)
        return np.zeros(count) if values is None else values

    return read


def _most_frequent(values: Float64Array, tolerance: float) -> Float64Array:
    votes = [int((np.abs(values - one).max(axis=1) <= tolerance).sum()) for one in values[:1000]]
    most_frequent: Float64Array = values[int(np.argmax(votes))]
    return most_frequent


def _positions(slices: Sequence[Instance]) -> Iterator[Problem]:
    """Slices at one position, irregular spacing, a sheared volume."""
    cosines = slices[0].numbers("ImageOrientationPatient", 6)
    positions = np.array([slice_.numbers("ImagePositionPatient", 3) for slice_ in slices])
    if cosines is None:
        return
    normal = np.cross(cosines[:3], cosines[3:])
    order = np.argsort(positions @ normal, kind="stable")
    ordered, positions = [slices[index] for index in order], positions[order]
    yield from _duplicates(ordered, positions)
    along_mm = positions @ normal
    first = np.concatenate([[True], np.diff(along_mm) > SAME_POSITION_MM])
    ordered = [slice_ for slice_, keep in zip(ordered, first, strict=True) if keep]
    yield from _irregular(ordered, along_mm[first])
    yield from _sheared(ordered, positions[first], normal)


def _duplicates(ordered: Sequence[Instance], positions: Float64Array) -> Iterator[Problem]:
    for (one, at), (other, there) in pairwise(zip(ordered, positions, strict=True)):
        same_volume = all(one.text(keyword) == other.text(keyword) for keyword in VOLUME_KEYWORDS)
        if same_volume and np.linalg.norm(at - there) < SAME_POSITION_MM:
            yield other.error("ImagePositionPatient", f"same position as {one.file.name}")


def _irregular(ordered: Sequence[Instance], along_mm: Float64Array) -> Iterator[Problem]:
    steps = np.diff(along_mm)
    if len(steps) < 2:
        return
    usual = float(np.median(steps))
    for index in map(int, np.flatnonzero(np.abs(steps - usual) > STEP_TOLERANCE_MM)):
        yield ordered[index + 1].error(
            "ImagePositionPatient",
            f"{steps[index]:.4g} mm from {ordered[index].file.name}; most steps are {usual:.4g} mm",
        )


def _sheared(
    ordered: Sequence[Instance], positions: Float64Array, normal: Float64Array
) -> Iterator[Problem]:
    offsets = positions - positions[0]
    lateral = offsets - np.outer(offsets @ normal, normal)
    shift_mm = float(np.linalg.norm(lateral, axis=1).max())
    if shift_mm > SHIFT_TOLERANCE_MM:
        yield ordered[0].warning(
            "ImagePositionPatient",
            f"the slices shift laterally by {shift_mm:.3g} mm: gantry tilt, or several volumes",
        )


def _listed(values: Float64Array) -> str:
    return "\\".join(f"{value:.6g}" for value in values)
