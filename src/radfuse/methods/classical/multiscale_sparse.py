"""Multiscale transforms with a base by sparse representation; their bands are fused by vote.

Liu, Liu and Wang 2015, doi:10.1016/j.inffus.2014.09.004: the transforms and the rule of the bands
are those of `lp`, `dwt_vote`, `dtcwt`, the rule of the base is that of `sparse`, which
keeps the contrast that a mean of the bases loses. Equal to the authors' code with the authors'
dictionary.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.methods.classical.dtcwt import DTCWT
from radfuse.methods.classical.dwt_vote import DWTVote
from radfuse.methods.classical.lp import LP
from radfuse.methods.classical.multiscale import Multiscale
from radfuse.methods.classical.sparse import dictionary_of, fuse_patches

MAX_SIDE = 1 << 14
"""Longest side that is tried as the least one."""


@dataclass(frozen=True)
class SparseBase(Multiscale):
    """Fusion of a transform's base by the sparse codes of its patches."""

    dictionary: Float64Array | None = field(default=None, compare=False, repr=False)
    """Atoms (atoms, 8, 8), or none for the shipped ones."""

    def fuse_base(self, first: Float64Array, second: Float64Array) -> Float64Array:
        """The patches with the larger L1 norm; `InputError` for a base smaller than a patch."""
        atoms = dictionary_of(self.dictionary)
        if min(first.shape[1:]) < atoms.shape[1]:
            least = self._least_side(atoms.shape[1])
            raise InputError(
                f"the base has {first.shape[1]} x {first.shape[2]} coefficients and a patch "
                f"{atoms.shape[1]} x {atoms.shape[1]}; give images of at least {least} x {least} "
                "pixels, or choose fewer levels or another method"
            )
        return fuse_patches(first, second, atoms)

    def _least_side(self, of_base: int) -> int:
        """Rows of the smallest image whose base has as many rows."""

        def suffices(side: int) -> bool:
            return len(self.decompose(np.zeros((1, side, 1)))[1][0]) >= of_base

        return bisect_left(range(MAX_SIDE), True, lo=1, key=suffices)


@dataclass(frozen=True)
class LPSparse(SparseBase, LP):
    """Laplacian pyramid with a sparse base."""


@dataclass(frozen=True)
class DWTSparse(SparseBase, DWTVote):
    """Haar wavelets with a sparse base."""


@dataclass(frozen=True)
class DTCWTSparse(SparseBase, DTCWT):
    """Dual-tree complex wavelets with a sparse base."""
