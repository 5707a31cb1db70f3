"""Choice of the CT and the MR of a study folder that are fused."""

import logging
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset

from radfuse.dicom.read.grouping import VOLUME_MARK, group_slices, main_volume
from radfuse.dicom.read.scan import Scan, damage_of, scan_folder
from radfuse.dicom.read.series import DicomSeries, VolumeSlices
from radfuse.dicom.read.slice_geometry import SliceGeometry, slice_geometry
from radfuse.dicom.read.slice_plane import image_count
from radfuse.errors import GeometryError, InputError, NoImageError
from radfuse.io.archives import unpacked
from radfuse.io.volume_checks import MIN_REGISTERED_VOXELS
from radfuse.modality import CT, MR, Modality
from radfuse.pipeline.read import FUSED_PROBLEM
from radfuse.recipe import Recipe
from radfuse.series import Patient

LOG = logging.getLogger(__name__)

HEAD_PARTS = (
    "HEAD", "BRAIN", "SKULL", "NECK", "ORBIT", "FACE", "SINUS", "SELLA", "PITUITARY", "TEMPORAL",
    "CRANI", "KOPF", "SCHAEDEL", "TETE", "CABEZA", "CEREBR",
)  # fmt: skip
"""Beginnings of words in BodyPartExamined for images of the head."""

ANY_PARTS = ("WHOLE", "BODY", "UNKNOWN", "UNSPECIFIED", "OTHER", "NONE")
"""Beginnings of words in BodyPartExamined that do not exclude the head."""

CANAL = "IAC"
"""The inner ear, a whole word: other parts of the body have these letters in them."""

MIN_OVERLAP = 0.1
"""Least fraction of the smaller bounding box inside the other, in one frame of reference."""


@dataclass(frozen=True)
class Candidate:
    """A volume that could be fused."""

    volume: VolumeSlices
    geometry: SliceGeometry
    is_derived: bool = False
    """Whether its series is derived, not of a scanner."""

    ambiguity: str = ""
    """Reason why another volume of its series may be meant as well, or slices be damaged."""

    @property
    def header(self) -> Dataset:
        """Of its first slice."""
        return self.volume.slices[0].header

    @property
    def body_parts(self) -> list[str]:
        """BodyPartExamined of its slices, the most frequent first."""
        return self._values("BodyPartExamined")

    @property
    def shows_a_head(self) -> bool:
        """Whether the body part of one of its slices is the head, or unknown."""
        return any(map(_may_be_a_head, self.body_parts))

    @property
    def day(self) -> date | None:
        """The study's date."""
        try:
            return datetime.strptime(self._values("StudyDate")[0], "%Y%m%d").date()
        except ValueError:
            return None

    def _values(self, keyword: str) -> list[str]:
        values = Counter(str(one.header.get(keyword) or "") for one in self.volume.slices)
        return [value for value, _ in values.most_common()]


def _may_be_a_head(body_part: str) -> bool:
    words = re.findall("[A-Z]+", body_part.upper())
    return not words or any(
        word.startswith((*HEAD_PARTS, *ANY_PARTS)) or word == CANAL for word in words
    )


@dataclass(frozen=True)
class SeriesPair:
    """A CT and an MR to fuse."""

    ct: Candidate
    mr: Candidate
    rejected: tuple[str, ...] = ()
    """Reasons why other series of the folder could not be chosen."""

    @property
    def derived(self) -> int:
        """How many of the two are derived."""
        return self.ct.is_derived + self.mr.is_derived

    @property
    def days_apart(self) -> int | None:
        """Days between the two studies; None where a date is unknown."""
        if self.ct.day is None or self.mr.day is None:
            return None
        return abs((self.ct.day - self.mr.day).days)

    def sentence(self) -> str:
        """The choice with the descriptions of the series, and why others were rejected."""
        rejected = "".join(f"\nrejected: {reason}" for reason in self.rejected)
        return f"chosen: {self.ct.volume.line} and {self.mr.volume.line}{self._apart}{rejected}"

    def summary(self) -> str:
        """The choice in numbers, which cannot identify the patient."""
        ct, mr = (image_count(one.volume.slices) for one in (self.ct, self.mr))
        rejected = f"; {len(self.rejected)} others rejected" if self.rejected else ""
        return f"chosen: CT of {ct} and MR of {mr}{self._apart}{rejected}"

    @property
    def _apart(self) -> str:
        return "" if self.days_apart is None else f", {self.days_apart} days apart"


