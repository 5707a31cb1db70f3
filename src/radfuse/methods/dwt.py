"""Wavelet fusion: the stronger detail of each scale and direction, the mean of the coarse rest.

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
        "bior2.2", "short and symmetric ones shift no edges and ring little at the skull"
    )
    levels: int = option(
        3, "scales of detail; fewer where an image is too small for them", limits=(1, 10)
    )

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        deepest = pywt.dwtn_max_level(ct.shape[1:], self.wavelet)
        levels = min(self.levels, deepest)
        of_ct, of_mr = (
            pywt.wavedec2(images, self.wavelet, "symmetric", levels) for images in (ct, mr)
        )
        fused = [(of_ct[0] + of_mr[0]) / 2]
        for bands_ct, bands_mr in zip(of_ct[1:], of_mr[1:], strict=True):
            fused.append(
                tuple(
                    np.where(np.abs(a) > np.abs(b), a, b)
                    for a, b in zip(bands_ct, bands_mr, strict=True)
                )
            )
        images = pywt.waverec2(fused, self.wavelet, "symmetric")
        return np.asarray(np.clip(images[:, : ct.shape[1], : ct.shape[2]], 0, 1), np.float32)
