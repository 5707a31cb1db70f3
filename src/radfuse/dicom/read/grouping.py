"""Group the slices of a series into volumes, and choose the one to read.

A series of a scanner may contain localizers, reformats of another orientation, several echoes and
phases. The slices of a volume agree in size, orientation, pixel spacing and frame of reference, and
no two of them have the same position. The main volume of a series is much larger than all others.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from pydicom import Dataset

from radfuse.arrays import Float64Array
from radfuse.dicom.read.scan import DicomSeries, Scan, Slice, is_localizer
from radfuse.errors import GeometryError, InputError, NoImageError
from radfuse.modality import Modality

GroupKey = tuple[str | Float64Array, ...]
"""Attributes in which the slices of a volume agree, in the order of `KEY_PARTS`."""

KEY_PARTS = ("image type", "size", "orientation", "pixel spacing", "frame of reference")
"""Names of the parts of a `GroupKey`."""

KEY_TOLERANCE = 1e-4
"""Rounding of direction cosines, and of pixel spacings in mm, within a volume."""

SAME_POSITION_MM = 0.1
"""Slices nearer than this have the same position; headers round to it."""

MAIN_FRACTION = 0.5
"""A volume is the main one if no other has more than this fraction of its slices."""

MAX_DAMAGED_FRACTION = 0.05
"""Damaged files, relative to the slices of the volume, that are left out with a note; a single one
always is. More indicate a damaged disk, and slices of the head may be among them."""

MAX_NAMES = 3
"""Files that a message names."""

CONTRASTS = (
    "EchoNumbers", "EchoTime", "InversionTime", "TemporalPositionIdentifier",
    "TemporalPositionIndex", "DiffusionBValue", "StackID", "ImageType",
)  # fmt: skip
"""Attributes that differ between contrasts, which are never mixed in one volume."""

ACQUISITIONS = (*CONTRASTS, "AcquisitionNumber", "TriggerTime", "AcquisitionTime")
"""Attributes that separate acquisitions at the same position, the most reliable first."""

VOLUME_MARK = "#"
"""Between the UID of a series and the number of a volume in it."""


@dataclass(frozen=True)
class VolumeSlices:
    """Slices that form one volume, in no particular order."""

    uid: str
    """UID of the series; followed by the number of the volume if the series has several."""

    slices: tuple[Slice, ...]
    difference: str
    """Difference from the other volumes of the series; empty for the only one."""

    @property
    def line(self) -> str:
        """One line for a list of choices."""
        difference = f" ({self.difference})" if self.difference else ""
        return DicomSeries(self.uid, self.slices).line + difference


@dataclass(frozen=True)
class ChosenVolume:
    """The volume to read, and notes on what was left out."""

    volume: VolumeSlices
    notes: tuple[str, ...]


def group_slices(series: DicomSeries) -> tuple[list[VolumeSlices], list[str]]:
    """The volumes of a series, the largest first, and notes on duplicates that were left out."""
    images = tuple(one for one in series.slices if one.header.get("Rows"))
    slices, notes = _without_duplicates(images or series.slices)
    groups = [part for group in _group_by_key(slices) for part in _split_acquisitions(group)]
    groups.sort(key=_rank)
    if len(groups) == 1:
        return [VolumeSlices(series.uid, tuple(groups[0]), "")], notes
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

    Localizers do not count. Raises `NoImageError` without such a series, `InputError` or
    `GeometryError` where there are several to choose from.
    """
    series_uid, _, number = (uid or "").partition(VOLUME_MARK)
    series = _choose_series(scan, modality, series_uid or None)
    volumes, notes = group_slices(series)
    if number:
        matches = [volume for volume in volumes if volume.uid == uid]
        if not matches:
            raise InputError(f"{scan.folder}: no volume {uid}; choose one of:{_listed(volumes)}")
        chosen = _chosen(matches[0], volumes, notes)
    else:
        chosen = main_volume(series, volumes, notes, modality)
    if len(scan.broken) > max(1, MAX_DAMAGED_FRACTION * len(chosen.volume.slices)):
        raise _damaged(scan)
    return ChosenVolume(chosen.volume, (*scan.problems(), *chosen.notes))


def _damaged(scan: Scan) -> InputError:
    path, reason = next(iter(scan.broken.items()))
    more = f" and {len(scan.broken) - 1} more" if len(scan.broken) > 1 else ""
    return InputError(
        f"{path}{more}: {reason}; slices may be missing; replace the files, or move them away to "
        "read the others"
    )


def main_volume(
    series: DicomSeries, volumes: list[VolumeSlices], notes: list[str], modality: Modality
) -> ChosenVolume:
    """The main one of the volumes of a series; `GeometryError` where several are candidates."""
    first, *others = volumes
    if any(_is_candidate(one, first) for one in others):
        raise GeometryError(
            f"series {series.uid} of {len(series.slices)} images contains {len(volumes)} volumes; "
            f"choose one with --{modality.code.lower()}-series UID{VOLUME_MARK}NUMBER:"
            f"{_listed(volumes)}"
        )
    return _chosen(first, volumes, notes)


def _is_candidate(one: VolumeSlices, first: VolumeSlices) -> bool:
    """Whether a volume is as likely as the first: of similar size, or with the same key."""
    if all(is_localizer(image.header) for image in one.slices):
        return False
    keys = (_group_key(one.slices[0].header), _group_key(first.slices[0].header))
    same_key = all(_nearly_equal(*pair) for pair in zip(*keys, strict=True))
    return same_key or len(one.slices) > MAIN_FRACTION * len(first.slices)


