"""Search for the rigid pose of a PET or SPECT in an MR or CT of the same head."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import SimpleITK as sitk

from radfuse.errors import RegistrationError
from radfuse.log import since
from radfuse.progress import no_progress
from radfuse.registration.functional.assessment import check_modalities
from radfuse.registration.functional.measurement import measure
from radfuse.registration.functional.pair import FunctionalPair
from radfuse.registration.functional.quality import FunctionalQuality, judged
from radfuse.registration.initialization import InitialPose, initial_poses, poses_around
from radfuse.registration.optimizer import APPROACH, COARSE, MIDDLE, ResolutionLevel, itk_threads
from radfuse.registration.poses import Pose, distinct, optimized
from radfuse.registration.preprocessing import centroid
from radfuse.registration.transforms import canonicalize
from radfuse.series import Series

LOG = logging.getLogger(__name__)

FINE = ResolutionLevel(2.0, 2.0, 1.0, 32, first_step_mm=0.5, last_step_mm=0.02, iterations=60)
"""The result: finer than the resolution of a PET."""

MAX_SAMPLES = 30000
"""Voxels that the metric samples there."""

MAX_APPROACHED, MAX_REFINED = 5, 3
"""Number of distinct poses that are optimized on the coarse grids, and on the middle ones."""

REMEDIES = "check that both show the brain of one patient, or pass an approximate transform"
"""Suggestions where no initial pose works."""


@dataclass(frozen=True)
class FunctionalRegistration:
    """Result of the search."""

    functional_from_anatomical: sitk.Transform
    """Rigid and canonical; maps an anatomical point to a functional point, LPS mm."""
    quality: FunctionalQuality
    initial_pose: str
    """Name of the initial pose that led to the result."""
    seconds: float


def register_functional(
    anatomical: Series,
    functional: Series,
    *,
    initial: sitk.Transform | None = None,
    deterministic: bool = False,
    report: Callable[[str], None] = no_progress,
) -> FunctionalRegistration:
    """Find the rigid transform that maps points of an MR or CT to points of a PET or SPECT.

    Mutual information of the functional image and the brain of the anatomical one, blurred as the
    functional image is.

    Parameters
    ----------
    anatomical, functional
        Volumes of one head: HU or arbitrary units, and Bq/ml or counts.
    initial
        An approximate rigid transform, anatomical to functional points, LPS mm; the search then
        starts only from it and rotations of it.
    deterministic
        One thread: the result is bit-identical, whatever the number of cores.
    report
        Called with the name of each stage.

    Raises
    ------
    InputError
        A series is no volume, is constant, shows no head or is of another modality; `initial` is
        not rigid.
    RegistrationError
        With no initial pose is enough of the functional image inside the anatomical one.
    """
    began = time.perf_counter()
    check_modalities(anatomical, functional)
    with itk_threads(single=deterministic):
        report("segment brain and uptake")
        pair = FunctionalPair.of(anatomical, functional)
        if initial is None:
            candidates = initial_poses(anatomical.image, pair.brain, functional.image, pair.uptake)
        else:
            candidates = poses_around(initial.GetInverse(), pair.uptake)
        report("optimize initial poses")
        best = _searched(pair, candidates)
        if best is None:
            raise RegistrationError(
                f"no initial pose brings the {functional.modality} {functional.source} into the "
                f"field of view of the {anatomical.modality} {anatomical.source}",
                REMEDIES,
            )
        report("estimate the error")
        found = canonicalize(best.ct_from_mr.GetInverse())
        codes = anatomical.modality.code, functional.modality.code
    with itk_threads(single=True):
        quality = judged(measure(pair, found.GetInverse(), codes))
    LOG.info(
        "functional registration found",
        extra={"initial_pose": best.initial_pose, "seconds": since(began)},
    )
    return FunctionalRegistration(found, quality, best.initial_pose, time.perf_counter() - began)


def _searched(pair: FunctionalPair, candidates: tuple[InitialPose, ...]) -> Pose | None:
    """The best pose of three grids, or None; it maps functional points to anatomical ones."""
    centre = centroid(pair.uptake)
    approach = pair.optimizer(APPROACH)
    starts = [Pose(one.name, one.ct_from_mr, 0.0) for one in candidates]
    promising = distinct(optimized(approach, starts), centre, MAX_APPROACHED)
    coarse = optimized(replace(approach, level=COARSE), promising)
    middle = optimized(pair.optimizer(MIDDLE), distinct(coarse, centre, MAX_REFINED))
    fine = optimized(pair.optimizer(FINE, MAX_SAMPLES), middle[:1])
    return fine[0] if fine else None
