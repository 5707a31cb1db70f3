"""Which CT and which MR of a study folder belong together."""

import logging
import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import numpy as np
from pydicom import Dataset

from radfuse.dicom.read.grouping import STACK_MARK, Stack, main_stack, stacks_of
from radfuse.dicom.read.scan import DicomSeries, Scan, scan_folder
from radfuse.dicom.read.slice_geometry import Lattice, lattice_of
from radfuse.errors import GeometryError, InputError, NoImageError
from radfuse.io.archives import unpacked
from radfuse.modality import CT, MR, Modality
from radfuse.recipe import Recipe

LOG = logging.getLogger(__name__)

HEAD_PARTS = (
    "HEAD", "BRAIN", "SKULL", "NECK", "ORBIT", "FACE", "SINUS", "SELLA", "PITUITARY", "TEMPORAL",
    "CRANI", "KOPF", "SCHAEDEL", "TETE", "CABEZA", "CEREBR",
)  # fmt: skip
"""How words in BodyPartExamined begin of images that show the head."""

CANAL = "IAC"
"""The inner ear, a whole word: other parts of the body have these letters in them."""

LEAST_SLICES = 3
"""A stack of fewer is no volume that anybody would fuse."""

LEAST_OVERLAP = 0.1
"""Share of the smaller image's box that lies in the other's, where both have one frame."""


@dataclass(frozen=True)
class Candidate:
    """A stack that could be fused."""

    stack: Stack
    lattice: Lattice

    @property
    def header(self) -> Dataset:
        """Of its first slice."""
        return self.stack.slices[0].header

    @property
    def shows_a_head(self) -> bool:
        """Whether its body part is a head's, or not told."""
        words = re.findall("[A-Z]+", str(self.header.get("BodyPartExamined") or "").upper())
        return not words or any(word.startswith(HEAD_PARTS) or word == CANAL for word in words)

    @property
    def day(self) -> date | None:
        """The study's date."""
        try:
            return datetime.strptime(str(self.header.get("StudyDate") or ""), "%Y%m%d").date()
        except ValueError:
            return None


@dataclass(frozen=True)
class Pair:
    """A CT and an MR that belong together."""

    ct: Candidate
    mr: Candidate
    passed_over: tuple[str, ...] = ()
    """Why other series of the folder could not be chosen."""

    @property
    def days_apart(self) -> int | None:
        """Between the two studies; None where a date is not told."""
        if self.ct.day is None or self.mr.day is None:
            return None
        return abs((self.ct.day - self.mr.day).days)

    def sentence(self) -> str:
        """What was chosen, without a word on who the patient is."""
        apart = "" if self.days_apart is None else f", {self.days_apart} days apart"
        lost = "".join(f"\npassed over: {reason}" for reason in self.passed_over)
        return f"chosen: {self.ct.stack.line} and {self.mr.stack.line}{apart}{lost}"


