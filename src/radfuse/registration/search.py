"""Search for the rigid pose of an MR in a CT: many initial poses, the best of them refined."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import SimpleITK as sitk

from radfuse.errors import RegistrationError
from radfuse.log import since
from radfuse.parallel import in_order
from radfuse.progress import no_progress
from radfuse.registration.ct_region import REACH_MM, CtRegion
from radfuse.registration.initialization import (
    InitialPose,
    initial_poses,
    poses_around,
    quarter_rotation_poses,
)
from radfuse.registration.optimizer import (
    APPROACH,
    COARSE,
    DEFAULT_SEED,
    FINE,
    MIDDLE,
    SEPARATING,
    MutualInformationOptimizer,
    ResolutionLevel,
    itk_threads,
)
from radfuse.registration.poses import Pose, distinct, optimized
from radfuse.registration.preprocessing import (
    MARGIN_MM,
    centroid,
    coarse_head_mask,
    dilated,
    voxel_share,
)
from radfuse.registration.qa.assessment import assess
from radfuse.registration.qa.quality import Quality
from radfuse.registration.shading import evenly_lit
from radfuse.series import Series

LOG = logging.getLogger(__name__)

REMEDIES = (
    "check that both show the same part of one patient, or pass a transform from a few landmarks "
    "with --initial-transform FILE"
)
"""Suggestions where no initial pose works."""

MAX_APPROACHED = 8
"""Number of distinct poses that are optimized on the coarse grids, after the first steps of all: of
40 pairs of the calibration half of benchmarks/calibration.py six suffice in 39 and eight in all."""

MAX_REFINED = 3
"""Number of distinct poses of the coarse search that are refined."""

REPEATS = 5
"""In a region: the pose of the whole head may be some mm off there, and one optimization ends on
the way (1.5 mm off, after three 0.4 mm, in a phantom whose lower half was moved by 8 mm)."""


@dataclass(frozen=True, repr=False)
class Registration:
    """The rigid transform between a CT and an MR, and its estimated error.

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> found = radfuse.register(head.ct, head.mr)
    >>> found.quality.passed, found.quality.error_mm < 1.5
    (True, True)
    >>> found.resampled(head.mr, head.ct).array.shape
    (42, 62, 52)
    """

    mr_from_ct: sitk.Transform
    """Rigid; maps a CT point to an MR point, LPS mm, as SimpleITK resamples the MR onto the CT."""
    quality: Quality
    """The estimated error in mm and the grade."""
    initial_pose: str
    """Name of the initial pose that led to the result."""
    seconds: float
    """Wall time of the search."""

    def resampled(self, mr: Series, ct: Series) -> Series:
        """The MR on the CT's grid, linearly interpolated; 0 outside its field of view."""
        image = sitk.Resample(mr.image, ct.image, self.mr_from_ct, sitk.sitkLinear, 0.0)
        return replace(mr, image=image, regridded=True)

    def __repr__(self) -> str:
        """One line: the result of QA."""
        return f"<Registration: {self.quality.short()}, {self.seconds:.1f} s>"


def register(
    ct: Series,
    mr: Series,
    *,
    initial: sitk.Transform | None = None,
    region: CtRegion | None = None,
    metric_region: CtRegion | None = None,
    deterministic: bool = False,
    seed: int = DEFAULT_SEED,
    report: Callable[[str], None] = no_progress,
) -> Registration:
    """Find the rigid transform that maps CT points to MR points.

    Parameters
    ----------
    ct, mr
        Volumes of one head: HU, and arbitrary units.
    initial
        An approximate rigid transform, CT points to MR points, LPS mm; the search then starts only
        from it and rotations of it.
    region
        The part of the head that is registered, and whose error is estimated: after the search
        with the whole head only the MR's voxels near it count.
    metric_region
        After the search with the whole head only the MR's voxels in it count; the error is that of
        the whole brain.
    deterministic
        One thread: the result is bit-identical, whatever the number of cores.
    seed
        Of the metric's samples, above 0.
    report
        Called with the name of each stage.

    Raises
    ------
    InputError
        A series is no volume, is constant or shows no head; `initial` is not rigid; too little of
        the MR's head is in a region.
    RegistrationError
        With no initial pose is enough of the MR inside the CT.
    """
    began = time.perf_counter()
    with itk_threads(single=deterministic):
        report("segment the heads")
        search = _Search(ct, mr, seed, region, metric_region)
        if initial is None:
            ct_head, _ = in_order(coarse_head_mask, (ct, mr))
            candidates = initial_poses(ct.image, ct_head, mr.image, search.mr_head)
        else:
            candidates = poses_around(initial.GetInverse(), search.mr_head)
        report("optimize initial poses")
        ranked = search.ranked(candidates, with_first=initial is not None)
        report("refine the best")
        best = search.refined(ranked)
        report("estimate the error")
        quality = assess(ct, mr, best.ct_from_mr.GetInverse(), region)
        if quality.grade != "pass" and initial is None:
            report("optimize initial poses with large rotations")
            rotated = search.ranked(quarter_rotation_poses(ct_head, search.mr_head))
            if rotated and rotated[0].fit > ranked[0].fit:
                best = search.refined(rotated)
                quality = assess(ct, mr, best.ct_from_mr.GetInverse(), region)
    LOG.info(
        "registration found", extra={"initial_pose": best.initial_pose, "seconds": since(began)}
    )
    seconds = time.perf_counter() - began
    return Registration(best.ct_from_mr.GetInverse(), quality, best.initial_pose, seconds)