def choose_pair(path: Path, recipe: Recipe, *, numbered: bool = False) -> SeriesPair:
    """The CT and the MR of a folder or archive to fuse, by their headers.

    They are of one patient and show the head, overlap where they share a frame of reference, are
    not derived where others are not, and are the nearest such pair in time. `ct_series` and
    `mr_series` of the recipe narrow the choice. With `numbered` messages name the files of an
    archive by number.
    Raises `NoImageError` where there is no pair, `InputError` where there are several.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    with unpacked(path, numbered=numbered) as folder:
        scan = scan_folder(folder)
    reasons: dict[Modality, list[str]] = {CT: [], MR: []}
    cts = _candidates(scan, CT, recipe.ct_series, reasons[CT])
    mrs = _candidates(scan, MR, recipe.mr_series, reasons[MR])
    for modality, candidates in ((CT, cts), (MR, mrs)):
        if not candidates:
            problem = _no_candidate(modality, scan, reasons[modality])
            raise NoImageError(f"{path}: {problem.replace(str(folder), str(path))}")
    rejected = tuple(
        reason.replace(str(folder), str(path)) for reason in (*reasons[CT], *reasons[MR])
    )
    pairs = _best_pairs(cts, mrs, rejected, accept_patients=recipe.accept_patients)
    if not pairs:
        raise NoImageError(
            f"{path}: no CT and MR of one patient with a region in common; give --ct and --mr"
        )
    LOG.info("pairs of CT and MR listed", extra={"ct": len(cts), "mr": len(mrs), "fit": len(pairs)})
    if len(pairs) > 1:
        raise InputError(f"{path}: {len(pairs)} pairs of CT and MR; {_choices(pairs)}")
    for one in (pairs[0].ct, pairs[0].mr):
        if one.ambiguity:
            raise GeometryError(one.ambiguity.replace(str(folder), str(path)))
    return pairs[0]


def suggested_pairs(scan: Scan) -> list[SeriesPair]:
    """The pairs of a scan that are equally good to fuse, see `choose_pair`; none may be."""
    cts, mrs = (_candidates(scan, modality, None, []) for modality in (CT, MR))
    return _best_pairs(cts, mrs, (), accept_patients=False)


def _best_pairs(
    cts: list[Candidate], mrs: list[Candidate], rejected: tuple[str, ...], *, accept_patients: bool
) -> list[SeriesPair]:
    pairs = [SeriesPair(ct, mr, rejected) for ct in cts for mr in mrs]
    suitable = [pair for pair in pairs if _fits(pair, accept_patients=accept_patients)]
    return _best(suitable) if suitable else []


def _no_candidate(modality: Modality, scan: Scan, reasons: list[str]) -> str:
    """Why there is no candidate: the reason where one series is rejected, else all and the list."""
    problem = f"no {modality} of a head that can be read"
    if len(reasons) == 1:
        return f"{problem}: {reasons[0]}"
    listed = "".join(sorted(f"\n  {one.line}" for one in scan.series))
    because = "".join(f"\n  {reason}" for reason in reasons)
    return f"{problem}; there are{listed or ' no DICOM images'}{because}"


def selection(path: Path) -> str:
    """What `fuse --study` selects in a folder or archive, or why it refuses."""
    try:
        return choose_pair(path, Recipe()).sentence()
    except InputError as error:
        return f"refused: {error}"


def _candidates(
    scan: Scan, modality: Modality, uid: str | None, reasons: list[str]
) -> list[Candidate]:
    """Volumes of a modality that show the head; one chosen by `uid` may have any body part.

    It may be derived, too, but not a fused image of our own. Reasons why a series is rejected are
    added to `reasons`.
    """
    found = []
    for series in scan.series:
        if series.modality != modality.code or not series.is_image:
            continue
        if uid not in {None, series.uid} and not str(uid).startswith(f"{series.uid}{VOLUME_MARK}"):
            continue
        if not _may_be_fused(series, modality, uid, reasons):
            continue
        volumes, ambiguity = _volumes(scan, series, modality, uid)
        ambiguity = damage_of(scan, series) or ambiguity
        for volume in volumes:
            if len(volume.slices) < MIN_REGISTERED_VOXELS:
                reasons.append(f"{volume.line}: fewer than {MIN_REGISTERED_VOXELS} slices")
                continue
            try:
                geometry = slice_geometry(volume)
                candidate = Candidate(volume, geometry, bool(series.derivation), ambiguity)
            except GeometryError as error:
                reasons.append(str(error))
                continue
            if uid or candidate.shows_a_head:
                found.append(candidate)
            else:
                reasons.append(
                    f"{volume.line}: BodyPartExamined is {candidate.body_parts[0]}; if it shows "
                    f"the head, choose it with --{modality.option}-series UID"
                )
    return found


def _may_be_fused(
    series: DicomSeries, modality: Modality, uid: str | None, reasons: list[str]
) -> bool:
    """Whether a series is not derived, or a usable alternative, or chosen by `uid`.

    Raises `InputError` for a chosen one that is a fused image of our own.
    """
    derivation = series.derivation
    if derivation is None or derivation.is_alternative:
        return True
    if derivation.is_fused:
        if uid:
            raise InputError(f"{series.line}: {FUSED_PROBLEM}")
        reasons.append(series.line)
    elif not uid and not series.is_localizer:
        reasons.append(f"{series.line}; --{modality.option}-series UID selects it")
    return uid is not None


def _volumes(
    scan: Scan, series: DicomSeries, modality: Modality, uid: str | None
) -> tuple[list[VolumeSlices], str]:
    """The volume chosen by `uid`, else the main one of the series, else all and the reason."""
    volumes, notes = group_slices(series)
    if uid and VOLUME_MARK in uid:
        return [volume for volume in volumes if volume.uid == uid], ""
    try:
        others = () if uid else scan.series
        return [main_volume(series, volumes, notes, modality, others).volume], ""
    except GeometryError as error:
        return volumes, str(error)


def _best(pairs: list[SeriesPair]) -> list[SeriesPair]:
    """Of the nearest pairs in time those with the fewest derived series.

    Pairs with fewer that are not as near are as good: a user has to choose.
    """
    nearest = _nearest(pairs)
    fewest = min(pair.derived for pair in nearest)
    others = _nearest([pair for pair in pairs if pair.derived < fewest])
    return [pair for pair in nearest if pair.derived == fewest] + others


def _nearest(pairs: list[SeriesPair]) -> list[SeriesPair]:
    days = [pair.days_apart for pair in pairs]
    nearest = min((day for day in days if day is not None), default=None)
    return [pair for pair, day in zip(pairs, days, strict=True) if day == nearest]


def _fits(pair: SeriesPair, *, accept_patients: bool) -> bool:
    """Whether both are of one patient and, in one frame of reference, overlap."""
    ct, mr = (Patient.of(one.header) for one in (pair.ct, pair.mr))
    if ct.differs_from(mr) and not accept_patients:
        return False
    frames = [str(one.header.get("FrameOfReferenceUID") or "") for one in (pair.ct, pair.mr)]
    return frames[0] != frames[1] or not frames[0] or _overlap(pair) >= MIN_OVERLAP


def _overlap(pair: SeriesPair) -> float:
    """Fraction of the smaller bounding box, along the patient's axes, inside the other."""
    boxes = [_box(one.geometry) for one in (pair.ct, pair.mr)]
    low = np.maximum(boxes[0][0], boxes[1][0])
    high = np.minimum(boxes[0][1], boxes[1][1])
    common = np.prod(np.clip(high - low, 0, None))
    return float(common / min(np.prod(end - start) for start, end in boxes))


def _box(geometry: SliceGeometry) -> tuple[np.ndarray, np.ndarray]:
    far = (np.array(geometry.size) - 1) * geometry.spacing_mm
    corners = [
        geometry.origin_mm + geometry.axes @ (far * corner) for corner in np.ndindex(2, 2, 2)
    ]
    return np.min(corners, axis=0), np.max(corners, axis=0)


def _choices(pairs: list[SeriesPair]) -> str:
    """The options that choose, with the candidates of each."""
    choices = []
    for flag, candidates in (
        ("--ct-series UID", [pair.ct for pair in pairs]),
        ("--mr-series UID", [pair.mr for pair in pairs]),
    ):
        lines = list(dict.fromkeys(one.volume.line for one in candidates))
        if len(lines) > 1:
            choices.append(f"choose with {flag}:\n  " + "\n  ".join(lines))
    return "\n".join(choices)
