"""What the viewer shows by anatomy: the head's box, and the centre of the regions of the skull."""

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import BoolArray
from radfuse.errors import InputError
from radfuse.registration.preprocessing import coarse_head_mask
from radfuse.registration.qa.brain_points import brain_points_mm
from radfuse.series import Series
from radfuse.service.stores.view_volumes import to_lps

Voxel = tuple[int, int, int]
"""Column, row, slice."""

Point = tuple[float, float, float]


def head_box(ct: Series) -> tuple[Voxel, Voxel] | None:
    """First and last voxel of the head in the CT with its axes in LPS order, to about 4 mm.

    None where no head is found.
    """
    try:
        mask = coarse_head_mask(ct)
    except InputError:
        return None
    inside: BoolArray = sitk.GetArrayFromImage(mask) > 0
    found = np.argwhere(inside)[:, ::-1]
    corners = np.array([found.min(axis=0) - 0.5, found.max(axis=0) + 0.5])
    grid = to_lps(ct.image)
    points = [mask.TransformContinuousIndexToPhysicalPoint(corner.tolist()) for corner in corners]
    voxels = np.array([grid.TransformPhysicalPointToContinuousIndex(point) for point in points])
    last = np.array(grid.GetSize()) - 1
    low = np.clip(np.floor(voxels.min(axis=0) + 0.5), 0, last).astype(int).tolist()
    high = np.clip(np.ceil(voxels.max(axis=0) - 0.5), 0, last).astype(int).tolist()
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def brain_centre_mm(mr: Series, mr_from_ct: sitk.Transform) -> Point | None:
    """Centre of the regions of the skull's residuals, LPS mm of the CT; None without a head."""
    ct_from_mr = mr_from_ct.GetInverse()
    try:
        points = brain_points_mm(coarse_head_mask(mr), ct_from_mr)
    except InputError:
        return None
    x, y, z = ct_from_mr.TransformPoint(points.mean(axis=0).tolist())
    return x, y, z
