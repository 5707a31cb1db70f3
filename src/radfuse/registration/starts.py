"""Where the search begins: the poses that headers and head shapes suggest, and turns of them."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.registration.preprocessing import centroid
from radfuse.registration.transforms import turning_about

TURNS_DEG = (-20.0, 20.0)
"""Turns tried about each axis beside none: with a capture range of about 15 degrees on the
coarsest grid they cover what patients' heads do between two scanners, +-25 degrees and more."""


@dataclass(frozen=True)
class Start:
    """A pose to begin from."""

    name: str
    ct_from_mr: sitk.Euler3DTransform
    """Turns about the middle of the MR's head; maps an MR point to a CT point, LPS mm."""


def candidate_starts(
    ct: sitk.Image, ct_head: sitk.Image, mr: sitk.Image, mr_head: sitk.Image
) -> tuple[Start, ...]:
    """Give every start that is worth a coarse search.

    The middle of the MR's head is put where the headers say, on the middle of the CT's head, of
    the CT's volume, and on the middle of as much of the CT's head, counted from the vertex, as
    the MR shows: a CT often reaches down to the shoulders where a brain MR ends at the jaw.
    """
    middle = centroid(mr_head)
    goals = {
        "headers": middle,
        "vertex": centroid(from_vertex(ct_head, height_mm(mr_head))),
        "moments": centroid(ct_head),
        "centres": middle + centre(ct) - centre(mr),
    }
    return tuple(
        Start(name if turn is None else f"{name}, {turn}", _pose(middle, goal, angles))
        for name, goal in goals.items()
        for turn, angles in _turns()
    )


def middles_together(ct_head: sitk.Image, mr_head: sitk.Image) -> sitk.Euler3DTransform:
    """Give the shift, CT points to MR points, that puts the heads' middles on each other.

    Of the CT's head it is the middle of as much, counted from the vertex, as the MR shows.
    """
    goal = centroid(from_vertex(ct_head, height_mm(mr_head)))
    shift = sitk.Euler3DTransform()
    shift.SetTranslation((centroid(mr_head) - goal).tolist())
    return shift


def starts_around(given: sitk.Transform, mr_head: sitk.Image) -> tuple[Start, ...]:
    """Give a pose (MR points to CT points) and turns of it: landmarks are rough."""
    middle = centroid(mr_head)
    pose = turning_about(middle, given)
    starts = []
    for turn, angles in _turns():
        turned = sitk.Euler3DTransform(middle.tolist(), *angles.tolist())
        both = sitk.CompositeTransform([pose, turned])  # the last one first
        name = "given" if turn is None else f"given, {turn}"
        starts.append(Start(name, turning_about(middle, both)))
    return tuple(starts)


def _turns() -> list[tuple[str | None, Float64Array]]:
    """Give no turn and one about each axis either way: name and radians."""
    turns: list[tuple[str | None, Float64Array]] = [(None, np.zeros(3))]
    for axis, letter in enumerate("LPS"):
        for degrees in TURNS_DEG:
            turns.append(
                (f"{degrees:+.0f} deg about {letter}", np.radians(degrees) * np.eye(3)[axis])
            )
    return turns


def _pose(middle: Float64Array, goal: Float64Array, angles: Float64Array) -> sitk.Euler3DTransform:
    """Turn about `middle` and take it to `goal`."""
    return sitk.Euler3DTransform(middle.tolist(), *angles.tolist(), (goal - middle).tolist())


def centre(image: sitk.Image) -> Float64Array:
    """Give the middle of a volume, LPS mm."""
    index = [(size - 1) / 2 for size in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(index))


def heights_mm(mask: sitk.Image) -> Float64Array:
    """Give the superior coordinate of every voxel, shape (z, y, x), LPS mm."""
    axis = np.array(mask.GetDirection()).reshape(3, 3)[2] * np.array(mask.GetSpacing())
    z, y, x = np.indices(mask.GetSize()[::-1], sparse=True)
    return np.asarray(mask.GetOrigin()[2] + axis[0] * x + axis[1] * y + axis[2] * z)


def height_mm(mask: sitk.Image) -> float:
    """Give how far a mask reaches from its lowest to its highest voxel, mm."""
    inside = heights_mm(mask)[sitk.GetArrayViewFromImage(mask) > 0]
    return float(np.ptp(inside))


def from_vertex(mask: sitk.Image, depth_mm: float) -> sitk.Image:
    """Keep what lies within `depth_mm` of the highest voxel of a mask."""
    heights = heights_mm(mask)
    values = sitk.GetArrayFromImage(mask)
    values[heights < heights[values > 0].max() - depth_mm] = 0
    kept = sitk.GetImageFromArray(values)
    kept.CopyInformation(mask)
    return kept
