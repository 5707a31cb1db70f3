"""Nonsubsampled shearlets: details by a pulse-coupled network, base by energy and Laplacian.

Yin, Liu, Liu and Chen 2019, "Medical image fusion with parameter-adaptive pulse coupled neural
network in nonsubsampled shearlet transform domain", doi:10.1109/TIM.2018.2838778. Equal to the
authors' code at the golden pairs but for 25 pixels of four pairs, which differ by one grey level:
the network runs in single precision, and now and then an activity equals its threshold.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import correlate1d

from radfuse.arrays import Float32Array, Float64Array, FloatArray
from radfuse.methods.classical.papcnn import more_firing
from radfuse.methods.classical.rules import in_unit_range
from radfuse.methods.transforms.borders import mirrored
from radfuse.methods.transforms.nonsubsampled import shearlets

TRANSFORM = shearlets()
"""8, 8, 16 and 16 directions from coarse to fine."""

Border = Literal["constant", "reflect"]

WEIGHTS: Float64Array = np.array([1.0, 2.0, 1.0]) / 4
"""Of the window of both measures, along rows and columns."""

MEAN: Float64Array = np.ones(3) / 3

DIAGONAL = float(np.sqrt(0.5))
"""Weight of differences to diagonal neighbours."""


@dataclass(frozen=True)
class NSSTPAPCNN:
    """Fusion of nonsubsampled shearlet transforms by a parameter-adaptive PCNN."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_unit_range(_fuse, first, second)


def _fuse(first: FloatArray, second: FloatArray) -> FloatArray:
    return TRANSFORM.fuse(first, second, _by_firing, larger_base)


def _by_firing(_level: int, first: FloatArray, second: FloatArray) -> FloatArray:
    return more_firing(first, second)


def larger_base(first: FloatArray, second: FloatArray) -> FloatArray:
    """The base (N, H, W) with the larger product of both measures; a tie: the first."""
    activities = (local_energy(base) * modified_laplacian(base) for base in (first, second))
    return np.where(np.greater_equal(*activities), first, second)


def local_energy(images: FloatArray) -> FloatArray:
    """WLE: weighted local energy, with a border that mirrors but for its corners, which are 0."""
    squares = mirrored(np.square(np.asarray(images, np.float64)), 1)
    return _weighted(squares, "constant")[:, 1:-1, 1:-1]


def modified_laplacian(images: FloatArray) -> FloatArray:
    """WSEML: weighted sum of the eight-neighbourhood modified Laplacian, as in the authors' code.

    Absolute differences to each neighbour, where the paper has those of second order; then the
    root of their mean over 3 x 3 before the window's weights.
    """
    outside = np.pad(images, ((0, 0), (1, 1), (1, 1)), "symmetric")
    height, width = images.shape[1:]
    total = np.zeros(images.shape)
    for down in range(3):
        for right in range(3):
            neighbours = outside[:, down : down + height, right : right + width]
            weight = DIAGONAL if (down - 1) * (right - 1) else 1.0
            total += weight * np.abs(images - neighbours)
    return _weighted(np.sqrt(_weighted(total, "reflect", MEAN)), "reflect")


def _weighted(images: FloatArray, mode: Border, weights: Float64Array = WEIGHTS) -> FloatArray:
    """Along rows and columns; sums without cancellation, so that they are never negative."""
    rows = correlate1d(images, weights, 1, mode=mode)
    return np.asarray(correlate1d(rows, weights, 2, mode=mode))
