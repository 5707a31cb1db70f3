"""What the node knows of patients, fusions and deliveries."""

from dataclasses import dataclass
from enum import StrEnum

from radfuse.record import SeriesReference

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 600.0
"""Pause after the first failed attempt; it doubles with each, up to the longest."""


class PatientState(StrEnum):
    """What the node knows of a patient."""

    ARRIVING = "arriving"
    """Series have arrived that no rule was applied to yet."""
    UNMATCHED = "unmatched"
    """No rule applies; the reason is stored."""
    MATCHED = "matched"
    """A fusion was made of what arrived."""


class FusionState(StrEnum):
    """How far a fusion is."""

    PLANNED = "planned"
    """A rule applies; the images are not retrieved yet."""
    QUEUED = "queued"
    """In the list of jobs, waiting or running."""
    FUSED = "fused"
    """Written by the job; not yet in the Orthanc."""
    STORED = "stored"
    """In the Orthanc; not yet at all destinations."""
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The images or the registration cannot be used."""
    FAILED = "failed"
    """A fault of the program or the machine."""
    UNNEEDED = "unneeded"
    """The same pair was fused by the same recipe before, or newer series replace these."""
    CANCELLED = "cancelled"


OPEN = (FusionState.PLANNED, FusionState.QUEUED, FusionState.FUSED, FusionState.STORED)
"""States in which the node has something to do."""


class DeliveryState(StrEnum):
    """What has become of sending a result to one destination."""

    WAITING = "waiting"
    SENDING = "sending"
    DONE = "done"


@dataclass(frozen=True)
class Patient:
    """A patient of the Orthanc."""

    patient: str
    """Orthanc's identifier, a hash of the PatientID."""
    state: PatientState
    reason: str
    fingerprint: str
    """Of what a rule was last applied to."""
    is_forced: bool
    """Whether an operator wants what is there to be fused now, and again."""
    changed: float
    """When, seconds since 1970."""


@dataclass(frozen=True)
class Fusion:
    """One fusion of a patient by a rule."""

    number: int
    patient: str
    rule: str
    state: FusionState
    is_forced: bool
    identity: str
    """Of its job; empty before the images are retrieved."""
    version: int
    """Counts the fusions of the patient by the rule."""
    reason: str
    series: tuple[SeriesReference, ...]
    """Of the result in the Orthanc."""
    replaces: tuple[SeriesReference, ...]
    attempts: int
    next_attempt: float
    created: float
    changed: float


@dataclass(frozen=True)
class Delivery:
    """A result on its way to a destination."""

    number: int
    fusion: int
    destination: str
    state: DeliveryState
    orthanc_job: str
    attempts: int
    next_attempt: float
    reason: str


def pause_s(attempts: int) -> float:
    """Seconds until the next attempt after some failed ones."""
    return min(FIRST_PAUSE_S * 2.0 ** min(attempts, 20), LONGEST_PAUSE_S)
