"""The rigid motion that fits the skull best, with its covariance, from patches of its surface.

Each patch of the skull is compared with the MR at shifts along its normal (`skull_profiles`). The
motion is the one for which the similarity of all patches together is largest: an M-estimate, whose
covariance is the sandwich of curvature and scores, the scores summed within blocks of the head,
since neighbouring patches share voxels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy  # its parts are imported when they are used
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.registration.optimizer import HEAD_RADIUS_MM
from radfuse.registration.qa.skull_profiles import Profiles, interpolated, point_similarity
from radfuse.registration.transforms import matrix_of

PATCH_MM = 10.0
"""Radius of a skull patch: room for some fifty surface points, small against a head."""

PATCH_COSINE = 0.85
"""Of the angle, 32 degrees, within which the normals of a patch agree."""

MIN_PATCH_POINTS = 12
"""Fewer points than this make no patch."""

MAX_PATCHES = 800
"""Number of candidate patches, spread over the skull."""

PATCH_TOLERANCE_MM = 2.0
"""A patch that shifts by no more is within tolerance."""

TABLE_MM = 0.1
"""Step of the table of a patch's similarity, between which it is interpolated linearly."""

BLOCK_MM = 40.0
"""Side of the blocks within which patches depend on each other."""

BLOCK_SD_MM = 0.7
"""Standard deviation of an error that the patches of a block share, as where fluid or fat is next
to bone: of 122 poses the 90 % interval holds the worst error of 83 % with it, of 77 % without
(calibration half of benchmarks/calibration.py)."""

OPTIMIZER_SD_MM = 0.3
"""Standard deviation of each parameter of the optimized pose, on the grid of `optimizer.MIDDLE`: so
the ranks of estimated and true errors agree best (calibration half of benchmarks/calibration.py).
"""

MIN_CURVATURE = 1e-3
"""Of a patch whose similarity has no maximum there, so that the motion's covariance is finite."""


@dataclass(frozen=True)
class Motion:
    """A small rigid motion about `centre_mm`, LPS mm of the MR.

    Its six parameters are the shift and the rotation vector times `HEAD_RADIUS_MM`, all in mm.
    """

    parameters: Float64Array
    covariance: Float64Array
    centre_mm: Float64Array

    def displacements_mm(self, points_mm: Float64Array) -> tuple[Float64Array, Float64Array]:
        """How far each point (n, 3) moves, and the standard deviation of its worst direction."""
        jacobian = motion_jacobian(points_mm, self.centre_mm)
        moved = np.linalg.norm(jacobian @ self.parameters, axis=1)
        spread = jacobian @ self.covariance @ jacobian.transpose(0, 2, 1)
        return moved, np.sqrt(np.linalg.eigvalsh(spread)[:, -1].clip(0))


def motion_between(
    pose: sitk.Transform, optimum: sitk.Transform, centre_mm: Float64Array, sd_mm: float
) -> Motion:
    """The motion of the MR's points from one pose (MR point to CT point) to another.

    `sd_mm` is the standard deviation of each of its parameters.
    """
    matrix = np.linalg.inv(matrix_of(optimum)) @ matrix_of(pose)
    rotation = (matrix[:3, :3] - matrix[:3, :3].T) / 2 * HEAD_RADIUS_MM
    shift = matrix[:3, :3] @ centre_mm + matrix[:3, 3] - centre_mm
    parameters = np.array([*shift, rotation[2, 1], rotation[0, 2], rotation[1, 0]])
    return Motion(parameters, sd_mm**2 * np.eye(6), centre_mm)


