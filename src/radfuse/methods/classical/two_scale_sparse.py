"""Two-scale decomposition and sparse representation: detail by larger L1 norm, mean of the bases.

After Maqsood and Javed 2020, on two-scale decomposition and sparse representation, of which only
the topic is followed: no text or code was found, and its title was not verified. Decided here: the
base is the mean of 31 x 31 pixels, as in the two-scale decomposition of guided filtering (Li, Kang
and Hu 2013, doi:10.1109/TIP.2013.2244222), borders are repeated, the bases are averaged, and the
details are fused patch by patch as in `sparse`.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import uniform_filter

from radfuse.arrays import Float32Array, Float64Array
from radfuse.methods.classical.rules import check_pair, in_grey_levels, mean
from radfuse.methods.classical.sparse import dictionary_of, fuse_patches
from radfuse.methods.options import option

Scales = tuple[Float64Array, Float64Array]
"""Base and detail, (N, H, W) in grey levels."""


@dataclass(frozen=True)
class TwoScaleSparse:
    """Fusion of the sparse codes of details."""

    window: int = option(31, "rows and columns of the mean that is the base", limits=(3, 101))
    dictionary: Float64Array | None = field(default=None, compare=False, repr=False)
    """Atoms (atoms, 8, 8), or none for the shipped ones."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1].

        Raises `InputError` for images smaller than a patch.
        """
        atoms = dictionary_of(self.dictionary)
        check_pair(first, second, atoms.shape[1])

        def fused(a: Float64Array, b: Float64Array) -> Float64Array:
            return self.fuse_scales(two_scales(a, self.window), two_scales(b, self.window), atoms)

        return in_grey_levels(fused, first, second)

    def fuse_scales(self, first: Scales, second: Scales, atoms: Float64Array) -> Float64Array:
        """The fused image of two bases and details."""
        return mean(first[0], second[0]) + fuse_patches(first[1], second[1], atoms)


def two_scales(images: Float64Array, window: int) -> Scales:
    """The base and the detail of images (N, H, W), which are their sum."""
    base = np.asarray(uniform_filter(images, window, mode="nearest", axes=(1, 2)))
    return base, images - base
