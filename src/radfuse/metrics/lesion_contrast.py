"""Lesion contrast: contrast of a labelled lesion with its surroundings.

Designed in this project; `docs/own-metrics.md` has the formulas, what was tried and the limits.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects

from radfuse.arrays import BoolArray, Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import Image, floats
from radfuse.metrics.region_fidelity import VISIBLE

RING_WIDTH = 5.0
"""Width of the ring, in pixels or in the unit of the spacing."""

RING_GAP = 1.0
"""Distance from the lesion up to which voxels hold part of it and are not in the ring."""

NO_CONTRAST = 1e-9
"""What a source has at most where it does not show the lesion: rounding of means."""


ShownBy = Literal["ct", "mr", "better"]
"""The source that shows a lesion; the better one is that with the larger CNR.

CT and MR show a calcification with opposite signs: name the CT to ask whether F shows it white."""


@dataclass(frozen=True)
class Contrast:
    """A lesion in one image."""

    difference: float
    """Mean of the lesion less that of the ring, in grey levels; negative for a dark lesion."""
    noise: float
    """Standard deviation in the ring, in grey levels: noise and varied anatomy alike."""

    @property
    def cnr(self) -> float:
        """Signed contrast-to-noise ratio; to the noise is added what a display hides anyway.

        Without the latter a wide window's CT, with two grey levels between tumour and brain and
        one of noise, would count for more than the MR.
        """
        return self.difference / math.hypot(self.noise, VISIBLE)


@dataclass(frozen=True)
class LesionContrast:
    """A lesion in the fused image and in both sources."""

    fused: Contrast
    ct: Contrast
    mr: Contrast
    lesion_voxels: int
    ring_voxels: int
    shown_by: ShownBy = "better"

    @property
    def better(self) -> Contrast:
        """The lesion in the source with the larger CNR."""
        return max(self.ct, self.mr, key=lambda contrast: abs(contrast.cnr))

    @property
    def reference(self) -> Contrast:
        """The lesion in the source that shows it."""
        return {"ct": self.ct, "mr": self.mr}.get(self.shown_by, self.better)

    @property
    def cnr_ratio(self) -> float:
        """CNR of F over the reference's; negative for the opposite sign, 1 if that is not shown."""
        return _ratio(self.fused.cnr, self.reference.cnr)

    @property
    def difference_ratio(self) -> float:
        """Grey levels between lesion and ring in F over the reference's, likewise."""
        return _ratio(self.fused.difference, self.reference.difference)

    @property
    def kept(self) -> float:
        """The smaller of both ratios: F is neither fainter nor noisier than that says."""
        return min(self.cnr_ratio, self.difference_ratio)


def lesion_ring(
    lesion: BoolArray,
    *,
    others: BoolArray | None = None,
    width: float = RING_WIDTH,
    gap: float = RING_GAP,
    spacing: Sequence[float] | None = None,
) -> BoolArray:
    """The surroundings of a lesion: a band around it, of the lesion's shape.

    Parameters
    ----------
    lesion
        Where the lesion is, (H, W) or (D, H, W).
    others
        What must not be in the ring: bone, air, oedema, other lesions.
    width, gap
        The ring has the pixels farther than the gap from the lesion, and at most gap and width.
    spacing
        Size of a voxel along each axis, in the unit of the two; pixels without it.

    Raises
    ------
    InputError
        Where the lesion is empty.
    """
    if not lesion.any():
        raise InputError(f"the lesion mask {lesion.shape} is empty; choose a label that occurs")
    steps = [1.0] * lesion.ndim if spacing is None else list(spacing)
    box = _box(lesion, [int((gap + width) / step) + 1 for step in steps])
    distance = distance_transform_edt(~lesion[box], sampling=steps)
    ring = np.zeros_like(lesion)
    ring[box] = (distance > gap) & (distance <= gap + width)
    return ring if others is None else ring & ~others


def _box(lesion: BoolArray, margins: list[int]) -> tuple[slice, ...]:
    """The smallest part of the image with the lesion and margins, so that distances cost little."""
    parts = find_objects(lesion.astype(np.uint8))[0]
    return tuple(
        slice(max(part.start - margin, 0), part.stop + margin)
        for part, margin in zip(parts, margins, strict=True)
    )


def check_masks(shape: tuple[int, ...], **masks: BoolArray) -> None:
    """Raise `InputError` where a mask, by its name, is empty or has another shape."""
    for name, mask in masks.items():
        if mask.shape != shape or not mask.any():
            raise InputError(
                f"the {name} mask is {mask.shape} with {mask.sum()} voxels, the images are "
                f"{shape}; give a mask on their grid that is not empty"
            )


def lesion_contrast(
    fused: Image,
    ct: Image,
    mr: Image,
    *,
    lesion: BoolArray,
    ring: BoolArray,
    shown_by: ShownBy = "better",
) -> LesionContrast:
    """Contrast and noise of one lesion in F, CT and MR, images (H, W) or volumes (D, H, W).

    `ring` is the surroundings of the lesion, such as `lesion_ring` gives; `shown_by` is the source
    that F is compared with. Raises `InputError` where a mask is empty or has another shape than the
    images.
    """
    check_masks(np.shape(ct), lesion=lesion, ring=ring)
    of_fused, of_ct, of_mr = (
        _contrast(floats(image)[lesion], floats(image)[ring]) for image in (fused, ct, mr)
    )
    sizes = int(lesion.sum()), int(ring.sum())
    return LesionContrast(of_fused, of_ct, of_mr, *sizes, shown_by)


def lesion_kept(
    fused: Image,
    ct: Image,
    mr: Image,
    *,
    lesion: BoolArray,
    ring: BoolArray,
    shown_by: ShownBy = "better",
) -> float:
    """Contrast of a lesion in F relative to the source that shows it, larger is better.

    The smaller of the ratios of grey levels and of CNR, negative where F shows the lesion with the
    opposite sign; see `LesionContrast`.
    """
    masks = {"lesion": lesion, "ring": ring}
    return lesion_contrast(fused, ct, mr, **masks, shown_by=shown_by).kept


def _contrast(inside: Float64Array, around: Float64Array) -> Contrast:
    return Contrast(float(inside.mean() - around.mean()), float(around.std()))


def _ratio(of_fused: float, of_reference: float) -> float:
    return of_fused / of_reference if abs(of_reference) > NO_CONTRAST else 1.0
