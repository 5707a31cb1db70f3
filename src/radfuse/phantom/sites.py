"""Sites for findings in a head: inside the brain, at its edge, along the dura, in the skull."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, label

from radfuse.arrays import BoolArray, Float32Array, Float64Array
from radfuse.intensity import BONE_HU

SOFT_HU = (-5.0, 75.0)
"""Brain and fluid, smoothed by a millimetre."""

OPENING_MM = 9.0
"""Larger than what joins brain and neck, the cord, and smaller than a brain."""

EDGE_MM = 3.0
"""Distance of a finding in the brain from the edge of it: room for its ring."""

VAULT_MM = 14.0
"""Bone within this distance of the brain is skull, not jaw or spine."""

MIN_BONE_MM = 1.5
"""Distance of a finding inside bone from the surface of it."""

DURA_MM = (0.5, 2.5)
"""Distance of the dura from bone."""

FAR_MM = 1e3
"""Distance from what the image does not show."""


class Site(StrEnum):
    """Where a finding is."""

    BRAIN = "brain"
    BRAIN_AT_BONE = "brain at bone"
    DURA = "dura"
    SKULL = "skull"


Voxel = tuple[int, int, int]
"""Slice, row, column."""


@dataclass(frozen=True)
class Sites:
    """Masks and distances of one head, (slices, rows, columns)."""

    brain: BoolArray
    """Soft tissue inside the skull."""

    skull: BoolArray
    to_bone_mm: Float64Array
    """Distance of each voxel that is not bone from bone."""

    in_brain_mm: Float64Array
    """Distance of each voxel of the brain from the edge of it."""

    in_bone_mm: Float64Array
    """Distance of each voxel of the skull from the surface of it."""

    in_fov_mm: Float64Array
    """Distance of each voxel of the MR's field of view from the edge of it."""

    spacing_mm: tuple[float, float, float]

    def draw(
        self, site: Site, radius_mm: float, free: BoolArray, rng: np.random.Generator
    ) -> Voxel | None:
        """The centre of a finding, from the free voxels where it has room; None without any."""
        room = self._room(site, radius_mm) & (self.in_fov_mm > radius_mm + max(self.spacing_mm))
        candidates = np.argwhere(room & free)
        if not len(candidates):
            return None
        z, y, x = map(int, candidates[rng.integers(len(candidates))])
        return z, y, x

    def tissue(self, site: Site) -> BoolArray:
        """What surrounds a finding at a site."""
        return self.skull if site is Site.SKULL else self.brain

    def normal(self, centre: Voxel) -> Float64Array:
        """The unit vector in mm away from bone or, inside bone, towards its surface."""
        field = self.to_bone_mm - self.in_bone_mm
        around = tuple(
            slice(max(at - 2, 0), at + 3) if size > 1 else slice(0, 1)
            for at, size in zip(centre, field.shape, strict=True)
        )
        part = field[around]
        slopes = [
            float(np.gradient(part, step, axis=axis).mean()) if part.shape[axis] > 1 else 0.0
            for axis, step in enumerate(self.spacing_mm)
        ]
        length = float(np.linalg.norm(slopes))
        return np.array(slopes) / length if length > 0 else np.array([0.0, 0.0, 1.0])

    def _room(self, site: Site, radius_mm: float) -> BoolArray:
        """Voxels around which a finding of a radius fits."""
        if site is Site.SKULL:
            deepest = float(self.in_bone_mm.max())
            return self.skull & (self.in_bone_mm >= min(MIN_BONE_MM, deepest))
        if site is Site.DURA:
            low, high = DURA_MM
            return self.brain & (self.to_bone_mm > low) & (self.to_bone_mm < high + 1)
        if site is Site.BRAIN_AT_BONE:
            return self.brain & (np.abs(self.to_bone_mm - radius_mm) <= 1)
        return self.in_brain_mm > radius_mm + EDGE_MM


def find_sites(
    hu: Float32Array,
    spacing_mm: tuple[float, float, float],
    fov_mask: BoolArray | None = None,
    *,
    soft_hu: tuple[float, float] = SOFT_HU,
    bone_hu: float = BONE_HU,
) -> Sites:
    """The sites of a head in HU that are inside the MR's field of view.

    `soft_hu` are the limits of brain and fluid, `bone_hu` is the least value of bone: in a slice
    printed in a window, air is as black as fluid, and white is bone.
    """
    smooth = gaussian_filter(hu, [1.0 / step if size > 1 else 0 for size, step in
                                  zip(hu.shape, spacing_mm, strict=True)])  # fmt: skip
    bone = hu >= bone_hu
    to_bone_mm = _inside_mm(~bone, spacing_mm)
    soft = (smooth > soft_hu[0]) & (smooth < soft_hu[1]) & ~bone
    body = _largest(_inside_mm(soft, spacing_mm) > OPENING_MM)
    brain = soft & (_inside_mm(~body, spacing_mm) <= OPENING_MM + 1)
    skull = bone & (_inside_mm(~brain, spacing_mm) <= VAULT_MM)
    fov_mask = np.ones(hu.shape, np.bool_) if fov_mask is None else fov_mask
    brain, skull = brain & fov_mask, skull & fov_mask
    return Sites(
        brain, skull, to_bone_mm, _inside_mm(brain, spacing_mm), _inside_mm(skull, spacing_mm),
        _inside_mm(fov_mask, spacing_mm), spacing_mm,
    )  # fmt: skip


def _inside_mm(mask: BoolArray, spacing_mm: tuple[float, float, float]) -> Float64Array:
    """Distance of each voxel of a mask from the nearest outside it, mm; 0 outside."""
    if mask.all():
        return np.full(mask.shape, FAR_MM)
    return np.asarray(distance_transform_edt(mask, spacing_mm))


def _largest(mask: BoolArray) -> BoolArray:
    """The largest connected part of a mask."""
    parts, count = label(mask)
    if count == 0:
        return mask
    return np.asarray(parts == 1 + np.bincount(parts.ravel())[1:].argmax())
