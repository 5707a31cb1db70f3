"""Profiles of CT and MR along the normals of the skull, and their similarity."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # its parts are imported when they are used
import SimpleITK as sitk

from radfuse.arrays import Float32Array, Float64Array, continuous_indices, positions_mm
from radfuse.intensity import BONE_HU
from radfuse.modality import AIR_HU
from radfuse.registration.preprocessing import MAX_HU
from radfuse.series import Series

Codes = npt.NDArray[np.int64]

GRID_MM = 1.5
"""Spacing of the grid for the surface of the skull: two voxels in the thinnest of bones."""

EDGE_HU_PER_MM = 100.0
"""Least gradient, at `EDGE_SIGMA_MM`, at which the surface of bone is known to a mm."""

EDGE_SIGMA_MM = 1.5
"""Smoothing of the gradient, above a CT's noise and below a skull's thickness."""

MAX_POINTS = 40_000
"""Number of surface points that are sampled."""

MIN_POINTS = 500
"""With fewer there is no skull in view."""

MIN_VOXELS = 4
"""Along each axis: ITK's recursive filter needs them."""

STEP_MM = 1.0
"""Distance between samples along a normal."""

HALF_MM = 10.0
"""Half the length of a CT profile: as much as the skull is thick, so that its inner side is not
taken for its outer one."""

MAX_SHIFT_MM = 6.0
"""Largest shift of the MR profile either way: more than twice the error that passes."""

CT_CLASSES_HU = (-800.0, -300.0, -50.0, 100.0, 200.0, 300.0, 450.0, 600.0, 800.0, 1100.0)
"""Bounds of the CT classes: air, fat, soft tissue, and bone of growing density."""

MR_CLASSES = 16
"""Number of MR classes; each has equally many voxels of the head."""

PARZEN_BINS = (0.7, 1.0)
"""Width of the kernel that smooths the joint histogram, in classes of CT and MR."""

UNIFORM_FRACTION = 1e-3
"""Fraction of the joint histogram that is uniform, so that every pair of classes is possible."""


@dataclass(frozen=True)
class Profiles:
    """Classes of CT and MR along the normals of the skull; all lengths in mm, LPS of the MR."""

    points_mm: Float64Array
    """Shape (n, 3), on the surface of bone."""
    normals: Float64Array
    """Shape (n, 3), from soft tissue into bone."""
    ct_classes: Codes
    """Shape (n, width)."""
    mr_classes: Codes
    """Shape (n, width + number of shifts - 1)."""
    shifts_mm: Float64Array
    """Shifts of the MR profile against the CT profile."""
    log_ratio: Float64Array
    """Shape (CT classes, MR classes): ln p(c, m) / (p(c) p(m)) over the whole head."""


def skull_profiles(grid: sitk.Image, mr: Series, mr_head: sitk.Image) -> Profiles | None:
    """Sample both images along the normals of bone; None where no skull is in view.

    `grid` is the CT of `ct_on_head`.
    """
    points_mm, normals = _bone_surface(grid, mr_head)
    reach, half = round(MAX_SHIFT_MM / STEP_MM), round(HALF_MM / STEP_MM)
    offsets = STEP_MM * np.arange(-half - reach, half + reach + 1)
    along = points_mm[:, None] + offsets[:, None] * normals[:, None]  # (n, offsets, 3)
    mr_values = interpolated(mr.image, along)
    in_fov = np.isfinite(mr_values).all(axis=1)
    if in_fov.sum() < MIN_POINTS:
        return None
    log_ratio, bounds = _joint(grid, mr.image, mr_head)
    ct_values = interpolated(grid, along[in_fov, reach:-reach], outside=AIR_HU)
    return Profiles(
        points_mm=points_mm[in_fov],
        normals=normals[in_fov],
        ct_classes=np.digitize(ct_values, CT_CLASSES_HU),
        mr_classes=np.digitize(mr_values[in_fov], bounds),
        shifts_mm=STEP_MM * np.arange(-reach, reach + 1, dtype=np.float64),
        log_ratio=log_ratio,
    )


def visible_bone(grid: sitk.Image, mr_head: sitk.Image) -> tuple[float, float]:
    """Bone of the CT around the MR's head in its field of view, cm3, and the share in the head."""
    bone = np.argwhere(sitk.GetArrayViewFromImage(grid) > BONE_HU)
    voxels = np.rint(continuous_indices(mr_head, positions_mm(grid, bone))).astype(int)
    in_fov = ((voxels >= 0) & (voxels < mr_head.GetSize()[::-1])).all(axis=1)
    inside = sitk.GetArrayViewFromImage(mr_head)[tuple(voxels[in_fov].T)]
    return len(inside) * GRID_MM**3 / 1000, float(inside.mean()) if len(inside) else 0.0


def point_similarity(profiles: Profiles) -> Float64Array:
    """Similarity of each point for each shift, shape (n, shifts).

    This is point similarity from mutual information (Rogelj et al. 2003,
    Computer Vision and Image Understanding 92, 112-140): the mean of
    ln p(c, m) / (p(c) p(m)) along the profile.
    """
    width = profiles.ct_classes.shape[1]
    return np.stack(
        [
            profiles.log_ratio[
                profiles.ct_classes, profiles.mr_classes[:, shift : shift + width]
            ].mean(axis=1)
            for shift in range(len(profiles.shifts_mm))
        ],
        axis=1,
    )


