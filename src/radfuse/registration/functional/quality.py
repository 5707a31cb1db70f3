"""The verdict on the pose of a functional image: an estimated error, its interval, and a grade."""

from dataclasses import asdict, dataclass
from typing import Any

from radfuse.modality import CT, MR, NM, PT
from radfuse.registration.functional.measurement import Measured
from radfuse.verdict import Grade, Verdict, at_most

PASS_MM = 3.0
"""Largest upper end of the interval that passes: about half the resolution of a PET."""

INSPECT_MM = 5.0
"""Largest upper end of the interval that is accepted, with a warning."""

FLOOR_MM = {PT.code: 0.4, NM.code: 0.9}
"""Standard deviation of what all optima share, as the outline of the brain in a SPECT: errors at
the worst point differ by up to 0.7 and 1.7 mm from the displacement to the optimum, to an MR
(calibration half of benchmarks/functional_registration.py)."""

SPREAD = 0.2
"""Standard deviation per mean displacement of the halves of the brain: with it the interval holds
the error of 90 % (calibration half)."""

INTERVAL = 1.645
"""Standard deviations on either side of the estimate that hold 90 % of a normal distribution."""

MAX_HALVES_MM = {MR.code: 1.2, CT.code: 5.0}
"""Largest mean displacement of the halves of the brain of one person, by anatomical modality: 0.8
and less to an MR, 2.1 and more for other people; to a CT, which shows little inside the brain, 4.6
and less (calibration half)."""

CONFIRMED_MM = MAX_HALVES_MM[MR.code]
"""Mean displacement of the halves up to which they show that both images are of one person."""

MIN_BRAIN_SHOWN = 0.6
"""Least fraction of the brain inside the functional image, and of the brain with uptake: 0.86 and
more for whole heads, 0.53 and less for half ones (calibration half)."""

SIDES_DIFFER = 0.85
"""Mutual information of the mirror image inside the brain, as a fraction of the image's own, up to
which left and right are certain: 0.80 and less for right pairs (calibration half)."""

MIRRORED = 1.05
"""Above this fraction the mirror image fits better: left and right are exchanged, or the person is
another one; 1.12 and more for mirrored images (calibration half, two heads)."""

MIN_ADVANTAGE_NATS = 0.026
"""Least mutual information inside the brain that the functional image has above its mirror image
where both are of one person: to a CT 0.035 and more, 0.019 and less for other people; 0.010 and
more with few counts (calibration half)."""


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
            f"{at_most(self.high_mm)} mm, passes up to {self.threshold_mm:.1f} mm); "
            f"re-registration distance {one.reregistration_mm:.1f} mm, "
            f"{one.swapped_mm:.1f} mm between both roles, "
            f"halves of the brain agree to {one.mean_half_mm:.1f} mm, {one.brain_in_view:.0%} "
            f"of the brain in the field of view, mirror image {one.mirror_fit:.0%} as similar"
            f"{caution}"
        )


def judged(measured: Measured) -> FunctionalQuality:
    """The verdict on what was measured of a pose."""
    reason, caution = _not_judged(measured), _caution(measured)
    spread = (FLOOR_MM[measured.functional] ** 2 + (SPREAD * measured.mean_half_mm) ** 2) ** 0.5
    moved = (measured.reregistration_mm**2 + measured.starts_mm**2) ** 0.5
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
    shown = min(one.brain_in_view, one.brain_with_uptake)
    limit_mm = MAX_HALVES_MM[one.anatomical]
    check = f"check that both are of one person, and the counts of the {one.functional}"
    mirror = f"the mirror image of the {one.functional} is {one.mirror_fit:.0%} as similar"
    reasons = {
        f"no brain was found in the {one.anatomical}; use an image of the whole head": (
            not one.has_brain
        ),
        f"the {one.functional} shows {shown:.0%} of the brain (at least {MIN_BRAIN_SHOWN:.0%}); "
        "use an image of the whole brain": shown < MIN_BRAIN_SHOWN,
        f"{mirror} inside the brain (at most {MIRRORED:.0%}); check its orientation and whether "
        "both are of one person": one.mirror_fit > MIRRORED,
        f"halves of the brain fit {one.mean_half_mm:.1f} mm apart (at most {limit_mm:.1f} mm); "
        f"{check}": one.mean_half_mm > limit_mm,
        f"nothing shows that both are of one person: inside the brain the {one.functional} shares "
        f"{one.advantage_nats:.3f} nats more than its mirror image (at least "
        f"{MIN_ADVANTAGE_NATS:.3f}), and halves of the brain fit {one.mean_half_mm:.1f} mm apart "
        f"(at most {CONFIRMED_MM:.1f} mm); {check}": (
            one.advantage_nats < MIN_ADVANTAGE_NATS and one.mean_half_mm > CONFIRMED_MM
        ),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _caution(one: Measured) -> str:
    """What a user must check though the pose is judged; empty where nothing."""
    if one.mirror_fit <= SIDES_DIFFER:
        return ""
    return (
        f"left and right cannot be distinguished: the mirror image of the {one.functional} is "
        f"{one.mirror_fit:.0%} as similar (at most {SIDES_DIFFER:.0%}); check its orientation"
    )
