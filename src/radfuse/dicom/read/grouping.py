"""Group the slices of a series into volumes, and choose the one to read.

A series of a scanner may contain localizers, reformats of another orientation, several echoes and
phases. The slices of a volume agree in modality, size, orientation and pixel spacing, within
rounding, and no two of them have the same position. The main volume of a series is much larger than
all others, and none of the others may be a part of its body.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, pairwise

import numpy as np
from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag

from radfuse.arrays import Float64Array
from radfuse.dicom.read.derived import is_localizer
from radfuse.dicom.read.fragments import continuations
from radfuse.dicom.read.nuclear.spect import volume_problem
from radfuse.dicom.read.scan import Scan, damage_of
from radfuse.dicom.read.series import DicomSeries, Slice, VolumeSlices
from radfuse.dicom.read.slice_geometry import SAME_POSITION_MM
from radfuse.dicom.read.slice_plane import (
    SlicePlane,
    image_count,
    may_continue,
    positions_mm,
    slice_plane,
)
from radfuse.errors import GeometryError, InputError, NoImageError
from radfuse.modality import Modality

MAIN_FRACTION = 0.5
"""A volume is the main one if no other has more than this fraction of its slices."""

CONTRASTS = (
    "EchoNumbers", "EchoTime", "InversionTime", "TemporalPositionIdentifier",
    "TemporalPositionIndex", "DiffusionBValue", "StackID", "ImageType",
)  # fmt: skip
"""Attributes that differ between contrasts, which are never mixed in one volume."""

SPLITTING = (*CONTRASTS, "FrameOfReferenceUID")
"""Attributes that separate volumes whose slices interleave."""

ACQUISITIONS = (*SPLITTING, "AcquisitionNumber", "TriggerTime", "AcquisitionTime")
"""Attributes that separate acquisitions at the same position, the most reliable first."""

NOTED = (
    *CONTRASTS, "AcquisitionNumber", "TriggerTime", "DimensionIndexValues", "FrameReferenceTime",
)  # fmt: skip
"""Attributes whose values cannot identify a patient; notes only name the others that differ."""

Attribute = tuple[str, Callable[[Dataset], str]]
"""Name of an attribute, and its value in a header."""

VOLUME_MARK = "#"
"""Between the UID of a series and the number of a volume in it."""


@dataclass(frozen=True)
class ChosenVolume:
    """The volume to read, and notes on what was left out."""

    volume: VolumeSlices
    notes: tuple[str, ...]


def group_slices(series: DicomSeries) -> tuple[list[VolumeSlices], list[str]]:
    """The volumes of a series, the largest first, and notes on duplicates that were left out."""
    slices, notes = _without_duplicates(series.slices)
    notes = [*series.notes, *notes]
    groups = [part for group in _group_by_plane(slices) for part in _split_acquisitions(group)]
    groups.sort(key=_rank)
    if len(groups) == 1:
        return [VolumeSlices(series.uid, tuple(groups[0]))], notes
    return [
        VolumeSlices(f"{series.uid}{VOLUME_MARK}{number}", tuple(group), _difference(group, groups))
        for number, group in enumerate(groups, 1)
    ], notes


def _rank(group: list[Slice]) -> tuple[bool, int, str]:
    """Localizers last, the largest first; ties are independent of file names."""
    uids = (str(one.header.get("SOPInstanceUID") or "") for one in group)
    return any(is_localizer(one.header) for one in group), -len(group), min(uids)


def choose_volume(scan: Scan, modality: Modality, uid: str | None) -> ChosenVolume:
    """The volume with a UID, or the main volume of the only series of the modality.

    Localizers do not count, nor our own output beside others. Raises `NoImageError` without such a
    series, `InputError` or `GeometryError` where there are several to choose from.
    """
    series_uid, _, number = (uid or "").partition(VOLUME_MARK)
    series = _choose_series(scan, modality, series_uid or None)
    if damage := damage_of(scan, series):
        raise InputError(damage)
    volumes, notes = group_slices(series)
    if number:
        matches = [volume for volume in volumes if volume.uid == uid]
        if not matches:
            raise InputError(f"{scan.folder}: no volume {uid}; choose one of:{_listed(volumes)}")
        chosen = _chosen(matches[0], volumes, notes)
    else:
        chosen = main_volume(series, volumes, notes, modality, () if uid else scan.series)
    derived = [f"{scan.folder}: derived: {series.derivation.reason}"] if series.derivation else []
    return ChosenVolume(chosen.volume, (*scan.problems(), *derived, *chosen.notes))


def _damaged(scan: Scan) -> InputError:
    path, reason = next(iter(scan.broken.items()))
    more = f" and {len(scan.broken) - 1} more" if len(scan.broken) > 1 else ""
    return InputError(f"{path}{more}: {reason}; export the series again")


def main_volume(
    series: DicomSeries,
    volumes: list[VolumeSlices],
    notes: list[str],
    modality: Modality,
    others: Iterable[DicomSeries] = (),
) -> ChosenVolume:
    """The main one of the volumes of a series; `GeometryError` where several are candidates.

    None of the other series may be a part of it.
    """
    first, *rest = volumes
    option = f"choose one with --{modality.option}-series UID"
    if any(_is_candidate(one, first) for one in rest):
        raise GeometryError(
            f"series {series.uid} of {len(series.slices)} images contains {len(volumes)} volumes; "
            f"{option}{VOLUME_MARK}NUMBER:{_listed(volumes)}"
        )
    if parts := continuations(first.slices, series.uid, others):
        raise GeometryError(
            f"series {series.uid} of {len(series.slices)} images may continue in {len(parts)} "
            f"others of its number and description; {option}:{_listed([series, *parts])}"
        )
    return _chosen(first, volumes, notes)


def _is_candidate(one: VolumeSlices, first: VolumeSlices) -> bool:
    """Whether a volume may be a part of the body of the first, or is of similar size."""
    if may_continue(one.slices, first.slices):
        return True
    is_large = len(one.slices) > MAIN_FRACTION * len(first.slices)
    return is_large and not all(is_localizer(image.header) for image in one.slices)


def _chosen(chosen: VolumeSlices, volumes: list[VolumeSlices], notes: list[str]) -> ChosenVolume:
    left_out = [
        f"{image_count(one.slices)} left out: {_noted(one.difference)}"
        for one in volumes
        if one.uid != chosen.uid
    ]
    return ChosenVolume(_in_one_frame(chosen), (*notes, *left_out, *_mixture_notes(chosen.slices)))


def _noted(difference: str) -> str:
    """A difference for a note: without the values of an attribute that may identify the patient."""
    name = difference.partition(" is ")[0]
    return difference if name.islower() or name.partition("[")[0] in NOTED else f"{name} differs"


def _mixture_notes(slices: tuple[Slice, ...]) -> list[str]:
    """Attributes that a volume should have one value of, and that differ between its slices."""
    counts = {keyword: len({_value(one.header, keyword) for one in slices})
              for keyword in ("FrameOfReferenceUID", *CONTRASTS)}  # fmt: skip
    return [
        f"{count} values of {keyword} in {len(slices)} slices; read as one volume, because their "
        "positions continue each other"
        for keyword, count in counts.items()
        if count > 1
    ]


def _in_one_frame(volume: VolumeSlices) -> VolumeSlices:
    """The volume with the most frequent FrameOfReferenceUID in all headers."""
    frames = Counter(_value(one.header, "FrameOfReferenceUID") for one in volume.slices)
    if len(frames) == 1:
        return volume
    frame = max(frames, key=lambda uid: (frames[uid], uid))
    slices = tuple(one.with_value("FrameOfReferenceUID", frame) for one in volume.slices)
    return replace(volume, slices=slices)


def _choose_series(scan: Scan, modality: Modality, uid: str | None) -> DicomSeries:
    content = "\n  ".join(sorted(one.line for one in scan.series)) or "no DICOM images"
    of_modality = [one for one in scan.series if one.modality == modality.code and one.is_image]
    if uid is not None:
        for one in of_modality:
            if one.uid == uid:
                return one
        raise InputError(
            f"{scan.folder}: no {modality} series has UID {uid}; the folder contains:\n  {content}"
        )
    candidates = [one for one in of_modality if not one.is_localizer]
    candidates = [
        one for one in candidates if not (one.derivation and one.derivation.is_own)
    ] or candidates
    if not candidates:
        if scan.broken and not scan.series:
            raise _damaged(scan)
        _refuse_projections(scan, modality)
        raise NoImageError(
            f"{scan.folder}: no {modality} series; the folder contains:\n  {content}"
        )
    if len(candidates) > 1:
        choices = "\n  ".join(sorted(one.line for one in candidates))
        option = f"--{modality.option}-series UID"
        raise InputError(
            f"{scan.folder}: {len(candidates)} {modality} series; choose one with {option}:"
            f"\n  {choices}"
        )
    return candidates[0]


def _refuse_projections(scan: Scan, modality: Modality) -> None:
    """Raise `NoImageError` for images of a modality that are not volumes, with what they are."""
    for series in scan.series:
        problem = volume_problem(series.headers[0])
        if series.modality == modality.code and problem:
            raise NoImageError(
                f"{series.files[0]}: {problem}; give the reconstructed volume of the {modality}"
            )


def _listed(choices: Sequence[DicomSeries | VolumeSlices]) -> str:
    return "".join(f"\n  {one.line}" for one in choices)


def _without_duplicates(slices: tuple[Slice, ...]) -> tuple[list[Slice], list[str]]:
    """Each instance once: an export may contain an image under two file names."""
    kept: dict[Hashable, Slice] = {}
    duplicates = []
    for index, one in enumerate(slices):
        key = (str(one.header.get("SOPInstanceUID") or index), one.frame)
        if key in kept and _acquisition(one.header) == _acquisition(kept[key].header):
            duplicates.append(one)
        else:
            kept[key if key not in kept else index] = one
    notes = [f"{image_count(duplicates)} left out: duplicates"] if duplicates else []
    return list(kept.values()), notes


def _acquisition(header: Dataset) -> list[str]:
    return [_value(header, keyword) for keyword in ("ImagePositionPatient", *ACQUISITIONS)]


def _value(header: Dataset, keyword: str) -> str:
    """The value of an attribute as text; empty without one."""
    value = header.get(keyword)
    return "" if value is None else str(value)


def _group_by_plane(slices: list[Slice]) -> list[list[Slice]]:
    """Slices whose planes are equal within rounding."""
    groups: dict[Hashable, list[tuple[SlicePlane, list[Slice]]]] = {}
    for one in slices:
        plane = slice_plane(one.header)
        candidates = groups.setdefault(plane.exact, [])
        for other, group in candidates:
            if plane.matches(other):
                group.append(one)
                break
        else:
            candidates.append((plane, [one]))
    return [group for candidates in groups.values() for _, group in candidates]


def _split_acquisitions(group: list[Slice]) -> list[list[Slice]]:
    """Split a group so that positions are unique, and contrasts whose slices interleave."""
    has_duplicates = _has_duplicate_positions(group)
    values = {one: [_value(each.header, one) for each in group] for one in ACQUISITIONS}
    varying = [one for one in ACQUISITIONS if len(set(values[one])) > 1]  # others split nothing
    for keywords in (*combinations(varying, 1), *combinations(varying, 2)):
        parts = _parts(group, zip(*(values[one] for one in keywords), strict=True))
        if any(len(part) < 2 or _has_duplicate_positions(part) for part in parts):
            continue
        if has_duplicates or (set(keywords) <= set(SPLITTING) and _interleave(parts)):
            return parts
    return _split_copies(group) if has_duplicates else [group]


def _split_copies(group: list[Slice]) -> list[list[Slice]]:
    """Split by the first attribute for whose values each part has every position once."""
    for _, value in _attributes(group):
        parts = _parts(group, [value(one.header) for one in group])
        heights = [_heights_mm(part) for part in parts]
        if len({one.size for one in heights}) == 1 < len(parts) and heights[0].size > 1:
            apart = np.ptp(heights, axis=0).max()
            if apart < SAME_POSITION_MM <= np.diff(heights[0]).min():
                return parts
    return [group]


def _parts(group: list[Slice], values: Iterable[Hashable]) -> list[list[Slice]]:
    """The slices by a value of each."""
    parts: dict[Hashable, list[Slice]] = {}
    for one, value in zip(group, values, strict=True):
        parts.setdefault(value, []).append(one)
    return list(parts.values())


def _attributes(group: list[Slice]) -> Iterator[Attribute]:
    """Attributes that may separate acquisitions: the usual ones, dimension indices, all others."""
    for keyword in ACQUISITIONS:
        yield keyword, partial(_value, keyword=keyword)
    for index in range(len(group[0].header.get("DimensionIndexValues") or ())):
        yield f"DimensionIndexValues[{index}]", partial(_dimension_index, index=index)
    tags = {tag for one in group for tag in one.header.keys()}  # noqa: SIM118  # as in multiframe
    plain = (tag for tag in sorted(tags) if dictionary_has_tag(tag) and dictionary_VR(tag) != "SQ")
    for keyword in map(keyword_for_tag, plain):
        yield keyword, partial(_value, keyword=keyword)


def _dimension_index(header: Dataset, index: int) -> str:
    indices = header.get("DimensionIndexValues") or ()
    return str(indices[index]) if index < len(indices) else ""


def _heights_mm(group: list[Slice]) -> Float64Array:
    """Positions along the normal of the first slice, sorted; empty if one is unknown."""
    positions, normal = positions_mm(group), slice_plane(group[0].header).normal
    return np.sort(positions @ normal) if positions.size and normal.size else np.array([])


def _interleave(parts: list[list[Slice]]) -> bool:
    """Whether slices of one part are between those of another."""
    heights = [_heights_mm(part) for part in parts]
    ranges = sorted((part[0], part[-1]) for part in heights if part.size)
    return any(after[0] < before[1] for before, after in pairwise(ranges))


def _has_duplicate_positions(group: list[Slice]) -> bool:
    heights = _heights_mm(group)
    return heights.size > 1 and bool(np.diff(heights).min() < SAME_POSITION_MM)


def _difference(group: list[Slice], groups: list[list[Slice]]) -> str:
    """The first difference from the largest group, or of the largest from the next."""
    other = groups[1] if group is groups[0] else groups[0]
    planes = [slice_plane(part[0].header) for part in (group, other)]
    if words := planes[0].difference(planes[1]):
        return words
    for name, value in _attributes(group):
        ours, theirs = ({value(one.header) for one in part} for part in (group, other))
        if len(ours) == len(theirs) == 1 and ours != theirs:
            return f"{name} is {ours.pop() or 'none'}, not {theirs.pop() or 'none'}"
    return "another acquisition at the same positions"
