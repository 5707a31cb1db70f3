"""Preparation of CT and MR for registration: coarser grids and head masks."""

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.intensity import COARSE_MM, coarse_mask, shrunk
from radfuse.modality import AIR_HU
from radfuse.series import Series

MAX_HU = 1500.0
"""Petrous bone, teeth and metal are denser; mutual information need not separate them, and they
would stretch the bins of the histogram."""

MARGIN_MM = 12.0
"""Air around the head that is compared too: without it the outline of the head has no weight."""


def clamped_ct(ct: Series, spacing_mm: float) -> sitk.Image:
    """CT in HU on a grid of about `spacing_mm`, padding set to air, metal to dense bone."""
    return sitk.Clamp(shrunk(ct.image, spacing_mm), sitk.sitkFloat32, AIR_HU, MAX_HU)


def coarse_head_mask(series: Series) -> sitk.Image:
    """The `intensity.coarse_mask` of a series.

    Raises `InputError` for a series that is no volume, is constant, or shows no head.
    """
    if not series.is_volume:
        raise InputError(f"{series.modality} {series.source}: only volumes can be registered")
    mask = coarse_mask(series.image, series.modality)
    if sitk.GetArrayViewFromImage(mask).any():
        return mask
    values = sitk.GetArrayFromImage(shrunk(series.image, COARSE_MM))
    is_uniform = not np.isfinite(values).all() or values.min() == values.max()
    reason = "its values are constant or not finite" if is_uniform else "it shows no head"
    raise InputError(f"{series.modality} {series.source}: {reason}")


def dilated(mask: sitk.Image, margin_mm: float) -> sitk.Image:
    """The mask dilated by `margin_mm`, along each axis by whole voxels."""
    return sitk.BinaryDilate(mask, [round(margin_mm / s) for s in mask.GetSpacing()])


def centroid(mask: sitk.Image) -> Float64Array:
    """Centroid of a mask, LPS mm."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    return np.array(shape.GetCentroid(1))


def voxel_share(part: sitk.Image, mask: sitk.Image) -> float:
    """Number of voxels of a part as a fraction of those of a mask."""
    inside, all_voxels = (np.count_nonzero(sitk.GetArrayViewFromImage(one)) for one in (part, mask))
    return float(inside / all_voxels)