@dataclass(frozen=True)
class _Search:
    """A pair on the grids of all levels, which are resampled when they are needed."""

    ct: Series
    mr: Series
    seed: int
    region: CtRegion | None
    metric_region: CtRegion | None

    @cached_property
    def mr_head(self) -> sitk.Image:
        """Mask of the MR's head."""
        return coarse_head_mask(self.mr)

    @cached_property
    def _coarse(self) -> MutualInformationOptimizer:
        return self._at_level(COARSE)

    @cached_property
    def _middle(self) -> MutualInformationOptimizer:
        return self._at_level(MIDDLE)

    def _at_level(self, level: ResolutionLevel) -> MutualInformationOptimizer:
        mask = dilated(self.mr_head, MARGIN_MM)
        return MutualInformationOptimizer.at_level(level, self.ct, self.mr, mask, self.seed)

    def _in_regions(
        self, optimizer: MutualInformationOptimizer, pose: Pose
    ) -> MutualInformationOptimizer:
        """The optimizer with the MR's voxels that a pose has in the regions, as many samples."""
        mask = optimizer.mr_mask
        for region, reach_mm in ((self.region, REACH_MM), (self.metric_region, 0.0)):
            if region:
                region.part_of(self.mr_head, pose.ct_from_mr, reach_mm)
                mask = mask & region.on(mask, pose.ct_from_mr, reach_mm)  # "&=" would change it
        fraction = optimizer.level.sampling_fraction / voxel_share(mask, optimizer.mr_mask)
        return replace(optimizer, mr_mask=mask, level=optimizer.level.with_fraction(fraction))

    def _optimized_in_regions(self, pose: Pose) -> Pose:
        """The best of several optimizations on the middle grids, each from where the last ended."""
        poses = [replace(pose, fit=0.0)]
        for _ in range(REPEATS):
            poses += optimized(self._in_regions(self._middle, poses[-1]), poses[-1:])
        return max(poses, key=lambda one: one.fit)

    def ranked(self, candidates: Sequence[InitialPose], *, with_first: bool = False) -> list[Pose]:
        """Optimize the most promising on coarse grids, the best of them on middle ones; best first.

        `with_first` optimizes the first candidate there, too, which may be better than on the
        coarse grids.
        """
        initials = [Pose(one.name, one.ct_from_mr, 0.0) for one in candidates]
        centre = centroid(self.mr_head)
        approaching = replace(self._coarse, level=APPROACH)
        promising = distinct(optimized(approaching, initials), centre, MAX_APPROACHED)
        different = distinct(optimized(self._coarse, promising), centre, MAX_REFINED)
        separating = replace(self._middle, level=SEPARATING)
        return optimized(separating, (initials[:1] if with_first else []) + different)

    def refined(self, ranked: Sequence[Pose]) -> Pose:
        """The best pose, optimized on the fine grids; `RegistrationError` without one.

        With a region it is optimized in it, on the middle grids and on the fine ones.
        """
        best, search = list(ranked[:1]), self
        if best:
            mr, middle = evenly_lit(self.ct, self.mr, self.mr_head, best[0].ct_from_mr)
            if mr is not self.mr:
                search = replace(self, mr=mr)
                best = optimized(replace(middle, level=SEPARATING), best) or best
        fine = search._at_level(FINE)
        if best and (self.region or self.metric_region):
            best = [search._optimized_in_regions(best[0])]
            fine = search._in_regions(fine, best[0])
        refined = optimized(fine, best)
        if not refined:
            raise RegistrationError(
                f"no initial pose brings the MR {self.mr.source} into the field of view of the CT "
                f"{self.ct.source}",
                REMEDIES,
            )
        return refined[0]
