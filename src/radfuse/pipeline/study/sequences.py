"""Which MR sequence a series is, by its header, or by the name of its file without one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from radfuse.modality import MR
from radfuse.series import Series

DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "SequenceName")
"""Attributes whose words name the sequence."""

FLAIR_INVERSION_MS, T2_ECHO_MS, T1_REPETITION_MS = 1500.0, 60.0, 3000.0
"""Inversion time above which a T2-weighted sequence is a FLAIR; echo time from which one is
T2-weighted; repetition time up to which one with a shorter echo is T1-weighted."""

WORDS = (
    ("T1", r"t1.*flair"),
    ("FLAIR", r"flair|dark.?fluid"),
    ("DWI", r"dwi|(?<![a-z])diff(?![a-z])|diffusion|adc|trace"),
    ("T2", r"t2"),
    ("T1", r"t1|mp2?rage|spgr|bravo|vibe|tfe|flash"),
)
"""Sequences, with patterns of their words; the first that matches counts. A T1 FLAIR is
T1-weighted."""

CONTRAST_WORDS = (
    r"(?<![a-z])(gd|gad[a-z]*|km|ce|post|contrast|enhanced)(?![a-z])|[+]c|c[+]|t1(c|gd)"
)
"""Words of a contrast agent."""

NO_CONTRAST_WORDS = r"(?<![a-z])(pre|without|w/?o|no|native|nativ)(?![a-z])"

BIDS_LABELS = re.compile("^sub-[^_]+_(ses-[^_]+_)?")
"""Patient and session in the name of a file in BIDS, which say nothing of the sequence."""

NO_AGENT = ("", "NO", "NONE", "N", "0")
"""Values of ContrastBolusAgent that name none."""


@dataclass(frozen=True)
class MrSequence:
    """What a series shows."""

    weighting: str
    """`T1`, `T2`, `FLAIR`, `DWI`; empty where it is unknown."""

    is_enhanced: bool = False
    """Whether a contrast agent was given."""

    @property
    def label(self) -> str:
        """A short name for files; empty where the sequence is unknown."""
        return f"{self.weighting}_Gd" if self.weighting and self.is_enhanced else self.weighting


def mr_sequence(series: Series) -> MrSequence:
    """The sequence of an MR series."""
    words = _words(series)
    weighting = next((name for name, pattern in WORDS if re.search(pattern, words)), "")
    return MrSequence(weighting or _weighting_by_times(series), _is_enhanced(series, words))


def _words(series: Series) -> str:
    if not series.headers:
        return BIDS_LABELS.sub("", series.source.name).lower()
    return " ".join(str(series.headers[0].get(keyword) or "") for keyword in DESCRIPTIONS).lower()


def _weighting_by_times(series: Series) -> str:
    echo, repetition, inversion = (
        _milliseconds(series, keyword)
        for keyword in ("EchoTime", "RepetitionTime", "InversionTime")
    )
    if not echo:
        return ""
    if echo >= T2_ECHO_MS:
        return "FLAIR" if inversion > FLAIR_INVERSION_MS else "T2"
    return "T1" if 0 < repetition <= T1_REPETITION_MS else ""


def _milliseconds(series: Series, keyword: str) -> float:
    try:
        return float(series.headers[0].get(keyword) or 0) if series.headers else 0.0
    except (TypeError, ValueError):
        return 0.0


def _is_enhanced(series: Series, words: str) -> bool:
    agent = str(series.headers[0].get("ContrastBolusAgent") or "") if series.headers else ""
    if agent.strip().upper() not in NO_AGENT:
        return True
    return bool(re.search(CONTRAST_WORDS, words) and not re.search(NO_CONTRAST_WORDS, words))


def best_mr(mrs: Sequence[Series]) -> tuple[int, str]:
    """Index of the MR that is fused with the CT, and why.

    A T1-weighted one with contrast agent, else a T1-weighted one, else any; of several the one with
    the smallest voxels, the first of equal ones.
    """
    sequences = [mr_sequence(one) for one in mrs]

    def rank(index: int) -> tuple[bool, bool, float]:
        sequence = sequences[index]
        is_t1 = sequence.weighting == "T1"
        return not (is_t1 and sequence.is_enhanced), not is_t1, voxel_mm3(mrs[index])

    best = min(range(len(mrs)), key=rank)
    kinds = {"T1_Gd": "T1-weighted with contrast agent", "T1": "T1-weighted, none has contrast"}
    kind = kinds.get(sequences[best].label, "no T1-weighted MR is known by header or name")
    return best, f"{kind}; voxels of {voxel_mm3(mrs[best]):.2g} mm3"


def choice_note(label: str, why: str) -> str:
    """What a record states of the MR that is fused."""
    return f"{label} is fused with the CT: {why}"


def voxel_mm3(series: Series) -> float:
    """Volume of a voxel."""
    return float(prod(series.image.GetSpacing()))


def mr_label(series: Series) -> str:
    """A short name for messages: the sequence, or `MR`."""
    return mr_sequence(series).label or MR.code


def labels_of(mrs: Sequence[Series]) -> list[str]:
    """A name for each, for files and tables: its sequence, with a number where that is taken."""
    labels: list[str] = []
    for number, series in enumerate(mrs, 1):
        label = mr_sequence(series).label or f"MR_{number}"
        labels.append(f"{label}_{number}" if label in labels else label)
    return labels
