"""The verdict of registration QA, and its words in messages, QA sheets and DICOM objects."""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Grade = Literal["pass", "inspect", "refuse"]

MARKS: dict[Grade, str] = {"pass": "", "inspect": "INSPECT", "refuse": "QA FAILED"}
"""Prefix of the description of a series by grade."""

ROUNDING = 1e-6
"""Of a length in tenths of a millimetre that is meant to be whole."""


def at_most(length_mm: float) -> str:
    """An upper limit in tenths of a millimetre, rounded up: an error that is stated must hold."""
    return f"{math.ceil(10 * length_mm - ROUNDING) / 10:.1f}"


@dataclass(frozen=True)
class Verdict:
    """The grade of a registration, and the error that it may have."""

    grade: Grade
    high_mm: float
    """Upper end of the 90 % interval of the error at the worst point of the brain."""

    is_of_region: bool = False
    """Whether the error is that of a region of the brain."""

    @property
    def mark(self) -> str:
        """Prefix of the description of a series; empty where QA passed."""
        return MARKS[self.grade]

    def sentence(self) -> str:
        """The result, without a full stop."""
        results: dict[Grade, str] = {
            "pass": "passed",
            "inspect": f"INSPECT: registration error up to {at_most(self.high_mm)} mm",
            "refuse": "FAILED",
        }
        return f"registration QA{' of a region' if self.is_of_region else ''} {results[self.grade]}"


class Assessment(Protocol):
    """The result of registration QA, of whatever pair of modalities."""

    @property
    def grade(self) -> Grade:
        """The grade."""

    @property
    def passed(self) -> bool:
        """Whether the grade is `pass`."""

    @property
    def verdict(self) -> Verdict:
        """The grade, with its words."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user must know before using the registration."""

    def sentence(self) -> str:
        """The result in one sentence."""

    def as_dict(self) -> dict[str, Any]:
        """The values for JSON."""