@dataclass(frozen=True)
class SkullPatches:
    """Patches of the skull and their similarity with the MR."""

    points_mm: Float64Array
    """Shape (n, 3)."""
    normals: Float64Array
    """Shape (n, 3), unit vectors into bone."""
    similarity: Float64Array
    """Shape (n, shifts)."""
    shifts_mm: Float64Array

    @cached_property
    def _tables(self) -> list[Float64Array]:
        """Similarity and its first two derivatives at the shifts of `_fine_mm`."""
        spline = scipy.interpolate.CubicSpline(self.shifts_mm, self.similarity, axis=1)
        return [spline(self._fine_mm, order) for order in range(3)]

    @cached_property
    def _fine_mm(self) -> Float64Array:
        first, last = self.shifts_mm[[0, -1]]
        return np.arange(first, last + TABLE_MM / 2, TABLE_MM)

    def similarity_at(self, shifts_mm: Float64Array, derivative: int = 0) -> Float64Array:
        """Similarity of each patch at a shift of its own, or a derivative of it, shape (n,)."""
        fine = self._fine_mm
        index = ((shifts_mm - fine[0]) / TABLE_MM).clip(0, len(fine) - 1.001)
        low = index.astype(int)
        rows, share = np.arange(len(low)), index - low
        table = self._tables[derivative]
        return np.asarray((1 - share) * table[rows, low] + share * table[rows, low + 1])

    @property
    def weights(self) -> Float64Array:
        """Best fit of each patch above its median fit, above 0."""
        return np.asarray(self.similarity.max(axis=1) - np.median(self.similarity, axis=1))

    @property
    def best_shifts_mm(self) -> Float64Array:
        """Signed shift along its normal with which each patch fits best."""
        return np.asarray(self.shifts_mm[self.similarity.argmax(axis=1)])

    def within(self, mask: sitk.Image) -> "SkullPatches":
        """The patches inside a mask of the MR."""
        inside = interpolated(sitk.Cast(mask, sitk.sitkFloat32), self.points_mm, outside=0.0) > 0.5
        parts = (self.points_mm[inside], self.normals[inside], self.similarity[inside])
        return SkullPatches(*parts, self.shifts_mm)

    def design(self, centre_mm: Float64Array) -> Float64Array:
        """Shift of each patch along its normal by each parameter of a `Motion`, shape (n, 7).

        The last column is a thickness: a shift of all patches into bone, where the images differ
        in where bone begins.
        """
        along = np.einsum("nd,ndm->nm", self.normals, motion_jacobian(self.points_mm, centre_mm))
        return np.hstack([along, np.ones((len(along), 1))])


def motion_jacobian(points_mm: Float64Array, centre_mm: Float64Array) -> Float64Array:
    """Displacement of points (n, 3) by each parameter of a `Motion`, shape (n, 3, 6)."""
    offsets = (points_mm - centre_mm) / HEAD_RADIUS_MM
    rotations = np.stack([np.cross(axis, offsets) for axis in np.eye(3)], axis=2)
    return np.concatenate([np.broadcast_to(np.eye(3), rotations.shape), rotations], axis=2)


