"""The stretch of an MR against the CT, by an affine motion of the skull and of the whole head.

The patches of the skull (`skull_fit`) do not fix the mean of the three stretches: a contrast that
makes bone larger resembles a scale. Affine mutual information does, by the outline of the head,
but a scalp that is pressed otherwise in one image resembles a stretch. The mean is taken from the
latter, what deviates from it is the mean of both.
"""

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array, copied
from radfuse.intensity import shrunk
from radfuse.registration.optimizer import (
    HEAD_RADIUS_MM,
    MutualInformationOptimizer,
    ResolutionLevel,
)
from radfuse.registration.qa.skull_fit import SkullPatches, design_covariance, fit_design
from radfuse.series import Series

STRETCH = ResolutionLevel(2.0, 2.0, 0.2, 32, first_step_mm=1.0, last_step_mm=0.05, iterations=80)
"""Random samples: with every voxel, interpolation at grid points pulls the scale towards 1."""

SHORTER_MM = 0.25
"""First step where one of 1 mm leaves the optimum and does not return, as in a T2 contrast."""

MEDIAN_MM = 2.5
"""Radius of the median filter of the MR: noise of 8 % otherwise scales a phantom by 1.6 %."""

MAX_STRETCH_DILUTION = 4.2
"""Largest `Stretch.dilution` with which a stretch is detected: 4.0 and less for whole heads, 4.3
and more for parts of them, where it fits errors of the patches (calibration half of
benchmarks/calibration.py)."""

MAX_STRETCH_MM = 1.0
"""Stretch at `HEAD_RADIUS_MM`, less its mean, above which a distortion is likely: 0.93 and less at
true poses, 1.8 and more for a stretch by 4 % along an axis, 1.1 for a shear by 3 % (calibration
half of benchmarks/calibration.py)."""

MAX_SCALE_MM = 1.1
"""Mean stretch at `HEAD_RADIUS_MM` above which a distortion is likely: 0.99 and less at true poses
of a usual contrast, 1.46 and more for a scale of 2 % in a phantom (same data)."""

USUAL_SHARE = 0.5
"""Share of a smaller stretch that is not an error of its measurement."""


@dataclass(frozen=True)
class Stretch:
    """How far the MR is stretched against the CT; tensors (3, 3), mm at `HEAD_RADIUS_MM`."""

    skull: Float64Array
    """Of the skull patches, less its mean."""
    affine: Float64Array
    """Of affine mutual information; zeros where it cannot be optimized."""
    dilution: float
    """As `skull_fit.dilution`, of the worst strain per error of the patches."""

    @property
    def mean_mm(self) -> float:
        """Mean of the three principal stretches: a scale."""
        return float(np.trace(self.affine)) / 3

    @property
    def deviation(self) -> Float64Array:
        """What deviates from the mean."""
        return np.asarray((self.affine - self.mean_mm * np.eye(3) + self.skull) / 2)

    @property
    def deviation_mm(self) -> float:
        """Largest principal stretch less the mean."""
        return float(np.abs(np.linalg.eigvalsh(self.deviation)).max())

    @property
    def strain(self) -> Float64Array:
        """Mean and deviation."""
        return self.deviation + self.mean_mm * np.eye(3)

    @property
    def largest_mm(self) -> float:
        """Largest principal stretch."""
        return float(np.abs(np.linalg.eigvalsh(self.strain)).max())

    @property
    def is_determined(self) -> bool:
        """Whether the skull in both images suffices to measure it."""
        return self.dilution <= MAX_STRETCH_DILUTION

    @property
    def is_likely(self) -> bool:
        """Whether it is large, and determined."""
        is_large = self.deviation_mm > MAX_STRETCH_MM or abs(self.mean_mm) > MAX_SCALE_MM
        return is_large and self.is_determined

    def likely_displacements_mm(self, points_mm: Float64Array) -> Float64Array:
        """How far each point (n, 3) moves against the centroid of the points.

        A smaller stretch than is likely counts by `USUAL_SHARE`.
        """
        share = 1.0 if self.is_likely else USUAL_SHARE
        offsets = (points_mm - points_mm.mean(axis=0)) / HEAD_RADIUS_MM
        return np.asarray(share * np.linalg.norm(offsets @ self.strain, axis=1))


NO_STRETCH = Stretch(np.zeros((3, 3)), np.zeros((3, 3)), 0.0)


def stretch_pair(ct: Series, mr: Series, mr_mask: sitk.Image) -> MutualInformationOptimizer:
    """CT and MR for `affine_stretch`."""
    grid = shrunk(mr.image, STRETCH.mr_mm)
    radius = [round(MEDIAN_MM / spacing) for spacing in grid.GetSpacing()]
    filtered = Series(sitk.Median(grid, radius), mr.modality, mr.source)
    return MutualInformationOptimizer.at_level(STRETCH, ct, filtered, copied(mr_mask))


def affine_stretch(pair: MutualInformationOptimizer, pose: sitk.Euler3DTransform) -> Float64Array:
    """Stretch (3, 3) of the MR's points by mutual information, mm at `HEAD_RADIUS_MM`."""
    centre = np.array(pose.GetCenter())
    matrix = pair.affine(pose, centre)
    if matrix is None:
        shorter = replace(pair, level=replace(pair.level, first_step_mm=SHORTER_MM))
        matrix = shorter.affine(pose, centre)
    if matrix is None:
        return np.zeros((3, 3))
    return np.asarray(HEAD_RADIUS_MM * (np.eye(3) - (matrix + matrix.T) / 2))


def fit_stretch(patches: SkullPatches, centre_mm: Float64Array, affine: Float64Array) -> Stretch:
    """The stretch with which an affine motion fits the patches best, beside `affine_stretch`."""
    offsets = (patches.points_mm - centre_mm) / HEAD_RADIUS_MM
    pairs = tuple(zip(*np.triu_indices(3), strict=True))
    normals = patches.normals
    strains = [
        normals[:, i] * offsets[:, j] + (normals[:, j] * offsets[:, i] if i != j else 0)
        for i, j in pairs
    ]
    design = np.hstack([patches.design(centre_mm), np.stack(strains, axis=1)])
    fit = fit_design(patches, centre_mm, design)
    diagonal = np.array([i == j for i, j in pairs])
    deviator = np.eye(len(pairs)) - np.outer(diagonal, diagonal) / 3
    tensor = np.zeros((3, 3))
    for value, (i, j) in zip(deviator @ fit.parameters[7:], pairs, strict=True):
        tensor[i, j] = tensor[j, i] = value
    geometry = deviator @ design_covariance(design)[7:, 7:] @ deviator
    return Stretch(tensor, affine, float(np.sqrt(np.linalg.eigvalsh(geometry)[-1])))
