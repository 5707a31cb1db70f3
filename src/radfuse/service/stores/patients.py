"""Different patients in the headers of one study, and why a person accepted them as one.

The reason is stored with the study and goes into the record of each result. The patients are
stored as hashes: an acceptance is of these patients, and of no other one whose files come later.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from itertools import combinations
from typing import Annotated

from pydantic import StringConstraints

from radfuse.errors import InputError
from radfuse.recipe import MAX_REASON_LENGTH, Recipe
from radfuse.record import now
from radfuse.series import Patient
from radfuse.service.models import FrozenModel

MIN_REASON_LENGTH = 5
"""Characters of a reason: "x" is none."""

Reason = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=MIN_REASON_LENGTH, max_length=MAX_REASON_LENGTH
    ),
]


class AcceptedPatients(FrozenModel):
    """Different patients that a person accepted as one."""

    reason: Reason
    time: datetime
    patients: tuple[str, ...]
    """SHA-256 of each, sorted."""


class DifferentPatientsError(InputError):
    """The headers of the images name different patients, and nobody has accepted them."""


def are_different(patients: Sequence[Patient]) -> bool:
    """Whether two of the patients differ."""
    return any(one.differs_from(other) for one, other in combinations(patients, 2))


def accept(patients: Sequence[Patient], reason: str) -> AcceptedPatients:
    """Accept different patients; raises `InputError` where they do not differ."""
    if not are_different(patients):
        raise InputError("the headers name one patient; there is nothing to accept")
    return AcceptedPatients(reason=reason, time=now(), patients=_digests(patients))


def is_accepted(patients: Sequence[Patient], accepted: AcceptedPatients | None) -> bool:
    """Whether the patients do not differ, or all of them were accepted."""
    known = accepted.patients if accepted else ()
    return not are_different(patients) or set(_digests(patients)) <= set(known)


def check_accepted(patients: Sequence[Patient], accepted: AcceptedPatients | None) -> None:
    """Raise `DifferentPatientsError` unless the patients do not differ, or were accepted."""
    if not is_accepted(patients, accepted):
        raise DifferentPatientsError(
            "the headers of the images name different patients; compare them, and if they are one "
            "person accept them with a reason"
        )


def with_acceptance(recipe: Recipe, accepted: AcceptedPatients | None) -> Recipe:
    """The recipe of a fusion: different patients only with the reason of the study."""
    reason = accepted.reason if accepted else ""
    changes = {"accept_patients": accepted is not None, "accept_patients_reason": reason}
    return recipe.model_copy(update=changes)


def _digests(patients: Sequence[Patient]) -> tuple[str, ...]:
    texts = {"\0".join((one.id, one.name, one.birth_date)) for one in patients}
    return tuple(sorted(sha256(text.encode()).hexdigest() for text in texts))
