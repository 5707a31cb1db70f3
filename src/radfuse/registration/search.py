"""Search for the rigid pose of an MR in a CT: many initial poses, the best of them refined."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.errors import RegistrationError
from radfuse.log import since
from radfuse.progress import no_progress
from radfuse.registration.initialization import initial_poses, poses_around
from radfuse.registration.optimizer import (
    COARSE,
    DEFAULT_SEED,
    FINE,
    MIDDLE,
    MutualInformationOptimizer,
    itk_threads,
    mean_displacement_mm,
)
from radfuse.registration.preprocessing import MARGIN_MM, centroid, coarse_head_mask, dilated
from radfuse.registration.quality import Quality, assess
from radfuse.series import Series

LOG = logging.getLogger(__name__)

DISTINCT_MM = 4.0
"""Poses closer than this count as one."""

REMEDIES = (
    "check that both show the same part of one patient, or pass a transform from a few landmarks "
    "with --initial-transform FILE"
)
"""Suggestions where no initial pose works."""

MAX_REFINED = 3
"""Number of distinct poses of the coarse search that are refined."""


@dataclass(frozen=True)
class Registration:
    """Result of the search."""

    mr_from_ct: sitk.Transform
    """Rigid; maps a CT point to an MR point, LPS mm."""
    quality: Quality
    initial_pose: str
    """Name of the initial pose that led to the result."""
    seconds: float


@dataclass(frozen=True)
class _Pose:
    """A pose during the search."""

    initial_pose: str
    ct_from_mr: sitk.Euler3DTransform
    fit: float


def register(
    ct: Series,
    mr: Series,
    *,
    initial: sitk.Transform | None = None,
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
    deterministic
        One thread: the result is bit-identical, whatever the number of cores.
    seed
        Of the metric's samples, above 0.
    report
        Called with the name of each stage.

    Raises
    ------
    InputError
        A series is no volume, is constant or shows no head; `initial` is not rigid.
    RegistrationError
        With no initial pose is enough of the MR inside the CT.
    """
    began = time.perf_counter()
    with itk_threads(single=deterministic):
        best = _search(ct, mr, initial, seed, report)
        report("estimate the error")
        mr_from_ct = best.ct_from_mr.GetInverse()
        quality = assess(ct, mr, mr_from_ct)
    LOG.info(
        "registration found", extra={"initial_pose": best.initial_pose, "seconds": since(began)}
    )
    return Registration(mr_from_ct, quality, best.initial_pose, time.perf_counter() - began)


def _search(
    ct: Series, mr: Series, initial: sitk.Transform | None, seed: int, report: Callable[[str], None]
) -> _Pose:
    """Optimize every initial pose on the coarse grids, and the best of them on the finer ones."""
    report("segment the heads")
    mr_head = coarse_head_mask(mr)
    centre = centroid(mr_head)
    margin = dilated(mr_head, MARGIN_MM)
    if initial is None:
        candidates = initial_poses(ct.image, coarse_head_mask(ct), mr.image, mr_head)
    else:
        candidates = poses_around(initial.GetInverse(), mr_head)
    report("optimize initial poses")
    initials = [_Pose(one.name, one.ct_from_mr, 0.0) for one in candidates]
    poses = _optimized(MutualInformationOptimizer.at_level(COARSE, ct, mr, margin, seed), initials)
    report("refine the best")
    prior = initials[:1] if initial is not None else []  # may be better than on the coarse grid
    middle = MutualInformationOptimizer.at_level(MIDDLE, ct, mr, margin, seed)
    poses = _optimized(middle, prior + _distinct(poses, centre))
    fine = MutualInformationOptimizer.at_level(FINE, ct, mr, margin, seed)
    poses = _optimized(fine, poses[:1])
    if not poses:
        raise RegistrationError(
            f"no initial pose brings the MR {mr.source} into the field of view of the CT "
            f"{ct.source}",
            REMEDIES,
        )
    return poses[0]


def _optimized(optimizer: MutualInformationOptimizer, poses: Sequence[_Pose]) -> list[_Pose]:
    """Optimize every pose; the best first, without those for which ITK stopped."""
    results = ((pose.initial_pose, optimizer.optimize(pose.ct_from_mr)) for pose in poses)
    optima = [_Pose(name, *optimum) for name, optimum in results if optimum is not None]
    return sorted(optima, key=lambda pose: -pose.fit)


def _distinct(poses: Sequence[_Pose], centre: Float64Array) -> list[_Pose]:
    """The best poses that differ from each other."""
    kept: list[_Pose] = []
    for pose in poses:
        if all(
            mean_displacement_mm(pose.ct_from_mr, k.ct_from_mr, centre) > DISTINCT_MM for k in kept
        ):
            kept.append(pose)
    return kept[:MAX_REFINED]
