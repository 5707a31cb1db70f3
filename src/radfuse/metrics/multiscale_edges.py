"""Metric of detail at several scales."""

from functools import cache

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import Image, Levels, exact_levels

SCALE_WEIGHTS = (2 / 3, 1 / 3)
"""Exponents of the scales, finest first, in Liu's code."""

FARTHEST = 700.0
"""Difference from which on its closeness is the same: it is nearly the smallest normal number."""


def q_m(fused: Image, ct: Image, mr: Image) -> float:
    """Multi-scale edge preservation in [0, 3]; 3 is best.

    Wang and Liu 2008, "A novel image fusion metric based on multi-scale analysis", ICSP,
    pp. 965-968, as in the code of Liu et al. 2012, doi:10.1109/TPAMI.2011.109: two scales of the
    orthonormal Haar wavelet of images in 0..255, the terms of the three directions added, not
    averaged. At a scale where both sources are flat every pixel weighs the same. An odd edge is
    mirrored.
    """
    product, unit = 1.0, 1.0
    images = [exact_levels(image) for image in (fused, ct, mr)]
    for weight in SCALE_WEIGHTS:
        (fused_sums, of_fused), (ct_sums, of_ct), (mr_sums, of_mr) = map(_haar, images)
        images = [fused_sums, ct_sums, mr_sums]
        unit /= 2
        product *= _preserved(of_fused, of_ct, of_mr, unit) ** weight
    return product


def _haar(image: Levels) -> tuple[Levels, Levels]:
    """One scale of the Haar wavelet of (H, W), times 2: sums, and (3 directions, H / 2 * W / 2)."""
    if any(side % 2 for side in image.shape):
        image = np.pad(image, [(0, side % 2) for side in image.shape], mode="symmetric")
    one, right, below, across = (image[i::2, j::2].copy() for i, j in np.ndindex(2, 2))
    details = np.empty((3, *one.shape), image.dtype)
    upper, lower = one + right, below + across
    np.subtract(upper, lower, out=details[0])
    sums = np.add(upper, lower, out=upper)
    np.subtract(one, right, out=one)
    np.subtract(below, across, out=below)
    np.add(one, below, out=details[1])
    np.subtract(one, below, out=details[2])
    return sums, details.reshape(3, -1)


def _preserved(fused: Levels, ct: Levels, mr: Levels, unit: float) -> float:
    """EP of one scale, weighted by the sources' detail.

    Details are in so many grey levels, (3 directions, pixels).
    """
    total = kept = 0.0
    for source in (ct, mr):
        horizontal, vertical, diagonal = np.square(source)
        horizontal += vertical
        horizontal += diagonal
        weights = horizontal.astype(np.float64)
        kept += float((_closeness(np.subtract(source, fused), unit) @ weights).sum())
        total += float(weights.sum())
    return kept / total if total else float(_closeness(fused, unit).sum(axis=0).mean())


def _closeness(differences: Levels, unit: float) -> Float64Array:
    """exp(-|difference|); of whole differences from a table, which is much faster."""
    steps = np.abs(differences, out=differences)
    if steps.dtype == np.int32:
        return _decay(unit).take(steps, mode="clip")
    return np.asarray(np.exp(-np.minimum(unit * steps, FARTHEST)), np.float64)


@cache
def _decay(unit: float) -> Float64Array:
    """exp(-difference) of whole differences up to `FARTHEST`."""
    return np.asarray(np.exp(-unit * np.arange(FARTHEST / unit + 1)), np.float64)
