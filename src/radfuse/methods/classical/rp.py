"""Ratio of low-pass pyramid, as in the code of MST-SR: larger activity by vote, mean of the bases.

Toet 1989, Pattern Recognition Letters 9; rules of Liu, Liu and Wang
2015, doi:10.1016/j.inffus.2014.09.004. Equal to the authors' code at the golden pairs.
"""

from dataclasses import dataclass

from radfuse.methods.classical.multiscale import Levelled, Transform
from radfuse.methods.options import option
from radfuse.methods.transforms.mst_pyramids import ratio_decompose, ratio_reconstruct


@dataclass(frozen=True)
class RP(Levelled):
    """Fusion of ratio of low-pass pyramids."""

    TRANSFORM = Transform(ratio_decompose, ratio_reconstruct)

    levels: int = option(4, "pyramid levels; four are the authors'", limits=(1, 10))
