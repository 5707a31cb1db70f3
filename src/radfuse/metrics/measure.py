"""Measure fused images by a profile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radfuse.arrays import BoolArray, Float64Array, UInt8Array
from radfuse.errors import InputError
from radfuse.metrics.catalogue import METRICS, load_metric
from radfuse.metrics.image_levels import MeasuredImage, measured
from radfuse.metrics.profiles import Column, columns_of
from radfuse.parallel import in_order

Values = dict[str, float]
"""Value by the column's name in its profile."""


@dataclass(frozen=True)
class CaseFacts:
    """Facts about a case that some metrics use beside the images; None where unknown.

    Examples
    --------
    >>> import radfuse
    >>> radfuse.CaseFacts(bone_level=180.0).lesion is None
    True
    """

    bone_level: float | None = None
    """Grey level, 0 to 255, above which the CT shows bone."""

    lesion: BoolArray | None = None
    """Where a lesion is, in the shape of the images."""

    ring: BoolArray | None = None
    """The surroundings that the lesion is compared with."""


NO_FACTS = CaseFacts()
"""Nothing is known beside the images."""


@dataclass(frozen=True)
class VolumeValues:
    """A fused volume by a profile."""

    slices: Mapping[int, Values]
    """Metrics that are defined in 2-D, by the index of the slice."""

    whole: Values
    """Metrics that are defined in 3-D, of the whole volume."""


def measure(
    profile: str,
    fused: UInt8Array | MeasuredImage,
    ct: UInt8Array | MeasuredImage,
    mr: UInt8Array | MeasuredImage,
    *,
    facts: CaseFacts = NO_FACTS,
    metrics: Sequence[str] = (),
) -> Values:
    """Measure one 8-bit image and its sources by the metrics of a profile.

    Parameters
    ----------
    profile
        The conventions of the metrics, see docs/metrics.md.
    fused, ct, mr
        Grey levels 0 to 255, uint8, (rows, columns); as `MeasuredImage` where an image is measured
        more than once, as are the sources of several fused images.
    facts
        What is known beside the images; metrics that need more are left out.
    metrics
        Only these columns of the profile, or further metrics of docs/metrics.md.

    Returns
    -------
    Value by metric; ranges and units are in docs/metrics.md.

    Raises
    ------
    InputError
        For an unknown profile or metric, other types, sizes that differ or are too small.

    Examples
    --------
    >>> import numpy as np
    >>> import radfuse
    >>> ct, mr = np.random.default_rng(1).integers(0, 256, (2, 64, 64), np.uint8)
    >>> values = radfuse.measure("mfinet2024", np.maximum(ct, mr), ct, mr)
    >>> sorted(values)
    ['MI', 'Qabf', 'SF', 'VIF']
    """
    columns = _of_slices(columns_of(profile, metrics))
    images = [measured(image) for image in (fused, ct, mr)]
    _check(profile, columns, [image.array for image in images], dimensions=2)
    found = _values(columns, images, facts)
    _check_found(metrics, found)
    return found


def measure_volume(
    profile: str,
    fused: UInt8Array,
    ct: UInt8Array,
    mr: UInt8Array,
    *,
    fov_mask: BoolArray | None = None,
    every: int = 1,
    facts: CaseFacts = NO_FACTS,
    metrics: Sequence[str] = (),
) -> VolumeValues:
    """Metrics of a profile for an 8-bit volume (D, H, W): slice by slice, and whole.

    Where `fov_mask` is False, outside the MR field of view, all three images are taken as black;
    slices wholly outside are left out; `every` measures each n-th of the others. Raises as
    `measure`.
    """
    columns = columns_of(profile, metrics)
    _check(profile, columns, (fused, ct, mr), dimensions=3)
    fov_mask = np.ones(ct.shape, np.bool_) if fov_mask is None else fov_mask
    images = [image * fov_mask for image in (fused, ct, mr)]
    whole = {name: column for name, column in columns.items() if METRICS[column.metric].in_3d}

    def of_slice(index: int) -> Values:
        return _values(_of_slices(columns), [measured(image[index]) for image in images], facts)

    indices = np.flatnonzero(fov_mask.any(axis=(1, 2)))[::every].tolist()
    found = VolumeValues(
        slices=dict(zip(indices, in_order(of_slice, indices), strict=True)),
        whole=_values(whole, [measured(image) for image in images], facts),
    )
    _check_found(
        metrics, found.whole | {k: v for row in found.slices.values() for k, v in row.items()}
    )
    return found


def _of_slices(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if METRICS[column.metric].in_2d}


def _values(
    columns: Mapping[str, Column], images: Sequence[MeasuredImage], facts: CaseFacts
) -> Values:
    """Value of each column for fused image, CT, MR, without those that lack a needed fact."""
    found = {}
    for name, column in columns.items():
        info = METRICS[column.metric]
        taken = {key: getattr(facts, key) for key in info.takes}
        taken = {key: fact for key, fact in taken.items() if fact is not None}
        if not info.needs or info.needs in taken:
            found[name] = load_metric(column.metric)(*images, **column.options, **taken)
    return found


def _check_found(metrics: Sequence[str], found: Values) -> None:
    """Raise `InputError` for a requested metric that has no value for these images."""
    if missing := [name for name in metrics if name not in found]:
        raise InputError(
            f"{', '.join(missing)}: needs a volume or a lesion mask; these images have none"
        )


def _check(
    profile: str,
    columns: Mapping[str, Column],
    images: Sequence[UInt8Array | Float64Array],
    *,
    dimensions: int,
) -> None:
    """Raise `InputError` for images that the metrics cannot measure."""
    axes = "(H, W)" if dimensions == 2 else "(D, H, W)"
    if any(image.dtype != np.uint8 or image.ndim != dimensions for image in images):
        found = ", ".join(f"{image.dtype} {image.shape}" for image in images)
        raise InputError(f"metrics need three images of 8 bits, {axes}; these are {found}")
    least = max((METRICS[column.metric].min_side for column in columns.values()), default=1)
    if len({image.shape for image in images}) > 1 or min(images[0].shape[-2:]) < least:
        found = ", ".join(f"{image.shape}" for image in images)
        raise InputError(
            f"profile {profile} needs images of one size, {least} pixels a side or more; these are "
            f"{found}"
        )