def choose_pair(path: Path, recipe: Recipe) -> Pair:
    """The CT and the MR of a folder or zip archive that belong together, by their headers.

    They are of one patient, show the head, overlap where they share a frame of reference, and no
    other pair of that kind is as near in time. `ct_series` and `mr_series` of the recipe narrow the
    choice. Raises `NoImageError` where there is no pair, `InputError` where there are several.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    with unpacked(path) as folder:
        scan = scan_folder(folder)
    lost: list[str] = []
    cts = _candidates(scan, CT, recipe.ct_series, lost)
    mrs = _candidates(scan, MR, recipe.mr_series, lost)
    told = tuple(reason.replace(str(folder), str(path)) for reason in lost)
    for modality, found in ((CT, cts), (MR, mrs)):
        if not found:
            listed = "".join(sorted(f"\n  {one.line}" for one in scan.series))
            reasons = "".join(f"\n  {reason}" for reason in told)
            raise NoImageError(
                f"{path}: no {modality} of a head that can be read; there are"
                f"{listed or ' no DICOM images'}{reasons}"
            )
    pairs = [Pair(ct, mr, told) for ct in cts for mr in mrs]
    pairs = [pair for pair in pairs if _fits(pair, accept_patients=recipe.accept_patients)]
    if not pairs:
        raise NoImageError(
            f"{path}: no CT and MR of one patient with a region in common; give --ct and --mr"
        )
    days = [pair.days_apart for pair in pairs]
    nearest = min((day for day in days if day is not None), default=None)
    pairs = [pair for pair, day in zip(pairs, days, strict=True) if day == nearest]
    LOG.info("pairs of CT and MR listed", extra={"ct": len(cts), "mr": len(mrs), "fit": len(pairs)})
    if len(pairs) > 1:
        raise InputError(f"{path}: {len(pairs)} pairs of CT and MR; {_narrow(pairs)}")
    return pairs[0]


def _candidates(
    scan: Scan, modality: Modality, uid: str | None, lost: list[str]
) -> list[Candidate]:
    """Volumes of a modality that show a head; one that is asked for need not say so.

    Why a series is none is added to `lost`.
    """
    found = []
    for series in scan.series:
        if series.modality != modality.code or not series.is_image or series.is_localizer:
            continue
        for stack in _stacks(series, modality, uid):
            if len(stack.slices) < LEAST_SLICES:
                continue
            try:
                candidate = Candidate(stack, lattice_of(stack))
            except GeometryError as error:
                lost.append(str(error))
                continue
            if uid or candidate.shows_a_head:
                found.append(candidate)
    return found


def _stacks(series: DicomSeries, modality: Modality, uid: str | None) -> list[Stack]:
    """What could be meant: the stack asked for, what the series is about, or all that vie."""
    stacks, notes = stacks_of(series)
    if uid and STACK_MARK in uid:
        return [stack for stack in stacks if stack.uid == uid]
    if uid not in {None, series.uid}:
        return []
    try:
        return [main_stack(series, stacks, notes, modality).stack]
    except GeometryError:
        return stacks


def _fits(pair: Pair, *, accept_patients: bool) -> bool:
    """Whether both are of one patient and, in one frame of reference, show one region."""
    for keyword in ("PatientID", "PatientName"):
        told = {str(one.header.get(keyword) or "") for one in (pair.ct, pair.mr)} - {""}
        if told:  # the ID counts, where it is told
            break
    if len(told) > 1 and not accept_patients:
        return False
    frames = [str(one.header.get("FrameOfReferenceUID") or "") for one in (pair.ct, pair.mr)]
    return frames[0] != frames[1] or not frames[0] or _overlap(pair) >= LEAST_OVERLAP


def _overlap(pair: Pair) -> float:
    """Share of the smaller box, along the patient's axes, that lies in the other."""
    boxes = [_box(one.lattice) for one in (pair.ct, pair.mr)]
    low = np.maximum(boxes[0][0], boxes[1][0])
    high = np.minimum(boxes[0][1], boxes[1][1])
    common = np.prod(np.clip(high - low, 0, None))
    return float(common / min(np.prod(end - start) for start, end in boxes))


def _box(lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    far = (np.array(lattice.size) - 1) * lattice.spacing_mm
    corners = [lattice.origin_mm + lattice.axes @ (far * corner) for corner in np.ndindex(2, 2, 2)]
    return np.min(corners, axis=0), np.max(corners, axis=0)


def _narrow(pairs: list[Pair]) -> str:
    """What to choose among, for each modality with a choice."""
    told = []
    for flag, candidates in (
        ("--ct-series UID", [pair.ct for pair in pairs]),
        ("--mr-series UID", [pair.mr for pair in pairs]),
    ):
        lines = list(dict.fromkeys(one.stack.line for one in candidates))
        if len(lines) > 1:
            told.append(f"choose with {flag}:\n  " + "\n  ".join(lines))
    return "\n".join(told)
