"""Check that the values of a CT are HU, by what every head shows.

Air is near -1000 HU; most of the body is soft tissue, around `BRAIN_HU`; bone is above 300, some of
it below 900. In real heads, their halves, thirds and inner parts 31 to 83 % of the body is soft
tissue and at most 49 % bone, of which 20 % or more is below 900, and 2 % of the image is air.
"""

from dataclasses import replace

import numpy as np
import scipy  # its parts are imported when they are used
import SimpleITK as sitk

from radfuse.arrays import Float32Array, copied, writable_voxels
from radfuse.errors import InputError
from radfuse.intensity import BONE_HU
from radfuse.modality import AIR_HU, BODY_HU, MIN_CT_HU
from radfuse.series import Series

AIR_RANGE_HU = (-1100.0, -900.0)
"""Air, with noise."""

SOFT_RANGE_HU = (-20.0, 100.0)
"""Water, brain, muscle and blood, with noise."""

SPONGY_BONE_HU = 900.0
"""Upper limit of less dense bone, and of bone that shares a voxel with fat or brain."""

BRAIN_HU = 36.0
"""Median of soft tissue in heads; of the values and their maps to HU the nearest to it is taken."""

MEDIAN_RANGE_HU = (15.0, 70.0)
"""Accepted medians of soft tissue; 28 to 45 in heads."""

MIN_AIR = 0.01
"""Accepted part of the image that is air."""

MIN_BODY = 0.005
"""Accepted part of the image that is body."""

MIN_SOFT, MAX_BONE = 0.3, 0.5
"""Accepted parts of the body that are soft tissue and bone."""

MIN_SPONGY = 0.15
"""Accepted part of the bone that is less dense. It is 9 % where soft tissue is taken for bone."""

MIN_NOISE_HU = 2.0
"""Accepted standard deviation of soft tissue, 13 to 26 in heads; it is below 1 in other units."""

MIN_BONE = 0.02
"""Part of the body that is bone where it is not a brain without its skull, or an MR of 8 bits."""

MAX_SAMPLES = 1 << 17
"""Voxels that are examined."""

MIN_VOXELS = 10_000
"""Smaller images show too little; a head at 6 mm has 30,000."""

MIN_PADDING = 0.005
"""Part of a slice from which a constant region at its corners is padding."""

MAPS = (
    (1.0, -1024.0), (1.0, -1000.0), (1.0, -8192.0), (1.0, -32768.0),  # no intercept subtracted
    (1.0, 1024.0), (1.0, 1000.0),  # the intercept subtracted twice
    (1000.0, 0.0), (1000.0, -1000.0), (10.0, 0.0), (0.1, 0.0),  # other units
    (1 / 16, 0.0), (1 / 16, -1024.0), (1 / 16, -960.0),  # 12 bits left-justified in 16
)  # fmt: skip
"""Scales and offsets that correct known errors."""


def in_hounsfield_units(ct: Series, scale: float | None, offset: float | None) -> Series:
    """The CT volume in HU, with padding of other values replaced by air, and notes on both.

    `scale` and `offset` are the user's, and are not doubted. Raises `InputError` for values that
    are not HU, with the scale and offset that make them HU.
    """
    image, notes = ct.image, []
    if is_given := (scale, offset) != (None, None):
        scale, offset = 1.0 if scale is None else scale, offset or 0.0
        image = sitk.ShiftScale(
            image, shift=offset / scale, scale=scale, outputPixelType=sitk.sitkFloat32
        )
        notes.append(f"CT values were scaled by {scale:g}, and {offset:g} was added")
    filled, padded = _without_padding(image)
    if padded:
        notes.append(
            f"{padded:.1%} of the CT's voxels are padding: constant regions above {MIN_CT_HU:g} HU "
            f"at corners of slices; read as air, {AIR_HU:g} HU"
        )
    if not is_given and (problem := _problem(replace(ct, image=image), filled)):
        notes.append(problem)
    return replace(ct, image=filled, notes=(*ct.notes, *notes))


def is_ct(image: sitk.Image) -> bool:
    """Whether a volume is a CT of a head in HU."""
    values: Float32Array = sitk.GetArrayViewFromImage(image)
    return values.size >= MIN_VOXELS and _shows_head(_sampled(values))


