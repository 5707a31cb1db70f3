"""Region fidelity: CT kept in bone, MR kept in soft tissue, no false edges where they meet.

Designed in this project; `docs/own-metrics.md` has the formulas, what was tried and the limits.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    binary_fill_holes,
    find_objects,
    gaussian_filter,
    label,
    sobel,
)

from radfuse.arrays import BoolArray, Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import Image, floats
from radfuse.metrics.local_statistics import SIGMA
from radfuse.metrics.structural_similarity import LUMINANCE_FLOOR, STRUCTURE_FLOOR

Labels = NDArray[np.integer]

BONE_LEVEL = 200.0
"""Grey level above which an 8-bit CT in a brain window shows bone, as in `bone_over_mr`."""

AIR_LEVEL = 10.0
"""Grey level up to which a pixel may be air; the head is above it in CT or MR."""

SEAM_PIXELS = 3
"""Half the width of the seam: this far from the bone's border, on either side."""

CONTRAST_SIGMA = 6.0
"""Standard deviation in pixels of the window in which contrast is compared: the size of a lesion,
not of an edge as that of SSIM."""

WINDOW_TRUNCATE = 3.5
"""Where a window ends, in standard deviations."""

FLAT_SHARE = 0.5
"""Part of the weight shared evenly among a region's pixels; the rest follows the gradient."""

VISIBLE = 2.0
"""Contrast in grey levels below which its loss does not count: next to nothing on a display."""

NOTHING_LOST = 1.0
"""The value of a region without pixels, and of a seam without edges."""

NO_EDGE = 1e-6
"""Gradient in grey levels a pixel that is rounding, not an edge."""

_REACH = np.arange(-SEAM_PIXELS, SEAM_PIXELS + 1)
DISC: BoolArray = np.hypot.outer(_REACH, _REACH) <= SEAM_PIXELS
"""All offsets that lead from a border pixel into the seam."""


class Region(IntEnum):
    """Values of a label image; whatever else it holds counts as `OUTSIDE`."""

    OUTSIDE = 0
    TISSUE = 1
    """Brain and all other soft tissue, cavities included: owned by the MR."""
    BONE = 2
    """Owned by the CT."""


@dataclass(frozen=True)
class OwnedRegion:
    """How well the fused image follows, in one region, the source that owns it."""

    structure: float
    """Weighted mean SSIM with the owner, in [0, 1]; negative means count as 0."""
    contrast: float
    """Weighted mean share of the owner's contrast that is kept, in [0, 1]; excess lowers it."""
    pixels: int

    @property
    def fidelity(self) -> float:
        """Geometric mean of both, in [0, 1]."""
        return float(np.sqrt(self.structure * self.contrast))


@dataclass(frozen=True)
class RegionFidelity:
    """What `bone_fidelity`, `tissue_fidelity` and `seam_fidelity` are made of."""

    bone: OwnedRegion
    tissue: OwnedRegion
    seam: float
    """1 less the share of false edges, in [0, 1]."""
    seam_pixels: int


def region_labels(ct: Image, mr: Image, *, bone_level: float = BONE_LEVEL) -> NDArray[np.uint8]:
    """Label image of `Region` values derived from the sources, (H, W).

    The head is the largest connected body in which CT or MR exceed `AIR_LEVEL`, holes filled;
    bone is where in it the CT exceeds `bone_level`. A CT scaled from HU by the pipeline needs the
    grey level of `intensity.BONE_HU`: 76.5 in the window "fusion".
    """
    bodies, count = label((floats(ct) > AIR_LEVEL) | (floats(mr) > AIR_LEVEL))
    if count == 0:
        return np.zeros(ct.shape, np.uint8)
    largest = 1 + np.bincount(bodies.ravel())[1:].argmax()
    head = binary_fill_holes(bodies == largest)
    labels = np.where(floats(ct) > bone_level, Region.BONE, Region.TISSUE)
    return np.where(head, labels, Region.OUTSIDE).astype(np.uint8)


