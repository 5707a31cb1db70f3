"""Haar wavelets, as in the code of MST-SR: larger activity by vote, mean of the bases.

Li, Manjunath and Mitra 1995, doi:10.1006/gmip.1995.1022; rules of Liu, Liu and Wang 2015,
doi:10.1016/j.inffus.2014.09.004. Equal to the authors' code at the golden pairs, with exact sums
where MATLAB has rounded filter taps: where activities are equal, the second image is chosen. It
differs from `dwt` by the vote, the exact ties and the periodised transform. No text of Bhavana and
Krishnappa 2015, which fuses by a discrete wavelet transform, was found; this method or `dwt` with
`wavelet=haar` represents it.
"""

from dataclasses import dataclass

from radfuse.methods.classical.multiscale import Levelled, Transform
from radfuse.methods.transforms.haar import decompose, reconstruct


@dataclass(frozen=True)
class DWTVote(Levelled):
    """Fusion of Haar wavelet transforms."""

    TRANSFORM = Transform(decompose, reconstruct)
