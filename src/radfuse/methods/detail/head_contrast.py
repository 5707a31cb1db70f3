"""Local contrast of a head's CT in HU, and how significant it is against the noise of the scan."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from radfuse.arrays import BoolArray, Box, Float32Array
from radfuse.intensity import BONE_HU
from radfuse.methods.detail.coarse_grid import CoarseGrid, ramp, smoothed, spread
from radfuse.methods.detail.significance import NOISE_FACTOR, REACH, Evidence, Significance
from radfuse.methods.detail.skull import Skull, inside_skull
from radfuse.methods.detail.tissue import SOFT_HU, Tissue, region_of_tissue, widened
from radfuse.methods.head import Head, Spacing
from radfuse.parallel import in_order

DENSE_HU = (-25.0, 160.0)
"""The range for the significance of dense findings."""

OF_AIR = (0.0, 0.0, 0.0, 1.0, DENSE_HU[0], 0.0, 0.0, 0.0)
"""Values of what is gathered, where there is air: in the order of `planes`."""

FINE_MM, FINE_NOISE_HU, MAX_FINE_MM = 0.6, 4.0, 1.2
"""Smoothing of HU before windowing, up to which noise, and in a noisier scan at most."""

BACKGROUND_MM, REGION_MM, FAINT_MM = 7.0, 15.0, 3.0
"""Smoothing of the background of a finding; of the background of an infarct; of the infarct."""

SCALES_MM = (1.6, 3.5)
"""Smoothing of small and of larger findings."""

DENSE = ((15.0, 7.0), (10.0, 5.0))
"""Contrast in HU from which a dense finding is significant at each scale, and range up to full
weight: larger ones may be fainter."""

BLOOD = ((12.0, 4.0), (9.0, 3.0))
"""The same of blood, which is hardly denser than a dense brain: in volumes, away from the skull.
It and the next three were tuned on the Visible Human Female, at positions of the seeds 1 to 7."""

AWAY_MM, AWAY = 3.5, (0.92, 0.07)
"""Smoothing of what is not skull, and its share and range away from the skull: nearer, partial
volume and dura would flicker."""

DENSER_MM, DENSER_HU = 5.0, (60.0, 15.0)
"""Distance from what is denser than blood, its contrast and range: within it nothing is blood."""

BLOOD_GAIN = 0.5
"""How much more of the contrast of blood is shown: the smoothing takes as much off its edge."""

NOISE_SHARE = 0.75
"""No pixel shows more than its own CT number and this many standard deviations of the noise."""

WEIGHT_MM = 0.8
"""Smoothing of the weights, so that neither pixels nor slices flicker."""

AIR_HU, PRINTED_AIR_HU = -150.0, 3.0
"""Air around a head; in a printed slice, nearly black."""

FAINT_HU, FAINT_GAIN = (1.5, 2.0), 1.8
"""Of an infarct: contrast and range up to full weight, and how much more of it is shown."""

FAINT_NOISE = 3.0
"""Least contrast of an infarct in standard deviations of its noise."""

FAINT_EDGE_MM, FAINT_EDGE_HU = 1.0, (1.5, 3.0)
"""Smoothing at which an infarct still has to be dark, so that it ends where it does; contrast from
which it is, and range up to full weight."""

MAX_FAINT_HU = 8.0
"""A greater contrast is no infarct."""

BASE_BINS, MIN_SHARE = 32, 0.5
"""Bins of the base's grey levels, and the least share of normal tissue of a block in them."""

FAR_MM, FAR_SHARE = 25.0, 0.02
"""Smoothing of the background inside a large finding, and the share of normal tissue around a voxel
below which it counts more than the nearer background."""

KNOWN = (0.02, 0.06)
"""Share of normal tissue around a voxel at which a background is known, and range."""

HU_OF_WHITE = 80.0
"""Width of the brain window."""

SOFT_MM = 4.0
"""Smoothing of the soft tissue around bone."""

ALMOST_NONE = 1e-3
"""Added to the sum of weights, which may be 0."""

MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

LAG, SAMPLED = 2, 7
"""Distance in pixels whose difference is noise, and every how manieth difference is kept."""

