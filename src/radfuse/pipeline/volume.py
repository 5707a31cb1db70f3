"""Fusion of two aligned volumes on the CT's grid."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import Float32Array
from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.errors import InputError
from radfuse.intensity import Window, head_mask, head_range
from radfuse.methods.catalogue import Method
from radfuse.series import Series

Box = tuple[slice, slice, slice]
"""Part of a volume: slices, rows, columns."""

MARGIN_MM = 10.0
"""Air kept around the head, so that ears and the borders of filters are inside."""


@dataclass(frozen=True)
class ScaledPair:
    """CT and MR in [0, 1] inside a box of the CT's grid, (slices, rows, columns)."""

    box: Box
    ct: Float32Array
    mr: Float32Array
    fov_mask: NDArray[np.bool_]
    """Mask of the MR field of view; `mr` is 0 outside."""

    mr_range: tuple[float, float]
    """MR values that became 0 and 1."""


def scale_volumes(ct: Series, mr: Series, mr_from_ct: sitk.Transform, window: Window) -> ScaledPair:
    """Cut out the head, bring the MR onto the CT's grid, scale both.

    Raises `InputError` where CT and MR have no region in common.
    """
    levels = head_range(mr.image, mr.modality)
    box = _common_box(ct, mr.image, mr_from_ct)
    columns, rows, slices = box[::-1]
    grid = ct.image[columns, rows, slices]
    return ScaledPair(box, *_scaled_on(grid, mr.image, mr_from_ct, window, levels), levels)


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
    scaled_ct, scaled_mr, in_fov = _scaled_on(grid, mr, mr_from_ct, window, mr_range)
    return scaled_ct[0], scaled_mr[0], in_fov[0]


def _scaled_on(
    grid: sitk.Image,
    mr: sitk.Image,
    mr_from_ct: sitk.Transform,
    window: Window,
    mr_range: tuple[float, float],
) -> tuple[Float32Array, Float32Array, NDArray[np.bool_]]:
    """A part of the CT, the MR on its grid, both in [0, 1], and the MR field of view mask."""
    low, high = mr_range
    resampled = sitk.Resample(mr, grid, mr_from_ct, sitk.sitkLinear, low, sitk.sitkFloat32)
    in_fov = sitk.GetArrayFromImage(_fov_mask(mr, grid, mr_from_ct)) > 0
    values = sitk.GetArrayFromImage(resampled)
    values -= np.float32(low)
    values /= np.float32(high - low)
    np.clip(values, 0, 1, out=values)
    values[~in_fov] = 0
    return window.scale(sitk.GetArrayViewFromImage(grid)), values, in_fov


def _fov_mask(mr: sitk.Image, grid: sitk.Image, mr_from_ct: sitk.Transform) -> sitk.Image:
    everywhere = sitk.Image(mr.GetSize(), sitk.sitkUInt8) + 1
    everywhere.CopyInformation(mr)
    return sitk.Resample(everywhere, grid, mr_from_ct, sitk.sitkNearestNeighbor, 0)


def _common_box(ct: Series, mr: sitk.Image, mr_from_ct: sitk.Transform) -> Box:
    """Bounding box of the CT's head inside the MR field of view, with a margin."""
    head = head_mask(ct.image, ct.modality)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(head & _fov_mask(mr, head, mr_from_ct))
    if not shape.HasLabel(1):
        raise InputError(
            "CT and MR have no part of the head in common; check that both show the same region "
            "and that the transform is right"
        )
    start, size = np.split(np.array(shape.GetBoundingBox(1)), 2)
    margin = MARGIN_MM / np.array(ct.image.GetSpacing())
    first, last = (
        ct.image.TransformPhysicalPointToContinuousIndex(
            head.TransformContinuousIndexToPhysicalPoint((corner - 0.5).tolist())
        )
        for corner in (start, start + size)
    )
    low = np.maximum(np.floor(np.array(first) - margin), 0).astype(int)
    high = np.minimum(np.ceil(np.array(last) + margin) + 1, ct.image.GetSize()).astype(int)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def fuse_scaled(
    scaled: ScaledPair, method: Method, report: Callable[[int, int], None], at_once: int = 8
) -> Float32Array:
    """Fuse slice by slice inside the box; outside the MR field of view, the CT alone."""
    fused = np.empty_like(scaled.ct)
    count = len(fused)
    for start in range(0, count, at_once):
        part = slice(start, start + at_once)
        fused[part] = method(scaled.ct[part], scaled.mr[part])
        report(min(start + at_once, count), count)
    np.copyto(fused, scaled.ct, where=~scaled.fov_mask)
    return fused


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
    """Fuse one slice of a CT, a volume of depth 1, as `fuse_scaled` and `compose` do.

    `rows` and `columns` are those of the box of the fused volume.
    """
    part = plane[columns, rows, :]
    scaled = ScaledPair(
        (slice(0, 1), rows, columns), *_scaled_on(part, mr, mr_from_ct, window, mr_range), mr_range
    )
    return compose(plane, scaled, fuse_scaled(scaled, method, lambda _done, _count: None), window)


def compose(ct: sitk.Image, scaled: ScaledPair, fused: Float32Array, window: Window) -> sitk.Image:
    """Stored values, 0 to `FULL_SCALE` (uint16), on the whole CT grid; outside the box the CT."""
    hu = sitk.GetArrayViewFromImage(ct)
    stored = np.empty(hu.shape, np.uint16)
    for index, plane in enumerate(hu):
        stored[index] = np.rint(window.scale(plane) * FULL_SCALE)
    stored[scaled.box] = np.rint(fused * FULL_SCALE)
    return _on_grid(stored, ct)


def fov_mask_image(ct: sitk.Image, scaled: ScaledPair) -> sitk.Image:
    """1 inside the field of view of both scanners, on the CT's grid (uint8)."""
    mask = np.zeros(ct.GetSize()[::-1], np.uint8)
    mask[scaled.box] = scaled.fov_mask
    return _on_grid(mask, ct)


def _on_grid(values: NDArray[np.generic], grid: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(grid)
    return image
