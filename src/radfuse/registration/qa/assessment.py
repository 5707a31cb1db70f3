"""Registration QA: the error of a pose at the worst point of the brain, in mm, with an interval.

Images of two heads, even of two people, register plausibly, and the value of mutual information
depends on scanner, contrast and field of view. So the error is estimated in mm, from two rigid
motions: the one that fits the skull best, patch by patch along the normals, and the one by which
the pose moves when it is optimized again. Both are weighted by their precision. Where the skull
in both images does not determine a pose, nothing is estimated, and QA fails with that reason.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.parallel import WORKERS
from radfuse.registration.ct_region import REACH_MM, CtRegion
from radfuse.registration.optimizer import itk_threads, mean_displacement_mm, overlap_fraction
from radfuse.registration.preprocessing import centroid, coarse_head_mask, voxel_share
from radfuse.registration.qa.brain_points import brain_points_mm
from radfuse.registration.qa.mirror import mirror_fit
from radfuse.registration.qa.quality import (
    INSPECT_MM,
    MAX_DISPLACEMENT_MM,
    MAX_ERROR_MM,
    PASS_MM,
    Quality,
)
from radfuse.registration.qa.regions import (
    Residuals,
    local_displacements_mm,
    local_mm,
    skull_residuals,
)
from radfuse.registration.qa.skull_fit import (
    OPTIMIZER_SD_MM,
    PATCH_TOLERANCE_MM,
    Motion,
    SkullPatches,
    block_count,
    dilution,
    fit_skull,
    motion_between,
    skull_patches,
)
from radfuse.registration.qa.skull_profiles import (
    MAX_SHIFT_MM,
    ct_on_head,
    skull_profiles,
    visible_bone,
)
from radfuse.registration.qa.stretch import (
    NO_STRETCH,
    Stretch,
    affine_stretch,
    fit_stretch,
    stretch_pair,
)
from radfuse.registration.shading import evenly_lit
from radfuse.registration.transforms import with_rotation_centre
from radfuse.series import Series
from radfuse.verdict import Grade

NORMAL_QUANTILE = 1.645
"""Standard deviations on either side of the estimate that hold 90 % of a normal distribution."""

SYSTEMATIC_SD_MM = 0.2
"""Standard deviation of each parameter of what both motions share, as the blur of thick voxels: the
interval then holds the error of 90 % (calibration half of benchmarks/calibration.py)."""

REGION_POWER = 3.0
"""Of the inverse share of the head near a region: its power multiplies the standard deviation of
the skull's motion and the variance of what both share, since errors of where bone begins no longer
cancel on opposite sides (46 of 48 intervals in eight regions of three phantoms hold the error)."""

MAX_DILUTION = 11.0
"""Largest `dilution` of a skull that determines a pose: 4 to 10 for whole and half heads, 12 to 40
for a vault and slabs; at 11.3 the vault of another person passed (calibration half of
benchmarks/calibration.py)."""

MIN_PATCHES = 80
"""With fewer the error cannot be estimated: too little skull is in both images."""

MIN_BLOCKS = 25
"""Least number of blocks of 40 mm with skull patches: a covariance from the scatter of blocks needs
some thirty (Cameron and Miller 2015, 10.3368/jhr.50.2.317); 30 and more for heads and most slabs,
20 and 22 for coronal slabs of the face, one of them 1.7 mm off (calibration half)."""

MIN_OVERLAP = 0.5
"""Least fraction of the MR's head inside the CT."""

MIN_BONE_CM3 = 20.0
"""Least bone in the CT around the MR's head; a head has 500 cm3 and more."""

MIN_BONE_FRACTION = 0.6
"""Least fraction of the CT's bone there that is inside the MR's head: 0.94 and more for heads and
slabs, 0.05 to 0.28 where the skull was stripped (calibration half of benchmarks/calibration.py)."""

MAX_MIRROR_FIT = 0.97
"""Largest fit of the MR's mirror image as a fraction of the MR's own: 0.94 and less for heads, 1.08
and more where the MR is mirrored (calibration half of benchmarks/calibration.py)."""