BRAIN_RANGE_HU = (10.0, 60.0)
"""Brain with its noise."""

NOISE_SLICES = 12
"""Slices from which the noise is estimated."""


def _noise_share(spacing_mm: Spacing) -> float:
    """Share of the noise of a voxel that is left by smoothing by `FAINT_MM` along three axes."""
    return float(np.sqrt(np.prod(spacing_mm) / (2 * np.sqrt(np.pi) * FAINT_MM) ** 3))


def noise_hu(head: Head) -> float:
    """Standard deviation of the noise of a CT in brain tissue, HU; 0 without brain."""
    count = head.shape[0]
    values = []
    for index in np.unique(np.linspace(0, count - 1, NOISE_SLICES + 2).astype(int)[1:-1]):
        hu = head.read_ct(slice(int(index), int(index) + 1))
        values.append(noise_samples(hu, (hu > BRAIN_RANGE_HU[0]) & (hu < BRAIN_RANGE_HU[1])))
    return _deviation(np.concatenate(values))


def noise_samples(values: Float32Array, mask: BoolArray) -> Float32Array:
    """Distances of masked pixels from the mean of those `LAG` before and after in their row.

    Pixels so far apart have noise of their own; the scale is that of a single pixel's noise.
    """
    middle = values[..., LAG:-LAG]
    apart = middle - (values[..., : -2 * LAG] + values[..., 2 * LAG :]) / 2
    return np.asarray(np.abs(apart[mask[..., LAG:-LAG]]) / np.sqrt(1.5), np.float32)


def _deviation(apart: Float32Array) -> float:
    """Standard deviation by the median; 0 without values."""
    return MAD * float(np.median(apart)) if apart.size else 0.0


@dataclass
class Background:
    """What is smoothed widely, gathered slice by slice on a coarse grid."""

    SPACING_MM = 2.0

    spacing_mm: Spacing
    grid: CoarseGrid
    noise_hu: float
    skull: Skull
    blocks: list[tuple[Float32Array, ...]] = field(default_factory=list)
    fine_apart: list[Float32Array] = field(default_factory=list)

    @property
    def fine_mm(self) -> float:
        """Smoothing of HU before windowing."""
        return FINE_MM * min(max(self.noise_hu / FINE_NOISE_HU, 1.0), MAX_FINE_MM / FINE_MM)

    def gather(self, head: Head, bases: Iterable[tuple[slice, Float32Array]]) -> None:
        """Take slices in their order, with their base; some at the same time."""
        for block, fine_apart in in_order(partial(self._measured, head), bases):
            self.blocks.append(block)
            self.fine_apart.append(fine_apart)

    def _measured(
        self, head: Head, based: tuple[slice, Float32Array]
    ) -> tuple[tuple[Float32Array, ...], Float32Array]:
        """The coarse planes of some slices, and a sample of the noise of their smoothed HU."""
        part, base = based
        region = region_of_tissue(head, part, self.grid, LAG)
        near, base = Tissue.of(head, region, self.skull, self.fine_mm), base[:, *region[1:]]
        normal = near.normal.astype(np.float32)
        free = (~near.rim).astype(np.float32)
        bone_hu = self.skull.bone_hu
        air_hu = AIR_HU if bone_hu == BONE_HU else PRINTED_AIR_HU
        inside = free * (near.smooth_hu > air_hu)
        soft = ((near.hu < bone_hu) & (near.hu > SOFT_HU)).astype(np.float32)
        dense = np.clip(near.tissue_hu, *DENSE_HU) * free
        planes = (
            normal, normal * near.smooth_hu, normal * base, free, dense, soft, soft * base, inside,
        )  # fmt: skip
        block = tuple(
            self.grid.placed(self.grid.reduce(plane), region, of_air)
            for plane, of_air in zip(planes, OF_AIR, strict=True)
        )
        return block, noise_samples(near.smooth_hu, near.brain)[::SAMPLED].copy()

    def gathered(self) -> Iterator[Float32Array]:
        """The coarse volumes, in the order of `planes`."""
        return (np.concatenate(one) for one in zip(*self.blocks, strict=True))


