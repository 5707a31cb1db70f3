"""Does fusion help to find a tumour's border? Regions grown on phantoms, against the truth.

From the same clicks the same rule grows a region on the CT alone, on the MR alone and on every
method's fused image; how each agrees with the true tumour is measured.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.benchmark.results import (
    FAILURE_COLUMNS,
    ROW_COLUMNS,
    SPEED_COLUMNS,
    Contestant,
    Measure,
    Results,
)
from radfuse.data.phantom import Label, Tumour, make_phantom
from radfuse.errors import InputError
from radfuse.intensity import window_named
from radfuse.methods.catalogue import Method, entry_of, load_method
from radfuse.metrics.delineation import Agreement, compare_masks
from radfuse.pipeline.grow import REACH_MM, grow
from radfuse.pipeline.volume import bone_level, scale_volumes
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import library_versions, now, platform_name

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Report = Callable[[str, float | None], None]

PROFILE = "delineation"
"""Of the rows."""

TUMOURS: Mapping[str, Tumour] = {
    "typical": Tumour(is_solid=True),
    "small": Tumour(is_solid=True, radius_mm=7.0),
    "faint": Tumour(is_solid=True, contrast=0.4),
    "at-bone": Tumour(is_solid=True, is_at_bone=True),
}
"""What is drawn: solid, enhancing tumours in oedema, of 9 to 16 mm radius but for the small ones,
of full contrast but for the faint ones, in the brain but for those that lie flat at the skull."""

CT_ALONE, MR_ALONE = "CT alone", "MR alone"
"""Names of the sources among the contestants."""

CLICKS = 3
"""Of each tumour."""

JITTER_MM = 1.5
"""Standard deviation along each axis by which a click misses the tumour's centre."""

CLICK_STREAM = 11
"""Of the random numbers for clicks, so that they are not those of the phantom."""

SPACING_MM = 1.5
"""Pixel of the phantoms' CT."""

TOLERANCE_MM = 2.0
"""Of the surface Dice: about a voxel."""

SOURCE = "surfaces as radfuse.metrics.delineation defines them"
"""Of every metric."""

MEASURES = (
    Measure(PROFILE, "Dice", True, "", "overlap with the true tumour", SOURCE),
    Measure(PROFILE, "surface Dice", True, "",
            f"share of both surfaces within {TOLERANCE_MM:g} mm of the other", SOURCE),
    Measure(PROFILE, "HD95", False, "mm", "95 % Hausdorff distance", SOURCE),
    Measure(PROFILE, "MSD", False, "mm", "mean surface distance", SOURCE),
    Measure(PROFILE, "volume error", False, "%",
            "absolute difference of volumes over the true volume", SOURCE),
    Measure(PROFILE, "added path", False, "%",
            "contour to draw anew, over the true contour (Vaassen et al. 2020)", SOURCE),
)  # fmt: skip
"""Columns of the tables."""


@dataclass(frozen=True)
class Sources:
    """What is fused, and the truth: a part of the CT's grid, (D, H, W)."""

    hu: Floats
    ct: Floats
    """In its window, [0, 1]."""

    mr: Floats
    """In [0, 1], where the truth puts it: there is no error of registration."""

    seen: Mask
    """Where the MR looked."""

    truth: Mask
    spacing_mm: tuple[float, float, float]


def run_delineation(
    seeds: Sequence[int],
    methods: Sequence[str],
    *,
    report: Report,
    tumours: Sequence[str] = tuple(TUMOURS),
    spacing_mm: float = SPACING_MM,
    window: str = DEFAULT_WINDOW,
) -> Results:
    """Fuse, click, grow, compare: a line a method, tumour, click and metric.

    A seed is a patient with one tumour of each kind; rows have the click's number as slice. Raises
    `InputError` for unknown methods, kinds of tumours, windows, and a spacing that no phantom has.
    """
    if unknown := [kind for kind in tumours if kind not in TUMOURS]:
        raise InputError(f"no tumour '{unknown[0]}'; there are {', '.join(TUMOURS)}")
    level = bone_level(window_named(window))
    loaded = {name: load_method(name, precision="f32", bone_level=level) for name in methods}
    cases = [(seed, kind) for seed in seeds for kind in tumours]
    rows: list[tuple[Any, ...]] = []
    for index, (seed, kind) in enumerate(cases):
        report("growing regions", index / len(cases))
        sources = phantom_sources(seed, kind, spacing_mm=spacing_mm, window=window)
        rng = np.random.default_rng([seed, CLICK_STREAM])
        for name, click, found in regions(sources, loaded, rng):
            agreement = compare_masks(
                found, sources.truth, sources.spacing_mm, tolerance_mm=TOLERANCE_MM
            )
            case = (f"phantom-{seed} {kind}", f"phantom-{seed}", click)
            rows += [(PROFILE, name, *case, *pair) for pair in _values(agreement).items()]
    return Results(
        title="Delineation of phantom tumours on CT, MR and fused images",
        measures=MEASURES,
        contestants=_contestants(methods),
        rows=pd.DataFrame(rows, columns=list(ROW_COLUMNS)),
        speed=pd.DataFrame(columns=list(SPEED_COLUMNS)),
        failures=pd.DataFrame(columns=list(FAILURE_COLUMNS)),
        record={
            "created": now(),
            "seeds": ", ".join(map(str, seeds)),
            "tumours": ", ".join(tumours),
            "CT pixel, mm": spacing_mm,
            "CT window of the fusion": window,
            "versions": library_versions(),
            "platform": platform_name(),
        },
        folder=Path(),
    )


