"""Local maximization of mutual information, by ITK.

Mattes mutual information (Mattes et al. 2003, 10.1109/TMI.2003.809072). The MR is ITK's fixed
image, the one that is sampled: its voxels are the larger ones, so the CT is known at each sample.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array, copied, positions_mm
from radfuse.intensity import shrunk
from radfuse.parallel import WORKERS, in_order
from radfuse.registration.preprocessing import clamped_ct
from radfuse.registration.transforms import matrix_of, rotation_rad, with_rotation_centre
from radfuse.series import Series

Item = TypeVar("Item")
Value = TypeVar("Value")

HEAD_RADIUS_MM = 80.0
"""A rotation by one radian moves the surface of the head by this: the scale of rotations."""

MAX_ROTATION_RAD = 0.35
"""Rotation up to which a pose's own angles are optimized; above it, those of a motion from there.

ITK's Euler angles rotate about independent axes near 0 only, at 90 degrees two of them about the
same one. In between the descent may stop early: 1 mm off."""

ROUNDING = 1e-6
"""Of the inverse of a fraction."""

DEFAULT_SEED = 2003
"""Seed of the metric's samples; ITK replaces 0 by the time of day."""


@dataclass(frozen=True)
class ResolutionLevel:
    """One pair of grids, and the steps of the optimizer on it."""

    mr_mm: float
    """Spacing up to which the MR's voxels are averaged."""
    ct_mm: float
    """Spacing up to which the CT's voxels are averaged."""
    sampling_fraction: float
    """Fraction of the MR voxels within the mask that the metric samples."""
    bins: int
    """Bins of the joint histogram, along each axis."""
    first_step_mm: float
    last_step_mm: float
    iterations: int
    every_nth: bool = False
    """Whether every nth voxel is sampled instead of random ones: in the order of memory it takes
    half the time, and results scatter no more."""
    relaxation: float = 0.5
    """What a step is multiplied by where the gradient reverses."""
    least_samples: int = 0
    """Of coarse images a larger fraction is sampled, to have as many."""
    ends_at_best: bool = False
    """Whether the best position is the result, not the last, on which registration QA is
    calibrated. Steps are halved where the gradient reverses; where it does at each, they end before
    they have come back: a phantom rotated by 90 degrees ended 1.3 mm off."""

    def for_voxels(self, count: float) -> "ResolutionLevel":
        """The level for so many voxels in the mask."""
        return self.with_fraction(max(self.sampling_fraction, self.least_samples / max(count, 1.0)))

    def with_fraction(self, fraction: float) -> "ResolutionLevel":
        """The level with another fraction, a little more where every nth voxel is one."""
        at_most = min(fraction, 1.0)
        if self.every_nth:
            at_most = 1 / int(1 / at_most + ROUNDING)
        return replace(self, sampling_fraction=at_most)


APPROACH = ResolutionLevel(8.0, 8.0, 0.25, 24, first_step_mm=4.0, last_step_mm=2.0, iterations=20)
"""The first steps from every initial pose: they suffice to tell which are hopeless."""

COARSE = ResolutionLevel(8.0, 8.0, 0.5, 24, first_step_mm=4.0, last_step_mm=0.2, iterations=40)
"""Some ten thousand voxels: an optimization takes 0.1 s and captures 15 degrees and 40 mm."""

MIDDLE = ResolutionLevel(4.0, 4.0, 1.0, 32, first_step_mm=2.0, last_step_mm=0.1, iterations=40)
"""A pose's optimum, as registration QA takes it."""

SEPARATING = replace(MIDDLE, sampling_fraction=1 / 3, every_nth=True, ends_at_best=True)
"""Separates the best of the coarse poses from the next best."""

FINE = ResolutionLevel(
    1.0, 2.0, 1 / 11, 32, first_step_mm=0.5, last_step_mm=0.03, iterations=60, every_nth=True,
    relaxation=0.7, least_samples=20_000, ends_at_best=True,
)  # fmt: skip
"""The result: from eight starts within a millimetre, results are within 0.2 mm of each other (VHF,
a phantom); twice as many voxels change nothing."""


Optimum = tuple[sitk.Euler3DTransform, float]
"""A pose and its fit, see `MutualInformationOptimizer.optimize`."""


