"""Run-length encoding of masks, on the disk and between server and viewer.

A slice is a list [start, length, start, length, ...] of flat indices y * columns + x, increasing.
"""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field, StringConstraints

from radfuse.arrays import BoolArray
from radfuse.errors import InputError
from radfuse.service.models import FrozenModel

MAX_INT = 2**31 - 1
"""Largest integer that is accepted."""

NonNegative = Annotated[int, Field(strict=True, ge=0, le=MAX_INT)]
Index = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,4})$")]
"""Index of a slice, as a key in JSON."""

Runs = dict[Index, list[NonNegative]]
"""Encoded slices by index."""

GRID_TOLERANCE_MM = 1e-3
"""Tolerance of voxel positions of equal grids: rounding in files."""

Triple = tuple[float, float, float]


class VoxelGrid(FrozenModel):
    """The viewer's grid: that of the CT in LPS order."""

    size: tuple[int, int, int]
    """Columns, rows, slices."""

    spacing_mm: Triple
    origin_mm: Triple
    direction: tuple[float, float, float, float, float, float, float, float, float]

    @property
    def voxel_cm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm) / 1000)

    def fits(self, other: "VoxelGrid") -> bool:
        """Whether two grids have the same voxels."""
        if self.size != other.size:
            return False
        return bool(np.abs(self._corners_mm() - other._corners_mm()).max() <= GRID_TOLERANCE_MM)

    def _corners_mm(self) -> NDArray[np.float64]:
        """The first voxel and the last one along each axis, (4, 3)."""
        axes = np.reshape(self.direction, (3, 3)) * self.spacing_mm
        ends = np.diag(np.array(self.size) - 1)
        return np.vstack([self.origin_mm, self.origin_mm + ends @ axes.T])

    def image(self, voxels: NDArray[np.generic]) -> sitk.Image:
        """An image of voxels (slices, H, W) on this grid."""
        image = sitk.GetImageFromArray(voxels)
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image


def grid_of(image: sitk.Image) -> VoxelGrid:
    """The grid of an image in LPS order."""
    return VoxelGrid(
        size=image.GetSize(),
        spacing_mm=image.GetSpacing(),
        origin_mm=image.GetOrigin(),
        direction=image.GetDirection(),
    )


def validated(runs: Runs, size: tuple[int, int, int]) -> Runs:
    """Runs in order of the slices, with adjacent runs merged.

    Raises `InputError`, naming the slice, for runs that are outside of the grid, overlap, are empty
    or not in order.
    """
    columns, rows, slices = size
    merged: Runs = {}
    for index, flat in sorted(runs.items(), key=lambda item: int(item[0])):
        if int(index) >= slices:
            raise InputError(f"slice {index}: the image has {slices}, numbered from 0")
        if len(flat) % 2:
            raise InputError(f"slice {index}: the last run has a start but no length")
        starts, lengths = np.array(flat, np.int64).reshape(-1, 2).T
        stops = starts + lengths
        if (lengths == 0).any():
            raise InputError(f"slice {index}: a run of length 0; leave it out")
        if (starts[1:] < stops[:-1]).any():
            raise InputError(f"slice {index}: runs overlap or are not in increasing order")
        if len(stops) and stops[-1] > columns * rows:
            raise InputError(
                f"slice {index}: a run ends at {stops[-1]}, but a slice has {columns} x {rows} = "
                f"{columns * rows} pixels"
            )
        separate = starts[1:] != stops[:-1]
        first, last = (np.ones(len(starts), np.bool_) for _ in range(2))
        first[1:], last[:-1] = separate, separate
        merged[index] = _flat(starts[first], stops[last])
    return merged


def encode_slice(mask: BoolArray) -> list[int]:
    """The runs of a slice's mask (H, W)."""
    edges = np.flatnonzero(np.diff(mask.ravel().astype(np.int8), prepend=0, append=0))
    return _flat(edges[::2], edges[1::2])


def decode_slice(flat: list[int], shape: tuple[int, int]) -> BoolArray:
    """The mask (H, W) of validated runs of a slice."""
    edges = np.zeros(shape[0] * shape[1] + 1, np.int8)
    starts, lengths = np.array(flat, np.int64).reshape(-1, 2).T
    edges[starts], edges[starts + lengths] = 1, -1
    return np.asarray(np.cumsum(edges[:-1], dtype=np.int8).reshape(shape) > 0)


def decode_volume(runs: Runs, grid: VoxelGrid) -> BoolArray:
    """The mask (slices, H, W) of validated runs."""
    columns, rows, slices = grid.size
    volume = np.zeros((slices, rows, columns), np.bool_)
    for index, flat in runs.items():
        volume[int(index)] = decode_slice(flat, (rows, columns))
    return volume


def decode_image(runs: Runs, grid: VoxelGrid) -> sitk.Image:
    """The mask of validated runs as an image (uint8)."""
    return grid.image(decode_volume(runs, grid).view(np.uint8))


def encode_slices(slices: Mapping[int, BoolArray]) -> Runs:
    """The runs of slices by index; empty slices are left out."""
    return {str(index): encode_slice(mask) for index, mask in slices.items() if mask.any()}


def pixel_count(runs: Runs) -> int:
    """Number of pixels in all slices."""
    return sum(sum(flat[1::2]) for flat in runs.values())


def _flat(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> list[int]:
    flat: list[int] = np.stack([starts, stops - starts], axis=1).ravel().tolist()
    return flat