def _chosen(chosen: VolumeSlices, volumes: list[VolumeSlices], notes: list[str]) -> ChosenVolume:
    left_out = [
        f"{slice_names(one.slices)}: left out: {one.difference}"
        for one in volumes
        if one.uid != chosen.uid
    ]
    return ChosenVolume(chosen, (*notes, *left_out))


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
    if not candidates:
        if scan.broken and not scan.series:
            raise _damaged(scan)
        raise NoImageError(
            f"{scan.folder}: no {modality} series; the folder contains:\n  {content}"
        )
    if len(candidates) > 1:
        choices = "\n  ".join(sorted(one.line for one in candidates))
        option = f"--{modality.code.lower()}-series UID"
        raise InputError(
            f"{scan.folder}: {len(candidates)} {modality} series; choose one with {option}:"
            f"\n  {choices}"
        )
    return candidates[0]


def _listed(volumes: list[VolumeSlices]) -> str:
    return "".join(f"\n  {volume.line}" for volume in volumes)


def _without_duplicates(slices: tuple[Slice, ...]) -> tuple[list[Slice], list[str]]:
    """Each instance once: an export may contain an image under two file names."""
    kept: dict[Hashable, Slice] = {}
    duplicates = []
    for index, one in enumerate(slices):
        key = (str(one.header.get("SOPInstanceUID") or index), one.frame)
        if key in kept and _position(one.header) == _position(kept[key].header):
            duplicates.append(one)
        else:
            kept[key if key not in kept else index] = one
    notes = [f"{slice_names(duplicates)}: duplicates; left out"] if duplicates else []
    return list(kept.values()), notes


def _position(header: Dataset) -> tuple[str, ...]:
    return tuple(map(str, header.get("ImagePositionPatient") or ()))


def _group_key(header: Dataset) -> GroupKey:
    image_type = "grey" if header.get("SamplesPerPixel", 1) == 1 else "colour"
    return (
        "localizer" if is_localizer(header) else image_type,
        np.array([float(header.get(keyword) or 0) for keyword in ("Rows", "Columns")]),
        float_values(header, "ImageOrientationPatient"),
        float_values(header, "PixelSpacing"),
        str(header.get("FrameOfReferenceUID") or ""),
    )


def _group_by_key(slices: list[Slice]) -> list[list[Slice]]:
    """Slices with nearly equal keys."""
    groups: dict[Hashable, list[tuple[GroupKey, list[Slice]]]] = {}
    for one in slices:
        key = _group_key(one.header)
        exact = (key[0], str(key[1]), key[-1])
        candidates = groups.setdefault(exact, [])
        for other, group in candidates:
            if all(_nearly_equal(*pair) for pair in zip(key, other, strict=True)):
                group.append(one)
                break
        else:
            candidates.append((key, [one]))
    return [group for candidates in groups.values() for _, group in candidates]


def _nearly_equal(first: str | Float64Array, second: str | Float64Array) -> bool:
    if isinstance(first, str) or isinstance(second, str):
        return first is second or str(first) == str(second)
    if first.shape != second.shape:
        return False
    return bool(np.nan_to_num(np.abs(first - second)).max(initial=0) <= KEY_TOLERANCE)


def _split_acquisitions(group: list[Slice]) -> list[list[Slice]]:
    """Split a group so that positions are unique, and contrasts whose slices interleave."""
    has_duplicates = _has_duplicate_positions(group)
    for keywords in (*combinations(ACQUISITIONS, 1), *combinations(ACQUISITIONS, 2)):
        parts: dict[tuple[str, ...], list[Slice]] = {}
        for one in group:
            values = tuple(str(one.header.get(keyword)) for keyword in keywords)
            parts.setdefault(values, []).append(one)
        split = list(parts.values())
        if len(split) < 2 or any(len(part) < 2 or _has_duplicate_positions(part) for part in split):
            continue
        if has_duplicates or (set(keywords) <= set(CONTRASTS) and _interleave(split)):
            return split
    return [group]


def _heights_mm(group: list[Slice]) -> Float64Array:
    """Positions along the normal of the first slice, sorted; empty if one is unknown."""
    positions = [float_values(one.header, "ImagePositionPatient") for one in group]
    cosines = float_values(group[0].header, "ImageOrientationPatient")
    if cosines.shape != (6,) or any(position.shape != (3,) for position in positions):
        return np.array([])
    return np.sort(np.array(positions) @ np.cross(cosines[:3], cosines[3:]))


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
    ours, theirs = group[0].header, other[0].header
    for part, own, its in zip(KEY_PARTS, _group_key(ours), _group_key(theirs), strict=True):
        if not _nearly_equal(own, its):
            return f"{part} is {format_values(own)}, not {format_values(its)}"
    for keyword in ACQUISITIONS:
        if str(ours.get(keyword)) != str(theirs.get(keyword)):
            return f"{keyword} is {ours.get(keyword)}, not {theirs.get(keyword)}"
    return "another acquisition at the same positions"


def float_values(header: Dataset, keyword: str) -> Float64Array:
    """The values of an attribute as floats; empty if it is missing or not numeric."""
    try:
        value = header.get(keyword)
        return np.atleast_1d(np.array([] if value is None else value, np.float64))
    except (ValueError, TypeError):
        return np.array([])


def slice_names(slices: list[Slice] | tuple[Slice, ...]) -> str:
    """The files of the first slices, and the number of the others."""
    first = ", ".join(one.name for one in slices[:MAX_NAMES])
    return f"{first} and {len(slices) - MAX_NAMES} more" if len(slices) > MAX_NAMES else first


def format_values(values: str | Float64Array) -> str:
    """Numbers in parentheses, text as it is."""
    if isinstance(values, str):
        return values or "none"
    return "(" + ", ".join(f"{value:.4g}" for value in np.atleast_1d(values)) + ")"
