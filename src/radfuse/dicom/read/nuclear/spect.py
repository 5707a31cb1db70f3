"""Nuclear Medicine (NM) images: which of them are volumes, and where each of their frames is.

An NM image states the position and orientation of its first slice, in the item of its detector, and
the step to the next: PS3.3 C.8.4.11, C.8.4.15.
"""

import numpy as np
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.tag import Tag
from pydicom.uid import NuclearMedicineImageStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.arrays import Float64Array
from radfuse.dicom.read.nuclear.attributes import attribute, values_of

VOLUME = "RECON TOMO"
"""Value 3 of ImageType of a reconstructed volume."""

KINDS = {
    "TOMO": "raw projections of a SPECT", "GATED TOMO": "raw projections of a gated SPECT",
    "RECON GATED TOMO": "a gated SPECT", "STATIC": "a planar image",
    "WHOLE BODY": "planar images of the whole body", "DYNAMIC": "a planar time series",
    "GATED": "gated planar images",
}  # fmt: skip
"""Others in words: PS3.3 C.8.4.9.1.1."""

TRANSMISSION = "TRANSMISSION"
"""Value 4 of ImageType of an image of the attenuation, not of the uptake."""

VECTORS = (
    "EnergyWindowVector", "DetectorVector", "PhaseVector", "RotationVector", "RRIntervalVector",
    "TimeSlotVector", "SliceVector", "AngularViewVector", "TimeSliceVector",
)  # fmt: skip
"""Attributes with a value for each frame: PS3.3 C.8.4.8."""

GEOMETRY = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6}
"""Attributes of the first slice in the item of the detector, with the number of their values."""

DECIMALS = 9
"""Of positions, in mm: rounding of a float64."""


def is_nuclear(header: Dataset) -> bool:
    """Whether an object is a Nuclear Medicine image."""
    return bool(header.get("SOPClassUID") == NuclearMedicineImageStorage)


def volume_problem(header: Dataset) -> str:
    """Why a Nuclear Medicine image is not a volume; empty for a volume and for other images."""
    if not is_nuclear(header):
        return ""
    _, _, kind, source, *_ = (*values_of(header, "ImageType"), "", "", "", "")
    kind = kind.replace("_", " ")
    if kind != VOLUME:
        words = KINDS.get(kind, "not a SPECT volume")
        return f"{words} (value 3 of ImageType is {kind or 'missing'}, not {VOLUME})"
    if source == TRANSMISSION:
        return f"a map of the attenuation (value 4 of ImageType is {source})"
    if _first_slice(header) is None:
        return (
            "a volume without a position in the patient (DetectorInformationSequence has no "
            "ImagePositionPatient and ImageOrientationPatient)"
        )
    if not slice_step_mm(header):
        return (
            f"a volume without a slice spacing ({attribute('SpacingBetweenSlices')} and "
            f"{attribute('SliceThickness')} are missing or 0)"
        )
    return ""


def slice_step_mm(header: Dataset) -> float:
    """From a slice to the next along the normal of the first, negative if against it; 0 if unknown.

    SpacingBetweenSlices with its sign; where that is missing, SliceThickness.
    """
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        values = _numbers(header, keyword)
        if values.shape == (1,) and values[0]:
            return float(values[0])
    return 0.0


def volume_frames(header: Dataset, frames: list[Dataset]) -> list[Dataset]:
    """The headers of the frames of a volume with positions, and one value of each vector.

    Raises `ValueError` for a vector of another length, and for a SliceVector without each number
    from 1 to NumberOfSlices.
    """
    first = _first_slice(header)
    if first is None:
        return frames
    position, cosines = first
    step = slice_step_mm(header) * np.cross(cosines[:3], cosines[3:])
    vectors = {keyword: _vector(header, keyword, len(frames)) for keyword in VECTORS}
    slice_numbers = _slice_numbers(header, vectors["SliceVector"], len(frames))
    for index, (frame, number) in enumerate(zip(frames, slice_numbers, strict=True)):
        _set(frame, "ImagePositionPatient", position + (number - 1) * step)
        _set(frame, "ImageOrientationPatient", cosines)
        for keyword, values in vectors.items():
            if values:
                tag = Tag(keyword)
                frame[tag] = DataElement(tag, dictionary_VR(tag), values[index])
    return frames


def spect_notes(header: Dataset) -> list[str]:
    """A note on a volume whose slice spacing is not stated."""
    if not is_nuclear(header) or _numbers(header, "SpacingBetweenSlices").any():
        return []
    return [
        f"{attribute('SpacingBetweenSlices')} is missing; {attribute('SliceThickness')} is used, "
        "in the direction of the normal"
    ]


def _vector(header: Dataset, keyword: str, frame_count: int) -> list[int]:
    """The value of each frame; none where the attribute is missing."""
    numbers = [int(number) for number in _numbers(header, keyword)]
    if numbers and len(numbers) != frame_count:
        raise ValueError(f"{frame_count} frames, {len(numbers)} values of {keyword}")
    return numbers


def _slice_numbers(header: Dataset, vector: list[int], frame_count: int) -> list[int]:
    """Number of the slice of each frame, from 1: PS3.3 C.8.4.8."""
    stated = _numbers(header, "NumberOfSlices")
    slice_count = int(stated[0]) if stated.size else max(vector, default=frame_count)
    if not vector and slice_count != frame_count:
        raise ValueError(f"{frame_count} frames of {slice_count} slices without SliceVector")
    numbers = vector or list(range(1, frame_count + 1))
    missing = set(range(1, slice_count + 1)) - set(numbers)
    if missing or not 1 <= min(numbers) <= max(numbers) <= slice_count:
        raise ValueError(
            f"SliceVector has {len(set(numbers))} numbers from {min(numbers)} to {max(numbers)}, "
            f"expected each from 1 to NumberOfSlices, {slice_count}"
        )
    return numbers


def _first_slice(header: Dataset) -> tuple[Float64Array, Float64Array] | None:
    """Position and cosines of the first slice, from the first detector that has them."""
    for item in (*(header.get("DetectorInformationSequence") or ()), header):
        values = [_numbers(item, keyword) for keyword in GEOMETRY]
        if [len(one) for one in values] == [*GEOMETRY.values()]:
            return values[0], values[1]
    return None


def _numbers(header: Dataset, keyword: str) -> Float64Array:
    """The values of an attribute; empty if it is missing or not numeric."""
    try:
        value = header.get(keyword)
        numbers = np.atleast_1d(np.array([] if value is None else value, np.float64))
    except (ValueError, TypeError):
        return np.array([])
    return numbers if np.isfinite(numbers).all() else np.array([])


def _set(header: Dataset, keyword: str, numbers: Float64Array) -> None:
    tag = Tag(tag_for_keyword(keyword) or 0)
    texts = [format_number_as_ds(round(float(number), DECIMALS) + 0.0) for number in numbers]
    header[tag] = DataElement(tag, dictionary_VR(tag), texts)
