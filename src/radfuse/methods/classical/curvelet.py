"""Curvelets, as in the code of MST-SR: larger activity by vote in each wedge, mean of the bases.

Nencini et al. 2007, Information Fusion 8; rules of Liu, Liu and Wang 2015,
doi:10.1016/j.inffus.2014.09.004, with the transform of Candes et al. 2006. Equal to the authors'
code at the golden pairs.
"""

from dataclasses import dataclass

from radfuse.arrays import Float64Array
from radfuse.methods.classical.multiscale import Band, Multiscale
from radfuse.methods.options import option
from radfuse.methods.transforms.curvelet import decompose, reconstruct


@dataclass(frozen=True)
class Curvelet(Multiscale):
    """Fusion of fast discrete curvelet transforms."""

    scales: int = option(
        5, "scales with the base; five are the authors', small images have fewer", limits=(2, 8)
    )

    def decompose(self, images: Float64Array) -> tuple[list[Band], Float64Array]:
        """The bands, finest first, and the base of images (N, H, W) in grey levels, 0 to 255."""
        return decompose(images, self.scales)

    def reconstruct(
        self, bands: list[Band], base: Float64Array, shape: tuple[int, int]
    ) -> Float64Array:
        """The images (N, *shape) that have these bands and base."""
        return reconstruct(bands, base, shape)
