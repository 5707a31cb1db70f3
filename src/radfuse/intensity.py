"""Intensities: windows, scaling by percentiles, head masks."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy  # its parts are imported when they are used
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import (
    BoolArray,
    Float32Array,
    UInt8Array,
    image_on,
    kept_per_image,
    writable_image,
)
from radfuse.errors import InputError
from radfuse.modality import Modality

NEARLY_WHITE = 254.5 / 255
"""Rounds to white in eight bits."""


@dataclass(frozen=True)
class Window:
    """A display window: lower values are black, higher ones white; HU."""

    width: float
    level: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.width) and np.isfinite(self.level) and self.width > 0):
            raise InputError(
                f"window width {self.width:g} level {self.level:g}: give a width above 0"
            )

    @property
    def lowest(self) -> float:
        """The value in HU that becomes 0."""
        return self.level - self.width / 2

    def scale(self, hu: Float32Array) -> Float32Array:
        """HU to [0, 1]."""
        scaled = (hu - np.float32(self.lowest)) / np.float32(self.width)
        return cast("Float32Array", np.clip(scaled, 0, 1, out=scaled))

    def threshold(self, hu: float) -> float:
        """Grey level in [0, 1] that CT values above `hu` exceed.

        In a window that is white below `hu`, white counts as exceeding it.
        """
        return min(max((hu - self.lowest) / self.width, 0.0), NEARLY_WHITE)


WINDOWS = {
    "brain": Window(80, 40),
    "subdural": Window(200, 75),
    "stroke": Window(30, 30),
    "soft-tissue": Window(400, 40),
    "bone": Window(2500, 480),
    "bone-thin": Window(2000, 500),
    "fusion": Window(1000, 500),
}
"""Window presets in common radiological use, and one for fusion: bone is white, soft tissue, which
the MR shows better, is nearly black."""


BOTH_HU, BOTH_LEVELS = (-160.0, 240.0, 300.0, 1300.0), (0.0, 0.6, 0.8, 1.0)
"""A CT alone: soft tissue as in its window, and bone white; HU, and grey levels in [0, 1]."""


def both_windows(hu: Float32Array) -> Float32Array:
    """A CT that shows soft tissue and bone at once, in [0, 1]: a steep and a flat part."""
    return np.interp(hu, BOTH_HU, BOTH_LEVELS).astype(np.float32)


def window_named(window: str | tuple[float, float]) -> Window:
    """The window of a preset or of (width, level) in HU; `InputError` for an unknown name."""
    if not isinstance(window, str):
        return Window(*window)
    if window not in WINDOWS:
        raise InputError(f"no window '{window}'; there are {', '.join(WINDOWS)}")
    return WINDOWS[window]


FULL_SCALE = {8: 255, 16: 65535}
"""White of an image, by bits."""

TIE_DECIMALS = 3
"""A level within this many decimals of a half is a half: the precision of float32."""


def grey_levels(image: Float32Array, bits: int = 8) -> NDArray[np.uint8 | np.uint16]:
    """An image in [0, 1] in whole levels of 8 or 16 bits, halves to even.

    The noise of single precision does not change how a half is rounded: the mean of two 8-bit
    images is that of integer arithmetic.
    """
    levels = np.clip(image, 0, 1) * np.float64(FULL_SCALE[bits])
    np.rint(np.round(levels, TIE_DECIMALS, out=levels), out=levels)
    return levels.astype(np.uint8 if bits == 8 else np.uint16)


BONE_HU = 300.0
"""Least value of bone: above enhanced vessels and blood, below thin cortical bone."""

SLICES_AT_ONCE = 16
"""Slices of whole numbers that are averaged together."""

MASK_SPACING_MM = 2.0
"""Masks are computed on a grid at least this coarse: smooth, and fast for large volumes."""

CLOSING_MM = 4.0
"""Radius of the closing for gaps in the scalp, where hair or fat-free skin is dark."""

WITHIN_SLICES = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])
"""Neighbours of a voxel: the four in its slice."""

OPENING_MM = 6.0
"""Radius of the opening that separates the head from couch and head holder."""


def head_range(image: sitk.Image, modality: Modality) -> tuple[float, float]:
    """The values that become 0 and 1: percentiles of the voxels of the head in a whole volume.

    Raises `InputError` for an image without contrast.
    """
    head = sitk.GetArrayFromImage(head_mask(image, modality)) > 0
    return percentile_range(sitk.GetArrayViewFromImage(image), head, modality)


def percentile_range(
    values: Float32Array, foreground: BoolArray, modality: Modality
) -> tuple[float, float]:
    """The values that become 0 and 1: percentiles of the foreground.

    Raises `InputError` without a foreground or contrast.
    """
    inside = values[foreground]
    if inside.size == 0:
        raise InputError(f"{modality} has no voxel above its background; check the series")
    low, high = (float(value) for value in np.percentile(inside, modality.percentiles))
    if not high > low:
        raise InputError(
            f"{modality} has no contrast: the head's values are {low:g} to {high:g}; check the "
            "series"
        )
    return low, high


COARSE_MM = 4.0
"""Spacing of `coarse_mask`: for initial poses, margins and bounding boxes."""


@kept_per_image
def coarse_mask(image: sitk.Image, modality: Modality) -> sitk.Image:
    """The `head_mask` on a grid of about `COARSE_MM`; empty if the image is constant or has NaN."""
    coarse = shrunk(image, COARSE_MM)
    values = sitk.GetArrayViewFromImage(coarse)
    if np.isfinite(values).all() and values.min() < values.max():
        return head_mask(coarse, modality)
    return image_on(coarse, np.zeros(values.shape, np.uint8))


@kept_per_image
def head_mask(image: sitk.Image, modality: Modality) -> sitk.Image:
    """Mask (uint8) of the head: the largest body, holes filled, without couch and head holder.

    By a fixed threshold on a grid of its own, of about `MASK_SPACING_MM`; by Otsu's method, where
    the modality has no threshold, on the image's grid.
    """
    coarse = shrunk(image, MASK_SPACING_MM)
    if modality.head_threshold is not None:
        return _largest_body(coarse > modality.head_threshold)
    bright = sitk.OtsuThreshold(coarse, 0, 1, 128)
    level = float(np.median(sitk.GetArrayViewFromImage(coarse)[_view(bright) > 0])) / 4
    mask = _largest_body(coarse > level)
    return sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)


def _view(mask: sitk.Image) -> UInt8Array:
    return cast("UInt8Array", sitk.GetArrayViewFromImage(mask))


def shrunk(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """The image with whole voxels averaged up to a spacing; a coarser axis stays as it is.

    The means of whole numbers, int16, are float32.
    """
    factors = tuple(
        min(max(1, int(spacing_mm / spacing + 1e-3)), size)
        for spacing, size in zip(image.GetSpacing(), image.GetSize(), strict=True)
    )
    is_whole = image.GetPixelID() == sitk.sitkInt16
    if max(factors) == 1:
        return sitk.Cast(image, sitk.sitkFloat32) if is_whole else image
    return _whole_numbers_shrunk(image, factors) if is_whole else sitk.BinShrink(image, factors)


@kept_per_image
def _whole_numbers_shrunk(image: sitk.Image, factors: tuple[int, int, int]) -> sitk.Image:
    """As `shrunk`, some slices at a time: the whole image in float32 is twice the memory.

    ITK's means of whole numbers would be rounded.
    """
    columns, rows, slices = image.GetSize()
    count = slices // factors[2] * factors[2]
    step = min(factors[2] * -(-SLICES_AT_ONCE // factors[2]), count)
    part, values = writable_image((columns, rows, step), np.float32)
    part.SetOrigin(image.GetOrigin())
    part.SetSpacing(image.GetSpacing())
    part.SetDirection(image.GetDirection())
    means = np.empty(np.array((slices, rows, columns)) // factors[::-1], np.float32)
    for first in (min(one, count - step) for one in range(0, count, step)):
        values[:] = sitk.GetArrayViewFromImage(image)[first : first + step]
        shrunk_part = sitk.BinShrink(part, factors)
        planes = slice(first // factors[2], (first + step) // factors[2])
        means[planes] = sitk.GetArrayViewFromImage(shrunk_part)
    whole = sitk.GetImageFromArray(means)
    whole.SetOrigin(shrunk_part.GetOrigin())
    whole.SetSpacing(shrunk_part.GetSpacing())
    whole.SetDirection(shrunk_part.GetDirection())
    return whole


def _largest_body(mask: sitk.Image) -> sitk.Image:
    """The largest connected body: gaps in the scalp closed, holes filled, thin bridges opened."""
    closed = sitk.BinaryMorphologicalClosing(mask, _radius(mask, CLOSING_MM), sitk.sitkBall)
    opened = sitk.BinaryMorphologicalOpening(
        _fill_slices(closed), _radius(mask, OPENING_MM), sitk.sitkBall
    )
    bodies = sitk.RelabelComponent(sitk.ConnectedComponent(opened), sortByObjectSize=True)
    return _fill_slices(bodies == 1)


def _radius(mask: sitk.Image, radius_mm: float) -> list[int]:
    return [
        min(int(radius_mm / spacing), size // 4)
        for spacing, size in zip(mask.GetSpacing(), mask.GetSize(), strict=True)
    ]


def _fill_slices(mask: sitk.Image) -> sitk.Image:
    """Fill holes slice by slice: sinuses open to the outside only across slices."""
    background, _ = scipy.ndimage.label(_view(mask) == 0, WITHIN_SLICES)
    open_to_the_edge = np.zeros(background.max() + 1, np.bool_)
    for edge in (background[:, 0], background[:, -1], background[..., 0], background[..., -1]):
        open_to_the_edge[edge] = True
    filled = ~open_to_the_edge[background] | (background == 0)
    return image_on(mask, filled.astype(np.uint8))
