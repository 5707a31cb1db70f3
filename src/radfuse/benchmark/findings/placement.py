"""The findings that one seed draws in one base, and how the sources show them."""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import UInt8Array
from radfuse.benchmark.findings.base import Base, levels
from radfuse.intensity import Window
from radfuse.metrics.findings_kept import Shown, reference, shown
from radfuse.modality import CT
from radfuse.phantom.findings import KINDS, Box, Finding, Pair

TILE_MM = 56.0
"""Side of an image of a finding."""


@dataclass(frozen=True)
class Placed:
    """A finding in a base."""

    finding: Finding
    window: Window
    """The display in which the CT shows it best; of findings of the MR, the first."""

    reference: Shown
    """How the source shows it."""

    @property
    def box(self) -> Box:
        """The part of the images with the finding."""
        return self.finding.box

    def shown(self, image: UInt8Array, without: UInt8Array) -> Shown:
        """How an image shows it; parts of the image in the box."""
        return shown(image, without, lesion=self.finding.lesion, ring=self.finding.ring)


@dataclass(frozen=True)
class Placement:
    """The findings that a seed draws in a base."""

    base: Base
    seed: int
    pair: Pair
    """With the findings."""

    placed: tuple[Placed, ...]

    @classmethod
    def draw(cls, base: Base, kinds: tuple[str, ...], seed: int) -> "Placement":
        """Insert a finding of each kind that has room."""
        pair, found = base.with_findings(kinds, seed)
        return cls(base, seed, pair, tuple(_placed(base, pair, one) for one in found))

    def tiles(self, image: UInt8Array) -> dict[str, UInt8Array]:
        """The parts of an image around the findings, by kind."""
        return {one.finding.kind: self._tile(image, one) for one in self.placed}

    def ct_tiles(self) -> dict[str, UInt8Array]:
        """The same of the CT, each in the display that shows the finding best."""
        windows = {one.window for one in self.placed}
        images = {window: levels(window.scale(self.pair.hu)) for window in windows}
        return {one.finding.kind: self._tile(images[one.window], one) for one in self.placed}

    def _tile(self, image: UInt8Array, one: Placed) -> UInt8Array:
        """A square of the slice with most of a finding; black outside the image."""
        lesion, box = one.finding.lesion, one.box
        index = int(lesion.sum(axis=(1, 2)).argmax())
        half = [round(TILE_MM / step / 2) for step in self.pair.spacing_mm[1:]]
        centre = np.argwhere(lesion[index]).mean(axis=0)
        padded = np.pad(image[box[0].start + index], [(size, size) for size in half])
        parts = (
            slice(round(at) + part.start, round(at) + part.start + 2 * size + 1)
            for at, part, size in zip(centre, box[1:], half, strict=True)
        )
        return np.asarray(padded[tuple(parts)])


def _placed(base: Base, pair: Pair, one: Finding) -> Placed:
    masks = {"lesion": one.lesion, "ring": one.ring}
    in_windows = {
        window: shown(
            levels(window.scale(pair.hu[one.box])), levels(window.scale(base.pair.hu[one.box])),
            **masks,
        )
        for window in base.displays
    }  # fmt: skip
    in_ct = reference(in_windows.values())
    window = next(window for window, found in in_windows.items() if found == in_ct)
    if KINDS[one.kind].source == CT:
        return Placed(one, window, in_ct)
    in_mr = shown(levels(pair.mr[one.box]), levels(base.pair.mr[one.box]), **masks)
    return Placed(one, window, in_mr)
