"""Findings kept: whether a fused image shows, with its sign, what one source shows.

Designed in this project; `docs/findings.md` has the reasons. A finding is inserted into one source
of an aligned pair; what differs between the images with it and without it is caused by the finding
alone, since anatomy cancels.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.ndimage import median_filter

from radfuse.arrays import BoolArray, Float64Array
from radfuse.metrics.image_levels import WHITE, Image, floats
from radfuse.metrics.lesion_contrast import check_masks
from radfuse.metrics.region_fidelity import VISIBLE

FULL_CONTRAST = 64.0
"""A quarter of white: a finding of this contrast is visible, and no more is required."""

FULL_CNR = 2.0
"""Contrast-to-noise ratio at which a finding is visible, and no more is required."""

KEPT, WEAKENED = 0.8, 0.5
"""Least values of `finding_kept` for a finding that is kept or weakened."""

SPECK_SIGMAS, SPECK_LEVELS = 6.0, 24.0
"""A speck differs from the median of its 3x3 neighbourhood by more than both."""

MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


class Verdict(StrEnum):
    """What became of a finding in a fused image."""

    KEPT = "kept"
    WEAKENED = "weakened"
    LOST = "lost"
    INVERTED = "inverted"


@dataclass(frozen=True)
class Shown:
    """How an image shows a finding."""

    contrast: float
    """Mean of the lesion less that of its ring, less the same without the finding; grey levels,
    negative for a dark finding."""

    noise: float
    """Standard deviation in the ring, and `VISIBLE`, which a display hides anyway."""

    @property
    def cnr(self) -> float:
        """Signed contrast-to-noise ratio."""
        return self.contrast / self.noise


def shown(with_finding: Image, without: Image, *, lesion: BoolArray, ring: BoolArray) -> Shown:
    """How an image shows a finding: grey levels with it and without it, (H, W) or (D, H, W).

    Raises `InputError` where a mask is empty or has another shape than the images.
    """
    check_masks(np.shape(with_finding), lesion=lesion, ring=ring)
    image = floats(with_finding)
    change = image - floats(without)
    contrast = float(change[lesion].mean() - change[ring].mean())
    return Shown(contrast, math.hypot(float(image[ring].std()), VISIBLE))


def reference(candidates: Iterable[Shown]) -> Shown:
    """The display that shows a finding best: of a CT, one of its windows."""
    return max(candidates, key=lambda one: abs(one.contrast))


def finding_kept(fused: Shown, source: Shown) -> float:
    """The share of a finding that is kept: 1 all, 0 none, negative inverted; 0 if never shown.

    The smaller of two ratios to what the source shows: of contrast, where a quarter of white
    suffices, and of contrast to noise, where 2 suffices.
    """
    if source.contrast == 0:
        return 0.0
    sign = math.copysign(1.0, source.contrast)
    of_contrast = sign * fused.contrast / min(abs(source.contrast), FULL_CONTRAST)
    of_cnr = sign * fused.cnr / min(abs(source.cnr), FULL_CNR)
    return of_contrast if of_contrast < 0 else min(of_contrast, of_cnr)


def verdict(fused: Shown, source: Shown) -> Verdict:
    """What became of a finding; inverted by less than `VISIBLE` is lost."""
    kept = finding_kept(fused, source)
    if kept < 0 and abs(fused.contrast) > VISIBLE:
        return Verdict.INVERTED
    if kept >= KEPT:
        return Verdict.KEPT
    return Verdict.WEAKENED if kept >= WEAKENED else Verdict.LOST


def specks(fused: Image, ct: Image, mr: Image, brain: BoolArray) -> float:
    """Single pixels per 1000 of the brain that are outliers in F alone; smaller is better.

    Images (D, H, W) in grey levels. An outlier is where a pixel differs from the median of the 3x3
    pixels around it by more than `SPECK_LEVELS` and than `SPECK_SIGMAS` deviations of the brain;
    it is in F alone where no source differs there by half as much.
    """
    if not brain.any():
        return 0.0
    apart, of_ct, of_mr = (_apart(image) for image in (fused, ct, mr))
    spread = MAD * float(np.median(apart[brain]))
    outlier = brain & (apart > max(SPECK_SIGMAS * spread, SPECK_LEVELS))
    outlier &= (of_ct < apart / 2) & (of_mr < apart / 2)
    return 1000 * float(outlier.sum()) / float(brain.sum())


def _apart(image: Image) -> Float64Array:
    """Distance of each pixel from the median of the 3x3 pixels around it."""
    values = floats(image)
    return np.asarray(np.abs(values - median_filter(values, (1, 3, 3))))


def spill(with_finding: Image, without: Image, near: BoolArray) -> float:
    """Mean change beside a finding, where no source changes, as a share of white, 0 to 1."""
    change = np.abs(floats(with_finding) - floats(without))
    return float(change[near].mean()) / WHITE if near.any() else 0.0


def overshoot(fused: Image, sources: Iterable[Image], brain: BoolArray) -> float:
    """Levels by which F is above or below all sources: root mean square over the brain.

    The sources are the MR and the CT in every window in which it may be displayed.
    """
    if not brain.any():
        return 0.0
    values = np.stack([floats(image)[brain] for image in sources])
    inside = np.clip(floats(fused)[brain], values.min(axis=0), values.max(axis=0))
    return float(np.sqrt(((floats(fused)[brain] - inside) ** 2).mean()))
