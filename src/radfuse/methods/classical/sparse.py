"""Sparse representation: of two patches, the one whose code has the larger L1 norm.

Yang and Li 2010, doi:10.1109/TIM.2009.2026612, as in the code of MST-SR (Liu, Liu and Wang 2015,
doi:10.1016/j.inffus.2014.09.004): patches of 8 x 8 pixels, two pixels apart, without their means,
coded by orthogonal matching pursuit. Equal to the authors' code with the authors' dictionary; the
one that is shipped was learned on other images, so that fused images differ.
"""

from dataclasses import dataclass, field

import numpy as np

from radfuse.arrays import Float32Array, Float64Array
from radfuse.methods.classical.rules import check_pair, in_grey_levels
from radfuse.methods.options import option
from radfuse.methods.sparse_coding.dictionaries import normalized, shipped_dictionary
from radfuse.methods.sparse_coding.matching_pursuit import norms_and_residuals
from radfuse.methods.sparse_coding.patches import averaged, patches_of

EPSILON = 0.1
"""Length of a patch's residual at which its code is complete, grey levels: MST-SR."""

STRIDE = 2
"""Pixels from a patch to the next: MST-SR."""


@dataclass(frozen=True)
class Sparse:
    """Fusion of the sparse codes of overlapping patches."""

    epsilon: float = option(
        EPSILON, "L2 norm of a patch's residual, grey levels of 255", limits=(0.01, 100)
    )
    dictionary: Float64Array | None = field(default=None, compare=False, repr=False)
    """Atoms (atoms, 8, 8), or none for the shipped ones."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1].

        Raises `InputError` for images smaller than a patch.
        """
        atoms = dictionary_of(self.dictionary)
        check_pair(first, second, atoms.shape[1])
        return in_grey_levels(lambda a, b: fuse_patches(a, b, atoms, self.epsilon), first, second)


def dictionary_of(given: Float64Array | None) -> Float64Array:
    """The given atoms with unit length, or the shipped dictionary of sparse representation."""
    return shipped_dictionary("sparse") if given is None else normalized(given)


def fuse_patches(
    first: Float64Array, second: Float64Array, atoms: Float64Array, epsilon: float = EPSILON
) -> Float64Array:
    """Images (N, H, W) in grey levels, fused patch by patch.

    Each patch is that of the image whose code has the larger L1 norm, a tie of the first, with the
    mean of the same image. Pixels in no patch are the mean of the images.
    """
    coded = [_fused(*pair, atoms, epsilon) for pair in zip(first, second, strict=True)]
    return averaged(np.stack(coded), STRIDE, (first + second) / 2)


def _fused(
    first: Float64Array, second: Float64Array, atoms: Float64Array, epsilon: float
) -> Float64Array:
    """Patches (rows, columns, size, size) of images (H, W)."""
    patches = patches_of(np.stack([first, second]), atoms.shape[1], STRIDE)
    signals = patches.reshape(2, -1, atoms[0].size)
    centred = signals - signals.mean(axis=2, keepdims=True)
    norms, residuals = norms_and_residuals(
        centred.reshape(-1, atoms[0].size), atoms.reshape(len(atoms), -1), epsilon
    )
    norm_1, norm_2 = norms.reshape(2, -1, 1)
    coded_1, coded_2 = signals - residuals.reshape(signals.shape)
    fused: Float64Array = np.where(norm_1 >= norm_2, coded_1, coded_2)
    return fused.reshape(patches.shape[1:])
