"""Metric of detail at several scales."""

import numpy as np

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
        transforms = [_haar(image) for image in images]
        product *= _preserved(*(details for _, details in transforms)) ** weight
        images = [coarse for coarse, _ in transforms]
    return product


def _haar(image: Float64Array) -> tuple[Float64Array, Float64Array]:
    """One scale of the orthonormal Haar wavelet of (H, W): means, and (3 directions, H, W) / 2."""
    if any(side % 2 for side in image.shape):
        image = np.pad(image, [(0, side % 2) for side in image.shape], mode="symmetric")
    halved = image * 0.5
    sums, steps = halved[::2] + halved[1::2], halved[::2] - halved[1::2]
    details = np.empty((3, len(sums), sums.shape[1] // 2))
    np.add(steps[:, ::2], steps[:, 1::2], out=details[0])
    np.subtract(sums[:, ::2], sums[:, 1::2], out=details[1])
    np.subtract(steps[:, ::2], steps[:, 1::2], out=details[2])
    return sums[:, ::2] + sums[:, 1::2], details


def _preserved(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    """EP of one scale, weighted by the sources' detail; details are (3 directions, H, W)."""
    total = kept = 0.0
    for source in (ct, mr):
        weights = np.einsum("dhw,dhw->hw", source, source)
        closeness = np.subtract(source, fused)
        np.copysign(closeness, -1, out=closeness)
        np.exp(closeness, out=closeness, where=weights > 0)
        kept += float(np.vdot(closeness.sum(axis=0), weights))
        total += float(weights.sum())
    return kept / total if total else float(np.exp(-np.abs(fused)).sum(axis=0).mean())
