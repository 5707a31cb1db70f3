"""Initial poses of the search: from headers and head masks, each also with rotations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array, image_on
from radfuse.registration.preprocessing import centroid
from radfuse.registration.transforms import with_rotation_centre

ROTATIONS_DEG = (-20.0, 20.0)
"""Rotations about each axis, besides none: with a capture range of about 15 degrees on the
coarsest grid they cover the difference between two scanners, +-25 degrees and more."""


MIN_SHIFT_MM = 5.0
"""Positions of the centroid closer than this count as one: far less than what a search captures."""

LARGE_ROTATIONS_DEG = (-90.0, 90.0, 180.0)
"""Rotations of the second search, about each axis."""

HEAD_HEIGHT_MM = 220.0
"""From the vertex to the jaw: of a rotated MR the height of its head is another dimension."""


@dataclass(frozen=True)
class InitialPose:
    """A pose from which the search starts."""

    name: str
    ct_from_mr: sitk.Euler3DTransform
    """Rotates about the centroid of the MR's head; maps an MR point to a CT point, LPS mm."""


def initial_poses(
    ct: sitk.Image, ct_head: sitk.Image, mr: sitk.Image, mr_head: sitk.Image
) -> tuple[InitialPose, ...]:
    """Initial poses for the coarse search.

    The centroid of the MR's head is placed by the headers, on the centroid of the CT's head, by
    the centres of the volumes, and on the centroid of as much of the CT's head, from the vertex
    down, as the MR covers: a CT often reaches the shoulders where a brain MR ends at the jaw.
    """
    centroid_mr = centroid(mr_head)
    targets = {
        "headers": centroid_mr,
        "vertex": centroid(cropped_from_vertex(ct_head, height_mm(mr_head))),
        "moments": centroid(ct_head),
        "centres": centroid_mr + centre(ct) - centre(mr),
    }
    return _rotated(centroid_mr, targets, [(None, np.zeros(3)), *_rotations(ROTATIONS_DEG)])


def quarter_rotation_poses(ct_head: sitk.Image, mr_head: sitk.Image) -> tuple[InitialPose, ...]:
    """Initial poses for an MR whose axes are not the patient's, or a patient on the side or prone.

    The centroid of the MR's head is on that of the CT's head, and of as much of it, from the vertex
    down, as a head is high.
    """
    targets = {
        "vertex": centroid(cropped_from_vertex(ct_head, HEAD_HEIGHT_MM)),
        "moments": centroid(ct_head),
    }
    return _rotated(centroid(mr_head), targets, _rotations(LARGE_ROTATIONS_DEG))


def centroid_translation(ct_head: sitk.Image, mr_head: sitk.Image) -> sitk.Euler3DTransform:
    """Translation, CT points to MR points, that aligns the centroids of the heads.

    Of the CT's head only as much counts, from the vertex down, as the MR covers.
    """
    target = centroid(cropped_from_vertex(ct_head, height_mm(mr_head)))
    shift = sitk.Euler3DTransform()
    shift.SetTranslation((centroid(mr_head) - target).tolist())
    return shift


def poses_around(ct_from_mr: sitk.Transform, mr_head: sitk.Image) -> tuple[InitialPose, ...]:
    """A prior pose, and rotations of it: landmarks are rough."""
    centroid_mr = centroid(mr_head)
    prior = with_rotation_centre(centroid_mr, ct_from_mr)
    poses = []
    for label, angles in [(None, np.zeros(3)), *_rotations(ROTATIONS_DEG)]:
        rotation = sitk.Euler3DTransform(centroid_mr.tolist(), *angles.tolist())
        both = sitk.CompositeTransform([prior, rotation])  # the last one first
        name = "given" if label is None else f"given, {label}"
        poses.append(InitialPose(name, with_rotation_centre(centroid_mr, both)))
    return tuple(poses)


Rotation = tuple[str | None, Float64Array]
"""Label, None without rotation, and Euler angles, radians."""


def _rotations(angles_deg: tuple[float, ...]) -> list[Rotation]:
    """Rotations by these angles about each axis."""
    return [
        (f"{degrees:+.0f} deg about {letter}", np.radians(degrees) * np.eye(3)[axis])
        for axis, letter in enumerate("LPS")
        for degrees in angles_deg
    ]


def _rotated(
    centroid_mr: Float64Array, targets: dict[str, Float64Array], rotations: Sequence[Rotation]
) -> tuple[InitialPose, ...]:
    """The centroid of the MR's head on each target that differs, with each rotation."""
    distinct: dict[str, Float64Array] = {}
    for name, target in targets.items():
        if all(np.linalg.norm(target - one) >= MIN_SHIFT_MM for one in distinct.values()):
            distinct[name] = target
    return tuple(
        InitialPose(
            name if label is None else f"{name}, {label}", _pose(centroid_mr, target, angles)
        )
        for name, target in distinct.items()
        for label, angles in rotations
    )


def _pose(
    centre: Float64Array, target: Float64Array, angles: Float64Array
) -> sitk.Euler3DTransform:
    """Rotate about `centre` and move it to `target`."""
    return sitk.Euler3DTransform(centre.tolist(), *angles.tolist(), (target - centre).tolist())


def centre(image: sitk.Image) -> Float64Array:
    """Centre of a volume, LPS mm."""
    index = [(size - 1) / 2 for size in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(index))


def heights_mm(mask: sitk.Image) -> Float64Array:
    """Superior coordinate of every voxel, shape (z, y, x), LPS mm."""
    axis = np.array(mask.GetDirection()).reshape(3, 3)[2] * np.array(mask.GetSpacing())
    z, y, x = np.indices(mask.GetSize()[::-1], sparse=True)
    return np.asarray(mask.GetOrigin()[2] + axis[0] * x + axis[1] * y + axis[2] * z)


def height_mm(mask: sitk.Image) -> float:
    """Distance from the lowest to the highest voxel of a mask, mm."""
    inside = heights_mm(mask)[sitk.GetArrayViewFromImage(mask) > 0]
    return float(np.ptp(inside))


def cropped_from_vertex(mask: sitk.Image, depth_mm: float) -> sitk.Image:
    """The part of a mask within `depth_mm` of its highest voxel."""
    heights = heights_mm(mask)
    values = sitk.GetArrayFromImage(mask)
    values[heights < heights[values > 0].max() - depth_mm] = 0
    return image_on(mask, values)
