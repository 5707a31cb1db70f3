"""Base by sparse representation, detail by the energy of its neighbourhood.

After Li 2023, doi:10.1016/j.bspc.2022.104353, of which only the abstract is followed (base and
detail layers; base by sparse representation, detail by the activity of neighbourhood energy): no
reference code was found. Decided here: the base is the mean of 31 x 31 pixels with repeated
borders, its patches are fused as in `sparse`, the energy is the mean square of 3 x 3 pixels, and a
tie is of the second image.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import uniform_filter

from radfuse.arrays import Float32Array, Float64Array
from radfuse.methods.classical.rules import check_pair, in_grey_levels
from radfuse.methods.classical.sparse import dictionary_of, fuse_patches
from radfuse.methods.classical.two_scale_sparse import two_scales
from radfuse.methods.options import option
from radfuse.methods.sparse_coding.patches import check_size

NEIGHBOURS = 3
"""Rows and columns of a neighbourhood."""


@dataclass(frozen=True)
class SparseNeighbourEnergy:
    """Fusion of bases by their sparse codes, of details by their energy."""

    window: int = option(31, "rows and columns of the mean that is the base", limits=(3, 101))
    dictionary: Float64Array | None = field(default=None, compare=False, repr=False)
    """Atoms (atoms, 8, 8), or none for the shipped ones."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1].

        Raises `InputError` for images smaller than a patch.
        """
        check_pair(first, second)
        atoms = dictionary_of(self.dictionary)
        check_size(first.shape[1:], atoms.shape[1])

        def fused(a: Float64Array, b: Float64Array) -> Float64Array:
            (base_1, detail_1), (base_2, detail_2) = (two_scales(x, self.window) for x in (a, b))
            is_first = energy(detail_1) > energy(detail_2)
            detail = np.where(is_first, detail_1, detail_2)
            return fuse_patches(base_1, base_2, atoms) + detail

        return in_grey_levels(fused, first, second)


def energy(details: Float64Array) -> Float64Array:
    """The mean square of each pixel's neighbourhood; (N, H, W), borders are repeated."""
    squares = np.square(details)
    return np.asarray(uniform_filter(squares, NEIGHBOURS, mode="nearest", axes=(1, 2)))
