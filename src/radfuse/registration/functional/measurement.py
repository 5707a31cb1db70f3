"""What is measured of the pose of a functional image before it is judged.

A pose is optimized again in several ways: from where it is, with the roles of the images swapped,
from displaced starts, and with each half of the brain alone. For two images of one brain all end
at the same pose; for those of two people each half fits at another one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are imported when they are used
import SimpleITK as sitk

from radfuse.arrays import Float64Array, image_on, positions_mm
from radfuse.registration.functional.pair import FunctionalPair
from radfuse.registration.optimizer import (
    MutualInformationOptimizer,
    Optimum,
    ResolutionLevel,
    overlap_fraction,
)
from radfuse.registration.preprocessing import centroid
from radfuse.registration.qa.mirror import reflected
from radfuse.registration.transforms import matrix_of, with_rotation_centre

CHECK = ResolutionLevel(4.0, 4.0, 1.0, 32, first_step_mm=2.0, last_step_mm=0.1, iterations=30)
"""Grids on which a pose is optimized again."""

MAX_SAMPLES = 12000
"""Voxels that the metric samples there: with 60000 the displacements are the same within noise."""

INTERIOR_MM = 12.0
"""What is deeper in the uptake shows the inside of the brain, not its outline, which is nearly its
own mirror image."""

START_RAD, START_MM = 0.07, 4.0
"""Displaced starts: rotation (4 degrees) about each axis and shift along each axis."""

MIN_HALF_SHARE = 0.2
"""Of the voxels that are compared: with fewer a half has no pose of its own."""

FAR_MM = 40.0
"""Displacement that is reported where ITK stops, as the images have no voxels in common."""

HALVES = (("right", 0, -1), ("left", 0, 1), ("front", 1, -1), ("back", 1, 1), ("lower", 2, -1),
          ("upper", 2, 1))  # fmt: skip
"""Halves of the brain: name, axis of LPS and side."""


@dataclass(frozen=True)
class Measured:
    """Measurements of a pose; displacements are those of points of the brain."""

    anatomical: str
    """Code of the modality."""
    functional: str
    has_brain: bool
    """Whether the brain was found in the anatomical image."""
    reregistration_mm: float
    """Largest displacement from the pose to the mean of the optima of both roles."""
    swapped_mm: float
    """Largest displacement between these two optima."""
    starts_mm: float
    """Largest displacement from the optimum to the best one from displaced starts; 0 where none
    of these fits better."""
    halves_mm: dict[str, float]
    """Mean displacement of a half of the brain when only it is optimized."""
    mirror_fit: float
    """Mutual information inside the brain of the mirror image, optimized from the mirrored pose, as
    a fraction of that of the functional image itself."""
    fit: float
    """Mutual information at the optimum, nats."""
    inner_fit: float
    """Mutual information inside the brain there, nats."""
    brain_in_view: float
    """Fraction of the brain inside the functional image."""
    brain_with_uptake: float
    """Fraction of the brain that has uptake."""
    uptake_in_brain: float
    """Fraction of the uptake that is in the brain."""

    @property
    def advantage_nats(self) -> float:
        """Mutual information inside the brain above that of the mirror image."""
        return self.inner_fit * (1 - self.mirror_fit)

    @property
    def mean_half_mm(self) -> float:
        """Mean displacement of the halves; `FAR_MM` where none could be optimized."""
        return float(np.mean(list(self.halves_mm.values()))) if self.halves_mm else FAR_MM


def measure(pair: FunctionalPair, pose: sitk.Transform, codes: tuple[str, str]) -> Measured:
    """Measure a pose, which maps functional points to anatomical ones; codes of the modalities."""
    centre = centroid(pair.uptake)
    pose = with_rotation_centre(centre, pose)
    points = moved(pair.brain_points_mm(), pose.GetInverse())
    forward = pair.optimizer(CHECK, MAX_SAMPLES)
    own = forward.optimize(pose)
    best = own[0] if own else pose
    swapped = pair.swapped(CHECK, MAX_SAMPLES).optimize(
        with_rotation_centre(centroid(pair.brain), best.GetInverse())
    )
    other = swapped[0].GetInverse() if swapped else None
    to_own = shifts(points, pose, own[0]) if own else np.full_like(points, FAR_MM)
    to_other = shifts(points, pose, other) if other else np.full_like(points, FAR_MM)
    inner = _interior(pair)
    inside = replace(forward, mr_mask=inner, level=CHECK)
    inner_fit = inside.fit(best)
    in_view, with_uptake, in_brain = _shares(pair, best)
    return Measured(
        *codes,
        has_brain=pair.has_brain,
        reregistration_mm=largest_mm((to_own + to_other) / 2),
        swapped_mm=largest_mm(to_own - to_other),
        starts_mm=_from_starts(forward, own, points) if own else FAR_MM,
        halves_mm=dict(_halves(pair, forward, best, points)),
        mirror_fit=_mirror_fit(pair, forward, best, inner) / inner_fit if inner_fit else 1.0,
        fit=own[1] if own else 0.0,
        inner_fit=inner_fit,
        brain_in_view=in_view,
        brain_with_uptake=with_uptake,
        uptake_in_brain=in_brain,
    )


def moved(points_mm: Float64Array, transform: sitk.Transform) -> Float64Array:
    """Points (n, 3) under a rigid transform."""
    matrix = matrix_of(transform)
    return np.asarray(points_mm @ matrix[:3, :3].T + matrix[:3, 3])


def shifts(points_mm: Float64Array, one: sitk.Transform, other: sitk.Transform) -> Float64Array:
    """Vectors (n, 3) from the images of points under a transform to those under another one."""
    return moved(points_mm, other) - moved(points_mm, one)


def largest_mm(vectors: Float64Array) -> float:
    """Length of the longest of vectors (n, 3)."""
    return float(np.linalg.norm(vectors, axis=1).max())


def _from_starts(forward: MutualInformationOptimizer, own: Optimum, points: Float64Array) -> float:
    """How far from the optimum the best of other starts ends, if that fits better."""
    best, fit = own
    centre = np.array(best.GetCenter())
    moved_mm = 0.0
    for sign in (-1.0, 1.0):
        angles, shift = [sign * START_RAD] * 3, [sign * START_MM] * 3
        motion = sitk.Euler3DTransform(centre.tolist(), *angles, shift)
        start = with_rotation_centre(centre, sitk.CompositeTransform([best, motion]))
        found = forward.optimize(start)
        if found and found[1] > fit:
            fit, moved_mm = found[1], largest_mm(shifts(points, best, found[0]))
    return moved_mm


def _halves(
    pair: FunctionalPair,
    forward: MutualInformationOptimizer,
    best: sitk.Euler3DTransform,
    points: Float64Array,
) -> Iterator[tuple[str, float]]:
    """How far each half of the brain moves when only it is optimized."""
    centre = centroid(pair.brain)
    grid = forward.mr_mask
    voxels = np.argwhere(sitk.GetArrayViewFromImage(grid))
    at = moved(positions_mm(grid, voxels), best) - centre
    of_points = moved(points, best) - centre
    for name, axis, side in HALVES:
        kept = voxels[side * at[:, axis] > 0]
        near = points[side * of_points[:, axis] > 0]
        if len(kept) < MIN_HALF_SHARE * len(voxels) or not len(near):
            continue
        mask = np.zeros(grid.GetSize()[::-1], np.uint8)
        mask[tuple(kept.T)] = 1
        found = replace(forward, mr_mask=image_on(grid, mask)).optimize(best)
        if found:
            yield name, float(np.linalg.norm(shifts(near, best, found[0]), axis=1).mean())


def _interior(pair: FunctionalPair) -> sitk.Image:
    """Mask (uint8) of what is deep in the uptake; where the image ends is no surface."""
    inside = np.pad(sitk.GetArrayFromImage(pair.uptake) > 0, 1, mode="edge")
    spacing = pair.uptake.GetSpacing()[::-1]
    depth = scipy.ndimage.distance_transform_edt(inside, sampling=spacing)[1:-1, 1:-1, 1:-1]
    return image_on(pair.uptake, (depth > INTERIOR_MM).astype(np.uint8))


def _mirror_fit(
    pair: FunctionalPair,
    forward: MutualInformationOptimizer,
    best: sitk.Euler3DTransform,
    inner: sitk.Image,
) -> float:
    """Mutual information inside the brain of the mirror image in the brain's sagittal plane."""
    centre = np.array(best.GetInverse().TransformPoint(centroid(pair.brain).tolist()))
    normal = matrix_of(best)[0, :3]
    image, mask, deep = (
        reflected(one, centre, normal) for one in (forward.mr, forward.mr_mask, inner)
    )
    mirrored = replace(forward, mr=image, mr_mask=mask)
    found: Optimum | None = mirrored.optimize(best)
    return replace(mirrored, mr_mask=deep, level=CHECK).fit(found[0]) if found else 0.0


def _shares(pair: FunctionalPair, best: sitk.Euler3DTransform) -> tuple[float, float, float]:
    """Fractions of the brain in view, of the brain with uptake, and of the uptake in the brain."""
    back = best.GetInverse()
    brain, uptake = pair.brain, pair.uptake
    shown = sitk.Resample(uptake, brain, back, sitk.sitkNearestNeighbor, 0)
    inside = sitk.Resample(brain, uptake, best, sitk.sitkNearestNeighbor, 0)
    masks = (sitk.GetArrayViewFromImage(one) > 0 for one in (brain, shown, uptake, inside))
    of_brain, with_uptake, of_uptake, in_brain = masks
    return (
        overlap_fraction(pair.functional, brain, back),
        float((of_brain & with_uptake).sum() / of_brain.sum()),
        float((of_uptake & in_brain).sum() / of_uptake.sum()),
    )
