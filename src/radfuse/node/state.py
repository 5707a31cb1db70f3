"""What the node knows of patients, fusions and deliveries."""

from dataclasses import dataclass
from enum import StrEnum

from radfuse.record import SeriesReference

MAX_PAUSE_S = 600.0
"""Pause between two attempts, at most."""


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


RUNNING = (FusionState.QUEUED, FusionState.FUSED)
"""States of a fusion that is being done."""

IN_ORTHANC = (FusionState.STORED, FusionState.DELIVERED)
"""States of a fusion whose result is in the Orthanc."""


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
    destinations: tuple[str, ...]
    """Those of the rule when the job was made."""
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


def pause_s(attempts: int, first_s: float) -> float:
    """Seconds until the next attempt: it doubles with each failed one, up to the longest."""
    return min(first_s * 2.0 ** min(attempts, 20), MAX_PAUSE_S)


def is_due(next_attempt: float, now: float) -> bool:
    """Whether the next attempt is due.

    One further ahead than the longest pause is, too: the clock was set back.
    """
    return not now < next_attempt <= now + MAX_PAUSE_S
