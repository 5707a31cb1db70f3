"""From a series, which may mix anything, to stacks of slices that can make one volume each.

A scanner's series may hold scout views, reformats of another orientation, two echoes, several
phases. A stack has slices of one size, orientation, pixel spacing and frame of reference, no two of
them at one place. Where one stack is much larger than all others, it is what the series is about.
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

Key = tuple[str | Float64Array, ...]
"""In what slices of one volume agree."""

ANGLE_TOLERANCE = 1e-4
"""Difference of direction cosines within a stack that rounding explains; of pixel spacings, mm."""

SAME_PLACE_MM = 0.1
"""Slices nearer than this lie at one place; headers round to it."""

MAIN_SHARE = 0.5
"""A stack is what its series is about if no other has more than this share of its slices."""

NAMED = 3
"""Files named in a message, at most."""

CONTRASTS = (
    "EchoNumbers", "EchoTime", "InversionTime", "TemporalPositionIdentifier",
    "TemporalPositionIndex", "DiffusionBValue", "StackID", "ImageType",
)  # fmt: skip
"""Attributes in which images of one place differ that must not be woven into one volume."""

SEPARATORS = (*CONTRASTS, "AcquisitionNumber", "TriggerTime", "AcquisitionTime")
"""Attributes that tell acquisitions of one place apart, the most telling first."""

KINDS = ("sort", "size", "orientation", "pixel spacing", "frame of reference")
"""In what slices of one series may differ: parts of the key of a stack."""

MOST_DAMAGED = 0.05
"""Damaged files beside a stack, as a share of its slices, that are left out with a note; one always
is. More is a damaged disk, and slices of the head may be among them."""

STACK_MARK = "#"
"""Between the UID of a series and the number of a stack in it."""


@dataclass(frozen=True)
class Stack:
    """Slices that can make one volume."""

    uid: str
    """Of the series; of one stack among several in it, followed by its number."""

    slices: tuple[Slice, ...]
    what: str
    """What sets it apart from the other stacks of its series; empty where it is the only one."""

    @property
    def line(self) -> str:
        """One line for a list to choose from."""
        return DicomSeries(self.uid, self.slices).line + (f" ({self.what})" if self.what else "")


@dataclass(frozen=True)
class Choice:
    """A stack, and what was left out to get it."""

    stack: Stack
    notes: tuple[str, ...]


def stacks_of(series: DicomSeries) -> tuple[list[Stack], list[str]]:
    """The stacks of a series, the largest first, and notes about copies that were dropped."""
    images = tuple(one for one in series.slices if one.header.get("Rows"))
    slices, notes = _without_copies(images or series.slices)
    groups = [part for group in _alike(slices) for part in _apart(group)]
    groups.sort(key=_rank)
    if len(groups) == 1:
        return [Stack(series.uid, tuple(groups[0]), "")], notes
    return [
        Stack(f"{series.uid}{STACK_MARK}{number}", tuple(group), _difference(group, groups))
        for number, group in enumerate(groups, 1)
    ], notes


def _rank(group: list[Slice]) -> tuple[bool, int, str]:
    """Scout views last, the largest first, and among equals an order that no name changes."""
    uids = (str(one.header.get("SOPInstanceUID") or "") for one in group)
    return any(is_localizer(one.header) for one in group), -len(group), min(uids)


def choose_stack(scan: Scan, modality: Modality, uid: str | None) -> Choice:
    """The stack asked for, else that of the only series of the modality that is no localizer.

    Raises `NoImageError` where there is none, `InputError` or `GeometryError` where there is
    a choice to make.
    """
    wanted_uid, _, number = (uid or "").partition(STACK_MARK)
    series = _choose_series(scan, modality, wanted_uid or None)
    stacks, notes = stacks_of(series)
    if number:
        chosen = [stack for stack in stacks if stack.uid == uid]
        if not chosen:
            raise InputError(f"{scan.folder}: no stack {uid}; there are{_list(stacks)}")
        choice = _without_rest(chosen[0], stacks, notes)
    else:
        choice = main_stack(series, stacks, notes, modality)
    if len(scan.broken) > max(1, MOST_DAMAGED * len(choice.stack.slices)):
        raise _damaged(scan)
    return Choice(choice.stack, (*scan.problems(), *choice.notes))


def _damaged(scan: Scan) -> InputError:
    path, reason = next(iter(scan.broken.items()))
    more = f" and {len(scan.broken) - 1} more" if len(scan.broken) > 1 else ""
    return InputError(
        f"{path}{more}: {reason}; slices may be lost; replace, or move away to go on without"
    )


def main_stack(
    series: DicomSeries, stacks: list[Stack], notes: list[str], modality: Modality
) -> Choice:
    """What a series is about, of its stacks; `GeometryError` where two vie for it."""
    first, *rest = stacks
    rivals = [one for one in rest if _rivals(one, first)]
    if rivals:
        raise GeometryError(
            f"series {series.uid} of {len(series.slices)} images mixes {len(stacks)} stacks; "
            f"choose with --{modality.code.lower()}-series UID{STACK_MARK}NUMBER:{_list(stacks)}"
        )
    return _without_rest(first, stacks, notes)


def _rivals(one: Stack, first: Stack) -> bool:
    """Whether a stack could be meant as well as the first: as large, or on the same planes."""
    if all(is_localizer(image.header) for image in one.slices):
        return False
    keys = (_key(one.slices[0].header), _key(first.slices[0].header))
    alike = all(_same(*pair) for pair in zip(*keys, strict=True))
    return alike or len(one.slices) > MAIN_SHARE * len(first.slices)


def _without_rest(chosen: Stack, stacks: list[Stack], notes: list[str]) -> Choice:
    left_out = [
        f"{names(one.slices)}: left out, {one.what}" for one in stacks if one.uid != chosen.uid
    ]
    return Choice(chosen, (*notes, *left_out))


def _choose_series(scan: Scan, modality: Modality, uid: str | None) -> DicomSeries:
    listed = "\n  ".join(sorted(one.line for one in scan.series)) or "no DICOM images"
    of_modality = [one for one in scan.series if one.modality == modality.code and one.is_image]
    if uid is not None:
        for one in of_modality:
            if one.uid == uid:
                return one
        raise InputError(
            f"{scan.folder}: no {modality} series with UID {uid}; there are\n  {listed}"
        )
    wanted = [one for one in of_modality if not one.is_localizer]
    if not wanted:
        if scan.broken and not scan.series:
            raise _damaged(scan)
        raise NoImageError(f"{scan.folder}: no {modality} series; there are\n  {listed}")
    if len(wanted) > 1:
        listed = "\n  ".join(sorted(one.line for one in wanted))
        flag = f"--{modality.code.lower()}-series UID"
        raise InputError(
            f"{scan.folder}: {len(wanted)} {modality} series; choose with {flag}:\n  {listed}"
        )
    return wanted[0]


def _list(stacks: list[Stack]) -> str:
    return "".join(f"\n  {stack.line}" for stack in stacks)


def _without_copies(slices: tuple[Slice, ...]) -> tuple[list[Slice], list[str]]:
    """Each instance once: an export may hold a file twice, under two names."""
    kept: dict[Hashable, Slice] = {}
    copies = []
    for index, one in enumerate(slices):
        key = (str(one.header.get("SOPInstanceUID") or index), one.frame)
        if key in kept and _place(one.header) == _place(kept[key].header):
            copies.append(one)
        else:
            kept[key if key not in kept else index] = one
    notes = [f"{names(copies)}: copies of images that are there; left out"] if copies else []
    return list(kept.values()), notes


def _place(header: Dataset) -> tuple[str, ...]:
    return tuple(map(str, header.get("ImagePositionPatient") or ()))


def _key(header: Dataset) -> Key:
    """In what slices of one volume agree, in the order of `KINDS`."""
    grey = "grey" if header.get("SamplesPerPixel", 1) == 1 else "colour"
    scout = "scout view" if is_localizer(header) else grey
    return (
        scout,
        np.array([float(header.get(keyword) or 0) for keyword in ("Rows", "Columns")]),
        numbers(header, "ImageOrientationPatient"),
        numbers(header, "PixelSpacing"),
        str(header.get("FrameOfReferenceUID") or ""),
    )


def _alike(slices: list[Slice]) -> list[list[Slice]]:
    """Slices by what those of one volume agree in."""
    groups: dict[Hashable, list[tuple[Key, list[Slice]]]] = {}
    for one in slices:
        key = _key(one.header)
        exact = (key[0], str(key[1]), key[-1])
        near = groups.setdefault(exact, [])
        for other, group in near:
            if all(_same(*pair) for pair in zip(key, other, strict=True)):
                group.append(one)
                break
        else:
            near.append((key, [one]))
    return [group for near in groups.values() for _, group in near]


def _same(first: str | Float64Array, second: str | Float64Array) -> bool:
    if isinstance(first, str) or isinstance(second, str):
        return first is second or str(first) == str(second)
    if first.shape != second.shape:
        return False
    return bool(np.nan_to_num(np.abs(first - second)).max(initial=0) <= ANGLE_TOLERANCE)


def _apart(group: list[Slice]) -> list[list[Slice]]:
    """A group in volumes: one slice a place, and one contrast where two are interleaved."""
    collides = _collides(group)
    for keywords in (*combinations(SEPARATORS, 1), *combinations(SEPARATORS, 2)):
        parts: dict[tuple[str, ...], list[Slice]] = {}
        for one in group:
            told = tuple(str(one.header.get(keyword)) for keyword in keywords)
            parts.setdefault(told, []).append(one)
        several = list(parts.values())
        if len(several) < 2 or any(len(part) < 2 or _collides(part) for part in several):
            continue
        if collides or (set(keywords) <= set(CONTRASTS) and _interleave(several)):
            return several
    return [group]


def _heights(group: list[Slice]) -> Float64Array:
    """Places along the normal of the first, sorted; none where one is not told."""
    places = [numbers(one.header, "ImagePositionPatient") for one in group]
    cosines = numbers(group[0].header, "ImageOrientationPatient")
    if cosines.shape != (6,) or any(place.shape != (3,) for place in places):
        return np.array([])
    return np.sort(np.array(places) @ np.cross(cosines[:3], cosines[3:]))


def _interleave(parts: list[list[Slice]]) -> bool:
    """Whether slices of one part lie between those of another."""
    ranges = sorted((heights[0], heights[-1]) for heights in map(_heights, parts) if heights.size)
    return any(after[0] < before[1] for before, after in pairwise(ranges))


def _collides(group: list[Slice]) -> bool:
    """Whether two slices lie at one place."""
    heights = _heights(group)
    return heights.size > 1 and bool(np.diff(heights).min() < SAME_PLACE_MM)


def _difference(group: list[Slice], groups: list[list[Slice]]) -> str:
    """In what a group differs from the largest, or the largest from the next, in words."""
    other = groups[1] if group is groups[0] else groups[0]
    ours, theirs = group[0].header, other[0].header
    for kind, mine, its in zip(KINDS, _key(ours), _key(theirs), strict=True):
        if not _same(mine, its):
            return f"{kind} {listed(mine)}, not {listed(its)}"
    for keyword in SEPARATORS:
        if str(ours.get(keyword)) != str(theirs.get(keyword)):
            return f"{keyword} {ours.get(keyword)}, not {theirs.get(keyword)}"
    return "another acquisition of the same places"


def numbers(header: Dataset, keyword: str) -> Float64Array:
    """The numbers of an attribute; empty for what is absent or no number."""
    try:
        value = header.get(keyword)
        return np.atleast_1d(np.array([] if value is None else value, np.float64))
    except (ValueError, TypeError):
        return np.array([])


def names(slices: list[Slice] | tuple[Slice, ...]) -> str:
    """The names of some slices, a few of them written out."""
    told = ", ".join(one.name for one in slices[:NAMED])
    return f"{told} and {len(slices) - NAMED} more" if len(slices) > NAMED else told


def listed(values: str | Float64Array) -> str:
    """Numbers in parentheses, words as they are."""
    if isinstance(values, str):
        return values or "none"
    return "(" + ", ".join(f"{value:.4g}" for value in np.atleast_1d(values)) + ")"
