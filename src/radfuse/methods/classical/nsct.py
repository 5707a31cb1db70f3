"""Nonsubsampled contourlets, as in the code of MST-SR: larger activity by vote, mean of the bases.

da Cunha, Zhou and Do 2006, IEEE Transactions on Image Processing 15(10); rules of Liu, Liu and
Wang 2015, doi:10.1016/j.inffus.2014.09.004. Equal to the authors' code at the golden pairs.
"""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float32Array, Float64Array, FloatArray
from radfuse.methods.classical.rules import in_grey_levels, larger_by_vote, mean
from radfuse.methods.transforms.nonsubsampled import contourlets

TRANSFORM = contourlets()
"""Filters `pyrexc` and `vk`; 4, 8, 8 and 16 directions from coarse to fine."""


@dataclass(frozen=True)
class NSCT:
    """Fusion of nonsubsampled contourlet transforms."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_grey_levels(self._fuse, first, second)

    def fuse_base(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """The mean of the bases; methods with a sparse base override it."""
        return mean(first, second)

    def _fuse(self, first: Float64Array, second: Float64Array) -> Float64Array:
        fused = TRANSFORM.fuse(first, second, _by_vote, self.fuse_base)
        return np.asarray(fused, np.float64)


def _by_vote(_level: int, first: FloatArray, second: FloatArray) -> FloatArray:
    """Each band by itself; (directions, N, H, W)."""
    bands = (each.reshape(-1, *each.shape[-2:]) for each in (first, second))
    return larger_by_vote(*bands).reshape(first.shape)
