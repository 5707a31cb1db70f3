"""The skull of a head: bone that is large in 3-D, so that it is the same from slice to slice."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects, label

from radfuse.arrays import BoolArray, Box, Float32Array
from radfuse.methods.detail.coarse_grid import CoarseGrid
from radfuse.methods.head import Spacing

SKULL_MM3 = 1000.0
"""Least volume of connected bone that is skull; smaller bone is a calcification."""

SKULL_MM2 = 100.0
"""Least area of it in an image of one slice."""

OPENING_MM, EDGE_MM = 9.0, 1.5
"""Larger than what joins brain and neck, and thicker than the scalp; what is added to the inside of
the skull at its edge, which the opening rounds off."""


@dataclass(frozen=True)
class Skull:
    """Blocks of a coarse grid with bone of the skull."""

    grid: CoarseGrid
    bone_hu: float
    blocks: BoolArray

    @classmethod
    def of(cls, grid: CoarseGrid, bone_hu: float, slices: Iterable[Float32Array]) -> "Skull":
        """The skull of a head whose slices, in HU, come some whole blocks at a time."""
        share = np.concatenate([grid.reduce((hu >= bone_hu).astype(np.float32)) for hu in slices])
        parts, _ = label(share > 0, np.ones((3, 3, 3)))
        volumes_mm3 = np.bincount(parts.ravel(), share.ravel()) * np.prod(grid.spacing_mm)
        least_mm3 = SKULL_MM3 if grid.shape[0] > 1 else SKULL_MM2 * grid.spacing_mm[0]
        is_skull = volumes_mm3 >= least_mm3
        is_skull[0] = False
        return cls(grid, bone_hu, is_skull[parts])

    def mask(self, hu: Float32Array, region: Box) -> BoolArray:
        """Voxels of the skull in a region, whose HU are given."""
        return np.asarray((hu >= self.bone_hu) & self.grid.repeat(self.blocks, region))


def inside_skull(tissue: BoolArray, spacing_mm: Spacing) -> BoolArray:
    """The brain's part of tissue that is not skull: the largest that an opening leaves."""
    inside = np.zeros_like(tissue)
    for box in find_objects(tissue.astype(np.uint8)):  # one or none; without the air around it
        around = tuple(slice(max(one.start - 1, 0), one.stop + 1) for one in box)
        inside[around] = _opened(tissue[around], spacing_mm)
    return inside


def _opened(tissue: BoolArray, spacing_mm: Spacing) -> BoolArray:
    deep = distance_transform_edt(tissue, spacing_mm) > OPENING_MM
    parts, count = label(deep)
    if count == 0:
        return np.asarray(deep)
    largest = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    near = distance_transform_edt(~largest, spacing_mm) <= OPENING_MM + EDGE_MM
    return np.asarray(tissue & near)