class _Positions:
    """The positions of an optimization."""

    def __init__(self, method: sitk.ImageRegistrationMethod, start: tuple[float, ...]) -> None:
        self._method = method
        self._position = self._best = start
        self._least = math.inf
        method.AddCommand(sitk.sitkIterationEvent, self._note)

    def _note(self) -> None:
        """After a step: the metric is that of the position before."""
        self._compare()
        self._position = self._method.GetOptimizerPosition()

    def _compare(self) -> None:
        metric = self._method.GetMetricValue()
        if metric < self._least:
            self._least, self._best = metric, self._position

    def best(self) -> tuple[tuple[float, ...], float]:
        """Parameters and metric of the best position, once the optimization has ended."""
        self._compare()
        return self._best, self._least


@dataclass(frozen=True)
class MutualInformationOptimizer:
    """A pair on the grids of a level, with ITK's metric and optimizer."""

    ct: sitk.Image
    mr: sitk.Image
    mr_mask: sitk.Image
    """Mask of the metric; uint8, on a grid of its own."""
    level: ResolutionLevel
    seed: int

    @classmethod
    def at_level(
        cls,
        level: ResolutionLevel,
        ct: Series,
        mr: Series,
        mr_mask: sitk.Image,
        seed: int = DEFAULT_SEED,
    ) -> "MutualInformationOptimizer":
        """Resample a pair to the grids of a level."""
        conditioned = clamped_ct(ct, level.ct_mm)
        grid = shrunk(mr.image, level.mr_mm)
        inside = np.count_nonzero(sitk.GetArrayViewFromImage(mr_mask))
        voxels = inside * np.prod(mr_mask.GetSpacing()) / np.prod(grid.GetSpacing())
        return cls(conditioned, grid, mr_mask, level.for_voxels(float(voxels)), seed)

    def coarser(self, level: ResolutionLevel) -> "MutualInformationOptimizer":
        """The pair averaged further, to the grids of a coarser level."""
        ct, mr = shrunk(self.ct, level.ct_mm), shrunk(self.mr, level.mr_mm)
        return replace(self, ct=ct, mr=mr, level=level)

    def optimize(self, start: sitk.Euler3DTransform) -> Optimum | None:
        """Optimize from `start`, which maps MR points to CT points.

        Returns
        -------
        The pose, and its fit: mutual information in nats, times the fraction of the mask inside
        the CT, so that no pose gains by leaving it. None where ITK stops because too few samples
        are inside the CT.
        """
        pose = sitk.Euler3DTransform(start)
        method = self._registration_method()
        if is_rotated := rotation_rad(start) > MAX_ROTATION_RAD:
            method.SetMovingInitialTransform(start)
            pose.SetIdentity()
            pose.SetCenter(start.GetCenter())
        method.SetInitialTransform(pose, inPlace=True)
        positions = _Positions(method, pose.GetParameters()) if self.level.ends_at_best else None
        try:
            method.Execute(self.mr, self.ct)
        except RuntimeError:
            return None
        metric = method.GetMetricValue()
        if positions:
            parameters, metric = positions.best()
            pose.SetParameters(parameters)
        if is_rotated:
            both = sitk.CompositeTransform([start, pose])  # the last one first
            pose = with_rotation_centre(np.array(start.GetCenter()), both)
        return pose, -metric * inside_fraction(self.ct, self._mask_points_mm, pose)

    @cached_property
    def _mask_points_mm(self) -> Float64Array:
        return points_of(self.mr_mask)

    def copy(self) -> "MutualInformationOptimizer":
        """With copies of the images, for another thread: ITK's filters write into their inputs."""
        ct, mr, mr_mask = (copied(image) for image in (self.ct, self.mr, self.mr_mask))
        return replace(self, ct=ct, mr=mr, mr_mask=mr_mask)

    def optimize_all(self, starts: Sequence[sitk.Euler3DTransform]) -> list[Optimum | None]:
        """Optimize each, as many at a time as there are cores."""
        if len(starts) < 2:
            return [self.optimize(start) for start in starts]
        pairs = [self.copy() for _ in range(WORKERS)]
        shares = [partial(_each, pairs[k].optimize, starts[k::WORKERS]) for k in range(WORKERS)]
        optima: list[Optimum | None] = [None] * len(starts)
        for k, share in enumerate(side_by_side(shares)):
            optima[k::WORKERS] = share
        return optima

    def fit(self, pose: sitk.Euler3DTransform) -> float:
        """Mutual information of a pose, nats; 0 where ITK stops. Maps MR points to CT points."""
        method = self._registration_method()
        method.SetInitialTransform(pose)
        try:
            return float(-method.MetricEvaluate(self.mr, self.ct))
        except RuntimeError:
            return 0.0

    def affine(self, pose: sitk.Transform, centre_mm: Float64Array) -> Float64Array | None:
        """The linear part (3, 3) of the affine motion of MR points, before `pose`, that fits best.

        None where ITK stops, and where it ends with less mutual information than without a motion.
        """
        method = self._registration_method()
        method.SetMovingInitialTransform(pose)
        motion = sitk.AffineTransform(3)
        motion.SetCenter(centre_mm.tolist())
        method.SetInitialTransform(motion, inPlace=True)
        method.SetOptimizerScales([HEAD_RADIUS_MM**2] * 9 + [1.0] * 3)
        try:
            without = method.MetricEvaluate(self.mr, self.ct)
            method.Execute(self.mr, self.ct)
        except RuntimeError:
            return None
        if method.GetMetricValue() > without:
            return None
        return np.reshape(motion.GetMatrix(), (3, 3))

    def _registration_method(self) -> sitk.ImageRegistrationMethod:
        """ITK's metric and optimizer of this level."""
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(self.level.bins)
        method.SetMetricFixedMask(self.mr_mask)
        # By default ITK takes the gradient from an image smoothed by a voxel, which is not the
        # metric's: on the VHF it ends 1.4 mm off where the metric's own ends 0.4 mm off, and it
        # takes ten times as long.
        method.SetMetricUseMovingImageGradientFilter(False)
        method.SetMetricUseFixedImageGradientFilter(False)
        if (fraction := self.level.sampling_fraction) < 1:
            strategy = method.REGULAR if self.level.every_nth else method.RANDOM
            method.SetMetricSamplingStrategy(strategy)
            method.SetMetricSamplingPercentage(fraction, self.seed)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=self.level.first_step_mm,
            minStep=self.level.last_step_mm,
            numberOfIterations=self.level.iterations,
            relaxationFactor=self.level.relaxation,
            gradientMagnitudeTolerance=1e-8,
        )
        method.SetOptimizerScales([HEAD_RADIUS_MM**2] * 3 + [1.0] * 3)
        return method


