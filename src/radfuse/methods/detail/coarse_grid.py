"""A coarse grid over a volume, for what is smoothed by more than a millimetre."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from radfuse.arrays import BoolArray, Float32Array

Spacing = tuple[float, float, float]
"""Of slices, rows and columns, mm."""

TRUNCATE = 3.0
"""Radius of a Gaussian kernel in standard deviations."""


def smoothed(values: Float32Array, sigma_mm: float, spacing_mm: Spacing) -> Float32Array:
    """A Gaussian mean along the axes that have more than one voxel."""
    sigmas = [
        sigma_mm / step if size > 1 else 0.0
        for size, step in zip(values.shape, spacing_mm, strict=True)
    ]
    return np.asarray(gaussian_filter(values, sigmas, truncate=TRUNCATE), np.float32)


def spread(values: Float32Array, reach_mm: float, spacing_mm: Spacing) -> Float32Array:
    """The largest value within a distance along each axis."""
    size = [
        2 * round(reach_mm / step) + 1 if count > 1 else 1
        for count, step in zip(values.shape, spacing_mm, strict=True)
    ]
    return np.asarray(maximum_filter(values, size), np.float32)


def ramp(values: Float32Array, start: float, width: float) -> Float32Array:
    """0 up to a start, 1 from start plus width on, smooth between."""
    share = np.clip((values - np.float32(start)) / np.float32(width), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


@dataclass(frozen=True)
class CoarseGrid:
    """Blocks of whole voxels of a volume, (slices, rows, columns)."""

    shape: tuple[int, int, int]
    """Of the volume."""

    factors: tuple[int, int, int]
    """Voxels of a block along each axis."""

    spacing_mm: Spacing
    """Of the blocks."""

    @classmethod
    def over(
        cls, shape: tuple[int, int, int], spacing_mm: Spacing, coarse_mm: float
    ) -> "CoarseGrid":
        """Blocks of at most `coarse_mm`, of at least a voxel."""
        z, y, x = (
            min(max(1, int(coarse_mm / step + 1e-3)), size)
            for size, step in zip(shape, spacing_mm, strict=True)
        )
        return cls(shape, (z, y, x), (z * spacing_mm[0], y * spacing_mm[1], x * spacing_mm[2]))

    def reduce(self, values: Float32Array) -> Float32Array:
        """Mean of each block of some slices that begin with a block; 0 outside the volume."""
        padding = [
            (0, -size % factor) for size, factor in zip(values.shape, self.factors, strict=True)
        ]
        padded = np.pad(values, padding)
        z, y, x = (size // factor for size, factor in zip(padded.shape, self.factors, strict=True))
        fz, fy, fx = self.factors
        return np.asarray(padded.reshape(z, fz, y, fy, x, fx).mean(axis=(1, 3, 5)), np.float32)

    def expand(self, values: Float32Array, part: slice) -> Float32Array:
        """Values of the blocks, linearly interpolated at the voxels of some slices."""
        along_z, along_y, along_x = (
            _interpolation(np.arange(voxels.start, voxels.stop), factor, size)
            for voxels, factor, size in zip(
                (part, slice(0, self.shape[1]), slice(0, self.shape[2])),
                self.factors, values.shape, strict=True,
            )
        )  # fmt: skip
        near = along_z.any(axis=0)
        planes = np.tensordot(along_z[:, near], values[near], axes=1)
        return np.asarray(along_y @ planes @ along_x.T, np.float32)

    def repeat(self, blocks: BoolArray, part: slice) -> BoolArray:
        """Values of the blocks, the same in all their voxels, for some slices."""
        z = np.arange(part.start, part.stop) // self.factors[0]
        y, x = (
            np.arange(size) // factor
            for size, factor in zip(self.shape[1:], self.factors[1:], strict=True)
        )
        return np.asarray(blocks[np.ix_(z, y, x)])


def _interpolation(voxels: NDArray[np.int64], factor: int, blocks: int) -> Float32Array:
    """Weights (voxels, blocks) of the two nearest blocks, or of the only one."""
    position = np.clip((voxels + 0.5) / factor - 0.5, 0, blocks - 1)
    apart = np.abs(position[:, None] - np.arange(blocks))
    return np.asarray(np.maximum(1 - apart, 0), np.float32)
