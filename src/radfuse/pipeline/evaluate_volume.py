"""Evaluate a fused volume slice by slice, with its sources scaled as in the fusion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array
from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.errors import GeometryError, InputError
from radfuse.intensity import BONE_HU, WINDOWS, Window, grey_levels, window_named
from radfuse.io.volumes import volume_suffix
from radfuse.metrics.image_levels import WHITE
from radfuse.metrics.measure import CaseFacts, Values, VolumeValues, measure, measure_volume
from radfuse.modality import CT, MR
from radfuse.pipeline.outputs import TRANSFORM
from radfuse.pipeline.read import check_pair, read
from radfuse.pipeline.result import Result
from radfuse.pipeline.volume import ScaledPair, scale_volumes
from radfuse.record import Record, read_record
from radfuse.registration.transforms import read_transform
from radfuse.series import Series

MAX_WHITE_RATIO = 256
"""Largest ratio of white to the brightest voxel; a darker volume would count as black."""

SAME_POSITION_MM = 1e-3
"""Tolerance for corners of one grid: the rounding of headers."""


@dataclass(frozen=True)
class VolumeOptions:
    """How a fused volume was made; values of None come from the record of the fusion.

    Examples
    --------
    >>> import radfuse
    >>> radfuse.VolumeOptions(window="fusion", white=4095, every=10).every
    10
    """

    window: str | tuple[float, float] | None = None
    """CT window of the fusion: a preset, or width and level in HU."""

    transform: Path | None = None
    """Maps CT points to MR points."""

    white: float | None = None
    """The stored value of white in the fused volume."""

    every: int = 1
    """Measure every n-th slice."""

    accept_patients: bool = False
    """Measure CT and MR whose headers name different patients, as a fusion that accepted them."""


@dataclass(frozen=True)
class VolumeScaling:
    """Window, alignment and white of a fused volume."""

    window: Window
    mr_from_ct: sitk.Transform
    white: float


def evaluate_volume(
    fused: Path,
    ct: Path,
    mr: Path,
    options: VolumeOptions,
    profile: str,
    metrics: Sequence[str],
    report: Callable[[str, float | None], None],
) -> VolumeValues:
    """Measure a fused volume on the CT's grid, inside the MR field of view, by slices of the CT.

    CT and MR are scaled as in the fusion. Raises `InputError` where the scaling is unknown,
    `GeometryError` where the grids differ.
    """
    report("reading", None)
    fused_series, ct_series, mr_series = read(fused, MR), read(ct, CT), read(mr, MR)
    record, transform = _companions(fused)
    accepted = options.accept_patients or bool(record and record.recipe.accept_patients)
    options = replace(options, transform=options.transform or transform, accept_patients=accepted)
    check_pair(ct_series, mr_series, accept_patients=accepted)
    _check_grid(fused_series, ct_series)
    if set(fused_series.files) & {*ct_series.files, *mr_series.files}:
        raise InputError(f"{fused}: a source, not the fused volume; give the folder of that series")
    scaling = _scaling(fused, ct_series, mr_series, options, record)
    report("resampling", None)
    scaled = scale_volumes(ct_series, mr_series, scaling.mr_from_ct, scaling.window)
    stored = sitk.GetArrayViewFromImage(fused_series.image)[scaled.box]
    low, high = float(stored.min()), float(stored.max())
    if not (low >= 0 and high <= scaling.white <= high * MAX_WHITE_RATIO):
        raise InputError(
            f"{fused}: its values are {low:g} to {high:g}, which does not fit white = "
            f"{scaling.white:g}; pass --white"
        )
    report("measuring", None)
    return _measured(stored / np.float32(scaling.white), scaled, scaling.window, options.every,
                     profile, metrics)  # fmt: skip


def evaluate_result(
    result: Result, every: int, profile: str, metrics: Sequence[str]
) -> VolumeValues | Values:
    """Measure the result of a fusion in memory: of volumes as `evaluate_volume`, or one image."""
    if result.alignment is None:
        levels = [grey_levels(one) for one in (result.fused, result.ct.array, result.mr.array)]
        return measure(profile, *(np.asarray(one, np.uint8) for one in levels), metrics=metrics)
    window = window_named(result.record.recipe.window)
    scaled = scale_volumes(result.ct, result.mr, result.alignment.mr_from_ct, window)
    return _measured(result.fused[scaled.box], scaled, window, every, profile, metrics)


def _measured(
    fused: Float32Array,
    scaled: ScaledPair,
    window: Window,
    every: int,
    profile: str,
    metrics: Sequence[str],
) -> VolumeValues:
    """Values of a fused volume in [0, 1] in the box of its sources; slices are those of the CT."""
    levels = [np.asarray(grey_levels(one), np.uint8) for one in (fused, scaled.ct, scaled.mr)]
    values = measure_volume(
        profile,
        *levels,
        fov_mask=scaled.fov_mask,
        every=every,
        facts=CaseFacts(bone_level=window.threshold(BONE_HU) * WHITE),
        metrics=metrics,
    )
    first = scaled.box[0].start
    return replace(values, slices={first + index: row for index, row in values.slices.items()})


def _check_grid(fused: Series, ct: Series) -> None:
    if not _same_grid(fused.image, ct.image):
        sizes = ["x".join(map(str, series.image.GetSize())) for series in (fused, ct)]
        raise GeometryError(
            f"{fused.source}: its grid of {sizes[0]} voxels is not the CT's, of {sizes[1]}, at the "
            "same position; resample the fused volume to the CT's grid"
        )


def _same_grid(first: sitk.Image, second: sitk.Image) -> bool:
    if first.GetDimension() != second.GetDimension() or first.GetSize() != second.GetSize():
        return False
    far = [length - 1 for length in first.GetSize()]
    corners = [np.diag(far)[axis].tolist() for axis in range(len(far))] + [[0] * len(far), far]
    offsets = [
        np.subtract(*(image.TransformIndexToPhysicalPoint(corner) for image in (first, second)))
        for corner in corners
    ]
    return bool(np.abs(offsets).max() < SAME_POSITION_MM)


def _scaling(
    fused: Path, ct: Series, mr: Series, options: VolumeOptions, record: Record | None
) -> VolumeScaling:
    """From the options, else from the record of the fused volume."""
    window = options.window or (record.recipe.window if record else None)
    if window is None:
        raise InputError(f"{fused}: no record next to it; pass the CT window, --window-preset or "
                         f"--window; there are {', '.join(WINDOWS)}")  # fmt: skip
    white = options.white or (float(FULL_SCALE) if record else None)
    if white is None:
        raise InputError(f"{fused}: no record next to it; pass --white, its stored value of white")
    return VolumeScaling(window_named(window), _transform(fused, ct, mr, options), white)


def _transform(fused: Path, ct: Series, mr: Series, options: VolumeOptions) -> sitk.Transform:
    if options.transform is not None:
        return read_transform(
            options.transform, ct=ct, mr=mr, accept_patients=options.accept_patients
        )
    if _same_grid(ct.image, mr.image):
        return sitk.Euler3DTransform()
    raise InputError(
        f"{fused}: no transform next to it, and the MR is not on the CT's grid; pass --transform"
    )


def _companions(fused: Path) -> tuple[Record | None, Path | None]:
    """Record and transform that `radfuse fuse` wrote with a fused volume, if they exist."""
    if fused.is_dir():
        pairs = [(folder / "record.json", folder / TRANSFORM) for folder in (fused, fused.parent)]
    else:
        stem = fused.name.removesuffix(volume_suffix(fused) or "")
        pairs = [(fused.with_name(f"{stem}.json"), fused.with_name(f"{stem}_{TRANSFORM}"))]
    for record, transform in pairs:
        if record.is_file() and transform.is_file():
            return read_record(record), transform
    return None, None
