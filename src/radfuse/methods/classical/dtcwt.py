"""Dual-tree complex wavelets, as in the code of MST-SR: larger modulus by vote, mean of the bases.

Lewis et al. 2007, Information Fusion 8; rules of Liu, Liu and Wang 2015,
doi:10.1016/j.inffus.2014.09.004. Equal to the authors' code at the golden pairs, except where two
activities are equal up to rounding.
"""

from dataclasses import dataclass

from radfuse.methods.classical.multiscale import Levelled, Transform
from radfuse.methods.transforms.dual_tree import decompose, reconstruct


@dataclass(frozen=True)
class DTCWT(Levelled):
    """Fusion of dual-tree complex wavelet transforms."""

    TRANSFORM = Transform(decompose, reconstruct)
