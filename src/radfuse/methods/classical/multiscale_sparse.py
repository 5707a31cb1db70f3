"""Multiscale transforms with a base by sparse representation; their bands are fused by vote.

Liu, Liu and Wang 2015, doi:10.1016/j.inffus.2014.09.004: the transforms and the rule of the bands
are those of `lp`, `dwt_vote`, `dtcwt`, `curvelet` and `nsct`, the rule of the base is that of
`sparse`, which keeps the contrast that a mean of the bases loses. Equal to the authors' code with
the authors' dictionary; the one that is shipped was learned on other images.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from radfuse.arrays import Float64Array, FloatArray
from radfuse.errors import InputError
from radfuse.methods.classical.curvelet import Curvelet
from radfuse.methods.classical.dtcwt import DTCWT
from radfuse.methods.classical.dwt_vote import DWTVote
from radfuse.methods.classical.lp import LP
from radfuse.methods.classical.multiscale import Band
from radfuse.methods.classical.nsct import NSCT
from radfuse.methods.classical.sparse import dictionary_of, fuse_patches


@dataclass(frozen=True)
class SparseBase:
    """Fusion of a transform's base by the sparse codes of its patches."""

    dictionary: Float64Array | None = field(default=None, compare=False, repr=False)
    """Atoms (atoms, 8, 8), or none for the shipped ones."""
    least_side: ClassVar[int]
    """Rows of the smallest image whose base has the 8 rows of a patch."""

    def fuse_base(self, first: FloatArray, second: FloatArray) -> Float64Array:
        """The patches with the larger L1 norm; `InputError` for a base smaller than a patch."""
        atoms = dictionary_of(self.dictionary)
        if min(first.shape[1:]) < atoms.shape[1]:
            rows, columns = first.shape[1:]
            raise InputError(
                f"the base has {rows} x {columns} coefficients and a patch 8 x 8; give images of "
                f"at least {self.least_side} x {self.least_side} pixels, or choose "
                "another method"
            )
        return fuse_patches(np.asarray(first, float), np.asarray(second, float), atoms)


class FewerLevels(SparseBase):
    """Small images have fewer levels; those of `least_side` rows have one."""

    levels: int

    def levels_of(self, images: Float64Array) -> int:
        """As many as leave a base of 8 rows, but no more than the option says."""
        side: int = min(images.shape[1:])
        doublings = int((side - 1) // (self.least_side - 1)).bit_length()
        return max(1, min(self.levels, doublings))


@dataclass(frozen=True)
class LPSparse(FewerLevels, LP):
    """Laplacian pyramid with a sparse base."""

    least_side = 15


@dataclass(frozen=True)
class DWTSparse(FewerLevels, DWTVote):
    """Haar wavelets with a sparse base."""

    least_side = 15


@dataclass(frozen=True)
class DTCWTSparse(FewerLevels, DTCWT):
    """Dual-tree complex wavelets with a sparse base; their first level keeps all rows."""

    least_side = 7


@dataclass(frozen=True)
class CurveletSparse(SparseBase, Curvelet):
    """Curvelets with a sparse base; images with a small base have fewer scales."""

    least_side = 12
    """As many rows more are needed for each scale above two."""

    def decompose(self, images: Float64Array) -> tuple[list[Band], Float64Array]:
        """The bands, finest first, and the base of images (N, H, W) in grey levels, 0 to 255."""
        most = 1 + (min(images.shape[1:]) // self.least_side).bit_length()
        fewer = Curvelet(scales=max(2, min(self.scales, most)))
        return fewer.decompose(images)


@dataclass(frozen=True)
class NSCTSparse(SparseBase, NSCT):
    """Nonsubsampled contourlets with a sparse base, which has the size of the image."""

    least_side = 8
