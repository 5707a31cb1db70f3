"""Measure fused images by a profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radfuse.arrays import BoolArray, Float64Array, UInt8Array
from radfuse.errors import InputError
from radfuse.metrics.catalogue import METRICS, load_metric
from radfuse.metrics.image_levels import floats
from radfuse.metrics.profiles import Column, columns_of

Values = dict[str, float]
"""Value by the column's name in its profile."""


@dataclass(frozen=True)
class Known:
    """What some metrics can use beside the images; None where it is not known."""

    bone_level: float | None = None
    """UInt8Array level from which on the CT shows bone."""

    lesion: BoolArray | None = None
    """Where a lesion is, in the shape of the images."""

    ring: BoolArray | None = None
    """What the lesion must stand out from."""


NOTHING = Known()
"""Of most pictures."""


@dataclass(frozen=True)
class VolumeValues:
    """A fused volume by a profile."""

    slices: Mapping[int, Values]
    """Metrics of pictures, by the index of the slice."""

    whole: Values
    """Metrics that are defined in 3-D, of the whole volume."""


def measure(
    profile: str,
    fused: UInt8Array,
    ct: UInt8Array,
    mr: UInt8Array,
    *,
    known: Known = NOTHING,
    metrics: Sequence[str] = (),
) -> Values:
    """Metrics of a profile for one 8-bit image (H, W) and its sources.

    `metrics` chooses some of the profile's columns. Raises `InputError` for an unknown profile or
    column, other types, sizes that differ or are too small for the profile.
    """
    columns = _of_slices(columns_of(profile, metrics))
    _check(profile, columns, (fused, ct, mr), dimensions=2)
    found = _values(columns, [floats(image) for image in (fused, ct, mr)], known)
    _check_found(metrics, found)
    return found


def measure_volume(
    profile: str,
    fused: UInt8Array,
    ct: UInt8Array,
    mr: UInt8Array,
    *,
    seen: BoolArray | None = None,
    every: int = 1,
    known: Known = NOTHING,
    metrics: Sequence[str] = (),
) -> VolumeValues:
    """Metrics of a profile for an 8-bit volume (D, H, W): slice by slice, and whole.

    Where `seen` is False all three images are taken as black, and slices wholly unseen are left
    out; `every` measures each n-th of the others. Raises as `measure`.
    """
    columns = columns_of(profile, metrics)
    _check(profile, columns, (fused, ct, mr), dimensions=3)
    seen = np.ones(ct.shape, np.bool_) if seen is None else seen
    images = [floats(image * seen) for image in (fused, ct, mr)]
    whole = {name: column for name, column in columns.items() if METRICS[column.metric].in_3d}
    found = VolumeValues(
        slices={
            int(index): _values(_of_slices(columns), [image[index] for image in images], known)
            for index in np.flatnonzero(seen.any(axis=(1, 2)))[::every]
        },
        whole=_values(whole, images, known),
    )
    _check_found(
        metrics, found.whole | {k: v for row in found.slices.values() for k, v in row.items()}
    )
    return found


def _of_slices(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if METRICS[column.metric].in_2d}


def _values(columns: Mapping[str, Column], images: Sequence[Float64Array], known: Known) -> Values:
    """Value of each column for fused image, CT, MR, but of those that need what is not known."""
    found = {}
    for name, column in columns.items():
        info = METRICS[column.metric]
        facts = {key: getattr(known, key) for key in info.takes}
        facts = {key: fact for key, fact in facts.items() if fact is not None}
        if not info.needs or info.needs in facts:
            found[name] = load_metric(column.metric)(*images, **column.options, **facts)
    return found


def _check_found(metrics: Sequence[str], found: Values) -> None:
    """Raise `InputError` for a metric that was asked for but has no value for such images."""
    if missing := [name for name in metrics if name not in found]:
        raise InputError(
            f"{', '.join(missing)}: compares slices or needs a lesion; these images have none"
        )


def _check(
    profile: str,
    columns: Mapping[str, Column],
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
    *,
    dimensions: int,
) -> None:
    """Raise `InputError` for what the profile cannot measure."""
    axes = "(H, W)" if dimensions == 2 else "(D, H, W)"
    if any(image.dtype != np.uint8 or image.ndim != dimensions for image in images):
        found = ", ".join(f"{image.dtype} {image.shape}" for image in images)
        raise InputError(f"metrics need three images of 8 bits, {axes}; these are {found}")
    least = max((METRICS[column.metric].smallest_side for column in columns.values()), default=1)
    if len({image.shape for image in images}) > 1 or min(images[0].shape[-2:]) < least:
        found = ", ".join(f"{image.shape}" for image in images)
        raise InputError(
            f"profile {profile} needs images of one size, {least} pixels a side or more; these are "
            f"{found}"
        )
