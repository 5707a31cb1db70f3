"""Wavelet fusion: larger detail coefficient by magnitude, mean of the approximations.

Li, Manjunath and Mitra 1995, doi:10.1006/gmip.1995.1022.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pywt

from radfuse.arrays import Float32Array
from radfuse.methods.options import option


@dataclass(frozen=True)
class DWT:
    """Fusion of discrete wavelet transforms."""

    wavelet: Literal["haar", "db2", "db4", "sym4", "coif1", "bior2.2", "bior4.4"] = option(
        "bior2.2",
        "mother wavelet; the default is short and symmetric: no shift of edges, little ringing",
    )
    levels: int = option(3, "decomposition levels, fewer for small images", limits=(1, 10))

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        deepest = pywt.dwtn_max_level(first.shape[1:], self.wavelet)
        levels = min(self.levels, deepest)
        coefficients_1, coefficients_2 = (
            pywt.wavedec2(images, self.wavelet, "symmetric", levels) for images in (first, second)
        )
        fused = [(coefficients_1[0] + coefficients_2[0]) / 2]
        for bands_1, bands_2 in zip(coefficients_1[1:], coefficients_2[1:], strict=True):
            fused.append(
                tuple(
                    np.where(np.abs(a) > np.abs(b), a, b)
                    for a, b in zip(bands_1, bands_2, strict=True)
                )
            )
        images = pywt.waverec2(fused, self.wavelet, "symmetric")
        return np.asarray(np.clip(images[:, : first.shape[1], : first.shape[2]], 0, 1), np.float32)
