"""The result of registration QA: an estimated error, its interval, and a grade, in words too."""

from dataclasses import asdict, dataclass
from typing import Any

from radfuse.registration.optimizer import HEAD_RADIUS_MM
from radfuse.registration.qa.regions import Residuals, is_distorted
from radfuse.registration.qa.skull_fit import PATCH_TOLERANCE_MM
from radfuse.registration.qa.skull_profiles import MAX_SHIFT_MM
from radfuse.verdict import Grade, Verdict, at_most

PASS_MM = 1.9
"""Largest upper end of the interval that passes: AAPM TG-132 asks for 1 to 2 mm. With it 2 of 129
pairs that pass have a mean error above 1 mm, with 2.0 4 of 138 (calibration half of
benchmarks/calibration.py)."""

INSPECT_MM = 3.3
"""Largest upper end of the interval that is fused, with a warning; above it QA fails: with 3.0 one
more of the good pairs is refused, with 3.3 no pair that is off by more than 2 mm is accepted
(calibration half of benchmarks/calibration.py)."""

MAX_DISPLACEMENT_MM = 2.8
"""Largest displacement of the skull of one head: 2.8 mm and less but for a neck and two cropped
CTs, 3.1 mm and more for other heads and mirrored ones (calibration half of
benchmarks/calibration.py). With 3.2 mm two half heads of other people are accepted."""

MAX_ERROR_MM = 2 * MAX_SHIFT_MM
"""Largest displacement that can be measured; reported where the error cannot be estimated."""


@dataclass(frozen=True, repr=False)
class Quality:
    """Estimated error of a pose; it passes where `high_mm` is at most `threshold_mm`.

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> quality = radfuse.register(head.ct, head.mr).quality
    >>> quality.grade, quality.low_mm <= quality.error_mm <= quality.high_mm
    ('pass', True)
    """

    error_mm: float
    """At the worst point of the brain in the MR; `MAX_ERROR_MM` where it cannot be estimated."""
    low_mm: float
    """Lower end of the 90 % interval of the error."""
    high_mm: float
    """Upper end of the 90 % interval of the error."""
    threshold_mm: float
    """Largest `high_mm` that passes."""
    grade: Grade
    """`pass`, `inspect` (fused, with a warning) or `refuse` (registration QA failed)."""
    passed: bool
    """Whether the grade is `pass`."""
    not_judged: str
    """Why the error cannot be estimated, and what to do; empty where it is estimated."""
    displacement_mm: float
    """Twice the weighted mean shift of the skull patches along their normals: in a head displaced
    by t, normals point in all directions and the mean is t / 2."""
    reregistration_mm: float
    """Mean displacement of the head when the registration is repeated from this pose."""
    within_tolerance: float
    """Fraction of the patches that shift by at most `PATCH_TOLERANCE_MM`."""
    overlap: float
    """Fraction of the MR's head inside the CT."""
    patches: int
    """Number of skull patches."""
    bone_fraction: float
    """Fraction of the CT's bone around the MR's head that is inside it."""
    dilution: float
    """See `skull_fit.dilution`; 0 without patches."""
    mirror_fit: float
    """Mutual information of the MR's mirror image as a fraction of the MR's own."""
    residuals: Residuals
    """What no rigid motion explains, by region of the skull: mm outwards, and its patches."""
    stretch_mm: float
    """Largest stretch of the MR against the CT, in mm at `HEAD_RADIUS_MM`, see `stretch`."""
    is_stretched: bool = False
    """Whether it is likely, see `stretch.Stretch`; then QA does not pass."""
    region: str = ""
    """The region of the CT whose error this is; empty for the whole brain."""
    worst_point_mm: tuple[float, float, float] | None = None
    """The worst point of the brain, LPS mm of the CT; None where the error is not estimated."""

    @property
    def worst_region(self) -> str:
        """The region with the largest residual; empty without any."""
        sizes = {name: abs(residual) for name, (residual, _) in self.residuals.items()}
        return max(sizes, key=lambda name: sizes[name], default="")

    def _worst_residual(self) -> str:
        if not self.residuals:
            return ""
        residual_mm, _ = self.residuals[self.worst_region]
        return f", largest residual of the skull {residual_mm:+.1f} mm ({self.worst_region})"

    @property
    def distortion_note(self) -> str:
        """That the MR is likely to be distorted; empty where nothing says so."""
        residual_mm, count = self.residuals.get(self.worst_region, (0.0, 0))
        likely = {
            f"it is stretched by {100 * self.stretch_mm / HEAD_RADIUS_MM:.1f} % against the CT": (
                self.is_stretched
            ),
            f"its skull is {abs(residual_mm):.1f} mm off the CT's in the region "
            f"'{self.worst_region}'": is_distorted(residual_mm, count),
        }
        reasons = [reason for reason, holds in likely.items() if holds]
        return f"the MR is likely to be distorted: {', '.join(reasons)}" if reasons else ""

    @property
    def verdict(self) -> Verdict:
        """The grade, with its words."""
        return Verdict(self.grade, self.high_mm, bool(self.region))

    @property
    def is_estimated(self) -> bool:
        """Whether the skull in both images suffices for an estimate."""
        return not self.not_judged

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user must know before using the pose: the sentence, unless QA passed; a region."""
        return tuple(filter(None, ("" if self.passed else self.sentence(), self.region_note)))

    @property
    def region_note(self) -> str:
        """That only a region is judged; empty for the whole brain."""
        what = f"registered and judged on a region only, a {self.region}"
        return f"{what}; elsewhere the error is unknown and may be larger" if self.region else ""

    def as_dict(self) -> dict[str, Any]:
        """The values for JSON."""
        derived: dict[str, Any] = {
            "is_estimated": self.is_estimated,
            "verdict": self.verdict.sentence(),
        }
        derived |= {"worst_region": self.worst_region, "distortion": self.distortion_note}
        derived["worst_point_mm"] = self.worst_point_mm and list(self.worst_point_mm)
        derived["residuals"] = {
            region: {"outwards_mm": residual_mm, "patches": count}
            for region, (residual_mm, count) in self.residuals.items()
        }
        return {**asdict(self), **derived}

    def short(self) -> str:
        """The grade and the error, in a few words."""
        if self.not_judged:
            return f"QA {self.grade}, error unknown"
        interval = f"{self.low_mm:.1f} to {at_most(self.high_mm)} mm"
        return f"QA {self.grade}, error {self.error_mm:.1f} mm (90 % interval {interval})"

    def __repr__(self) -> str:
        """One line; `sentence` has more."""
        return f"<Quality: {self.short()}>"

    def sentence(self) -> str:
        """The result in one sentence."""
        if self.not_judged:
            return f"{self.verdict.sentence()}: the error cannot be estimated, {self.not_judged}"
        separator = ";" if self.grade == "inspect" else ":"
        return (
            f"{self.verdict.sentence()}{separator} estimated error at the worst point of the brain "
            f"{'in the region ' if self.region else ''}"
            f"{self.error_mm:.1f} mm (90 % interval {self.low_mm:.1f} to "
            f"{at_most(self.high_mm)} mm, passes up to {self.threshold_mm:.1f} mm); "
            f"skull displacement {self.displacement_mm:.1f} mm (at most "
            f"{MAX_DISPLACEMENT_MM:.1f} mm), "
            f"{self.within_tolerance:.0%} of skull patches within {PATCH_TOLERANCE_MM:.0f} mm, "
            f"re-registration distance {self.reregistration_mm:.1f} mm, overlap {self.overlap:.0%}"
            f"{self._worst_residual()}"
        )
