"""Base by sparse representation, detail by the energy of its neighbourhood.

After Li 2023, doi:10.1016/j.bspc.2022.104353, of which only the abstract is followed (base and
detail layers; base by sparse representation, detail by the activity of neighbourhood energy): no
reference code was found. Decided here: the base is the mean of 31 x 31 pixels with repeated
borders, its patches are fused as in `sparse`, the energy is the mean square of 3 x 3 pixels, and a
tie is of the second image.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from radfuse.arrays import Float64Array
from radfuse.methods.classical.sparse import fuse_patches
from radfuse.methods.classical.two_scale_sparse import Scales, TwoScaleSparse

NEIGHBOURS = 3
"""Rows and columns of a neighbourhood."""


@dataclass(frozen=True)
class SparseNeighbourEnergy(TwoScaleSparse):
    """Fusion of bases by their sparse codes, of details by their energy."""

    def fuse_scales(self, first: Scales, second: Scales, atoms: Float64Array) -> Float64Array:
        """The fused image of two bases and details."""
        is_first = energy(first[1]) > energy(second[1])
        return fuse_patches(first[0], second[0], atoms) + np.where(is_first, first[1], second[1])


def energy(details: Float64Array) -> Float64Array:
    """The mean square of each pixel's neighbourhood; (N, H, W), borders are repeated."""
    squares = np.square(details)
    return np.asarray(uniform_filter(squares, NEIGHBOURS, mode="nearest", axes=(1, 2)))
