"""Margins around structures in mm, with one value for each of six directions.

A voxel belongs to the expanded structure if its centre is within the margin of the centre of a
voxel of the structure. Between the directions the margin follows ellipsoids: each of the eight
octants of the structuring element is that of the ellipsoid with the margins of its three
directions as semi-axes. The squared distance that it defines, scaled to 1 at the margin, is a sum
of one term for each axis, so that its minimum over the structure is found axis by axis, exactly
and on anisotropic voxels (Felzenszwalb and Huttenlocher 2012, section 2.1).
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Final

import numpy as np

from radfuse.arrays import BoolArray, Float32Array
from radfuse.errors import InputError

SpacingMm = tuple[float, float, float]
"""Of voxels, in the order of the axes of an array: slices, rows, columns."""

MAX_MARGIN_MM: Final = 60.0
"""Largest margin: larger ones are not used on a head and would take long."""

ROUNDING: Final = 1e-5
"""Of the squared distance in margins, in float32: a voxel exactly at the margin belongs to it."""

FAR: Final = np.float32(4.0)
"""Squared distance in margins of voxels that are not near: anything above 1."""


@dataclass(frozen=True)
class Margins:
    """Margins in mm towards the patient's right, left, anterior, posterior, inferior, superior.

    Raises `InputError` for one that is negative or above `MAX_MARGIN_MM`.
    """

    right: float = 0.0
    left: float = 0.0
    anterior: float = 0.0
    posterior: float = 0.0
    inferior: float = 0.0
    superior: float = 0.0

    def __post_init__(self) -> None:
        for field, value in zip(fields(self), astuple(self), strict=True):
            if not 0 <= value <= MAX_MARGIN_MM:
                raise InputError(
                    f"margin to {field.name}: {value:g} mm; give 0 to {MAX_MARGIN_MM:g} mm"
                )

    @classmethod
    def uniform(cls, margin_mm: float) -> "Margins":
        """The same margin in all directions."""
        return cls(*[margin_mm] * 6)

    @property
    def opposite(self) -> "Margins":
        """Those of the mirrored structuring element."""
        mirrored = [side for pair in self.by_axis[::-1] for side in reversed(pair)]
        return Margins(*mirrored)

    @property
    def by_axis(self) -> tuple[tuple[float, float], ...]:
        """Towards lower and higher indices of slices, rows and columns of an array in LPS order."""
        right, left, anterior, posterior, inferior, superior = astuple(self)
        return (inferior, superior), (anterior, posterior), (right, left)


def expand(mask: BoolArray, spacing_mm: SpacingMm, margins: Margins) -> BoolArray:
    """The mask (slices, rows, columns) in LPS order with a margin; margins of 0 change nothing."""
    result = np.zeros_like(mask)
    if not mask.any():
        return result
    kernels = [
        _kernel(below, above, step)
        for (below, above), step in zip(margins.by_axis, spacing_mm, strict=True)
    ]
    box = reachable_box(mask, [(-min(kernel), max(kernel)) for kernel in kernels])
    part = mask[box]
    first, last = box[0].start, box[0].stop
    for index in range(first, last):
        distance = _nearest_slice(part, kernels[0], index - first)
        for axis in (1, 2):
            distance = _along(distance, kernels[axis], axis - 1)
        result[index][box[1:]] = distance <= 1 + ROUNDING
    return result


def contract(mask: BoolArray, spacing_mm: SpacingMm, margins: Margins) -> BoolArray:
    """The mask less a margin: it has the distance of the margin from all voxels outside.

    What is outside of the image is outside of the structure.
    """
    result = np.zeros_like(mask)
    if mask.any():
        box = reachable_box(mask, [(0, 0)] * 3)
        outside = np.pad(~mask[box], 1, constant_values=True)
        inner = (slice(1, -1),) * 3
        result[box] = mask[box] & ~expand(outside, spacing_mm, margins.opposite)[inner]
    return result


def reachable_box(mask: BoolArray, reach: Sequence[tuple[int, int]]) -> tuple[slice, ...]:
    """The box of a mask that is not empty, with some voxels before and after it on each axis."""
    box = []
    for axis, (before, after) in enumerate(reach):
        others = tuple(other for other in range(3) if other != axis)
        (at,) = np.nonzero(mask.any(axis=others))
        start, stop = int(at[0]) - before, int(at[-1]) + after + 1
        box.append(slice(max(start, 0), min(stop, mask.shape[axis])))
    return tuple(box)


Kernel = dict[int, np.float32]
"""Squared distance in margins by the number of voxels from the structure, within the margin."""


def _kernel(below_mm: float, above_mm: float, step_mm: float) -> Kernel:
    kernel = {0: np.float32(0)}
    for sign, margin_mm in ((-1, below_mm), (1, above_mm)):
        for count in range(1, int(margin_mm / step_mm * (1 + ROUNDING)) + 1):
            kernel[sign * count] = np.float32((count * step_mm / margin_mm) ** 2)
    return kernel


def _nearest_slice(mask: BoolArray, kernel: Kernel, index: int) -> Float32Array:
    """The term of the slices' axis for one slice (rows, columns): the least over all slices."""
    distance = np.full(mask.shape[1:], FAR, np.float32)
    for count in sorted(kernel, key=lambda one: kernel[one], reverse=True):
        if 0 <= index - count < len(mask):
            distance[mask[index - count]] = kernel[count]
    return distance


def _along(distance: Float32Array, kernel: Kernel, axis: int) -> Float32Array:
    """The least sum of the distance and the term of one axis."""
    nearest = distance.copy()
    near, moved = (np.moveaxis(array, axis, 0) for array in (distance, nearest))
    for count, term in kernel.items():
        if 0 < count < len(near):
            np.minimum(moved[count:], near[:-count] + term, out=moved[count:])
        elif -len(near) < count < 0:
            np.minimum(moved[:count], near[-count:] + term, out=moved[:count])
    return nearest