@contextmanager
def itk_threads(*, single: bool) -> Iterator[None]:
    """Run ITK in a single thread, or unchanged; restore the number of threads afterwards.

    ITK adds the metric up in the order in which threads finish, so with two the last digits differ
    between runs. `ImageRegistrationMethod.SetNumberOfThreads` does not reach the metric (SimpleITK
    2.5); the number for the whole process does. Other threads of the process share it meanwhile.
    """
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1 if single else before)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def side_by_side(tasks: Sequence[Callable[[], Value]]) -> list[Value]:
    """Values of tasks that run at the same time, each in one thread of ITK's.

    They must not share images. They are done a third sooner than one after the other, each in all
    threads.
    """
    with itk_threads(single=True):
        return list(in_order(lambda task: task(), tasks))


def _each(function: Callable[[Item], Value], items: Iterable[Item]) -> list[Value]:
    return [function(item) for item in items]


def overlap_fraction(ct: sitk.Image, mr_mask: sitk.Image, ct_from_mr: sitk.Transform) -> float:
    """Fraction of a mask of the MR that is inside the CT's field of view."""
    return inside_fraction(ct, points_of(mr_mask), ct_from_mr)


def points_of(mask: sitk.Image) -> Float64Array:
    """Positions of the voxels of a mask (n, 3), LPS mm."""
    return positions_mm(mask, np.argwhere(sitk.GetArrayViewFromImage(mask)))


def inside_fraction(
    ct: sitk.Image, points_mm: Float64Array, ct_from_points: sitk.Transform
) -> float:
    """Fraction of points (n, 3) that is inside the CT's field of view."""
    matrix = matrix_of(ct_from_points)
    axes = np.reshape(ct.GetDirection(), (3, 3)) / np.array(ct.GetSpacing())
    directions = matrix[:3, :3].T @ axes
    first = (matrix[:3, 3] - np.array(ct.GetOrigin())) @ axes + 0.5
    inside = np.ones(len(points_mm), np.bool_)
    for direction, start, size in zip(directions.T, first, ct.GetSize(), strict=True):
        index = points_mm @ direction + start
        inside &= (index >= 0) & (index < size)
    return float(inside.mean())


def mean_displacement_mm(one: sitk.Transform, other: sitk.Transform, centre: Float64Array) -> float:
    """Mean distance in mm between the images of six points on the head under two transforms."""
    around = [centre + sign * HEAD_RADIUS_MM * axis for axis in np.eye(3) for sign in (-1, 1)]
    pairs = ((one.TransformPoint(p.tolist()), other.TransformPoint(p.tolist())) for p in around)
    return float(np.mean([np.linalg.norm(np.subtract(a, b)) for a, b in pairs]))
