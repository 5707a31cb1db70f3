"""A head's CT beside its skull: what is tissue there, and what the skull's blur has added."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

from radfuse.arrays import BoolArray, Float32Array
from radfuse.methods.detail.coarse_grid import ramp, smoothed
from radfuse.methods.detail.skull import Skull
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


def widened(head: Head, part: slice, margin_mm: float) -> tuple[slice, slice]:
    """The slices with neighbours within a margin, and where they are among these."""
    count = head.shape[0]
    more = int(np.ceil(margin_mm / head.spacing_mm[0])) if count > 1 else 0
    wide = slice(max(part.start - more, 0), min(part.stop + more, count))
    return wide, slice(part.start - wide.start, part.stop - wide.start)


@dataclass(frozen=True)
class Tissue:
    """Some slices of a head, (slices, rows, columns)."""

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
    def of(cls, head: Head, part: slice, skull: Skull, fine_mm: float) -> "Tissue":
        """Of some slices; `fine_mm` is the smoothing of `smooth_hu`."""
        wide, inner = widened(head, part, 2 * AROUND_MM)
        hu = head.read_ct(wide)
        bone = skull.mask(hu, wide)
        rim = binary_dilation(bone, _ball(head.spacing_mm))
        share = smoothed(bone.astype(np.float32), LEAK_MM, head.spacing_mm)
        tissue_hu = np.maximum(hu - LEAK_HU * share, np.minimum(hu, np.float32(BRAIN_HU)))
        tissue_hu = np.clip(tissue_hu, *DETAIL_HU)
        smooth = smoothed(tissue_hu, fine_mm, head.spacing_mm)
        around = smoothed(tissue_hu, AROUND_MM, head.spacing_mm)[inner]
        smooth, rim = smooth[inner], rim[inner]
        low, high = NORMAL_HU
        brain = (around > AROUND_HU) & (around < high) & ~rim
        normal = brain & (smooth > low) & (smooth < high)
        clear = 1 - ramp(share[inner], *CLEAR)
        return cls(hu[inner], tissue_hu[inner], smooth, rim, clear, brain, normal)


def _ball(spacing_mm: Spacing) -> BoolArray:
    """Voxels within `RIM_MM` of the middle one, the next slices' too."""
    reach = [int(RIM_MM / step) for step in spacing_mm]
    axes = [np.arange(-n, n + 1) * step for n, step in zip(reach, spacing_mm, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return np.asarray(z**2 + y**2 + x**2 <= RIM_MM**2)
