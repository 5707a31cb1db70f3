"""Visual information fidelity for fusion."""

from typing import Literal

import numpy as np

from radfuse.arrays import BoolArray
from radfuse.metrics.image_levels import WHITE, Image, measured
from radfuse.metrics.vif import Channel, channel, information

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
    fused, ct, mr = (measured(image) for image in (fused, ct, mr))
    total = 0.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if weight:
            of_ct, of_mr = (channel(fused, source, scale=scale) for source in (ct, mr))
            ct_less, ct_more = of_ct.gain < of_mr.gain, of_ct.gain > of_mr.gain
            total += weight * _fidelity(of_ct, of_mr, ct_less if gain == "smaller" else ct_more)
    return total


def _fidelity(of_ct: Channel, of_mr: Channel, ct_counts: BoolArray) -> float:
    """Share of the information that is kept at one scale; CT represents both where it counts."""
    preserved, there = (
        information(np.where(ct_counts, ct, mr)) + FLOOR * ct_counts.size
        for ct, mr in (
            (of_ct.preserved(NOISE_VARIANCE), of_mr.preserved(NOISE_VARIANCE)),
            (of_ct.there(NOISE_VARIANCE), of_mr.there(NOISE_VARIANCE)),
        )
    )
    return preserved / there
