"""Points of the brain in an MR, at which the error of a registration is estimated."""

import numpy as np
import scipy  # its parts are imported when they are used
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.registration.ct_region import CtRegion
from radfuse.registration.transforms import matrix_of

SCALP_AND_SKULL_MM = 15.0
"""The brain is deeper than this below the surface of the head."""

BRAIN_HEIGHT_MM = 110.0
"""Height of the brain below its highest point, along the CT's patient axis."""

MAX_POINTS = 1500
"""Number of points."""


def brain_points_mm(
    mr_head: sitk.Image, ct_from_mr: sitk.Transform, region: CtRegion | None = None
) -> Float64Array:
    """Points (n, 3), LPS mm of the MR, inside the head's mask and below the vertex.

    Where the MR's field of view cuts the head is no surface. Of a head without depth, as in a slab
    of a few mm, all points are given. Raises `InputError` where none is in the region.
    """
    inside = sitk.GetArrayFromImage(mr_head) > 0
    spacing = np.array(mr_head.GetSpacing())
    depth = scipy.ndimage.distance_transform_edt(
        np.pad(inside, 1, mode="edge"), sampling=spacing[::-1]
    )
    deep = np.argwhere(depth[1:-1, 1:-1, 1:-1] > SCALP_AND_SKULL_MM)
    voxels = deep if len(deep) else np.argwhere(inside)
    axes = np.reshape(mr_head.GetDirection(), (3, 3)) * spacing
    points = np.array(mr_head.GetOrigin()) + voxels[:, ::-1] @ axes.T
    heights = points @ matrix_of(ct_from_mr)[2, :3]
    is_brain = heights > heights.max() - BRAIN_HEIGHT_MM
    if region:
        within = sitk.GetArrayFromImage(region.on(mr_head, ct_from_mr, max(spacing) / 2))
        is_brain &= within[tuple(voxels.T)] > 0
        if not is_brain.any():
            raise InputError(
                f"{region.name}: no part of the brain in the MR is inside (deeper than "
                f"{SCALP_AND_SKULL_MM:g} mm, at most {BRAIN_HEIGHT_MM:g} mm below the vertex); "
                "choose a region with brain"
            )
    points = points[is_brain]
    return np.asarray(points[:: -(-len(points) // MAX_POINTS)])