def _shows_head(values: Float32Array) -> bool:
    """Whether values have the air, soft tissue and bone of a head in HU."""
    low, high = AIR_RANGE_HU
    body = values[values > BODY_HU]
    low_soft, high_soft = SOFT_RANGE_HU
    soft = body[(body >= low_soft) & (body <= high_soft)]
    if body.size < MIN_BODY * values.size or soft.size < MIN_SOFT * body.size:
        return False
    bone = body[body > BONE_HU]
    low_median, high_median = MEDIAN_RANGE_HU
    return bool(
        ((values >= low) & (values <= high)).mean() >= MIN_AIR
        and low_median <= np.median(soft) <= high_median
        and soft.std() >= MIN_NOISE_HU
        and bone.size <= MAX_BONE * body.size
        and np.count_nonzero(bone < SPONGY_BONE_HU) >= MIN_SPONGY * bone.size
    )


def _sampled(values: Float32Array) -> Float32Array:
    return values.reshape(-1)[:: values.size // MAX_SAMPLES | 1]


def _problem(ct: Series, filled: sitk.Image) -> str:
    """A note on values that show no head in HU; `InputError` for those that are not HU.

    `filled` is the image without padding.
    """
    values: Float32Array = sitk.GetArrayViewFromImage(ct.image)
    unit = ct.modality.minimum_problem(float(values.min()))
    if values.size >= MIN_VOXELS:
        samples = _sampled(sitk.GetArrayViewFromImage(filled))
        is_head = _shows_head(samples) and (not unit or ct.headers or _has_bone(samples))
        limit_hu = _distance_hu(samples) if is_head else np.inf
        distance_hu, scale, offset = _nearest_map(_sampled(values))
        if distance_hu < limit_hu:
            raise InputError(
                f"{ct.source}: the values are not HU: {scale:g} times the value {offset:+g} would "
                f"show a head; pass --ct-scale {scale:g} --ct-offset {offset:g} (or --ct-offset 0 "
                "for values in HU), and check that --ct and --mr are not swapped"
            )
        if is_head:
            return ""
    if unit:
        raise InputError(
            f"{ct.source}: {unit}; check that --ct and --mr are not swapped, or pass --ct-scale "
            "and --ct-offset"
        )
    if values.size < MIN_VOXELS:
        return ""
    return "the CT does not show air, soft tissue and bone as a head does in HU; check its values"


def _nearest_map(values: Float32Array) -> tuple[float, float, float]:
    """Distance in HU, scale and offset of the nearest of `MAPS`; infinite where none shows a head.

    Stored values with padding of -1000 can show a head as well: their air is 24, like soft tissue.
    """
    found = [(np.inf, 1.0, 0.0)]
    for scale, offset in MAPS:
        mapped = np.asarray(values * np.float32(scale) + np.float32(offset))
        if _shows_head(mapped):
            found.append((_distance_hu(mapped), scale, offset))
    return min(found, key=lambda one: one[0])


def _distance_hu(values: Float32Array) -> float:
    """How far the median of soft tissue is from that of heads."""
    low, high = SOFT_RANGE_HU
    return abs(float(np.median(values[(values >= low) & (values <= high)])) - BRAIN_HU)


def _has_bone(values: Float32Array) -> bool:
    body = np.count_nonzero(values > BODY_HU)
    return bool(np.count_nonzero(values > BONE_HU) >= MIN_BONE * body)


def _without_padding(image: sitk.Image) -> tuple[sitk.Image, float]:
    """The image with padding replaced by air, and the part of the voxels that was replaced.

    Padding is a region of one value above `MIN_CT_HU` that contains a corner of a slice.
    """
    corners = sitk.GetArrayViewFromImage(image)[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    if image.GetNumberOfPixels() < MIN_VOXELS or (corners <= MIN_CT_HU).all():
        return image, 0.0
    filled = copied(image)
    values = writable_voxels(filled)
    count = sum(_fill_corners(plane) for plane in values)
    return filled, count / values.size


def _fill_corners(plane: Float32Array) -> int:
    """Replace the padding of a slice by air, in the given array; return its number of pixels."""
    count = 0
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        if (value := plane[row, column]) > MIN_CT_HU:
            regions = scipy.ndimage.label(plane == value)[0]
            region = regions == regions[row, column]
            if (size := int(np.count_nonzero(region))) >= MIN_PADDING * plane.size:
                plane[region] = AIR_HU
                count += size
    return count