def region_fidelity(
    fused: Image,
    ct: Image,
    mr: Image,
    *,
    bone_level: float = BONE_LEVEL,
    labels: Labels | None = None,
) -> RegionFidelity:
    """Every region's values for one slice (H, W).

    `labels` has `Region` values; without it `region_labels` derives them by `bone_level`. Soft
    tissue within `SEAM_PIXELS` of bone belongs to the seam alone. A region without pixels has 1:
    nothing could be lost. Raises `InputError` for labels of another shape.
    """
    bone, tissue = _masks(ct, mr, bone_level, labels)
    return RegionFidelity(
        bone=_owned(fused, ct, bone, from_black=True),
        tissue=_owned(fused, mr, tissue, from_black=False),
        seam=_seam(fused, ct, mr, bone),
        seam_pixels=int(_band(bone).sum()),
    )


def bone_fidelity(fused: Image, ct: Image, mr: Image, *, bone_level: float = BONE_LEVEL) -> float:
    """How well bone follows the CT, in [0, 1], larger is better; see `region_fidelity`."""
    bone, _ = _masks(ct, mr, bone_level)
    return _owned(fused, ct, bone, from_black=True).fidelity


def tissue_fidelity(fused: Image, ct: Image, mr: Image, *, bone_level: float = BONE_LEVEL) -> float:
    """How well soft tissue follows the MR, in [0, 1], larger is better; see `region_fidelity`."""
    _, tissue = _masks(ct, mr, bone_level)
    return _owned(fused, mr, tissue, from_black=False).fidelity


def seam_fidelity(fused: Image, ct: Image, mr: Image, *, bone_level: float = BONE_LEVEL) -> float:
    """How free of false edges the bone's border is, in [0, 1], larger is better.

    A copy of either source has 1, so it says something only beside the other two; see
    `region_fidelity`.
    """
    bone, _ = _masks(ct, mr, bone_level)
    return _seam(fused, ct, mr, bone)


def _masks(
    ct: Image, mr: Image, bone_level: float, labels: Labels | None = None
) -> tuple[BoolArray, BoolArray]:
    """Bone, and the soft tissue that does not belong to the seam."""
    if labels is None:
        labels = region_labels(ct, mr, bone_level=bone_level)
    if labels.shape != ct.shape:
        raise InputError(
            f"the label image is {labels.shape}, the CT {ct.shape}; resample the labels to the CT"
        )
    bone = labels == Region.BONE
    return bone, (labels == Region.TISSUE) & ~binary_dilation(bone, DISC)


def _band(bone: BoolArray) -> BoolArray:
    """The seam: pixels within `SEAM_PIXELS` of bone and of what is not bone."""
    return np.asarray(binary_dilation(bone, DISC) & binary_dilation(~bone, DISC), np.bool_)


def _owned(fused: Image, source: Image, region: BoolArray, *, from_black: bool) -> OwnedRegion:
    if not region.any():
        return OwnedRegion(NOTHING_LOST, NOTHING_LOST, 0)
    weights = _weights(floats(source), region)
    box = find_objects(region.astype(np.uint8))[0]  # the windows see nothing outside of it
    images = floats(fused)[box], floats(source)[box], region[box]
    similarity = _ssim(*_moments(*images, SIGMA))
    kept = _contrast_kept(*_moments(*images, CONTRAST_SIGMA), from_black=from_black)
    structure, contrast = (float((weights * values).sum()) for values in (similarity, kept))
    return OwnedRegion(max(structure, 0.0), contrast, int(region.sum()))


def _moments(
    fused: Float64Array, source: Float64Array, region: BoolArray, sigma: float
) -> tuple[Float64Array, Float64Array]:
    """Local means of F and S, and of FF, SS and FS, at the region's pixels: (2, N) and (3, N).

    Windows see nothing but the region, so what another source shows beside it has no say.
    """
    inside = region.astype(np.float64)

    def local(values: Float64Array) -> Float64Array:
        sums = gaussian_filter(values * inside, sigma, mode="constant", truncate=WINDOW_TRUNCATE)
        return np.asarray(sums[region], np.float64)

    share = local(inside)
    means = np.stack([local(fused), local(source)]) / share
    powers = np.stack([local(fused**2), local(source**2), local(fused * source)]) / share
    return means, powers


