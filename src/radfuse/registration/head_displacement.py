"""How far two alignments differ in the head: at its centre, at the worst point, and in degrees."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from radfuse.arrays import Float64Array
from radfuse.registration.preprocessing import centroid, coarse_head_mask
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series


@dataclass(frozen=True)
class HeadExtent:
    """Where the head is in a CT."""

    centre_mm: Float64Array
    """Centroid of the head, (3,), LPS mm."""

    hull_mm: Float64Array
    """Corners of its convex hull, (count, 3), LPS mm. The distance that a rigid motion moves a
    point is a convex function of the point, so none in the head is moved further than a corner."""


def head_extent(ct: Series) -> HeadExtent:
    """The head's centre and convex hull; raises the errors of `coarse_head_mask`."""
    mask = coarse_head_mask(ct)
    voxels = np.argwhere(sitk.GetArrayViewFromImage(mask) > 0)[:, ::-1]
    axes = np.reshape(mask.GetDirection(), (3, 3)) * mask.GetSpacing()
    corners = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3), axis=-1).reshape(-1, 3)
    outer = np.unique((_outermost(voxels)[:, None] + corners).reshape(-1, 3), axis=0)
    hull = outer[ConvexHull(outer).vertices]
    return HeadExtent(centroid(mask), np.array(mask.GetOrigin()) + hull @ axes.T)


def _outermost(voxels: NDArray[np.intp]) -> NDArray[np.intp]:
    """First and last voxel of each line along the first axis: no other one is on the hull."""
    ordered = voxels[np.lexsort(voxels.T)]
    starts = np.r_[True, np.any(ordered[1:, 1:] != ordered[:-1, 1:], axis=1)]
    ends = np.r_[starts[1:], True]
    return np.asarray(ordered[starts | ends])


@dataclass(frozen=True)
class AlignmentDifference:
    """How an alignment of the MR differs from another one."""

    centre_mm: float
    """Distance at the head's centre."""

    max_mm: float
    """Largest distance in the head."""

    max_at_mm: tuple[float, float, float]
    """Where it is largest, LPS mm of the CT."""

    rotation_deg: float
    """Angle of the rotation between both, in [0, 180]."""


def alignment_difference(
    first: sitk.Transform, second: sitk.Transform, head: HeadExtent
) -> AlignmentDifference:
    """Compare two rigid transforms that map CT points to MR points, LPS mm."""
    one, other = matrix_of(first), matrix_of(second)
    points = np.vstack([head.centre_mm, head.hull_mm])
    moved = points @ (one - other)[:3, :3].T + (one - other)[:3, 3]
    distances = np.linalg.norm(moved, axis=1)
    worst = int(np.argmax(distances[1:]))
    x, y, z = head.hull_mm[worst].tolist()
    between = Rotation.from_matrix(one[:3, :3].T @ other[:3, :3])
    return AlignmentDifference(
        centre_mm=float(distances[0]),
        max_mm=float(distances[1:][worst]),
        max_at_mm=(x, y, z),
        rotation_deg=float(np.degrees(between.magnitude())),
    )
