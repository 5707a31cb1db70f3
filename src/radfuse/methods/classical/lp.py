"""Laplacian pyramid, as in the code of MST-SR: larger activity by vote, mean of the bases.

Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851; rules of Liu, Liu and Wang
2015, doi:10.1016/j.inffus.2014.09.004. Equal to the authors' code at the golden pairs.
"""

from dataclasses import dataclass

from radfuse.methods.classical.multiscale import Levelled, Transform
from radfuse.methods.options import option
from radfuse.methods.transforms.mst_pyramids import laplacian_decompose, laplacian_reconstruct


@dataclass(frozen=True)
class LP(Levelled):
    """Fusion of Laplacian pyramids."""

    TRANSFORM = Transform(laplacian_decompose, laplacian_reconstruct)

    levels: int = option(4, "pyramid levels; four are the authors'", limits=(1, 10))
