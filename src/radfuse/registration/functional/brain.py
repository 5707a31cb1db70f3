"""Mask of the brain in an MR or a CT: what a functional image shows of the head."""

import numpy as np
import scipy  # its parts are imported when they are used
import SimpleITK as sitk

from radfuse.arrays import BoolArray, Float32Array, Float64Array, image_on
from radfuse.intensity import shrunk
from radfuse.modality import CT
from radfuse.registration.preprocessing import coarse_head_mask
from radfuse.series import Series

GRID_MM = 2.0
"""Spacing of the mask."""

SOFT_HU = (-10.0, 110.0)
"""Brain, fluid and blood, after averaging to `GRID_MM`: neither fat nor bone."""

BRIGHT = (0.5, 0.65, 0.8)
"""Signal of brain in an MR, as a fraction of the median of what is deeper than `DEEP_MM`: the first
that separates a brain from the scalp; a smooth MR needs more than a sharp one."""

DEEP_MM = 20.0
"""What is deeper below the surface of the head is mostly brain."""

SCALP_MM = 8.0
"""The brain is deeper below the surface of the head than this."""

NECK_RADII_MM = (5.0, 7.0, 9.0, 11.0, 13.0)
"""Bridges from the brain to the face and the scalp are cut up to the first of these radii that
leaves a volume of a brain."""

MARGIN_MM = 2.0
"""Restored after the cut, besides its radius: gyri are round."""

CLOSING_MM = 8.0
"""Sulci and ventricles up to twice this width belong to the brain."""

BRAIN_CM3 = (400.0, 1900.0)
"""Least and largest volume inside a skull."""

STRIPPED_SHARE = 0.9
"""The brain in the head's mask, where the skull was stripped; with a skull it is 0.75 or less."""


def brain_mask(series: Series) -> sitk.Image | None:
    """Mask (uint8) of the brain with its fluid on a grid of about `GRID_MM`; None without one.

    Raises `InputError` for a series that is no volume, is constant or shows no head.
    """
    head = coarse_head_mask(series)
    image = shrunk(series.image, GRID_MM)
    spacing = np.array(image.GetSpacing())[::-1]
    values = sitk.GetArrayFromImage(image)
    cm3 = float(np.prod(spacing)) / 1000
    if series.modality is CT:
        tissue = (values > SOFT_HU[0]) & (values < SOFT_HU[1])
        mask = _largest_core(tissue, spacing)
    else:
        near = sitk.Resample(head, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        mask = _mr_brain(values, sitk.GetArrayFromImage(near) > 0, spacing)
    if mask is None or mask.sum() * cm3 < BRAIN_CM3[0]:
        return None
    return image_on(image, mask.astype(np.uint8))


def _mr_brain(values: Float32Array, head: BoolArray, spacing: Float64Array) -> BoolArray | None:
    """The brain in an MR; the surface of a head whose skull was stripped is that of its brain."""
    padded = np.pad(head, 1, mode="edge")
    depth = scipy.ndimage.distance_transform_edt(padded, sampling=spacing)[1:-1, 1:-1, 1:-1]
    deep = depth > DEEP_MM
    if not deep.any():
        return None
    level = float(np.median(values[deep]))
    if head.sum() * np.prod(spacing) / 1000 <= BRAIN_CM3[1]:
        whole = _largest_core(head & (values > BRIGHT[0] * level), spacing)
        if whole is not None and (whole & head).sum() > STRIPPED_SHARE * head.sum():
            return np.asarray(whole & head)
    for fraction in BRIGHT:
        mask = _largest_core((values > fraction * level) & (depth > SCALP_MM), spacing)
        if mask is not None:
            return np.asarray(mask & (depth > SCALP_MM - MARGIN_MM))
    return None


def _largest_core(tissue: BoolArray, spacing: Float64Array) -> BoolArray | None:
    """The largest body of tissue after its bridges are cut, closed; None without one."""
    cm3 = float(np.prod(spacing)) / 1000
    depth = scipy.ndimage.distance_transform_edt(tissue, sampling=spacing)
    for radius in NECK_RADII_MM:
        bodies, count = scipy.ndimage.label(depth > radius)
        if count == 0:
            return None
        core = bodies == np.argmax(np.bincount(bodies.ravel())[1:]) + 1
        mask = _closed(core, radius + MARGIN_MM, spacing)
        if mask.sum() * cm3 <= BRAIN_CM3[1]:
            return mask
    return None


def _closed(core: BoolArray, radius_mm: float, spacing: Float64Array) -> BoolArray:
    """The core dilated by a radius, and closed by `CLOSING_MM`, with one distance map each."""
    reach_mm = radius_mm + CLOSING_MM
    padding = int(np.ceil(reach_mm / spacing.min())) + 1
    padded = np.pad(~core, padding, mode="edge")
    outside = scipy.ndimage.distance_transform_edt(padded, sampling=spacing)
    beside = scipy.ndimage.distance_transform_edt(outside < reach_mm, sampling=spacing)
    inner = (slice(padding, -padding),) * 3
    return np.asarray((beside > CLOSING_MM)[inner])
