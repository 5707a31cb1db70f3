"""Laplacian pyramid fusion: larger coefficient by magnitude, mean of the top level.

Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851; choice by magnitude as in Burt 1984,
doi:10.1007/978-3-642-51590-3_2.
"""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float32Array
from radfuse.methods.options import option
from radfuse.methods.transforms.laplacian_pyramid import decompose, reconstruct


@dataclass(frozen=True)
class Laplacian:
    """Fusion of Laplacian pyramids."""

    levels: int = option(
        4, "pyramid levels; four reach structures of about 16 pixels", limits=(1, 10)
    )

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        *details_1, top_1 = decompose(first, self.levels)
        *details_2, top_2 = decompose(second, self.levels)
        bands = [
            np.where(np.abs(a) > np.abs(b), a, b) for a, b in zip(details_1, details_2, strict=True)
        ]
        return np.clip(reconstruct([*bands, (top_1 + top_2) / np.float32(2)]), 0, 1)
