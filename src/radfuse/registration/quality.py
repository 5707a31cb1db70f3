"""Registration QA: an estimate of the error of a pose, in mm, against a threshold.

Images of two heads, even of two people, register plausibly, and the value of mutual information
depends on scanner, contrast and field of view. So the error is estimated in mm, in two ways. Each
patch of the skull is shifted along its normal to where it fits the MR best: in the right pose of
the right patient the shift is small, in another patient's head each patch shifts differently. And
the pose is optimized again: one that is off moves.
"""

from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk
from scipy.spatial import cKDTree

from radfuse.arrays import Float64Array
from radfuse.registration.optimizer import (
    MIDDLE,
    MutualInformationOptimizer,
    mean_displacement_mm,
    overlap_fraction,
)
from radfuse.registration.preprocessing import MARGIN_MM, centroid, coarse_head_mask, dilated
from radfuse.registration.skull_profiles import (
    MAX_SHIFT_MM,
    Profiles,
    point_similarity,
    skull_profiles,
)
from radfuse.registration.transforms import with_rotation_centre
from radfuse.series import Series

THRESHOLD_MM = 2.3
"""Largest estimated error that passes; docs/registration.md has the distribution on either side."""

PATCH_MM = 14.0
"""Radius of a skull patch: room for some hundred surface points, small against a head."""

PATCH_COSINE = 0.85
"""Of the angle, 32 degrees, within which the normals of a patch agree."""

MIN_PATCH_POINTS = 25
"""Fewer points than this make no patch."""

MAX_PATCHES = 400
"""Number of candidate patches, spread over the skull."""

MIN_PATCHES = 80
"""With fewer the error cannot be estimated: too little skull is in both images."""

MIN_OVERLAP = 0.65
"""Least fraction of the MR's head inside the CT. The vault alone is nearly a sphere and does not
determine a rotation: with 59 % of the VHF in view the error is 3.6 mm at a displacement of 2.0 mm,
with 69 % it is 0.9 mm."""

MAX_ERROR_MM = 2 * MAX_SHIFT_MM
"""Largest displacement that can be measured; reported where the error cannot be estimated."""

PATCH_TOLERANCE_MM = 2.0
"""A patch that shifts by no more is within tolerance."""


@dataclass(frozen=True)
class _PatchShifts:
    """Shifts along their normals with which the skull patches fit best."""

    distances_mm: Float64Array
    weights: Float64Array
    """Best fit of a patch above its median fit."""

    def mean(self, values: Float64Array) -> float:
        """Weighted mean of one value for each patch."""
        return float(np.average(values, weights=self.weights))


@dataclass(frozen=True)
class Quality:
    """Estimated error of a pose; it passes where `error_mm` is at most `threshold_mm`."""

    error_mm: float
    """The larger of `displacement_mm` and `reregistration_mm`; at least `MAX_ERROR_MM` where it
    cannot be estimated."""
    threshold_mm: float
    passed: bool
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
    is_estimated: bool
    """Whether overlap and patches suffice for an estimate."""

    def as_dict(self) -> dict[str, float | bool | int]:
        """The values for JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """The result in one sentence."""
        if not self.is_estimated:
            return (
                "registration QA failed: the error cannot be estimated, too little of the head is "
                f"in both images (overlap {self.overlap:.0%}, at least {MIN_OVERLAP:.0%}; "
                f"{self.patches} skull patches, at least {MIN_PATCHES})"
            )
        return (
            f"registration QA {'passed' if self.passed else 'failed'}: estimated error "
            f"at the skull {self.error_mm:.1f} mm (threshold {self.threshold_mm:.1f} mm); "
            f"skull displacement {self.displacement_mm:.1f} mm, "
            f"{self.within_tolerance:.0%} of skull patches within {PATCH_TOLERANCE_MM:.0f} mm, "
            f"re-registration distance {self.reregistration_mm:.1f} mm, overlap {self.overlap:.0%}"
        )


def assess(ct: Series, mr: Series, mr_from_ct: sitk.Transform) -> Quality:
    """Estimate the error of a pose of any origin; `mr_from_ct` maps CT to MR points, LPS mm.

    Raises `InputError` for a series that is no volume, is constant or shows no head, and for a
    transform that is not rigid.
    """
    head = coarse_head_mask(mr)
    centre = centroid(head)
    pose = with_rotation_centre(centre, mr_from_ct.GetInverse())
    profiles = skull_profiles(ct, mr, head, pose)
    shifts = _patch_shifts(profiles) if profiles else _PatchShifts(np.empty(0), np.empty(0))
    optimizer = MutualInformationOptimizer.at_level(MIDDLE, ct, mr, dilated(head, MARGIN_MM))
    optimum = optimizer.optimize(pose)
    return _quality(
        shifts,
        reregistration_mm=(
            mean_displacement_mm(optimum[0], pose, centre) if optimum else MAX_ERROR_MM
        ),
        overlap=overlap_fraction(ct.image, head, pose),
    )


def _quality(shifts: _PatchShifts, *, reregistration_mm: float, overlap: float) -> Quality:
    """Combine the measurements into one error and compare it with the threshold."""
    patches = len(shifts.distances_mm)
    is_within = np.where(shifts.distances_mm <= PATCH_TOLERANCE_MM, 1.0, 0.0)
    displacement_mm = 2 * shifts.mean(shifts.distances_mm) if patches else MAX_ERROR_MM
    is_estimated = patches >= MIN_PATCHES and overlap >= MIN_OVERLAP
    error_mm = max(displacement_mm, reregistration_mm, 0.0 if is_estimated else MAX_ERROR_MM)
    return Quality(
        error_mm=error_mm,
        threshold_mm=THRESHOLD_MM,
        passed=error_mm <= THRESHOLD_MM,
        displacement_mm=displacement_mm,
        reregistration_mm=reregistration_mm,
        within_tolerance=shifts.mean(is_within) if patches else 0.0,
        overlap=overlap,
        patches=patches,
        is_estimated=is_estimated,
    )


def _patch_shifts(profiles: Profiles) -> _PatchShifts:
    """Shift each skull patch along its normal to where it fits the MR best."""
    similarity = point_similarity(profiles)
    tree = cKDTree(profiles.points_mm)
    patches = []
    for centre in range(0, len(similarity), max(1, len(similarity) // MAX_PATCHES)):
        near = np.array(tree.query_ball_point(profiles.points_mm[centre], PATCH_MM))
        alike = profiles.normals[near] @ profiles.normals[centre] > PATCH_COSINE
        if alike.sum() >= MIN_PATCH_POINTS:
            patches.append(similarity[near[alike]].mean(axis=0))
    curves = np.array(patches).reshape(-1, len(profiles.shifts_mm))  # (patches, shifts)
    weights = curves.max(axis=1) - np.median(curves, axis=1)
    is_informative = weights > 0  # where the MR is uniform, all shifts fit alike
    shifts = np.abs(profiles.shifts_mm[curves.argmax(axis=1)])
    return _PatchShifts(shifts[is_informative], weights[is_informative])