def skull_patches(profiles: Profiles) -> SkullPatches:
    """Mean similarity of neighbouring points of the skull whose normals agree."""
    similarity = point_similarity(profiles)
    tree = scipy.spatial.cKDTree(profiles.points_mm)
    rows = []
    for centre in range(0, len(similarity), max(1, len(similarity) // MAX_PATCHES)):
        near = np.array(tree.query_ball_point(profiles.points_mm[centre], PATCH_MM))
        alike = near[profiles.normals[near] @ profiles.normals[centre] > PATCH_COSINE]
        parts = (profiles.points_mm, profiles.normals, similarity)
        if len(alike) >= MIN_PATCH_POINTS:
            rows.append(np.concatenate([part[alike].mean(axis=0) for part in parts]))
    table = np.array(rows).reshape(-1, 6 + len(profiles.shifts_mm))
    curves = table[:, 6:]
    table = table[curves.max(axis=1) > np.median(curves, axis=1)]  # else the MR is uniform there
    lengths = np.linalg.norm(table[:, 3:6], axis=1, keepdims=True)
    return SkullPatches(table[:, :3], table[:, 3:6] / lengths, table[:, 6:], profiles.shifts_mm)


def dilution(patches: SkullPatches, points_mm: Float64Array, centre_mm: Float64Array) -> float:
    """How much larger an error is at the worst of the points than at the patches.

    About 6 for a whole head, infinite for a plane or a sphere, which slide along themselves. As
    the dilution of precision of navigation: the standard deviation there, if all patches have
    independent errors of 1 mm, times the root of their number.
    """
    design = patches.design(centre_mm)
    normal = design.T @ design / len(design)
    if np.linalg.matrix_rank(normal, hermitian=True) < len(normal):
        return float("inf")
    covariance = np.asarray(np.linalg.inv(normal), np.float64)
    geometry = Motion(np.zeros(6), covariance[:6, :6], centre_mm)
    return float(geometry.displacements_mm(points_mm)[1].max())


@dataclass(frozen=True)
class SkullFit:
    """What fits the patches best: a rigid motion and a thickness, or also a stretch."""

    parameters: Float64Array
    """Shift and rotation of a `Motion`, the thickness, and further columns of the design."""
    covariance: Float64Array
    centre_mm: Float64Array
    explained_mm: Float64Array
    """Shift of each patch along its normal."""

    @property
    def motion(self) -> Motion:
        """The rigid motion of the MR's points."""
        return Motion(self.parameters[:6], self.covariance[:6, :6], self.centre_mm)


def fit_skull(patches: SkullPatches, centre_mm: Float64Array) -> SkullFit:
    """The motion of the MR's points for which the patches fit the MR best."""
    return fit_design(patches, centre_mm, patches.design(centre_mm))


def fit_design(patches: SkullPatches, centre_mm: Float64Array, design: Float64Array) -> SkullFit:
    """Maximize the similarity of all patches together, over the columns of a design (n, m)."""
    weights = np.sqrt(patches.weights)
    weighted = (weights[:, None] * design, weights * patches.best_shifts_mm)
    guess = np.asarray(np.linalg.lstsq(*weighted, rcond=None)[0], np.float64)

    def misfit(motion: Float64Array) -> float:
        return -float(patches.similarity_at(design @ motion).sum())

    def gradient(motion: Float64Array) -> Float64Array:
        return np.asarray(-design.T @ patches.similarity_at(design @ motion, 1))

    starts = (np.zeros(design.shape[1]), guess)
    optima = [
        scipy.optimize.minimize(misfit, start, jac=gradient, options={"gtol": 1e-3})
        for start in starts
    ]
    motion = min(optima, key=lambda optimum: float(optimum.fun)).x
    explained = np.asarray(design @ motion)
    slope, curvature = (patches.similarity_at(explained, order) for order in (1, 2))
    covariance = _sandwich(patches.points_mm, design, slope, -curvature)
    return SkullFit(motion, covariance, centre_mm, explained)


def design_covariance(design: Float64Array) -> Float64Array:
    """Covariance of the parameters of a design, if all patches share errors of 1 mm."""
    return np.asarray(np.linalg.pinv(design.T @ design / len(design), hermitian=True))


def block_count(points_mm: Float64Array) -> float:
    """Number of blocks with points, the mean over eight grids that differ by half a block."""
    shifts = BLOCK_MM / 2 * np.array(list(np.ndindex(2, 2, 2)))
    grids = [_block_of(points_mm + shift) for shift in shifts]
    return float(np.mean([block.max() + 1 for block in grids]))


def _block_of(points_mm: Float64Array) -> npt.NDArray[np.int64]:
    """Number of the block of each point, from 0."""
    cells = np.floor(points_mm / BLOCK_MM).astype(int)
    return np.asarray(np.unique(cells, axis=0, return_inverse=True)[1]).ravel()


def _sandwich(
    points_mm: Float64Array, design: Float64Array, slope: Float64Array, curvature: Float64Array
) -> Float64Array:
    """Covariance of an M-estimate whose scores depend on each other within blocks.

    `BLOCK_SD_MM` is added: with scores that are 0 in each block, it would be 0.
    """
    hessian = design.T @ (curvature[:, None] * design)
    if np.linalg.eigvalsh(hessian)[0] <= 0:
        hessian = design.T @ (curvature.clip(MIN_CURVATURE)[:, None] * design)
    inverse = np.linalg.pinv(hessian, hermitian=True)
    block = _block_of(points_mm)
    blocks = block.max() + 1
    scores = np.zeros((blocks, design.shape[1]))
    np.add.at(scores, block, slope[:, None] * design)
    few = blocks / max(blocks - design.shape[1], 1)
    shared = BLOCK_SD_MM**2 / blocks * design_covariance(design)
    return np.asarray(few * inverse @ (scores.T @ scores) @ inverse + shared)