@dataclass(frozen=True)
class Contrast:
    """Coarse volumes of a head."""

    grid: CoarseGrid
    noise_hu: float
    skull: Skull
    fine_mm: float
    fine_noise_hu: float
    """Noise of the smoothed HU."""

    background_hu: Float32Array
    base_background: Float32Array
    known: Float32Array
    significance: Float32Array
    blood: Float32Array
    """The part of it that is by `BLOOD`."""

    faint: Float32Array
    soft_around: Float32Array


def coarse_contrast(found: Background) -> Contrast:
    """Backgrounds, significance at the larger scales, and infarcts of a whole head."""
    grid = found.grid
    smoothed = grid.smoothed
    normal, normal_hu, normal_base, free, dense, soft, soft_base, inside = found.gathered()

    def mean(values: Float32Array, weights: Float32Array, sigma_mm: float) -> Float32Array:
        weight = smoothed(weights, sigma_mm)
        return smoothed(values, sigma_mm) / (weight + np.float32(ALMOST_NONE))

    near_share = smoothed(normal, BACKGROUND_MM)
    far_share = smoothed(normal, FAR_MM)

    def background(values: Float32Array) -> Float32Array:
        near = smoothed(values, BACKGROUND_MM)
        far = smoothed(values, FAR_MM) / (far_share + ALMOST_NONE)
        return np.asarray((near + FAR_SHARE * far) / (near_share + FAR_SHARE), np.float32)

    background_hu = background(normal_hu)
    known = ramp(far_share, *KNOWN)
    known *= inside_skull(inside > 0.5, grid.spacing_mm)
    contrast = dense - free * background_hu
    contrasts = [mean(contrast, free, scale_mm) for scale_mm in SCALES_MM]
    noises = [
        _deviation(np.abs(one - smoothed(one, REACH * scale_mm))[normal > 0])
        for scale_mm, one in zip(SCALES_MM, contrasts, strict=True)
    ]
    significance = _significance(contrasts, noises, DENSE, grid.spacing_mm)
    blood = np.zeros_like(normal)
    if grid.shape[0] > 1:
        away = ramp(smoothed(free, AWAY_MM), *AWAY)
        denser = spread(ramp(contrast, *DENSER_HU), DENSER_MM, grid.spacing_mm)
        blood = _significance(contrasts, noises, BLOOD, grid.spacing_mm, away) * (1 - denser)
    unexplained = _unexplained(
        normal_hu - normal * mean(normal_hu, normal, REGION_MM),
        normal_base - normal * mean(normal_base, normal, REGION_MM),
        normal,
    )
    sure = np.where(normal > MIN_SHARE, normal, np.float32(0))
    faint_hu = mean(sure * unexplained, sure, FAINT_MM)
    least_hu = max(FAINT_HU[0], FAINT_NOISE * found.noise_hu * _noise_share(found.spacing_mm))
    faint = ramp(-faint_hu, least_hu, FAINT_HU[1]) * known * faint_hu
    faint *= ramp(-mean(sure * unexplained, sure, FAINT_EDGE_MM), *FAINT_EDGE_HU)
    faint *= np.float32(FAINT_GAIN / HU_OF_WHITE)
    fine_noise = _deviation(np.concatenate(found.fine_apart))
    return Contrast(
        grid, found.noise_hu, found.skull, found.fine_mm, fine_noise,
        background_hu, background(normal_base), known, np.maximum(significance, blood), blood,
        np.asarray(faint, np.float32), mean(soft_base, soft, SOFT_MM),
    )  # fmt: skip


def _significance(
    contrasts: Sequence[Float32Array],
    noises: Sequence[float],
    thresholds: Sequence[tuple[float, float]],
    spacing_mm: Spacing,
    share: Float32Array | float = 1.0,
) -> Float32Array:
    """How significant the contrast at any of `SCALES_MM` is, as far as a finding extends; 0 to 1.

    `noises` are deviations of the noise at each scale, `share` a factor of each block.
    """
    largest = np.zeros_like(contrasts[0])
    for scale_mm, contrast, noise, (least_hu, range_hu) in zip(
        SCALES_MM, contrasts, noises, thresholds, strict=True
    ):
        found_here = share * ramp(contrast, max(least_hu, NOISE_FACTOR * noise), range_hu)
        largest = np.maximum(largest, spread(found_here, REACH * scale_mm, spacing_mm))
    return largest