def phantom_sources(
    seed: int, kind: str, *, spacing_mm: float = SPACING_MM, window: str = DEFAULT_WINDOW
) -> Sources:
    """The slices of a made-up patient that a region can reach, aligned by the truth."""
    phantom = make_phantom(seed, spacing_mm=spacing_mm, tumour=TUMOURS[kind])
    scaled = scale_volumes(
        phantom.ct.image, phantom.mr.image, phantom.mr_from_ct, window_named(window)
    )
    truth = sitk.GetArrayFromImage(phantom.labels)[scaled.box] == int(Label.TUMOUR)
    x, y, z = phantom.labels.GetSpacing()
    heights = np.flatnonzero(truth.any(axis=(1, 2)))
    more = int(REACH_MM / z) + 1
    part = slice(max(heights[0] - more, 0), heights[-1] + more + 1)
    return Sources(
        hu=sitk.GetArrayFromImage(phantom.ct.image)[scaled.box][part],
        ct=scaled.ct[part],
        mr=scaled.mr[part],
        seen=scaled.field_of_view[part],
        truth=truth[part],
        spacing_mm=(z, y, x),
    )


def regions(
    sources: Sources, methods: Mapping[str, Method], rng: np.random.Generator
) -> Iterator[tuple[str, int, Mask]]:
    """The contestant, the number of the click and the region grown, for all of both."""
    clicks = [_click(sources, rng) for _ in range(CLICKS)]
    for name, image in images(sources, methods):
        for number, click in enumerate(clicks):
            yield name, number, grow(image, click, sources.spacing_mm)


def images(sources: Sources, methods: Mapping[str, Method]) -> Iterator[tuple[str, Floats]]:
    """CT in HU, MR, and fused images, which are the CT alone where the MR did not look."""
    yield CT_ALONE, sources.hu
    yield MR_ALONE, sources.mr
    for name, method in methods.items():
        fused = method(sources.ct, sources.mr)
        yield name, np.asarray(np.where(sources.seen, fused, sources.ct), np.float32)


def _click(sources: Sources, rng: np.random.Generator) -> tuple[int, int, int]:
    """The voxel of the tumour that is nearest to its centre, missed a little."""
    places = np.argwhere(sources.truth)
    aim = places.mean(axis=0) * sources.spacing_mm + rng.normal(0.0, JITTER_MM, 3)
    nearest = ((places * sources.spacing_mm - aim) ** 2).sum(axis=1).argmin()
    z, y, x = map(int, places[nearest])
    return z, y, x


def _values(found: Agreement) -> dict[str, float]:
    """By the names of `MEASURES`."""
    error = abs(found.volume_difference_cm3) / found.reference_volume_cm3
    values = (
        found.dice,
        found.surface_dice,
        found.hausdorff_95_mm,
        found.mean_distance_mm,
        100 * error,
        100 * found.added_path_mm / found.reference_path_mm,
    )
    return {measure.name: value for measure, value in zip(MEASURES, values, strict=True)}


def _contestants(methods: Sequence[str]) -> tuple[Contestant, ...]:
    sources = (
        Contestant(CT_ALONE, "the CT in HU, in no window", "", frozenset()),
        Contestant(MR_ALONE, "the MR on the CT's grid", "", frozenset()),
    )
    entries = ((name, entry_of(name)) for name in methods)
    return sources + tuple(
        Contestant(name, entry.summary, entry.source, frozenset(entry.patients_seen), entry.note)
        for name, entry in entries
    )
