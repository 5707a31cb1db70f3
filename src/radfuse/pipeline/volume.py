"""Fusion of two aligned volumes on the CT's grid."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Box, Float32Array, UInt8Array, filled_on, grid_of_box, writable_image
from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.errors import InputError
from radfuse.intensity import BOTH_HU, Window, both_windows, coarse_mask, head_range
from radfuse.methods.head import Head, HeadMethod
from radfuse.methods.loading import Method
from radfuse.parallel import in_order
from radfuse.series import Series

MARGIN_MM = 10.0
"""Air kept around the head, so that ears and the borders of filters are inside."""

SLICES_AT_ONCE = 8
"""Slices that are scaled and fused together: what a volume needs more of is its stored values."""


@dataclass(frozen=True)
class Region:
    """The part of the CT's grid in which CT and MR are fused."""

    box: Box
    fov_mask: NDArray[np.bool_]
    """Mask of the MR field of view inside the box, (slices, rows, columns)."""

    mr_range: tuple[float, float]
    """MR values that became 0 and 1."""


@dataclass(frozen=True)
class ScaledPair(Region):
    """CT and MR in [0, 1] inside the box, (slices, rows, columns); `mr` is 0 outside its mask."""

    ct: Float32Array
    mr: Float32Array


def scale_volumes(ct: Series, mr: Series, mr_from_ct: sitk.Transform, window: Window) -> ScaledPair:
    """Cut out the head, bring the MR onto the CT's grid, scale both.

    Raises `InputError` where CT and MR have no region in common.
    """
    levels = head_range(mr.image, mr.modality)
    box = common_box(ct, mr, mr_from_ct)
    grid = ct.image[box[::-1]]
    scaled_ct, scaled_mr, in_fov = scale_on(grid, mr.image, mr_from_ct, window, levels)
    return ScaledPair(box, in_fov, levels, scaled_ct, scaled_mr)


def fuse_volumes(
    ct: Series,
    mr: Series,
    mr_from_ct: sitk.Transform,
    window: Window,
    method: Method,
    report: Callable[[int, int], None] = lambda _done, _count: None,
) -> tuple[sitk.Image, Region]:
    """Fuse inside the head, some slices at a time; elsewhere, the CT alone, in both its windows.

    Returns
    -------
    Stored values, 0 to `FULL_SCALE` (uint16), on the whole CT grid, and where they are fused.

    Raises
    ------
    InputError
        CT and MR have no region in common, or the MR has no contrast.
    """
    levels = head_range(mr.image, mr.modality)
    box = common_box(ct, mr, mr_from_ct)
    image, in_fov = _fuse_box(ct.image, mr.image, mr_from_ct, window, levels, box, method, report)
    return image, Region(box, in_fov, levels)


def scale_slice(
    ct: sitk.Image,
    mr: sitk.Image,
    mr_from_ct: sitk.Transform,
    window: Window,
    mr_range: tuple[float, float],
    index: int,
) -> tuple[Float32Array, Float32Array, NDArray[np.bool_]]:
    """CT, MR and mask of the MR field of view, for one whole slice of the CT, (rows, columns).

    `mr_range` are the MR values that become 0 and 1.
    """
    grid = ct[:, :, index : index + 1]
    scaled_ct, scaled_mr, in_fov = scale_on(grid, mr, mr_from_ct, window, mr_range)
    return scaled_ct[0], scaled_mr[0], in_fov[0]


def scale_on(
    grid: sitk.Image,
    mr: sitk.Image,
    mr_from_ct: sitk.Transform,
    window: Window,
    mr_range: tuple[float, float],
) -> tuple[Float32Array, Float32Array, NDArray[np.bool_]]:
    """A part of the CT, the MR on its grid, both in [0, 1], and the MR field of view mask."""
    values, in_fov = scale_mr(grid, mr, mr_from_ct, mr_range)
    return window.scale(sitk.GetArrayViewFromImage(grid)), values, in_fov


