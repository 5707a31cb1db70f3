"""The search for the rigid pose of an MR in a CT: many starts, the best of them refined."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.errors import RegistrationError
from radfuse.log import since
from radfuse.registration.optimizer import (
    COARSE,
    DEFAULT_SEED,
    FINE,
    MIDDLE,
    Climber,
    apart_mm,
    threads,
)
from radfuse.registration.preprocessing import MARGIN_MM, centroid, dilated, head_of
from radfuse.registration.quality import Quality, assess
from radfuse.registration.starts import candidate_starts, starts_around
from radfuse.series import Series

LOG = logging.getLogger(__name__)

DISTINCT_MM = 4.0
"""Poses closer than this are one."""

REMEDIES = (
    "check that both show the same part of one patient, or give a transform found from a few "
    "landmarks with --initial-transform FILE"
)
"""What to do where no start works."""

REFINED = 3
"""How many distinct poses of the coarse search are refined."""


@dataclass(frozen=True)
class Registration:
    """Where the MR lies in the CT."""

    mr_from_ct: sitk.Transform
    """Rigid; maps a CT point to an MR point, LPS mm."""
    quality: Quality
    start: str
    """Which start led to it."""
    seconds: float


@dataclass(frozen=True)
class _Pose:
    """A pose on the way."""

    start: str
    ct_from_mr: sitk.Euler3DTransform
    fit: float


def _silent(stage: str) -> None:
    """Report nothing."""


def register(
    ct: Series,
    mr: Series,
    *,
    initial: sitk.Transform | None = None,
    deterministic: bool = False,
    seed: int = DEFAULT_SEED,
    report: Callable[[str], None] = _silent,
) -> Registration:
    """Find the rigid transform that takes the CT's points to the MR's.

    Parameters
    ----------
    ct, mr
        Volumes of one head: HU, and arbitrary units.
    initial
        A rigid pose that is roughly right, CT points to MR points, LPS mm; the search then starts
        from it and from turns of it alone.
    deterministic
        One thread: the same answer bit for bit, whatever the machine's number of cores.
    seed
        Of the samples that the metric draws, above 0.
    report
        Is told what goes on, in a few words.

    Raises
    ------
    InputError
        A series is no volume, is constant or shows no head; `initial` is not rigid.
    RegistrationError
        From no start did enough of the MR lie within the CT.
    """
    began = time.perf_counter()
    with threads(one=deterministic):
        best = _search(ct, mr, initial, seed, report)
        report("judge the result")
        mr_from_ct = best.ct_from_mr.GetInverse()
        quality = assess(ct, mr, mr_from_ct)
    LOG.info("registration found", extra={"start": best.start, "seconds": since(began)})
    return Registration(mr_from_ct, quality, best.start, time.perf_counter() - began)


def _search(
    ct: Series,
    mr: Series,
    initial: sitk.Transform | None,
    seed: int,
    report: Callable[[str], None],
) -> _Pose:
    """Climb from every start on the coarse grids, and from the best of them on the finer ones."""
    report("find the heads")
    mr_head = head_of(mr)
    middle = centroid(mr_head)
    margin = dilated(mr_head, MARGIN_MM)
    if initial is None:
        starts = candidate_starts(ct.image, head_of(ct), mr.image, mr_head)
    else:
        starts = starts_around(initial.GetInverse(), mr_head)
    report("try starts")
    tried = [_Pose(start.name, start.ct_from_mr, 0.0) for start in starts]
    poses = _climbed(Climber.on(COARSE, ct, mr, margin, seed), tried)
    report("refine the best")
    as_given = tried[:1] if initial is not None else []  # it may be better than the coarse grid
    poses = _climbed(Climber.on(MIDDLE, ct, mr, margin, seed), as_given + _distinct(poses, middle))
    poses = _climbed(Climber.on(FINE, ct, mr, margin, seed), poses[:1])
    if not poses:
        raise RegistrationError(_nothing_in_view(ct, mr), REMEDIES)
    return poses[0]


def _climbed(climber: Climber, poses: Sequence[_Pose]) -> list[_Pose]:
    """Climb from every pose; the best first, without those that ITK gave up."""
    reached = ((pose.start, climber.climb(pose.ct_from_mr)) for pose in poses)
    tops = [_Pose(start, *top) for start, top in reached if top is not None]
    return sorted(tops, key=lambda pose: -pose.fit)


def _distinct(poses: Sequence[_Pose], middle: Float64Array) -> list[_Pose]:
    """Keep the best poses that differ from each other."""
    kept: list[_Pose] = []
    for pose in poses:
        if all(apart_mm(pose.ct_from_mr, k.ct_from_mr, middle) > DISTINCT_MM for k in kept):
            kept.append(pose)
    return kept[:REFINED]


def _nothing_in_view(ct: Series, mr: Series) -> str:
    """Say that no start worked."""
    return f"no start of the registration brings the MR {mr.source} into view of the CT {ct.source}"