def _unexplained(hu: Float32Array, base: Float32Array, normal: Float32Array) -> Float32Array:
    """The contrast in HU that the base's contrast does not imply, at most `MAX_FAINT_HU`.

    `hu` and `base` are sums over the normal tissue of each block, whose share is `normal`. In a T1
    image fluid is dark, white matter bright, and both are less dense than grey matter: from each
    block the median of those that are as bright is subtracted.
    """
    inside = normal > MIN_SHARE
    if not inside.any():
        return np.zeros_like(hu)
    level, value = base[inside] / normal[inside], hu[inside] / normal[inside]
    parts = np.array_split(np.argsort(level, kind="stable"), BASE_BINS)
    middle, usual = (
        [float(np.median(values[part])) for part in parts if len(part)] for values in (level, value)
    )
    weight = normal + np.float32(ALMOST_NONE)
    unexplained = hu / weight - np.interp(base / weight, middle, usual)
    return np.asarray(np.clip(unexplained, -MAX_FAINT_HU, MAX_FAINT_HU), np.float32)


@dataclass(frozen=True)
class Fine:
    """A region of a head and what is known of each voxel; all (slices, rows, columns)."""

    hu: Float32Array
    mr: Float32Array
    base: Float32Array
    own_hu: Float32Array
    """Smoothed, but no farther from the background than the voxel itself and some noise, and by
    `BLOOD_GAIN` farther in blood."""

    background_hu: Float32Array
    base_background: Float32Array
    known: Float32Array
    """1 where the background is known and no skull is near, else 0; smooth."""

    significance: Float32Array
    """1 in a significant contrast, dense or not, else 0; smooth."""

    faint: Float32Array
    """Grey levels of infarcts, 0 or less, in [-1, 0]."""

    soft_around: Float32Array
    """Grey level of the soft tissue around."""


def fine_contrast(
    found: Contrast, head: Head, region: Box, base: Float32Array, significance: Significance
) -> Fine:
    """The contrast of a region at the finest scale, with the coarse volumes expanded to it.

    `base` is that of the region.
    """
    part, rows, columns = region
    slices, inner = widened(head, part, 2 * WEIGHT_MM)
    wide = slices, rows, columns
    near = Tissue.of(head, wide, found.skull, found.fine_mm)
    background_hu = found.grid.expand(found.background_hu, wide)
    own_hu = _own_hu(near, background_hu, NOISE_SHARE * found.noise_hu)
    evidence = Evidence(
        near.smooth_hu - background_hu, own_hu - background_hu,
        found.grid.expand(found.significance, wide),
        found.fine_noise_hu, found.fine_mm, head.spacing_mm,
    )  # fmt: skip
    weight = smoothed(significance(evidence), WEIGHT_MM, head.spacing_mm)
    own_hu, background_hu = own_hu[inner], background_hu[inner]
    gain = np.float32(BLOOD_GAIN) * found.grid.expand(found.blood, region)
    return Fine(
        near.hu[inner], head.read_mr(part)[:, rows, columns], base,
        own_hu + gain * np.maximum(own_hu - background_hu, 0), background_hu,
        found.grid.expand(found.base_background, region),
        found.grid.expand(found.known, region) * near.clear[inner],
        weight[inner],
        found.grid.expand(found.faint, region) * near.clear[inner],
        found.grid.expand(found.soft_around, region),
    )  # fmt: skip


def _own_hu(near: Tissue, background_hu: Float32Array, noise_hu: float) -> Float32Array:
    """Smoothed HU, but no farther from the background than the voxel itself and some noise."""
    dark, bright = near.tissue_hu - noise_hu, near.tissue_hu + noise_hu  # large: filled, not copied
    np.maximum(near.smooth_hu, np.minimum(dark, background_hu, out=dark), out=dark)
    np.minimum(near.smooth_hu, np.maximum(bright, background_hu, out=bright), out=bright)
    np.copyto(dark, bright, where=near.smooth_hu > background_hu)
    return np.asarray(dark, np.float32)
