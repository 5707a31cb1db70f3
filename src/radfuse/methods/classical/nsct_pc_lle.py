"""Nonsubsampled contourlets: base by phase congruency and local Laplacian energy.

Zhu, Zheng, Qi, Wang and Xiang 2019, "A phase congruency and local Laplacian energy based
multi-modality medical image fusion method in NSCT domain", doi:10.1109/ACCESS.2019.2898111. Equal
to the authors' code at the golden pairs.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from radfuse.arrays import BoolArray, Float32Array, FloatArray
from radfuse.methods.classical.papcnn import more_firing
from radfuse.methods.classical.rules import in_unit_range, sum_of_nine
from radfuse.methods.transforms.fan_filters import PKVA
from radfuse.methods.transforms.nonsubsampled import contourlets
from radfuse.methods.transforms.nonsubsampled_pyramid import CDF97
from radfuse.metrics.phase_features import FSIM, features, log_gabor_filters

TRANSFORM = contourlets(CDF97, PKVA, (2, 2, 2, 2))
"""Filters `9-7` and `pkva`, two directions at each of four levels."""

FINEST = 3
"""The level whose bands a pulse-coupled network chooses."""

CONGRUENCY_POWER = 0.005
"""Of the phase congruency in the activity of a base."""

BASE_WINDOW, DETAIL_WINDOW = 7, 19
"""Sides of the windows whose majority is taken, in pixels."""


@dataclass(frozen=True)
class NSCTPCLLE:
    """Fusion of nonsubsampled contourlet transforms by phase congruency and Laplacian energy."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_unit_range(_fuse, first, second)


def _fuse(first: FloatArray, second: FloatArray) -> FloatArray:
    return TRANSFORM.fuse(first, second, _detail, _base)


def _detail(level: int, first: FloatArray, second: FloatArray) -> FloatArray:
    if level == FINEST:
        return more_firing(first, second)
    return np.where(majority(np.abs(first) > np.abs(second), DETAIL_WINDOW), first, second)


def _base(first: FloatArray, second: FloatArray) -> FloatArray:
    is_first = base_activity(first) >= base_activity(second)
    return np.where(majority(is_first, BASE_WINDOW), first, second)


def base_activity(bases: FloatArray) -> FloatArray:
    """Local energy, energy of differences to neighbours and phase congruency; (N, H, W)."""
    outside = np.pad(bases, ((0, 0), (1, 1), (1, 1)), "symmetric")
    inside = outside[:, 1:-1, 1:-1]
    neighbours = (
        outside[:, :-2, 1:-1], outside[:, 2:, 1:-1], outside[:, 1:-1, :-2], outside[:, 1:-1, 2:],
    )  # fmt: skip
    laplacian = np.sum([np.square(inside - each) for each in neighbours], axis=0)
    filters = log_gabor_filters(bases.shape[1:], FSIM)
    congruency = np.stack([features(base, filters).congruency for base in bases])
    energies = (sum_of_nine(values) for values in (np.square(bases), laplacian))
    return np.asarray(np.prod(list(energies), axis=0) * congruency**CONGRUENCY_POWER)


def majority(chosen: BoolArray, size: int) -> BoolArray:
    """Where more than half of the window of an odd size is chosen; borders reflect."""
    share = uniform_filter(chosen.astype(np.float32), size, mode="reflect", axes=(-2, -1))
    return np.asarray(share > 0.5)
