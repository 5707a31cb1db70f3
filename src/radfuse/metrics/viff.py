"""Visual information fidelity for fusion."""

from typing import Literal

import numpy as np

from radfuse.metrics.image_levels import WHITE, Image
from radfuse.metrics.vif import channel, pyramid

NOISE_VARIANCE = 0.005 * WHITE**2
"""Variance of the visual noise, sigma_n^2, for images in 0..255."""

SCALE_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)
"""p_k: what the fidelity of each scale counts, the finest first."""

FLOOR = 1e-7
"""Information added to every window, so that flat images keep all of their none."""


def viff(
    fused: Image, ct: Image, mr: Image, *, gain: Literal["smaller", "larger"] = "smaller"
) -> float:
    """Visual information fidelity for fusion, 0 or more.

    Han, Cai, Cao and Xu 2013, doi:10.1016/j.inffus.2011.08.002. In every window one source
    represents both: the one whose gain to the fused image is `gain`, and MR where both gains
    are equal, which makes CT and MR almost, not quite, exchangeable. "smaller" is what the
    authors' code does with CT as first source; it asks for the source that the image follows
    least. "larger" asks for the one that it follows most, so that a copy of either source has
    about 1. Two flat sources have nothing to lose: 1. Images must be larger than 40 pixels a side.
    """
    total = 0.0
    scales = zip(SCALE_WEIGHTS, pyramid(fused), pyramid(ct), pyramid(mr), strict=True)
    for weight, image, *sources in scales:
        of_ct, of_mr = (channel(source, image, NOISE_VARIANCE) for source in sources)
        ct_less, ct_more = of_ct.gain < of_mr.gain, of_ct.gain > of_mr.gain
        of_ct_counts = ct_less if gain == "smaller" else ct_more
        kept = np.where(of_ct_counts, of_ct.kept, of_mr.kept) + FLOOR
        there = np.where(of_ct_counts, of_ct.there, of_mr.there) + FLOOR
        total += weight * float(kept.sum() / there.sum())
    return total
