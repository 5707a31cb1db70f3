"""A head's CT beside its skull: what is tissue there, and what the skull's blur has added."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from radfuse.arrays import BoolArray, Box, Float32Array
from radfuse.methods.detail.coarse_grid import CoarseGrid, ramp, smoothed
from radfuse.methods.detail.skull import Skull
from radfuse.methods.dilation import Step, dilated
from radfuse.methods.head import Head, Spacing

DETAIL_HU = (-150.0, 160.0)
"""Denser and thinner is as visible; it does not spread further when it is smoothed."""

NORMAL_HU, AROUND_HU, AROUND_MM = (-15.0, 55.0), 0.0, 1.6
"""Brain and fluid, the background of a finding; smoothed by so much, too, since partial volume of
air is no background, with a higher lower bound."""

RIM_MM = 2.0
"""Partial volume of the skull, which is no finding."""

LEAK_HU, LEAK_MM, BRAIN_HU = 300.0, 1.5, 35.0
"""What the blur of a scan may add to tissue beside bone, at most down to brain."""

CLEAR = (0.03, 0.12)
"""Share of skull, smoothed likewise, from which on detail fades, and range down to none: 3 to
1.5 mm from a flat bone."""

SOFT_HU = -200.0
"""Tissue is denser than that."""

AIR_MM = 6.0
"""Air around tissue, more than what is smoothed at the scale of voxels takes in."""


def widened(head: Head, part: slice, margin_mm: float) -> tuple[slice, slice]:
    """The slices with neighbours within a margin, and where they are among these."""
    count = head.shape[0]
    more = int(np.ceil(margin_mm / head.spacing_mm[0])) if count > 1 else 0
    wide = slice(max(part.start - more, 0), min(part.stop + more, count))
    return wide, slice(part.start - wide.start, part.stop - wide.start)


def region_of_tissue(head: Head, part: slice, grid: CoarseGrid, reach: int = 0) -> Box:
    """Rows and columns of some slices around which there is air alone; all, if there is no tissue.

    They take in tissue of neighbouring slices, at least `reach` pixels of air, and whole pairs of
    blocks.
    """
    wide, _ = widened(head, part, AIR_MM)
    is_tissue = np.max(head.read_ct(wide), axis=0) > SOFT_HU

    def bounds(axis: int) -> slice:
        margin = max(AIR_MM / head.spacing_mm[1 + axis], reach)
        return _bounds(np.asarray(is_tissue.any(axis=1 - axis)), margin, 2 * grid.factors[1 + axis])

    return part, bounds(0), bounds(1)


def _bounds(is_tissue: BoolArray, margin: float, multiple: int) -> slice:
    """From what is tissue in a row, with a margin, to multiples of some pixels."""
    (at,) = np.nonzero(is_tissue)
    if len(at) == 0:
        return slice(0, len(is_tissue))
    start = max(int(at[0] - np.ceil(margin)), 0) // multiple * multiple
    stop = -(-int(at[-1] + 1 + np.ceil(margin)) // multiple) * multiple
    return slice(start, min(stop, len(is_tissue)))


@dataclass(frozen=True)
class Tissue:
    """A region of a head, (slices, rows, columns)."""

    hu: Float32Array
    tissue_hu: Float32Array
    """Without what bone may have added, and in the range of `DETAIL_HU`."""

    smooth_hu: Float32Array
    rim: BoolArray
    """The skull and its partial volume."""

    clear: Float32Array
    """0 at the skull and its partial volume, 1 farther off; smooth."""

    brain: BoolArray
    """Where brain and fluid are around."""

    normal: BoolArray
    """Of these, what is no finding."""

    @classmethod
    def of(cls, head: Head, region: Box, skull: Skull, fine_mm: float) -> "Tissue":
        """Of a region; `fine_mm` is the smoothing of `smooth_hu`."""
        part, rows, columns = region
        wide, inner = widened(head, part, 2 * AROUND_MM)
        hu = head.read_ct(wide)[:, rows, columns]
        bone = skull.mask(hu, (wide, rows, columns))
        rim = dilated(bone, _steps(RIM_MM, head.spacing_mm))
        share = smoothed(bone.astype(np.float32), LEAK_MM, head.spacing_mm)
        clear, rim = 1 - ramp(share[inner], *CLEAR), rim[inner]
        tissue_hu = _without_leak(hu, share)
        low, high = NORMAL_HU
        around = smoothed(tissue_hu, AROUND_MM, head.spacing_mm)[inner]
        brain = (around > AROUND_HU) & (around < high) & ~rim
        del around
        smooth = smoothed(tissue_hu, fine_mm, head.spacing_mm)[inner]
        normal = brain & (smooth > low) & (smooth < high)
        return cls(hu[inner], tissue_hu[inner], smooth, rim, clear, brain, normal)


def _without_leak(hu: Float32Array, share: Float32Array) -> Float32Array:
    """HU without what bone may have added, in the range of `DETAIL_HU`; overwrites the share."""
    tissue_hu = np.multiply(share, LEAK_HU, out=share)
    np.subtract(hu, tissue_hu, out=tissue_hu)
    np.maximum(tissue_hu, np.minimum(hu, np.float32(BRAIN_HU)), out=tissue_hu)
    return np.asarray(np.clip(tissue_hu, *DETAIL_HU, out=tissue_hu))


def _steps(most_mm: float, spacing_mm: Spacing) -> list[Step]:
    """All steps of at most a distance."""
    reach = [int(most_mm / step) for step in spacing_mm]
    z, y, x = (range(-most, most + 1) for most in reach)
    return [
        step
        for step in product(z, y, x)
        if np.linalg.norm(np.multiply(step, spacing_mm)) <= most_mm
    ]
