"""Dual-tree complex wavelets, as in the code of MST-SR: larger modulus by vote, mean of the bases.

Lewis et al. 2007, Information Fusion 8; rules of Liu, Liu and Wang 2015,
doi:10.1016/j.inffus.2014.09.004. Equal to the authors' code at the golden pairs, except where two
activities are equal up to rounding.
"""

from dataclasses import dataclass

from radfuse.arrays import Float64Array
from radfuse.methods.classical.multiscale import Band, Multiscale
from radfuse.methods.options import option
from radfuse.methods.transforms.dual_tree import decompose, reconstruct


@dataclass(frozen=True)
class DTCWT(Multiscale):
    """Fusion of dual-tree complex wavelet transforms."""

    levels: int = option(4, "decomposition levels; four are the authors'", limits=(1, 10))

    def decompose(self, images: Float64Array) -> tuple[list[Band], Float64Array]:
        """The bands, finest first, and the base of images (N, H, W) in grey levels, 0 to 255."""
        return decompose(images, self.levels)

    def reconstruct(
        self, bands: list[Band], base: Float64Array, shape: tuple[int, int]
    ) -> Float64Array:
        """The images (N, *shape) that have these bands and base."""
        return reconstruct(bands, base, shape)
