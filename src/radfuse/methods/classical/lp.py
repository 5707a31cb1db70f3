"""Laplacian pyramid, as in the code of MST-SR: larger activity by vote, mean of the bases.

Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851; rules of Liu, Liu and Wang
2015, doi:10.1016/j.inffus.2014.09.004. Equal to the authors' code at the golden pairs.
"""

from dataclasses import dataclass

from radfuse.arrays import Float64Array
from radfuse.methods.classical.multiscale import Band, Multiscale
from radfuse.methods.options import option
from radfuse.methods.transforms.mst_pyramids import laplacian_decompose, laplacian_reconstruct


@dataclass(frozen=True)
class LP(Multiscale):
    """Fusion of Laplacian pyramids."""

    levels: int = option(4, "pyramid levels; four are the authors'", limits=(1, 10))

    def decompose(self, images: Float64Array) -> tuple[list[Band], Float64Array]:
        """The bands, finest first, and the base of images (N, H, W) in grey levels, 0 to 255."""
        return laplacian_decompose(images, self.levels)

    def reconstruct(
        self, bands: list[Band], base: Float64Array, shape: tuple[int, int]
    ) -> Float64Array:
        """The images (N, *shape) that have these bands and base."""
        return laplacian_reconstruct(bands, base, shape)
