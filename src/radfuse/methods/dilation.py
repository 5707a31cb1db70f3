"""Dilation of masks by few steps: many times as fast as scipy's, which visits each voxel."""

from collections.abc import Iterable

from radfuse.arrays import BoolArray

Step = tuple[int, int, int]
"""Slices, rows and columns from one voxel to another."""


def dilated(mask: BoolArray, steps: Iterable[Step]) -> BoolArray:
    """A mask, (slices, rows, columns), and the voxels at each step from it; a new array.

    A structuring element with its origin in the middle is the set of its steps.
    """
    near = mask.copy()
    for step in steps:
        to, from_ = (
            tuple(slice(max(sign * one, 0), min(sign * one, 0) or None) for one in step)
            for sign in (1, -1)
        )
        near[to] |= mask[from_]
    return near