def scale_mr(
    grid: sitk.Image, mr: sitk.Image, mr_from_ct: sitk.Transform, mr_range: tuple[float, float]
) -> tuple[Float32Array, NDArray[np.bool_]]:
    """The MR on a part of the CT's grid, in [0, 1] and 0 outside its field of view; its mask."""
    resampled = sitk.Resample(mr, grid, mr_from_ct, sitk.sitkLinear, np.nan, sitk.sitkFloat32)
    return scaled_mr(sitk.GetArrayViewFromImage(resampled), mr_range)


def scaled_mr(
    values: Float32Array, mr_range: tuple[float, float]
) -> tuple[Float32Array, NDArray[np.bool_]]:
    """Resampled MR values, NaN outside the field of view, as by `scale_mr`; its mask."""
    low, high = mr_range
    outside = np.isnan(values)
    scaled = values - np.float32(low)
    scaled /= np.float32(high - low)
    np.clip(scaled, 0, 1, out=scaled)
    scaled[outside] = 0
    return scaled, ~outside


def common_box(fixed: Series, moving: Series, moving_from_fixed: sitk.Transform) -> Box:
    """Bounding box of the head in `fixed` inside the field of view of `moving`, with a margin.

    Raises `InputError` where the two have no part of the head in common.
    """
    head = coarse_mask(fixed.image, fixed.modality)
    shape = sitk.LabelShapeStatisticsImageFilter()
    filled = filled_on(moving.image, 1)
    in_fov = sitk.Resample(filled, head, moving_from_fixed, sitk.sitkNearestNeighbor, 0)
    shape.Execute(head & in_fov)
    if not shape.HasLabel(1):
        raise InputError(
            f"{fixed.modality} and {moving.modality} have no part of the head in common; check "
            "that both show the same region and that the transform is right"
        )
    start, size = np.split(np.array(shape.GetBoundingBox(1)), 2)
    margin = MARGIN_MM / np.array(fixed.image.GetSpacing())
    first, last = (
        fixed.image.TransformPhysicalPointToContinuousIndex(
            head.TransformContinuousIndexToPhysicalPoint((corner - 0.5).tolist())
        )
        for corner in (start, start + size)
    )
    low = np.maximum(np.floor(np.array(first) - margin), 0).astype(int)
    high = np.minimum(np.ceil(np.array(last) + margin) + 1, fixed.image.GetSize()).astype(int)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def _fuse_box(
    ct: sitk.Image,
    mr: sitk.Image,
    mr_from_ct: sitk.Transform,
    window: Window,
    mr_range: tuple[float, float],
    box: Box,
    method: Method,
    report: Callable[[int, int], None],
) -> tuple[sitk.Image, NDArray[np.bool_]]:
    """Stored values on the whole grid of the CT, and the MR field of view mask inside the box."""
    image, stored = writable_image(ct.GetSize(), np.uint16)
    image.CopyInformation(ct)
    head = _ImageHead(ct, mr, mr_from_ct, mr_range, box, stored[box])
    packed = []  # an eighth of the memory, until what the method needs is free
    for part, fused in fuse_head(method, head, window):
        packed.append(head.in_fov(part))
        head.stored[part] = np.rint(fused * FULL_SCALE)
        report(part.stop, head.shape[0])
    bits = np.unpackbits(np.concatenate(packed), axis=-1, count=head.shape[2])
    in_fov = bits.view(np.bool_)
    _store_ct(ct, stored, box, in_fov)
    return image, in_fov


def _store_ct(
    ct: sitk.Image, stored: NDArray[np.uint16], box: Box, in_fov: NDArray[np.bool_]
) -> None:
    """Store the CT, in both its windows, in (slices, rows, columns) outside a mask in a box."""
    planes = sitk.GetArrayViewFromImage(ct)
    slices, *within = box

    def store(index: int) -> None:
        alone = planes[index] > BOTH_HU[0]  # the rest is air, which is black
        if slices.start <= index < slices.stop:
            outside = ~in_fov[index - slices.start]
            alone[within[0], within[1]] &= outside
            stored[index, within[0], within[1]][outside] = 0
        stored[index, alone] = np.rint(both_windows(planes[index][alone]) * FULL_SCALE)

    for _ in in_order(store, range(len(stored))):
        pass


