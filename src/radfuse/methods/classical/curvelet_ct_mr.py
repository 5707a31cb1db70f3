"""Curvelets of CT and MR: the coefficient with the larger modulus, without a vote.

Ali et al. 2010, A curvelet transform approach for the fusion of MR and CT images (Journal of Modern
Optics 57), of which the title is known. Decided here: the wrapping transform of five scales, the
cosine and sine parts of a curvelet as one complex coefficient, the larger modulus at each position,
ties to the second image, and the mean of the bases. No reference code was compared.
"""

from dataclasses import dataclass

from radfuse.arrays import Float64Array
from radfuse.methods.classical.multiscale import Band, Multiscale
from radfuse.methods.classical.rules import larger
from radfuse.methods.options import option
from radfuse.methods.transforms import curvelet


@dataclass(frozen=True)
class CurveletCtMr(Multiscale):
    """Fusion of curvelets by their modulus."""

    scales: int = option(5, "scales with the base; small images have fewer", limits=(2, 8))

    def decompose(self, images: Float64Array) -> tuple[list[Band], Float64Array]:
        """The complex wedges of each scale, finest first, and the base of images (N, H, W)."""
        bands, base = curvelet.decompose(images, self.scales)
        return curvelet.complex_of(bands), base

    def reconstruct(
        self, bands: list[Band], base: Float64Array, shape: tuple[int, int]
    ) -> Float64Array:
        """The images (N, *shape) that have these bands and base."""
        return curvelet.reconstruct(curvelet.real_of(bands), base, shape)

    def fuse_band(self, first: Band, second: Band) -> Band:
        """The coefficient with the larger modulus."""
        return larger(first, second)
