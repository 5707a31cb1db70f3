"""Measure a fused volume: find out how its sources were scaled, then slice by slice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.errors import GeometryError, InputError
from radfuse.intensity import BONE_HU, WINDOWS, Window, grey_levels, window_named
from radfuse.io.volumes import volume_suffix
from radfuse.metrics.image_levels import WHITE
from radfuse.metrics.measure import CaseFacts, VolumeValues, measure_volume
from radfuse.modality import CT, MR
from radfuse.pipeline.outputs import TRANSFORM
from radfuse.pipeline.read import check_pair, read
from radfuse.pipeline.volume import scale_volumes
from radfuse.record import Record, read_record
from radfuse.registration.transforms import read_transform
from radfuse.series import Series

LEVELS = 256
"""A volume whose brightest voxel is below white by this factor would be measured as black."""

SAME_PLACE_MM = 1e-3
"""Corners of one grid lie on each other within this; the rounding of headers."""


@dataclass(frozen=True)
class VolumeChoices:
    """What must be known to measure a fused volume; a record beside it says what is None."""

    window: str | tuple[float, float] | None = None
    """CT window of the fusion: a preset, or width and level in HU."""

    transform: Path | None = None
    """Maps CT points to MR points."""

    white: float | None = None
    """The stored value of white in the fused volume."""

    every: int = 1
    """Measure each n-th slice."""


@dataclass(frozen=True)
class Making:
    """How a fused volume was made."""

    window: Window
    mr_from_ct: sitk.Transform
    white: float


def evaluate_volume(
    fused: Path,
    ct: Path,
    mr: Path,
    choices: VolumeChoices,
    profile: str,
    metrics: Sequence[str],
    report: Callable[[str, float | None], None],
) -> VolumeValues:
    """Measure a fused volume that lies on the CT's grid, whose slices it counts, where both looked.

    CT and MR are scaled as the fusion scaled them. Raises `InputError` where that is not known,
    `GeometryError` where the grids differ.
    """
    report("reading", None)
    of_fused, of_ct, of_mr = read(fused, MR), read(ct, CT), read(mr, MR)
    check_pair(of_ct, of_mr, accept_patients=True)
    _check_grid(of_fused, of_ct)
    making = _making(fused, of_ct, of_mr, choices)
    report("resampling", None)
    scaled = scale_volumes(of_ct, of_mr, making.mr_from_ct, making.window)
    stored = sitk.GetArrayViewFromImage(of_fused.image)[scaled.box]
    low, high = float(stored.min()), float(stored.max())
    if not (low >= 0 and high <= making.white <= high * LEVELS):
        raise InputError(
            f"{fused}: values from {low:g} to {high:g}, but white is {making.white:g}; pass --white"
        )
    report("measuring", None)
    levels = [
        np.asarray(grey_levels(values), np.uint8)
        for values in (stored / np.float32(making.white), scaled.ct, scaled.mr)
    ]
    found = measure_volume(
        profile,
        *levels,
        fov_mask=scaled.field_of_view,
        every=choices.every,
        facts=CaseFacts(bone_level=making.window.threshold(BONE_HU) * WHITE),
        metrics=metrics,
    )
    first = scaled.box[0].start
    return replace(found, slices={first + index: row for index, row in found.slices.items()})


def _check_grid(fused: Series, ct: Series) -> None:
    if not _same_grid(fused.image, ct.image):
        sizes = ["x".join(map(str, series.image.GetSize())) for series in (fused, ct)]
        raise GeometryError(
            f"{fused.source}: a grid of {sizes[0]} voxels, the CT's is {sizes[1]} or lies "
            "elsewhere; measure the fused volume on the CT's own grid"
        )


def _same_grid(first: sitk.Image, second: sitk.Image) -> bool:
    if first.GetDimension() != second.GetDimension() or first.GetSize() != second.GetSize():
        return False
    far = [length - 1 for length in first.GetSize()]
    corners = [np.diag(far)[axis].tolist() for axis in range(len(far))] + [[0] * len(far), far]
    apart = [
        np.subtract(*(image.TransformIndexToPhysicalPoint(corner) for image in (first, second)))
        for corner in corners
    ]
    return bool(np.abs(apart).max() < SAME_PLACE_MM)


def _making(fused: Path, ct: Series, mr: Series, choices: VolumeChoices) -> Making:
    """What the choices say, else the record beside the fused volume, else what is plain to see."""
    record, transform = _beside(fused)
    window = choices.window or (record.recipe.window if record else None)
    if window is None:
        raise InputError(f"{fused}: no record beside it; pass the CT window, --window-preset or "
                         f"--window; there are {', '.join(WINDOWS)}")  # fmt: skip
    white = choices.white or (float(FULL_SCALE) if record else None)
    if white is None:
        raise InputError(f"{fused}: no record beside it; pass --white, its stored value of white")
    return Making(
        window_named(window), _transform(fused, ct, mr, choices.transform or transform), white
    )


def _transform(fused: Path, ct: Series, mr: Series, path: Path | None) -> sitk.Transform:
    if path is not None:
        return read_transform(path)
    if _same_grid(ct.image, mr.image):
        return sitk.Euler3DTransform()
    raise InputError(
        f"{fused}: no transform beside it, and the MR is not on the CT's grid; pass --transform"
    )


def _beside(fused: Path) -> tuple[Record | None, Path | None]:
    """Record and transform that `radfuse fuse` left with a fused volume, where they are."""
    if fused.is_dir():
        places = [(folder / "record.json", folder / TRANSFORM) for folder in (fused, fused.parent)]
    else:
        stem = fused.name.removesuffix(volume_suffix(fused) or "")
        places = [(fused.with_name(f"{stem}.json"), fused.with_name(f"{stem}_{TRANSFORM}"))]
    for record, transform in places:
        if record.is_file() and transform.is_file():
            return read_record(record), transform
    return None, None
