"""Grey images on the scale of eight bits, as the metrics take them, and what is derived of them."""

from collections.abc import Callable
from functools import cached_property, wraps
from typing import ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float64Array

WHITE = 255
"""Largest value of an image."""

FREED = 2**24
"""Bytes that are freed once, unused, when the metrics are loaded. glibc keeps the memory of a freed
array for the next one if a block as large was freed before. Otherwise every image gets memory that
the kernel has to zero, which can take longer than a metric."""

np.empty(FREED, np.uint8)

MAX_EXACT = 1023
"""Largest of the whole values of which metrics sum squares in 32 bits."""

SAMPLED = 16
"""Distance of the rows that are checked for whole values before all are."""

Levels = NDArray[np.int32 | np.float64]
"""Pixels of an image in integers or in double precision."""

Arguments = ParamSpec("Arguments")
Derived = TypeVar("Derived")


class MeasuredImage:
    """An image that keeps what metrics derive from it: histograms, gradients, local statistics.

    Metrics take it wherever they take an array, and give the same values. What two metrics have in
    common is computed once, and what depends on a source alone once for all images fused from it:
    make one of CT and one of MR, and measure every fused image with them. Whatever is derived of
    a fused image and its sources is kept by the fused image, and freed with it. The pixels must not
    be changed afterwards.

    Parameters
    ----------
    image
        Grey levels 0 to 255, uint8 or float64, (H, W) or (D, H, W).
    """

    def __init__(self, image: "NDArray[np.uint8] | Float64Array") -> None:
        self.array = image
        self.kept: dict[object, object] = {}

    @cached_property
    def pixels(self) -> Float64Array:
        """The image in double precision, still in 0..255."""
        return np.asarray(self.array, np.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image."""
        return self.array.shape


Image = NDArray[np.uint8] | Float64Array | MeasuredImage
"""A grey image (H, W), or a volume (D, H, W) where a metric says so; values in 0..255."""


def kept(function: Callable[Arguments, Derived]) -> Callable[Arguments, Derived]:
    """A function of images, in order of fused image, CT, MR, whose value the first image keeps.

    It keeps it for these images and options, if all of them are a `MeasuredImage`; images are
    positional arguments and options are keywords. The value must not be changed.
    """

    @wraps(function)
    def value_of(*images: Arguments.args, **options: Arguments.kwargs) -> Derived:
        if not all(isinstance(image, MeasuredImage) for image in images):
            return function(*images, **options)
        first, *others = cast("tuple[MeasuredImage, ...]", images)
        key = (function, *others, *options.items())
        if key not in first.kept:
            first.kept[key] = function(*images, **options)
        return cast("Derived", first.kept[key])

    return value_of


def floats(image: Image) -> Float64Array:
    """The image in double precision, still in 0..255."""
    return image.pixels if isinstance(image, MeasuredImage) else np.asarray(image, np.float64)


def measured(image: Image) -> MeasuredImage:
    """The image as one that keeps what is derived from it."""
    return image if isinstance(image, MeasuredImage) else MeasuredImage(image)


def like(image: Image, pixels: Float64Array) -> Image:
    """Pixels derived from an image, as a `MeasuredImage` if that is one; for functions `kept`."""
    return MeasuredImage(pixels) if isinstance(image, MeasuredImage) else pixels


@kept
def whole_levels(image: Image) -> NDArray[np.uint8]:
    """The image in whole grey levels, halves to even, for metrics that count levels."""
    array = image.array if isinstance(image, MeasuredImage) else image
    return np.asarray(array if array.dtype == np.uint8 else np.rint(array), np.uint8)


@kept
def exact_levels(image: Image) -> Levels:
    """The image as integers if its values are whole, else in double precision.

    Sums over a window, of squares too, have no more bits than such an integer; integers of half
    the size take half the time.
    """
    array = image.array if isinstance(image, MeasuredImage) else image
    if array.dtype != np.uint8 and _as_levels(array[::SAMPLED]) is None:
        return floats(image)
    levels = _as_levels(array)
    return floats(image) if levels is None else levels


def _as_levels(pixels: NDArray[np.uint8] | Float64Array) -> NDArray[np.int32] | None:
    """The pixels as integers; None if they are not whole levels, or too large."""
    levels = pixels.astype(np.int32)
    if pixels.dtype == np.uint8:
        return levels
    whole = levels.view(np.uint32).max() <= MAX_EXACT and np.array_equal(levels, pixels)
    return levels if whole else None


@kept
def stretched_levels(image: Image) -> Float64Array:
    """The image from 0 to 255 in whole levels, halves upwards; black if it is flat."""
    pixels = floats(image)
    above: Float64Array = pixels - pixels.min()
    highest = above.max()
    if highest == 0:
        return above
    above /= highest
    above *= WHITE
    above += 0.5
    return np.floor(above, out=above)