def ct_on_head(ct: sitk.Image, mr_head: sitk.Image, ct_from_mr: sitk.Transform) -> sitk.Image:
    """The CT on a grid of `GRID_MM` around the MR's head.

    Its axes are those of the patient, so that it does not depend on how the MR's slices are stored.
    """
    head_mm = positions_mm(mr_head, np.argwhere(sitk.GetArrayViewFromImage(mr_head)))
    margin_mm = max(mr_head.GetSpacing()) / 2
    low, high = head_mm.min(axis=0) - margin_mm, head_mm.max(axis=0) + margin_mm
    size = np.ceil((high - low) / GRID_MM).astype(int).clip(MIN_VOXELS)
    resampled = sitk.Resample(
        ct,
        size.tolist(),
        ct_from_mr,
        sitk.sitkLinear,
        low.tolist(),
        [GRID_MM] * 3,
        np.eye(3).ravel().tolist(),
        AIR_HU,
        sitk.sitkFloat32,
    )
    return sitk.Clamp(resampled, sitk.sitkFloat32, AIR_HU, MAX_HU)


def _bone_surface(grid: sitk.Image, mr_head: sitk.Image) -> tuple[Float64Array, Float64Array]:
    """Points on the surface of bone within the MR's head, and their normals into bone."""
    values = sitk.GetArrayViewFromImage(grid)
    bone = values > BONE_HU
    voxels = np.argwhere(bone & ~scipy.ndimage.binary_erosion(bone))
    gradient = _gradient(values, voxels)
    steepness = np.linalg.norm(gradient, axis=1)
    points_mm = positions_mm(grid, voxels)
    inside = interpolated(sitk.Cast(mr_head, sitk.sitkFloat32), points_mm, outside=0.0) > 0.5
    chosen = np.flatnonzero(inside & (steepness > EDGE_HU_PER_MM))
    chosen = chosen[:: max(1, -(-len(chosen) // MAX_POINTS))]
    return points_mm[chosen], gradient[chosen] / steepness[chosen][:, None]


def _gradient(values: Float32Array, voxels: npt.NDArray[np.int64]) -> Float64Array:
    """Gradient at voxels (n, 3) of a grid of `GRID_MM`, per mm, in the order of LPS.

    Central differences of the smoothed values; they smooth along their axis, too, by a box of two
    voxels.
    """
    sigma = np.sqrt((EDGE_SIGMA_MM / GRID_MM) ** 2 - 1 / 3)
    smooth = scipy.ndimage.gaussian_filter(values, sigma, mode="nearest")
    last = np.array(values.shape) - 1
    difference = [
        smooth[tuple(np.minimum(voxels + step, last).T)]
        - smooth[tuple(np.maximum(voxels - step, 0).T)]
        for step in np.eye(3, dtype=np.int64)[::-1]
    ]
    return np.stack(difference, axis=1).astype(np.float64) / (2 * GRID_MM)


def _joint(
    grid: sitk.Image, mr: sitk.Image, mr_head: sitk.Image
) -> tuple[Float64Array, Float64Array]:
    """Log ratio of the classes over the head, and the bounds of the MR classes."""
    coarse = sitk.BinShrink(grid, [2, 2, 2])
    head = sitk.Cast(mr_head, sitk.sitkFloat32)
    on_coarse = (
        sitk.Resample(image, coarse, sitk.Transform(), sitk.sitkLinear, outside, sitk.sitkFloat32)
        for image, outside in ((mr, np.nan), (head, 0.0))
    )
    mr_values, head_values = (sitk.GetArrayFromImage(image) for image in on_coarse)
    inside = (head_values > 0.5) & np.isfinite(mr_values)
    mr_inside = mr_values[inside]
    bounds = np.quantile(mr_inside, np.linspace(0, 1, MR_CLASSES + 1)[1:-1])
    ct_codes = np.digitize(sitk.GetArrayViewFromImage(coarse)[inside], CT_CLASSES_HU)
    codes = ct_codes * MR_CLASSES + np.digitize(mr_inside, bounds)
    shape = len(CT_CLASSES_HU) + 1, MR_CLASSES
    counts = np.bincount(codes, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    smooth = scipy.ndimage.gaussian_filter(counts, PARZEN_BINS, mode="nearest")
    smooth += UNIFORM_FRACTION * smooth.sum() / smooth.size
    joint = smooth / smooth.sum()
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    return np.log(joint / independent), bounds.astype(np.float64)


def interpolated(
    image: sitk.Image, points_mm: Float64Array, *, outside: float = np.nan
) -> Float32Array:
    """Image values at points (..., 3), LPS mm, by linear interpolation; `outside` off its grid."""
    values = np.empty(points_mm.shape[:-1], np.float32)
    scipy.ndimage.map_coordinates(
        sitk.GetArrayViewFromImage(image),
        np.moveaxis(continuous_indices(image, points_mm), -1, 0),
        output=values,
        order=1,
        mode="constant",
        cval=outside,
    )
    return values
