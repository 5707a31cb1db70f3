"""The form of methods that fuse the bands of a multiscale transform.

Figure 1 of Liu, Liu and Wang 2015, doi:10.1016/j.inffus.2014.09.004: both images are decomposed,
their bands and their bases are fused by a rule each, and the transform is inverted.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from numpy.typing import NDArray

from radfuse.arrays import Float32Array, Float64Array
from radfuse.methods.classical.rules import in_grey_levels, larger_by_vote, mean
from radfuse.methods.options import option

Band = NDArray[Any]
"""Real or complex coefficients of one scale and direction, (N, rows, columns)."""


@dataclass(frozen=True)
class Multiscale(ABC):
    """Fusion of a transform's bands by `fuse_band` and of its base by `fuse_base`."""

    @abstractmethod
    def decompose(self, images: Float64Array) -> tuple[list[Band], Float64Array]:
        """The bands and the base of images (N, H, W) in grey levels, 0 to 255."""

    @abstractmethod
    def reconstruct(
        self, bands: list[Band], base: Float64Array, shape: tuple[int, int]
    ) -> Float64Array:
        """The images (N, *shape) that have these bands and base."""

    def fuse_band(self, first: Band, second: Band) -> Band:
        """The coefficients with the larger activity, by the vote of their neighbours."""
        return larger_by_vote(first, second)

    def fuse_base(self, first: Float64Array, second: Float64Array) -> Float64Array:
        """The mean of the bases; methods with a sparse base override it."""
        return mean(first, second)

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_grey_levels(self._fuse, first, second)

    def _fuse(self, first: Float64Array, second: Float64Array) -> Float64Array:
        bands_1, base_1 = self.decompose(first)
        bands_2, base_2 = self.decompose(second)
        bands = [self.fuse_band(a, b) for a, b in zip(bands_1, bands_2, strict=True)]
        height, width = first.shape[1:]
        return self.reconstruct(bands, self.fuse_base(base_1, base_2), (height, width))


class Transform(NamedTuple):
    """A transform with a number of levels, and its inverse."""

    decompose: Callable[[Float64Array, int], tuple[list[Band], Float64Array]]
    reconstruct: Callable[[list[Band], Float64Array, tuple[int, int]], Float64Array]


@dataclass(frozen=True)
class Levelled(Multiscale):
    """Fusion of a transform whose number of levels is an option."""

    TRANSFORM: ClassVar[Transform]

    levels: int = option(4, "decomposition levels; four are the authors'", limits=(1, 10))

    def levels_of(self, images: Float64Array) -> int:
        """The levels into which images are decomposed; methods with a sparse base override it."""
        del images
        return self.levels

    def decompose(self, images: Float64Array) -> tuple[list[Band], Float64Array]:
        """The bands, finest first, and the base of images (N, H, W) in grey levels, 0 to 255."""
        return self.TRANSFORM.decompose(images, self.levels_of(images))

    def reconstruct(
        self, bands: list[Band], base: Float64Array, shape: tuple[int, int]
    ) -> Float64Array:
        """The images (N, *shape) that have these bands and base."""
        return self.TRANSFORM.reconstruct(bands, base, shape)
