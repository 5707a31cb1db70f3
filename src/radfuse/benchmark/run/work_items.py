"""The unit of measuring: one method's fused images of one case, by one profile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radfuse.arrays import BoolArray, UInt8Array
from radfuse.benchmark.image_pairs import WHITE, Sources
from radfuse.errors import InputError, OutputError
from radfuse.intensity import BONE_HU, grey_levels
from radfuse.io.images import read_grey, write_picture
from radfuse.metrics.measure import CaseFacts, Values, VolumeValues, measure, measure_volume

STACK = ".npy"
"""Suffix of a fused volume: uint8, (slices, rows, columns)."""


@dataclass(frozen=True)
class Levels:
    """A case in 8 bits, as the metrics take it, (N, H, W)."""

    ct: UInt8Array
    mr: UInt8Array
    seen: BoolArray
    known: CaseFacts
    is_volume: bool


def write_levels(path: Path, sources: Sources) -> None:
    """Keep a case as it is measured; raises `OutputError` where it cannot be written."""
    masks = {name: getattr(sources, name) for name in ("seen", "lesion", "ring")}
    draft = path.with_name(".draft.npz")
    with _writing(path):
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(
            draft,
            ct=grey_levels(sources.ct),
            mr=grey_levels(sources.mr),
            bone_level=sources.window.threshold(BONE_HU) * WHITE if sources.window else np.nan,
            is_volume=sources.is_volume,
            **{name: mask for name, mask in masks.items() if mask is not None},
        )
        draft.replace(path)


def read_levels(path: Path) -> Levels:
    """A case as `write_levels` kept it."""
    with np.load(path, allow_pickle=False) as kept:
        level = float(kept["bone_level"])
        known = CaseFacts(
            bone_level=None if np.isnan(level) else level,
            lesion=kept.get("lesion"),
            ring=kept.get("ring"),
        )
        seen = kept["seen"] if "seen" in kept else np.ones(kept["ct"].shape, np.bool_)
        return Levels(kept["ct"], kept["mr"], seen, known, bool(kept["is_volume"]))


def fused_path(folder: Path, case: str) -> Path | None:
    """Where a folder has the fused images of a case; None where it has not."""
    found = (folder / f"{case}{suffix}" for suffix in (".png", STACK))
    return next((path for path in found if path.is_file()), None)


def write_fused(folder: Path, case: str, fused: UInt8Array) -> None:
    """Keep the fused images of a case: a picture as such, a volume as a stack.

    Raises `OutputError` where they cannot be written.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if len(fused) == 1:
            draft, final = folder / ".draft.png", folder / f"{case}.png"
            write_picture(draft, fused[0] / np.float32(WHITE))
        else:
            draft, final = folder / ".draft.npy", folder / f"{case}{STACK}"
            np.save(draft, fused)
        draft.replace(final)


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """A full disk is no fault of the method whose image did not fit."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{place}: cannot be written: {error.strerror or error}") from error


def read_fused(path: Path) -> UInt8Array:
    """Fused images (N, H, W) of 8 bits; raises `InputError` for another file of that name."""
    if path.suffix != STACK:
        return read_grey(path)[None]
    try:
        stack = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not an array that numpy.save wrote; write it again") from error
    if not isinstance(stack, np.ndarray):
        raise InputError(f"{path}: several arrays; numpy.save the fused images alone")
    return stack


@dataclass(frozen=True)
class Unit:
    """What to measure; plain data that another process can take."""

    profile: str
    method: str
    case: str
    patient: str
    fused: Path
    sources: Path
    every: int

    @property
    def key(self) -> tuple[str, str, str]:
        """Names the unit in the table of rows."""
        return self.profile, self.method, self.case


def measure_unit(unit: Unit) -> list[tuple[Any, ...]]:
    """Rows of a unit, in the columns of `results.ROW_COLUMNS`."""
    levels, fused = read_levels(unit.sources), read_fused(unit.fused)
    if levels.is_volume:
        found = measure_volume(
            unit.profile, fused, levels.ct, levels.mr,
            fov_mask=levels.seen, facts=levels.known, every=unit.every,
        )  # fmt: skip
        by_slice = {**found.slices, 0: {**_only_whole(found), **found.slices.get(0, {})}}
    else:
        by_slice = {0: measure(unit.profile, fused[0], levels.ct[0], levels.mr[0])}
    return [
        (*unit.key, unit.patient, index, metric, value)
        for index, values in by_slice.items()
        for metric, value in values.items()
    ]


def _only_whole(found: VolumeValues) -> Values:
    """Values that no slice has; of others the rows have one a slice, and their mean is the case's.

    The value of the whole volume among them would count as that of one more slice.
    """
    of_slices = {name for values in found.slices.values() for name in values}
    return {name: value for name, value in found.whole.items() if name not in of_slices}
