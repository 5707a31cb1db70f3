"""Poses during a search: optimized one by one, sorted by their fit, without those that repeat."""

from collections.abc import Sequence
from dataclasses import dataclass

import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.registration.optimizer import MutualInformationOptimizer, mean_displacement_mm

DISTINCT_MM = 4.0
"""Poses closer than this count as one."""


@dataclass(frozen=True)
class Pose:
    """A pose during the search."""

    initial_pose: str
    ct_from_mr: sitk.Euler3DTransform
    """From the sampled image to the other one, LPS mm."""
    fit: float


def optimized(optimizer: MutualInformationOptimizer, poses: Sequence[Pose]) -> list[Pose]:
    """Optimize every pose; the best first, without those for which ITK stopped."""
    optima = optimizer.optimize_all([pose.ct_from_mr for pose in poses])
    pairs = zip(poses, optima, strict=True)
    found = [Pose(pose.initial_pose, *optimum) for pose, optimum in pairs if optimum]
    return sorted(found, key=lambda pose: -pose.fit)


def distinct(poses: Sequence[Pose], centre: Float64Array, count: int) -> list[Pose]:
    """The best poses that differ from each other, at most so many."""
    kept: list[Pose] = []
    for pose in poses:
        if all(
            mean_displacement_mm(pose.ct_from_mr, k.ct_from_mr, centre) > DISTINCT_MM for k in kept
        ):
            kept.append(pose)
    return kept[:count]
