"""Metric of detail at several scales."""

import numpy as np
import pywt

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import Image, floats

SCALE_WEIGHTS = (2 / 3, 1 / 3)
"""Exponents of the scales, finest first, in Liu's code."""


def q_m(fused: Image, ct: Image, mr: Image) -> float:
    """Multi-scale edge preservation in [0, 3]; 3 is best.

    Wang and Liu 2008, "A novel image fusion metric based on multi-scale analysis", ICSP,
    pp. 965-968, as in the code of Liu et al. 2012, doi:10.1109/TPAMI.2011.109: two scales of the
    orthonormal Haar wavelet of images in 0..255, the terms of the three directions added, not
    averaged. At a scale where both sources are flat every pixel weighs the same. An odd edge is
    mirrored.
    """
    product, images = 1.0, [floats(image) for image in (fused, ct, mr)]
    for weight in SCALE_WEIGHTS:
        transforms = [pywt.dwt2(image, "haar") for image in images]
        product *= _preserved(*(np.stack(details) for _, details in transforms)) ** weight
        images = [coarse for coarse, _ in transforms]
    return product


def _preserved(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    """EP of one scale, weighted by the sources' detail; details are (3 directions, H, W)."""
    weights = np.stack([(source**2).sum(axis=0) for source in (ct, mr)])
    kept = np.stack([np.exp(-np.abs(source - fused)).sum(axis=0) for source in (ct, mr)])
    return float(np.average(kept, weights=weights if weights.any() else None))
