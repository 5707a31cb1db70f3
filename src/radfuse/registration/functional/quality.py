"""The verdict on the pose of a functional image: an estimated error, its interval, and a grade."""

from dataclasses import asdict, dataclass
from typing import Any

from radfuse.modality import CT, MR
from radfuse.registration.functional.measurement import Measured
from radfuse.verdict import Grade, Verdict

PASS_MM = 3.0
"""Largest upper end of the interval that passes: about half the resolution of a PET."""

INSPECT_MM = 5.0
"""Largest upper end of the interval that is accepted, with a warning."""

FLOOR_MM = 1.0
"""Standard deviation that the optima of all checks share, as the blur of thick voxels."""

SPREAD = 0.3
"""Standard deviation per mean displacement of the halves of the brain."""

INTERVAL = 1.645
"""Standard deviations on either side of the estimate that hold 90 % of a normal distribution."""

MAX_HALVES_MM = {MR.code: 2.5, CT.code: 8.0}
"""Largest displacement of a half of the brain of one person, by anatomical modality."""

MIN_BRAIN_IN_VIEW = 0.6
"""Least fraction of the brain inside the functional image."""

MIN_BRAIN_WITH_UPTAKE = 0.6
"""Least fraction of the brain that has uptake."""

SIDES_DIFFER, MIRRORED = 0.75, 1.05
"""Mirror image's mutual information inside the brain, as a fraction of the image's own: up to the
first left and right are certain, above the second they are exchanged."""


@dataclass(frozen=True)
class FunctionalQuality:
    """Estimated error of a pose; it passes where `high_mm` is at most `threshold_mm`."""

    error_mm: float
    """At the worst point of the brain; the largest that is measured where it is not judged."""
    low_mm: float
    high_mm: float
    """Ends of the 90 % interval of the error."""
    threshold_mm: float
    grade: Grade
    passed: bool
    """Whether the grade is `pass`."""
    not_judged: str
    """Why the pose cannot be judged, and what to do; empty where it is."""
    caution: str
    """What a user must check though the pose is judged; empty where nothing."""
    measured: Measured

    @property
    def verdict(self) -> Verdict:
        """The grade, with its words."""
        return Verdict(self.grade, self.high_mm)

    @property
    def is_estimated(self) -> bool:
        """Whether the images suffice for an estimate."""
        return not self.not_judged

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user must know before using the pose: the sentence, unless QA passed."""
        return () if self.passed else (self.sentence(),)

    def as_dict(self) -> dict[str, Any]:
        """The values for JSON."""
        values = asdict(self)
        measured = values.pop("measured")
        derived = {"is_estimated": self.is_estimated, "verdict": self.verdict.sentence()}
        return {**values, **derived, **measured}

    def sentence(self) -> str:
        """The result in one sentence."""
        one = self.measured
        if self.not_judged:
            return f"{self.verdict.sentence()}: the error cannot be estimated, {self.not_judged}"
        separator = ";" if self.grade == "inspect" else ":"
        caution = f"; {self.caution}" if self.caution else ""
        return (
            f"{self.verdict.sentence()}{separator} estimated error of the {one.functional} at the "
            f"worst point of the brain {self.error_mm:.1f} mm (90 % interval {self.low_mm:.1f} to "
            f"{self.high_mm:.1f} mm, passes up to {self.threshold_mm:.1f} mm); re-registration "
            f"distance {one.reregistration_mm:.1f} mm, {one.swapped_mm:.1f} mm between both roles, "
            f"halves of the brain agree to {one.largest_half_mm:.1f} mm, {one.brain_in_view:.0%} "
            f"of the brain in the field of view, mirror image {one.mirror_fit:.0%} as similar"
            f"{caution}"
        )


def judged(measured: Measured) -> FunctionalQuality:
    """The verdict on what was measured of a pose."""
    reason, caution = _not_judged(measured), _caution(measured)
    spread = (FLOOR_MM**2 + (SPREAD * measured.mean_half_mm) ** 2) ** 0.5
    moved = (measured.reregistration_mm**2 + measured.swapped_mm**2 / 4) ** 0.5
    low, high = max(moved - INTERVAL * spread, 0.0), moved + INTERVAL * spread
    grade: Grade = "pass" if high <= PASS_MM else "inspect" if high <= INSPECT_MM else "refuse"
    if caution and grade == "pass":
        grade = "inspect"
    if reason:
        grade = "refuse"
    return FunctionalQuality(
        error_mm=(moved**2 + spread**2) ** 0.5,
        low_mm=low,
        high_mm=high,
        threshold_mm=PASS_MM,
        grade=grade,
        passed=grade == "pass",
        not_judged=reason,
        caution=caution,
        measured=measured,
    )


def _not_judged(one: Measured) -> str:
    """Why a pose cannot be judged, and what to do; empty where it can."""
    half_mm = MAX_HALVES_MM[one.anatomical]
    reasons = {
        f"no brain was found in the {one.anatomical}; use an image of the whole head": (
            not one.has_brain
        ),
        f"the {one.functional} shows {min(one.brain_in_view, one.brain_with_uptake):.0%} of the "
        f"brain (at least {MIN_BRAIN_IN_VIEW:.0%}); use an image of the whole brain": (
            one.brain_in_view < MIN_BRAIN_IN_VIEW or one.brain_with_uptake < MIN_BRAIN_WITH_UPTAKE
        ),
        f"the mirror image of the {one.functional} is {one.mirror_fit:.0%} as similar inside the "
        "brain (at most "
        f"{MIRRORED:.0%}); check its orientation and whether both are of one patient": (
            one.mirror_fit > MIRRORED
        ),
        f"halves of the brain fit up to {one.largest_half_mm:.1f} mm apart (at most "
        f"{half_mm:.1f} mm); check that both are of one patient, and the counts of the "
        f"{one.functional}": one.largest_half_mm > half_mm,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _caution(one: Measured) -> str:
    """What must be checked by the user."""
    if one.mirror_fit <= SIDES_DIFFER:
        return ""
    return (
        f"left and right cannot be distinguished: the mirror image of the {one.functional} is "
        f"{one.mirror_fit:.0%} as similar; check its orientation"
    )