def _weights(source: Float64Array, region: BoolArray) -> Float64Array:
    """Weights of the region's pixels, (N,), their sum 1: evenly, and by the source's gradient."""
    strength = np.hypot(*_gradient(source))[region]
    evenly = np.full(strength.size, 1 / strength.size)
    total = strength.sum()
    if total == 0:
        return evenly
    weights: Float64Array = FLAT_SHARE * evenly + (1 - FLAT_SHARE) * strength / total
    return weights


def _ssim(means: Float64Array, powers: Float64Array) -> Float64Array:
    """Structural similarity, Wang et al. 2004, doi:10.1109/TIP.2003.819861, Eq. 13."""
    mean_f, mean_s = means
    variance_f, variance_s, covariance = _central(means, powers)
    luminance = (2 * mean_f * mean_s + LUMINANCE_FLOOR) / (mean_f**2 + mean_s**2 + LUMINANCE_FLOOR)
    structure = (2 * covariance + STRUCTURE_FLOOR) / (variance_f + variance_s + STRUCTURE_FLOOR)
    return np.asarray(luminance * structure, np.float64)


def _central(
    means: Float64Array, powers: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Variances of F and S and their covariance."""
    mean_f, mean_s = means
    power_f, power_s, product = powers
    variances = np.maximum(power_f - mean_f**2, 0), np.maximum(power_s - mean_s**2, 0)
    return *variances, product - mean_f * mean_s


def _contrast_kept(means: Float64Array, powers: Float64Array, *, from_black: bool) -> Float64Array:
    """min(g, 1/g) of the gain g with which F shows S, in (0, 1].

    A grey level of the CT means a density, so its contrast is counted from black; one of the MR
    means nothing by itself, so its contrast is counted from the local mean.
    """
    _, variance, covariance = _central(means, powers)
    power, product = (powers[1], powers[2]) if from_black else (variance, covariance)
    gain = (np.maximum(product, 0) + VISIBLE**2) / (power + VISIBLE**2)
    return np.asarray(np.minimum(gain, 1 / gain), np.float64)


def _gradient(image: Float64Array) -> Float64Array:
    """Sobel gradient in grey levels a pixel, down the rows and along the columns; (2, H, W)."""
    parts = [sobel(image, axis, mode="nearest") / 8 for axis in (0, 1)]
    return np.asarray(parts, np.float64)


def _seam(fused: Image, ct: Image, mr: Image, bone: BoolArray) -> float:
    """1 less the false edges' strength over that of all edges of F, root mean squares."""
    band = _band(bone)
    gradient = _gradient(floats(fused))
    strength = np.hypot(*gradient)
    if not (strength[band] > NO_EDGE).any():
        return NOTHING_LOST
    direction = np.divide(gradient, strength, out=np.zeros_like(gradient), where=strength > 0)
    references = floats(ct), floats(mr), np.where(bone, floats(ct), floats(mr))
    known = np.max([_strength_along(direction, reference) for reference in references], axis=0)
    false = np.maximum(strength - known, 0)[band]
    return 1 - float(np.sqrt((false**2).sum() / (strength[band] ** 2).sum()))


def _strength_along(direction: Float64Array, reference: Float64Array) -> Float64Array:
    """Strongest edge of the reference along a direction, at most one pixel away; (H, W)."""
    rows, columns = reference.shape
    padded = np.pad(_gradient(reference), ((0, 0), (1, 1), (1, 1)), mode="edge")
    strongest = np.zeros_like(reference)
    for y in range(3):
        for x in range(3):
            moved = padded[:, y : y + rows, x : x + columns]
            np.maximum(strongest, (moved * direction).sum(axis=0), out=strongest)
    return strongest
