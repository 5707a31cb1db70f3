"""Signed detail: a base image, and what the CT's brain window shows and the base lacks.

No mixture of a CT in a bone window and an MR can show blood or a calcification as the CT does: in
that window they are nearly black. So the local contrast of the CT, in HU and with its sign, is
added to a base, where it is significant against the noise of this scan and missing in the base;
where the base shows the opposite, such as an MR void at a calcification, its contrast is taken off
first. Designed in this project; `docs/signed-detail.md` has the reasons and limits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float32Array
from radfuse.intensity import BONE_HU, WINDOWS, Window
from radfuse.methods.detail.coarse_grid import CoarseGrid
from radfuse.methods.detail.head_contrast import (
    Background,
    Fine,
    coarse_contrast,
    fine_contrast,
    noise_hu,
)
from radfuse.methods.detail.significance import Evidence, by_thresholds
from radfuse.methods.detail.skull import Skull
from radfuse.methods.detail.tissue import region_of_tissue
from radfuse.methods.head import ArrayHead, Head
from radfuse.methods.options import option
from radfuse.parallel import in_order

FULL = 65535
"""Stored value of a base that is white."""

SLICES_AT_ONCE, AT_ONCE_MM = 12, 8.0
"""Least slices that are in memory together, apart from their neighbours, and least thickness of all
of them: of thin slices there are more neighbours, which are computed for each part again."""

BRAIN = WINDOWS["brain"]
"""The window of the detail, and the one in which slices of 8 bits are printed."""

PRINTED_BONE_HU = 79.0
"""White in that window, where bone has no other value."""

PRINTED_MM = 1.0
"""Pixels of printed slices, which have no spacing."""

MAX_RATIO = 2.0
"""Most that is added, in contrasts of the CT: once its own, once what the base has inverted."""

KNEE = 0.8
"""Grey level above which what is added is compressed, so that dense findings keep their texture."""

TINY = np.float32(1e-6)
"""Keeps quotients finite."""

BONE_RAMP_HU = (60.0, 240.0)
"""From tissue to bone: HU and range, linear, so that slices do not flicker where bone begins."""

BONE_FLOOR, BONE_MARGIN, WHITE_HU = 0.3, 1.03, 1000.0
"""Least grey level of bone, its factor above the soft tissue around it, and the HU of white."""


@dataclass(frozen=True)
class SignedDetail:
    """`base + weight * (contrast of the CT - contrast of the base)`; bone is white in volumes."""

    detail: float = option(1.0, "share of the CT's detail that is added; 0 is the base alone")
    marrow: float = option(0.0, "share of the MR that shows inside bone")
    base: Literal["bone_blend", "mfinet"] = option("bone_blend", "method of the base of a volume")
    printed_base: Literal["mfinet", "mfinet-patients", "bone_blend"] = option(
        "mfinet", "method of the base of a 2-D image"
    )
    detail_window: Window = BRAIN
    """Window of the CT's detail in a volume."""

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1], the CT printed in a brain window."""
        hu = BRAIN.lowest + np.float32(BRAIN.width) * ct
        bases = self._base_in(None)(ct, mr)
        return np.concatenate(
            [
                self._printed(ArrayHead(hu[i : i + 1], mr[i : i + 1], (PRINTED_MM,) * 3), base)
                for i, base in enumerate(bases)
            ]
        )

    def fuse_head(self, head: Head, window: Window) -> Iterator[tuple[slice, Float32Array]]:
        """The slices of a head, some at a time and in their order, fused, in [0, 1]."""
        grid = CoarseGrid.over(head.shape, head.spacing_mm, Background.SPACING_MM)
        base_method = self._base_in(window)
        bases = head.scratch()
        parts = list(_parts(head.shape[0], grid.factors[0], head.spacing_mm[0]))
        skull = Skull.of(grid, BONE_HU, map(head.read_ct, parts))
        background = Background(head.spacing_mm, grid, noise_hu(head), skull)

        def based(part: slice) -> tuple[slice, Float32Array]:
            ct, mr = window.scale(head.read_ct(part)), head.read_mr(part)
            bases[part] = np.rint(base_method(ct, mr) * FULL)
            return part, _unit(bases[part])

        background.gather(head, map(based, parts))
        contrast = coarse_contrast(background)

        def fused(part: slice) -> Float32Array:
            fused = _unit(bases[part])  # as it stays where there is air
            region = region_of_tissue(head, part, grid, self.reach)
            base = fused[:, *region[1:]]
            fine = fine_contrast(contrast, head, region, base, self.significance)
            complete = self._bone(fine, self._detailed(fine))
            base += np.float32(self.detail) * (complete - base)
            return fused

        yield from zip(parts, in_order(fused, parts), strict=True)

    @property
    def reach(self) -> int:
        """Distance in pixels of what `significance` takes into account beside what is smoothed."""
        return 0

    def significance(self, found: Evidence) -> Float32Array:
        """Of each voxel, 0 to 1."""
        return by_thresholds(found)

    def _printed(self, head: Head, base: Float32Array) -> Float32Array:
        """One printed slice; bone stays as the base has it."""
        grid = CoarseGrid.over(head.shape, head.spacing_mm, Background.SPACING_MM)
        part = slice(0, 1)
        skull = Skull.of(grid, PRINTED_BONE_HU, [head.read_ct(part)])
        background = Background(head.spacing_mm, grid, noise_hu(head), skull)
        background.gather(head, [(part, base[None])])
        contrast = coarse_contrast(background)
        region = part, slice(0, head.shape[1]), slice(0, head.shape[2])
        fine = fine_contrast(contrast, head, region, base[None], self.significance)
        fine = replace(fine, faint=np.zeros_like(fine.faint))  # costs fidelity to a printed MR
        fused = base + np.float32(self.detail) * (self._detailed(fine) - base)
        return np.asarray(fused, np.float32)

    def _detailed(self, fine: Fine) -> Float32Array:
        """The base with the detail of the CT, before bone."""
        fused = fine.base + fine.faint + fine.significance * fine.known * self.missing(fine)
        return _compressed(np.maximum(fused, 0), np.maximum(fine.base, KNEE))

    def missing(self, fine: Fine) -> Float32Array:
        """The contrast of the CT in its window that the base lacks, grey levels in [-2, 2]."""
        window = self.detail_window
        detail = window.scale(fine.own_hu) - window.scale(fine.background_hu)
        of_base = fine.base + fine.faint - fine.base_background
        most = np.float32(MAX_RATIO) * np.abs(detail)
        more, less = np.clip(detail - of_base, 0, most), np.clip(of_base - detail, 0, most)
        return np.asarray(np.where(detail > 0, more, -less), np.float32)

    def _bone(self, fine: Fine, fused: Float32Array) -> Float32Array:
        """Bone from dark to white by its CT number, never darker than what is around it."""
        floor = np.maximum(np.minimum(fine.soft_around * BONE_MARGIN, 1), BONE_FLOOR)
        density = np.clip((fine.hu - BONE_HU) / (WHITE_HU - BONE_HU), 0, 1)
        bone = floor + (1 - floor) * density
        bone = np.maximum(fused, bone) * (1 - self.marrow) + fine.mr * self.marrow
        start_hu, width_hu = BONE_RAMP_HU
        share = np.clip((fine.hu - np.float32(start_hu)) / np.float32(width_hu), 0, 1)
        return np.asarray(fused + share * (bone - fused), np.float32)

    @property
    def graphs(self) -> tuple[Path, ...]:
        """The networks that it has used."""
        found = (getattr(base, "path", None) for base in self._bases.values())
        return tuple(path for path in found if path)

    def _base_in(self, window: Window | None) -> Any:
        """The base method for volumes whose CT is in a window; without one, for printed slices."""
        from radfuse.methods.loading import load_method  # noqa: PLC0415  # which lists this one

        if window not in self._bases:
            name = self.base if window else self.printed_base
            self._bases[window] = load_method(name, window=window)
        return self._bases[window]

    @cached_property
    def _bases(self) -> dict[Window | None, Any]:
        return {}


def _compressed(values: Float32Array, knee: Float32Array) -> Float32Array:
    """Values above a knee of at most 1, with the slope 1 there, brought below 1."""
    room = np.maximum(1 - knee, TINY)
    above = np.maximum(values - knee, 0)
    compressed = np.minimum(values, knee) - room * np.expm1(-above / room)
    return np.asarray(np.minimum(compressed, 1), np.float32)


def _unit(stored: NDArray[np.uint16]) -> Float32Array:
    return np.asarray(stored / np.float32(FULL), np.float32)


def _parts(count: int, block: int, slice_mm: float) -> Iterator[slice]:
    """All slices, some whole blocks at a time."""
    at_once = max(SLICES_AT_ONCE, int(AT_ONCE_MM / slice_mm))
    step = max(1, at_once // block) * block
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
