"""Work items of measuring: one method's fused images of one case by one profile; their files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from radfuse.arrays import BoolArray, UInt8Array
from radfuse.benchmark.case import Sources
from radfuse.benchmark.functional.fuse import read_fused_in_colour, write_fused_in_colour
from radfuse.benchmark.functional.measure import measure_functional
from radfuse.errors import InputError
from radfuse.intensity import BONE_HU, grey_levels
from radfuse.io.images import read_grey, write_image
from radfuse.io.staging import staging
from radfuse.metrics.image_levels import WHITE, MeasuredImage
from radfuse.metrics.measure import CaseFacts, Values, VolumeValues, measure, measure_volume

VOLUME_SUFFIX = ".npy"
"""Suffix of a fused volume: uint8, (slices, rows, columns)."""


@dataclass(frozen=True)
class GreySources:
    """The source images of a case in 8 bits, (N, H, W), for the metrics."""

    ct: UInt8Array
    mr: UInt8Array
    fov_mask: BoolArray
    facts: CaseFacts
    is_volume: bool
    functional: UInt8Array | None = None
    """A PET or SPECT image in colour, (H, W, 3)."""

    colour_map: str = ""


def write_sources(path: Path, sources: Sources) -> None:
    """Write source images in 8 bits; raises `OutputError` where that fails."""
    masks = {"seen": sources.fov_mask, "lesion": sources.lesion, "ring": sources.ring}
    stored: dict[str, Any] = {name: mask for name, mask in masks.items() if mask is not None}
    if sources.functional:
        stored["functional"] = grey_levels(sources.functional.rgb)
        stored["colour_map"] = sources.functional.colour_map
    with staging(path.parent) as stage:
        np.savez_compressed(
            stage.path_of(path),
            ct=grey_levels(sources.ct),
            mr=grey_levels(sources.mr),
            bone_level=sources.window.threshold(BONE_HU) * WHITE if sources.window else np.nan,
            is_volume=sources.is_volume,
            **stored,
        )


def read_sources(path: Path) -> GreySources:
    """Source images that `write_sources` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        level = float(arrays["bone_level"])
        facts = CaseFacts(
            bone_level=None if np.isnan(level) else level,
            lesion=arrays.get("lesion"),
            ring=arrays.get("ring"),
        )
        ct, mr = arrays["ct"], arrays["mr"]
        fov_mask = arrays["seen"] if "seen" in arrays else np.ones(ct.shape, np.bool_)
        is_volume, functional = bool(arrays["is_volume"]), arrays.get("functional")
        colour_map = str(arrays["colour_map"]) if functional is not None else ""
        return GreySources(ct, mr, fov_mask, facts, is_volume, functional, colour_map)


def fused_path(folder: Path, case: str) -> Path | None:
    """The file with the fused images of a case in a folder; None where there is none."""
    candidates = (folder / f"{case}{suffix}" for suffix in (".png", VOLUME_SUFFIX))
    return next((path for path in candidates if path.is_file()), None)


def write_fused(folder: Path, case: str, fused: UInt8Array) -> None:
    """Write the fused images of a case: one image as PNG, a volume as an array.

    Of a functional pair two PNG. Raises `OutputError` where that fails.
    """
    if fused.ndim == 4:
        write_fused_in_colour(folder, case, fused)
        return
    with staging(folder) as stage:
        if len(fused) == 1:
            write_image(stage.folder / f"{case}.png", fused[0] / np.float32(WHITE))
        else:
            np.save(stage.folder / f"{case}{VOLUME_SUFFIX}", fused)


def read_fused(path: Path) -> UInt8Array:
    """Fused images (N, H, W) in 8 bits; raises `InputError` for any other content."""
    if path.suffix != VOLUME_SUFFIX:
        return read_grey(path)[None]
    try:
        volume = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not an array that numpy.save wrote; write it again") from error
    if not isinstance(volume, np.ndarray):
        raise InputError(f"{path}: several arrays; numpy.save the fused images alone")
    return volume


@dataclass(frozen=True)
class WorkItem:
    """What to measure; plain data for another process."""

    profile: str
    method: str
    case: str
    patient: str
    fused: Path
    sources: Path
    slice_step: int

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of its rows in the table of values."""
        return self.profile, self.method, self.case


def measure_item(item: WorkItem) -> list[tuple[Any, ...]]:
    """Rows of a work item, in the columns of `results.ROW_COLUMNS`."""
    sources, ct, mr = _measured_sources(item.sources, item.sources.stat().st_mtime_ns)
    if sources.functional is not None:
        fused = read_fused_in_colour(item.fused)[0]
        of_pair = (sources.functional, sources.mr[0], sources.colour_map)
        by_slice = {0: measure_functional(item.profile, fused, *of_pair)}
        return _rows(item, by_slice)
    if sources.is_volume:
        fused = read_fused(item.fused)
        values = measure_volume(
            item.profile, fused, sources.ct, sources.mr,
            fov_mask=sources.fov_mask, facts=sources.facts, every=item.slice_step,
        )  # fmt: skip
        first = {**_values_without_slices(values), **values.slices.get(0, {})}
        by_slice = {**values.slices, 0: first}
    else:
        image = _measured_fused(item.fused, item.fused.stat().st_mtime_ns)
        by_slice = {0: measure(item.profile, image, ct, mr)}
    return _rows(item, by_slice)


@lru_cache(maxsize=1)
def _measured_sources(path: Path, _: int) -> tuple[GreySources, MeasuredImage, MeasuredImage]:
    """Sources of a case, for all its fused images, and the first CT and MR as metrics share them.

    The second argument is when the file was written.
    """
    sources = read_sources(path)
    return sources, MeasuredImage(sources.ct[0]), MeasuredImage(sources.mr[0])


@lru_cache(maxsize=1)
def _measured_fused(path: Path, _: int) -> MeasuredImage:
    """A fused image for all profiles; the second argument is when the file was written."""
    return MeasuredImage(read_fused(path)[0])


def forget_images() -> None:
    """Free what is kept for the next work item in this process."""
    _measured_sources.cache_clear()
    _measured_fused.cache_clear()


def _rows(item: WorkItem, by_slice: Mapping[int, Values]) -> list[tuple[Any, ...]]:
    return [
        (*item.key, item.patient, index, metric, value)
        for index, values_of_slice in by_slice.items()
        for metric, value in values_of_slice.items()
    ]


def _values_without_slices(values: VolumeValues) -> Values:
    """Values of the whole volume by metrics that have none per slice.

    The value of a case is the mean of its rows. For other metrics the value of the whole volume
    would count as that of one more slice.
    """
    of_slices = {name for values_of_slice in values.slices.values() for name in values_of_slice}
    return {name: value for name, value in values.whole.items() if name not in of_slices}
