"""Bases: the aligned pairs of a benchmark or an experiment that findings are inserted into."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from radfuse.arrays import BoolArray, Float32Array, UInt8Array
from radfuse.benchmark.case import Sources
from radfuse.intensity import WINDOWS, Window, grey_levels
from radfuse.methods.head import ArrayHead
from radfuse.methods.loading import Method
from radfuse.phantom.findings import Finding, Pair, insert_findings
from radfuse.phantom.sites import Sites, find_sites
from radfuse.pipeline.volume import fuse_head, whole

DISPLAYS = tuple(WINDOWS[name] for name in ("brain", "subdural", "bone"))
"""CT windows in which a reader searches for findings; the first shows the brain."""

PRINTED_WINDOW = WINDOWS["brain"]
"""Window that 8-bit slices of a CT are printed in."""

PRINTED_SOFT_HU, PRINTED_BONE_HU = (8.0, 75.0), 79.0
"""Of such a slice: brain is brighter than the black of air, bone is white."""

PRINTED_SPACING_MM = (1.0, 1.0, 1.0)
"""Pixels of an 8-bit slice, which states none."""

LoadMethod = Callable[[Window | None], Method]
"""Loads a method for CTs in a window; None for images that are grey already."""


def fuse_pair(method: Method, pair: Pair, window: Window) -> Float32Array:
    """Fuse a volume: from HU, or from the CT in a window."""
    return whole(fuse_head(method, ArrayHead(pair.hu, pair.mr, pair.spacing_mm), window))


@dataclass(frozen=True)
class Base:
    """A CT in HU and an MR on one grid, and how they are fused and displayed."""

    name: str
    patient: str
    pair: Pair
    fov_mask: BoolArray
    """True inside the field of view of both scanners."""

    window: Window
    """CT window of the fusion."""

    displays: tuple[Window, ...] = DISPLAYS
    """CT windows in which a finding may be visible."""

    is_printed: bool = False
    """An 8-bit slice: its levels are HU in its window, white is bone."""

    @cached_property
    def sites(self) -> Sites:
        """Where findings can be."""
        if not self.is_printed:
            return find_sites(self.pair.hu, self.pair.spacing_mm, self.fov_mask)
        return find_sites(
            self.pair.hu, self.pair.spacing_mm, self.fov_mask, soft_hu=PRINTED_SOFT_HU,
            bone_hu=PRINTED_BONE_HU,
        )  # fmt: skip

    def with_findings(self, kinds: Iterable[str], seed: int) -> tuple[Pair, list[Finding]]:
        """The pair with a finding of each kind that has room, and these; a seed draws them."""
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        return insert_findings(self.pair, self.sites, kinds, rng)

    def fuse(self, load: LoadMethod, pair: Pair) -> UInt8Array:
        """Fused images in 8 bits; the CT alone outside the field of view."""
        method = load(None if self.is_printed else self.window)
        if self.is_printed:
            return levels(method(self.window.scale(pair.hu), pair.mr))
        fused = fuse_pair(method, pair, self.window)
        return levels(np.where(self.fov_mask, fused, self.window.scale(pair.hu)))


def base_of(name: str, patient: str, sources: Sources) -> Base:
    """The base of a case: in HU where the case has them, else as an 8-bit slice."""
    if sources.hu is None or sources.window is None:
        hu = PRINTED_WINDOW.lowest + PRINTED_WINDOW.width * sources.ct
        pair = Pair(hu.astype(np.float32), sources.mr, PRINTED_SPACING_MM)
        everywhere = np.ones(hu.shape, np.bool_)
        return Base(
            name, patient, pair, everywhere, PRINTED_WINDOW, (PRINTED_WINDOW,), is_printed=True
        )
    pair = Pair(sources.hu, sources.mr, sources.spacing_mm)
    mask = np.ones(pair.hu.shape, np.bool_) if sources.fov_mask is None else sources.fov_mask
    return Base(name, patient, pair, mask, sources.window)


def levels(image: Float32Array) -> UInt8Array:
    """An image in [0, 1] as it is stored: in 8 bits."""
    return np.asarray(grey_levels(image), np.uint8)
