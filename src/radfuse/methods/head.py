"""A head as methods read it that take CT numbers: in parts, so that it need not fit in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float32Array
from radfuse.intensity import Window

Spacing = tuple[float, float, float]
"""Of slices, rows and columns, mm."""


class Head(Protocol):
    """A CT and an MR on one grid, (slices, rows, columns)."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""

    @property
    def spacing_mm(self) -> Spacing:
        """Distance of slices, rows and columns."""

    def read_ct(self, part: slice) -> Float32Array:
        """Some slices of the CT in HU."""

    def read_mr(self, part: slice) -> Float32Array:
        """Some slices of the MR in [0, 1], 0 outside its field of view."""

    def scratch(self) -> NDArray[np.uint16]:
        """Memory for a value of each voxel, for one fusion; of a slice only until it is fused."""


@runtime_checkable
class HeadMethod(Protocol):
    """A method that takes HU and neighbouring slices of a volume."""

    def fuse_head(self, head: Head, window: Window) -> Iterator[tuple[slice, Float32Array]]:
        """The slices of a head, some at a time and in their order, fused, in [0, 1]."""


@dataclass(frozen=True)
class ArrayHead:
    """A head in memory."""

    hu: Float32Array
    mr: Float32Array
    spacing_mm: Spacing

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        slices, rows, columns = self.hu.shape
        return slices, rows, columns

    def read_ct(self, part: slice) -> Float32Array:
        """Some slices of the CT in HU."""
        return self.hu[part]

    def read_mr(self, part: slice) -> Float32Array:
        """Some slices of the MR."""
        return self.mr[part]

    def scratch(self) -> NDArray[np.uint16]:
        """Memory of the shape of the head."""
        return np.empty(self.shape, np.uint16)
