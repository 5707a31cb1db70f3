"""Adaptive sparse representation: each patch is coded in a dictionary of its orientation.

Liu and Wang 2015, "Simultaneous image fusion and denoising with adaptive sparse representation",
IET Image Processing 9(5): one dictionary of all patches and six of patches with one dominant
orientation. Equal to the authors' code with the authors' dictionaries, without its denoising; the
ones that are shipped were learned on other images, so that fused images differ.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float32Array, Float64Array
from radfuse.methods.classical.rules import check_pair, in_grey_levels
from radfuse.methods.options import option
from radfuse.methods.sparse_coding.dictionaries import normalized, shipped_dictionary
from radfuse.methods.sparse_coding.matching_pursuit import norms_and_residuals
from radfuse.methods.sparse_coding.orientation import dominant_orientation
from radfuse.methods.sparse_coding.patches import averaged, patches_of
from radfuse.parallel import in_order

EPSILON = 0.1
"""Length of a patch's residual at which its code is complete, grey levels."""

DICTIONARIES = 7
"""One of all patches, and one of each orientation."""

ROWS_AT_ONCE = 32
"""Rows of patches of a thread."""


@dataclass(frozen=True)
class ASR:
    """Fusion of sparse codes in dictionaries of orientations."""

    epsilon: float = option(
        EPSILON, "L2 norm of a patch's residual, grey levels of 255", limits=(0.01, 100)
    )
    dictionaries: Float64Array | None = field(default=None, compare=False, repr=False)
    """Atoms (7 * atoms, 8, 8), first those of all patches, or none for the shipped ones."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1].

        Raises `InputError` for images smaller than a patch.
        """
        given = self.dictionaries
        atoms = shipped_dictionary("asr") if given is None else normalized(given)
        check_pair(first, second, atoms.shape[1])
        flat = atoms.reshape(DICTIONARIES, -1, atoms[0].size)
        return in_grey_levels(lambda a, b: self._fuse(a, b, flat), first, second)

    def _fuse(self, first: Float64Array, second: Float64Array, atoms: Float64Array) -> Float64Array:
        """Images (N, H, W) in grey levels; atoms are (7, atoms, samples)."""
        size = round(atoms.shape[-1] ** 0.5)
        patches_1, patches_2 = (patches_of(images, size, 1) for images in (first, second))

        def fused(start: int) -> Float64Array:
            rows = slice(start, start + ROWS_AT_ONCE)
            part_1, part_2 = (
                each[:, rows].reshape(-1, size, size) for each in (patches_1, patches_2)
            )
            shape = patches_1[:, rows].shape
            return self._fuse_patches(part_1, part_2, atoms).reshape(shape)

        rows_of_patches = list(in_order(fused, range(0, patches_1.shape[1], ROWS_AT_ONCE)))
        return averaged(np.concatenate(rows_of_patches, axis=1), 1, (first + second) / 2)

    def _fuse_patches(
        self, first: Float64Array, second: Float64Array, atoms: Float64Array
    ) -> Float64Array:
        """Patches (patches, rows, columns), each with the larger L1 norm and both means' mean."""
        chosen = _dictionary_of(first, second)
        samples = np.stack([each.reshape(len(each), -1) for each in (first, second)])
        means = samples.mean(axis=2, keepdims=True)
        samples -= means
        for number in np.unique(chosen):
            at = np.flatnonzero(chosen == number)
            signals = samples[:, at]
            norms, residuals = norms_and_residuals(
                signals.reshape(-1, signals.shape[2]), atoms[number], self.epsilon
            )
            norm_1, norm_2 = norms.reshape(2, -1, 1)
            coded_1, coded_2 = signals - residuals.reshape(signals.shape)
            samples[0, at] = np.where(norm_1 >= norm_2, coded_1, coded_2)
        return np.asarray(samples[0] + means.mean(axis=0))


def _dictionary_of(first: Float64Array, second: Float64Array) -> NDArray[np.intp]:
    """The number of each patch's dictionary, by the patch with the larger variance."""
    is_first = first.var(axis=(1, 2)) >= second.var(axis=(1, 2))
    return dominant_orientation(np.where(is_first[:, None, None], first, second))