def fuse_head(method: Method, head: Head, window: Window) -> Iterator[tuple[slice, Float32Array]]:
    """Some slices at a time, in their order, fused: from HU, or from the CT in its window."""
    if isinstance(method, HeadMethod):
        yield from method.fuse_head(head, window)
        return
    for start in range(0, head.shape[0], SLICES_AT_ONCE):
        part = slice(start, min(start + SLICES_AT_ONCE, head.shape[0]))
        yield part, method(window.scale(head.read_ct(part)), head.read_mr(part))


def whole(parts: Iterable[tuple[slice, Float32Array]]) -> Float32Array:
    """The slices of `fuse_head`, together."""
    return np.concatenate([fused for _, fused in parts])


@dataclass(frozen=True)
class _ImageHead:
    """A box of a CT, and the MR resampled onto it when it is read."""

    ct: sitk.Image
    mr: sitk.Image
    mr_from_ct: sitk.Transform
    mr_range: tuple[float, float]
    box: Box
    stored: NDArray[np.uint16]
    """Where the fused values are stored, (slices, rows, columns)."""

    _masks: dict[tuple[int, int], UInt8Array] = field(default_factory=dict)
    """Of the slices that were read, by the first and the last; packed bits."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns."""
        z, y, x = (part.stop - part.start for part in self.box)
        return z, y, x

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance of slices, rows and columns."""
        x, y, z = self.ct.GetSpacing()
        return z, y, x

    def read_ct(self, part: slice) -> Float32Array:
        """Some slices of the CT in HU."""
        return np.array(sitk.GetArrayViewFromImage(self.ct)[self._box_of(part)], np.float32)

    def read_mr(self, part: slice) -> Float32Array:
        """Some slices of the MR in [0, 1], 0 outside its field of view."""
        grid = grid_of_box(self.ct, self._box_of(part))
        values, in_fov = scale_mr(grid, self.mr, self.mr_from_ct, self.mr_range)
        self._masks[part.start, part.stop] = np.packbits(in_fov, axis=-1)
        return values

    def in_fov(self, part: slice) -> UInt8Array:
        """Mask of the MR field of view in some slices, packed bits; for free once they are read."""
        if (part.start, part.stop) not in self._masks:
            self.read_mr(part)
        return self._masks.pop((part.start, part.stop))

    def scratch(self) -> NDArray[np.uint16]:
        """The memory of the fused values, until they are stored."""
        return self.stored

    def _box_of(self, part: slice) -> Box:
        slices, rows, columns = self.box
        return slice(slices.start + part.start, slices.start + part.stop), rows, columns


def fuse_slice(
    plane: sitk.Image,
    mr: sitk.Image,
    mr_from_ct: sitk.Transform,
    window: Window,
    mr_range: tuple[float, float],
    rows: slice,
    columns: slice,
    method: Method,
) -> sitk.Image:
    """Fuse one slice of a CT, a volume of depth 1, as `fuse_volumes` does.

    `rows` and `columns` are those of the box of the fused volume.
    """
    box = slice(0, 1), rows, columns
    return _fuse_box(
        plane, mr, mr_from_ct, window, mr_range, box, method, lambda _done, _count: None
    )[0]


def fov_mask_slices(ct: sitk.Image, region: Region) -> Iterator[UInt8Array]:
    """1 inside the field of view of both scanners, for each slice of the CT (rows, columns)."""
    columns, rows, slices = ct.GetSize()
    first, *within = region.box
    for index in range(slices):
        plane = np.zeros((rows, columns), np.uint8)
        if first.start <= index < first.stop:
            plane[tuple(within)] = region.fov_mask[index - first.start]
        yield plane
