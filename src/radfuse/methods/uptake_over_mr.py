"""PET or SPECT where there is uptake, with the MR's detail; the MR elsewhere."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from radfuse.arrays import Float32Array
from radfuse.methods.options import option

UPTAKE, UPTAKE_RANGE = 0.06, 0.12
"""Value from which there is uptake, and range up to full weight. This and what follows was chosen
on Harvard training pairs of PET and SPECT."""

SEAM_PX = 1.0
"""Smoothing of the weight, so that there is no seam."""

DETAIL_PX = 6.0
"""Detail is what differs from the mean, by a Gaussian of as many pixels."""

MAX_DETAIL = 0.055
"""Largest detail: more would be another colour, and so other uptake."""

BRIGHTEST, ROOM = 0.95, 0.3
"""No luminance from the first on is raised, and below it in proportion up to full detail: RGB has
no colour that is brighter than yellow but paler ones."""


@dataclass(frozen=True)
class UptakeOverMR:
    """`w * (functional + detail of the MR that it lacks) + (1 - w) * mr`, for luminance."""

    detail: float = option(0.5, "share of the MR's detail that shows in uptake")

    def __call__(self, functional: Float32Array, mr: Float32Array) -> Float32Array:
        """Fuse luminance of shape (N, H, W) in [0, 1], which tells the uptake, too."""
        return self.fuse_uptake(functional, mr, functional)

    def fuse_uptake(
        self, functional: Float32Array, mr: Float32Array, uptake: Float32Array
    ) -> Float32Array:
        """Fuse luminance with the MR, where the uptake is known: the value of each colour."""
        share = np.clip((uptake - UPTAKE) / UPTAKE_RANGE, 0, 1)
        weight = _smoothed(share * share * (3 - 2 * share), SEAM_PX)
        own, of_mr = (image - _smoothed(image, DETAIL_PX) for image in (functional, mr))
        more = np.maximum(of_mr - np.maximum(own, 0), 0)
        less = np.minimum(of_mr - np.minimum(own, 0), 0)
        missing = np.float32(self.detail) * np.where(of_mr > 0, more, less)
        added = MAX_DETAIL * np.tanh(missing / MAX_DETAIL)
        room = np.clip((BRIGHTEST - functional) / ROOM, 0, 1)
        added = np.where(added > 0, room * added, added)
        fused = weight * (functional + added) + (1 - weight) * mr
        return np.asarray(np.clip(fused, 0, 1), np.float32)


def _smoothed(images: Float32Array, sigma_px: float) -> Float32Array:
    """Each slice by itself."""
    return np.asarray(gaussian_filter(images, (0, sigma_px, sigma_px)), np.float32)
