"""What registration looks at: a CT and an MR brought to coarser grids."""

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from radfuse.errors import InputError
from radfuse.intensity import head_mask, shrunk
from radfuse.modality import AIR_HU
from radfuse.series import Series

DENSEST_HU = 1500.0
"""Denser than this is petrous bone, teeth and metal, which mutual information needs not tell
apart and which would stretch the histogram's bins."""

MASK_MM = 4.0
"""Spacing of the head masks: only starts and margins hang on them."""

MARGIN_MM = 12.0
"""Air around the head that is compared too: without it nothing holds the head's outline."""


def conditioned_ct(ct: Series, spacing_mm: float) -> sitk.Image:
    """Give the CT in HU on a grid of about `spacing_mm`, padding as air, metal as dense bone."""
    return sitk.Clamp(shrunk(ct.image, spacing_mm), sitk.sitkFloat32, AIR_HU, DENSEST_HU)


def head_of(series: Series) -> sitk.Image:
    """Give the mask (uint8) of the head on a grid of about `MASK_MM`.

    Raises
    ------
    InputError
        The series is no volume, is constant, or shows no head.
    """
    if not series.is_volume:
        raise InputError(f"{series.modality} {series.source}: only volumes can be registered")
    coarse = shrunk(series.image, MASK_MM)
    values = sitk.GetArrayViewFromImage(coarse)
    if not np.isfinite(values).all() or values.min() == values.max():
        raise InputError(
            f"{series.modality} {series.source}: its values are constant or not finite"
        )
    mask = head_mask(coarse, series.modality)
    if not sitk.GetArrayViewFromImage(mask).any():
        raise InputError(f"{series.modality} {series.source}: no head is to be seen in it")
    return mask


def dilated(mask: sitk.Image, margin_mm: float) -> sitk.Image:
    """Grow a mask by `margin_mm`, along each axis by whole voxels."""
    return sitk.BinaryDilate(mask, [round(margin_mm / s) for s in mask.GetSpacing()])


def centroid(mask: sitk.Image) -> npt.NDArray[np.float64]:
    """Give the centre of gravity of a mask, LPS mm."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    return np.array(shape.GetCentroid(1))
