"""Laplacian pyramid fusion: the stronger detail of each scale, the mean of the coarse rest.

Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851; choice by magnitude as in Burt 1984,
doi:10.1007/978-3-642-51590-3_2.
"""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float32Array
from radfuse.methods.options import option
from radfuse.methods.transforms.laplacian_pyramid import analyse, synthesise


@dataclass(frozen=True)
class Laplacian:
    """Fusion of Laplacian pyramids."""

    levels: int = option(
        4, "scales of detail; four reach structures of about 16 pixels", limits=(1, 10)
    )

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        *details_ct, rest_ct = analyse(ct, self.levels)
        *details_mr, rest_mr = analyse(mr, self.levels)
        bands = [
            np.where(np.abs(of_ct) > np.abs(of_mr), of_ct, of_mr)
            for of_ct, of_mr in zip(details_ct, details_mr, strict=True)
        ]
        return np.clip(synthesise([*bands, (rest_ct + rest_mr) / np.float32(2)]), 0, 1)