@dataclass(frozen=True)
class _Measured:
    """What is measured of a pose before it is judged."""

    patches: SkullPatches | None
    affine: Float64Array
    """See `stretch.affine_stretch`."""
    bone_cm3: float
    bone_fraction: float
    overlap: float
    dilution: float
    optimized: Motion | None
    """To the pose's optimum of mutual information."""
    reregistration_mm: float
    mirror_fit: float
    region: CtRegion | None
    share: float
    """Of the head's voxels, near the region."""

    @property
    def is_far(self) -> bool:
        """Whether the pose is farther from its optimum than skull patches are shifted."""
        return self.optimized is not None and self.reregistration_mm > MAX_SHIFT_MM

    def not_judged(self) -> str:
        """Why the error cannot be estimated, and what to do; empty where it can.

        A pose that is far from its own optimum is off by that, whatever of the skull is visible.
        """
        if self.is_far:
            return ""
        patches = len(self.patches.points_mm) if self.patches else 0
        blocks = block_count(self.patches.points_mm) if self.patches and patches else 0.0
        where, way_out = "in both images", "use images of the whole head"
        if self.region:
            where = f"within {REACH_MM:g} mm of the region"
            way_out = "choose a larger region with skull on several sides, or the whole head"
        reasons = {
            "too little of the head is in both images (overlap "
            f"{self.overlap:.0%}, at least {MIN_OVERLAP:.0%}); {way_out}": (
                self.overlap < MIN_OVERLAP or self.optimized is None
            ),
            f"the CT shows {self.bone_cm3:.0f} cm3 of bone around the MR (at least "
            f"{MIN_BONE_CM3:.0f}); check that the CT is of the head and in HU": (
                self.bone_cm3 < MIN_BONE_CM3
            ),
            f"the MR does not show the skull ({self.bone_fraction:.0%} of the CT's bone is "
            f"inside its head, at least {MIN_BONE_FRACTION:.0%}); use the MR from before skull "
            "stripping": self.bone_fraction < MIN_BONE_FRACTION,
            f"too little skull is {where} ({patches} skull patches, at least "
            f"{MIN_PATCHES}); {way_out}": patches < MIN_PATCHES,
            f"the skull {where} is in {blocks:.0f} blocks of 40 mm (at least {MIN_BLOCKS}): too "
            f"few to estimate the precision; {way_out}": blocks < MIN_BLOCKS and not self.region,
            f"the skull {where} does not determine the pose (dilution of precision "
            f"{self.dilution:.0f}, at most {MAX_DILUTION:.0f}): a vault or a slab slides and "
            f"rotates along itself; {way_out}": self.dilution > MAX_DILUTION,
            "left and right cannot be distinguished: the mirror image of the MR fits the CT with "
            f"{self.mirror_fit:.0%} of the MR's fit (at most {MAX_MIRROR_FIT:.0%}); check the MR's "
            "orientation": self.mirror_fit > MAX_MIRROR_FIT,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")


def assess(
    ct: Series, mr: Series, mr_from_ct: sitk.Transform, region: CtRegion | None = None
) -> Quality:
    """Estimate the error of a pose of any origin; `mr_from_ct` maps CT to MR points, LPS mm.

    With a region, the error at the worst point of the brain inside it, from the skull and the
    mutual information within `REACH_MM` of it. Raises `InputError` for a series that is no volume,
    is constant or shows no head, for a transform that is not rigid, and for a region with too
    little of the head or no brain.
    """
    head = coarse_head_mask(mr)
    part = region.part_of(head, mr_from_ct.GetInverse()) if region else head
    centre = centroid(part)
    pose = with_rotation_centre(centre, mr_from_ct.GetInverse())
    brain = brain_points_mm(head, pose, region)
    mr, optimizer = evenly_lit(ct, mr, head, pose)
    grid = ct_on_head(ct.image, head, pose)
    near = region.on(optimizer.mr_mask, pose, REACH_MM) if region else None
    affine_pair = stretch_pair(ct, mr, optimizer.mr_mask)
    with itk_threads(single=True), ThreadPoolExecutor(WORKERS) as pool:  # nothing is shared
        optimum_task = pool.submit(optimizer.copy().optimize, pose)
        mirror_task = pool.submit(mirror_fit, optimizer.copy(), pose, optimum_task.result)
        affine_task = pool.submit(affine_stretch, affine_pair, pose)
        if near is not None:
            of_region = replace(optimizer, mr_mask=optimizer.mr_mask & near).copy()
            optimum_task = pool.submit(of_region.optimize, pose)
        patches = _patches(grid, mr, head, part if region else None)
        bone_cm3, bone_fraction = visible_bone(grid, head)
    optimum, share = optimum_task.result(), voxel_share(part, head)
    measured = _Measured(
        patches,
        affine_task.result(),
        bone_cm3,
        bone_fraction,
        overlap_fraction(ct.image, part, pose),
        dilution(patches, brain, centre) if patches and len(patches.points_mm) else 0.0,
        motion_between(pose, optimum[0], centre, OPTIMIZER_SD_MM / share**0.5) if optimum else None,
        mean_displacement_mm(optimum[0], pose, centre) if optimum else MAX_ERROR_MM,
        mirror_task.result(),
        region,
        share,
    )
    return _judged(measured, brain, centre, pose)


def _patches(
    grid: sitk.Image, mr: Series, head: sitk.Image, part: sitk.Image | None
) -> SkullPatches | None:
    """Skull patches of the head, or of a part of it; None where no skull is in view."""
    profiles = skull_profiles(grid, mr, head)
    patches = skull_patches(profiles) if profiles else None
    return patches.within(part) if patches and part is not None else patches


def _combined(skull: Motion, optimum: Motion, share: float) -> Motion:
    """Two estimates of a motion, weighted by their precision; of a share of the head."""
    spread = share**-REGION_POWER
    covariances = skull.covariance * spread**2, optimum.covariance
    precisions = [np.linalg.pinv(one, hermitian=True) for one in covariances]
    covariance = np.linalg.inv(precisions[0] + precisions[1])
    weighted = precisions[0] @ skull.parameters + precisions[1] @ optimum.parameters
    shared = SYSTEMATIC_SD_MM**2 * spread * np.eye(6)
    return Motion(covariance @ weighted, covariance + shared, skull.centre_mm)


def _judged(
    measured: _Measured, brain_mm: Float64Array, centre_mm: Float64Array, pose: sitk.Transform
) -> Quality:
    """Combine the measurements into one error, its interval and a grade."""
    patches, reason = measured.patches, measured.not_judged()
    displacement_mm, within_tolerance = MAX_ERROR_MM, 0.0
    if patches and len(patches.points_mm):
        shifts = np.abs(patches.best_shifts_mm)
        displacement_mm = 2 * float(np.average(shifts, weights=patches.weights))
        within_tolerance = float(np.average(shifts <= PATCH_TOLERANCE_MM, weights=patches.weights))
    estimate = _Estimate() if reason else _estimate(measured, brain_mm, centre_mm, pose)
    stretch = estimate.stretch
    passes = estimate.high_mm <= PASS_MM and not stretch.is_likely
    grade: Grade = "pass" if passes else "inspect" if estimate.high_mm <= INSPECT_MM else "refuse"
    if displacement_mm > MAX_DISPLACEMENT_MM:
        grade = "refuse"
    return Quality(
        error_mm=estimate.error_mm,
        low_mm=estimate.low_mm,
        high_mm=estimate.high_mm,
        threshold_mm=PASS_MM,
        grade=grade,
        passed=grade == "pass",
        not_judged=reason,
        displacement_mm=displacement_mm,
        reregistration_mm=measured.reregistration_mm,
        within_tolerance=within_tolerance,
        overlap=measured.overlap,
        patches=len(patches.points_mm) if patches else 0,
        bone_fraction=measured.bone_fraction,
        dilution=measured.dilution,
        mirror_fit=measured.mirror_fit,
        residuals=estimate.residuals,
        stretch_mm=stretch.largest_mm,
        is_stretched=stretch.is_likely,
        region=measured.region.name if measured.region else "",
        worst_point_mm=estimate.worst_point_mm,
    )


@dataclass(frozen=True)
class _Estimate:
    """Error at the worst point of the brain with its 90 % interval; what is not rigid."""

    error_mm: float = MAX_ERROR_MM
    low_mm: float = MAX_ERROR_MM
    high_mm: float = MAX_ERROR_MM
    residuals: Residuals = field(default_factory=dict)
    stretch: Stretch = NO_STRETCH
    worst_point_mm: tuple[float, float, float] | None = None
    """The worst point, LPS mm of the CT."""


def _estimate(
    measured: _Measured, brain_mm: Float64Array, centre_mm: Float64Array, pose: sitk.Transform
) -> _Estimate:
    """The error of a pose that can be judged.

    Stretch and residuals add to the estimate and to the upper end of the interval, not to the
    lower one: they may be of the scalp or of the contrast. A part of a head does not fix them.
    """
    motion, patches = measured.optimized, measured.patches
    if motion is None:
        return _Estimate()
    residuals: Residuals = {}
    stretch = NO_STRETCH
    if patches and not measured.is_far:
        fit = fit_skull(patches, centre_mm)
        motion = _combined(fit.motion, motion, measured.share)
        residuals = skull_residuals(patches, fit, brain_mm, pose)
        stretch = fit_stretch(patches, centre_mm, measured.affine)
    moved, spread = motion.displacements_mm(brain_mm)
    rigid_mm = float(moved.max())
    low_mm = max(float((moved - NORMAL_QUANTILE * spread).max()), 0.0)
    high_mm = float((moved + NORMAL_QUANTILE * spread).max())
    error_mm, by_point = rigid_mm, moved
    if stretch.is_determined:
        stretched = stretch.likely_displacements_mm(brain_mm)
        error_mm = float(np.linalg.norm([rigid_mm, stretched.max(), local_mm(residuals)]))
        local = local_displacements_mm(residuals, brain_mm, pose)
        by_point = np.linalg.norm([moved, stretched, local], axis=0)
    x, y, z = (round(mm, 1) for mm in pose.TransformPoint(brain_mm[by_point.argmax()].tolist()))
    high_mm += error_mm - rigid_mm
    return _Estimate(error_mm, low_mm, high_mm, residuals, stretch, (x, y, z))
