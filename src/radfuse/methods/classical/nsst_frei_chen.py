"""Nonsubsampled shearlets: coefficients by their energy in the masks of Frei and Chen.

After Ganasala and Prasad 2018 (SPIN), on Frei-Chen masks in the NSST domain; its title was not
verified. There is no reference code, and nothing but the topic was available. Decided here: the
transform of `nsst_papcnn`; a detail coefficient is taken from the image whose 3 x 3 neighbourhood
has the larger energy in the four edge and the four line masks, a coefficient of the base from that
with the larger energy in the ninth mask, the average; the first image where they are equal.

Frei and Chen 1977, "Fast boundary detection: a generalization and a new algorithm", IEEE
Transactions on Computers C-26(10): the nine masks are an orthonormal basis of the neighbourhoods.
"""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float32Array, Float64Array, FloatArray
from radfuse.methods.classical.rules import in_grey_levels, sum_of_nine
from radfuse.methods.transforms.nonsubsampled import shearlets

TRANSFORM = shearlets()
"""8, 8, 16 and 16 directions from coarse to fine."""


@dataclass(frozen=True)
class NSSTFreiChen:
    """Fusion of nonsubsampled shearlet transforms by energies in the Frei-Chen masks."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_grey_levels(_fuse, first, second)


def _fuse(first: Float64Array, second: Float64Array) -> Float64Array:
    """Images in grey levels."""
    return np.asarray(TRANSFORM.fuse(first, second, _detail, _base), np.float64)


def _detail(_level: int, first: FloatArray, second: FloatArray) -> FloatArray:
    return np.where(structure_energy(first) >= structure_energy(second), first, second)


def _base(first: FloatArray, second: FloatArray) -> FloatArray:
    return np.where(average_energy(first) >= average_energy(second), first, second)


def structure_energy(bands: FloatArray) -> FloatArray:
    """Energy of neighbourhoods (..., H, W) in the edge and the line masks.

    The masks are orthonormal: it is the whole energy but for that in the average mask.
    """
    return np.asarray(sum_of_nine(np.square(bands)) - average_energy(bands))


def average_energy(bands: FloatArray) -> FloatArray:
    """Energy of neighbourhoods (..., H, W) in the average mask, nine times 1/3."""
    return np.asarray(np.square(sum_of_nine(bands) / 3))
