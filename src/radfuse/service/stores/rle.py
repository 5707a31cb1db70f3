"""Masks as runs: how structures travel to the page and lie on the disk.

A slice is a list [start, length, start, length, ...] of flat indices y * columns + x, increasing.
"""

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from radfuse.arrays import BoolArray
from radfuse.errors import InputError

MOST = 2**31 - 1
"""Largest whole number that is looked at."""

Whole = Annotated[int, Field(strict=True, ge=0, le=MOST)]
Index = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,4})$")]
"""Of a slice, as JSON names it."""

Runs = dict[Index, list[Whole]]

SAME_MM = 1e-3
"""What grids may differ by in the place of a voxel: the rounding of their files."""

Three = tuple[float, float, float]


class Grid(BaseModel):
    """The page's grid: that of the CT in LPS order."""

    model_config = ConfigDict(frozen=True)

    size: tuple[int, int, int]
    """Columns, rows, slices."""

    spacing_mm: Three
    origin_mm: Three
    direction: tuple[float, float, float, float, float, float, float, float, float]

    @property
    def voxel_cm3(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm) / 1000)

    def fits(self, other: "Grid") -> bool:
        """Whether the voxels of two grids are the same."""
        if self.size != other.size:
            return False
        return bool(np.abs(self._corners_mm() - other._corners_mm()).max() <= SAME_MM)

    def _corners_mm(self) -> NDArray[np.float64]:
        """The first voxel and the last one along each axis, (4, 3)."""
        axes = np.reshape(self.direction, (3, 3)) * self.spacing_mm
        ends = np.diag(np.array(self.size) - 1)
        return np.vstack([self.origin_mm, self.origin_mm + ends @ axes.T])

    def image(self, voxels: NDArray[np.generic]) -> sitk.Image:
        """Voxels (slices, H, W) at their place."""
        image = sitk.GetImageFromArray(voxels)
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image


def grid_of(image: sitk.Image) -> Grid:
    """The grid of an image in LPS order."""
    return Grid(
        size=image.GetSize(),
        spacing_mm=image.GetSpacing(),
        origin_mm=image.GetOrigin(),
        direction=image.GetDirection(),
    )


def checked(runs: Runs, size: tuple[int, int, int]) -> Runs:
    """Runs with those that touch made one.

    Raises `InputError`, naming the slice, for what lies outside of the grid, overlaps, is empty or
    not in order.
    """
    columns, rows, slices = size
    found: Runs = {}
    for index, flat in sorted(runs.items(), key=lambda item: int(item[0])):
        if int(index) >= slices:
            raise InputError(f"slice {index}: the image has {slices}, numbered from 0")
        if len(flat) % 2:
            raise InputError(f"slice {index}: a start without a length at the end of its runs")
        starts, lengths = np.array(flat, np.int64).reshape(-1, 2).T
        stops = starts + lengths
        if (lengths == 0).any():
            raise InputError(f"slice {index}: a run of no pixel; leave it out")
        if (starts[1:] < stops[:-1]).any():
            raise InputError(f"slice {index}: its runs overlap or are not in increasing order")
        if len(stops) and stops[-1] > columns * rows:
            raise InputError(
                f"slice {index}: a run ends at {stops[-1]}, but a slice has {columns} x {rows} = "
                f"{columns * rows} pixels"
            )
        apart = starts[1:] != stops[:-1]
        first, last = (np.ones(len(starts), np.bool_) for _ in range(2))
        first[1:], last[:-1] = apart, apart
        found[index] = _flat(starts[first], stops[last])
    return found


def packed(mask: BoolArray) -> list[int]:
    """The runs of a slice."""
    edges = np.flatnonzero(np.diff(mask.ravel().astype(np.int8), prepend=0, append=0))
    return _flat(edges[::2], edges[1::2])


def unpacked(flat: list[int], shape: tuple[int, int]) -> BoolArray:
    """The mask (H, W) of a slice's runs, which have been checked."""
    edges = np.zeros(shape[0] * shape[1] + 1, np.int8)
    starts, lengths = np.array(flat, np.int64).reshape(-1, 2).T
    edges[starts], edges[starts + lengths] = 1, -1
    return np.asarray(np.cumsum(edges[:-1], dtype=np.int8).reshape(shape) > 0)


def stack_of(runs: Runs, grid: Grid) -> BoolArray:
    """The mask (slices, H, W) of runs, which have been checked."""
    columns, rows, slices = grid.size
    stack = np.zeros((slices, rows, columns), np.bool_)
    for index, flat in runs.items():
        stack[int(index)] = unpacked(flat, (rows, columns))
    return stack


def image_of(runs: Runs, grid: Grid) -> sitk.Image:
    """The mask of runs, which have been checked, as an image (uint8)."""
    return grid.image(stack_of(runs, grid).view(np.uint8))


def runs_of(slices: Mapping[int, BoolArray]) -> Runs:
    """The runs of slices by index, without those that are empty."""
    return {str(index): packed(mask) for index, mask in slices.items() if mask.any()}


def pixels(runs: Runs) -> int:
    """How many there are in all."""
    return sum(sum(flat[1::2]) for flat in runs.values())


def _flat(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> list[int]:
    flat: list[int] = np.stack([starts, stops - starts], axis=1).ravel().tolist()
    return flat
