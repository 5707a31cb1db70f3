"""The cases of a benchmark: pictures, patients' volumes, made-up patients."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import SimpleITK as sitk

from radfuse.benchmark.image_pairs import Case, Sources, pair_cases
from radfuse.benchmark.settings import Settings, Volume
from radfuse.errors import InputError, NoImageError
from radfuse.intensity import Window, window_named
from radfuse.metrics.lesion_contrast import lesion_ring
from radfuse.modality import CT, MR
from radfuse.phantom.head import Label, make_phantom
from radfuse.pipeline.align import align
from radfuse.pipeline.read import check_pair, read
from radfuse.pipeline.volume import Scaled, scale_volumes
from radfuse.recipe import Recipe
from radfuse.record import digest

LESION = (Label.TUMOUR, Label.NECROSIS)
"""Labels of a phantom's lesion."""

AROUND = (Label.GREY, Label.WHITE, Label.OEDEMA)
"""Labels that the lesion must stand out from."""

RING_WIDTH_MM, RING_GAP_MM = 10.0, 2.0
"""The ring around the lesion: wide enough for a few voxels of a coarse phantom."""


def cases_of(settings: Settings) -> list[Case]:
    """All cases, none of them loaded; raises `InputError` for missing or double ones."""
    found = list(_cases(settings))
    names = [case.name for case in found]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two cases are called {', '.join(doubled[:5])}; rename one of each")
    if not found:
        raise NoImageError("no case to fuse; name folders of pairs, volumes or phantoms")
    return found


def _cases(settings: Settings) -> Iterator[Case]:
    for folder in settings.pairs:
        for case in pair_cases(folder):
            if not settings.patients or case.patient in settings.patients:
                yield case
    window = window_named(settings.window)
    for volume in settings.volumes:
        yield _volume_case(volume, window)
    for seed in settings.phantoms:
        spacing_mm = settings.phantom_spacing_mm
        load = partial(_phantom_sources, seed, spacing_mm, window)
        yield Case(f"phantom-{seed}", f"phantom-{seed}", f"{seed} {spacing_mm} {window}", load)


def _volume_case(volume: Volume, window: Window) -> Case:
    ct, mr = read(volume.ct, CT), read(volume.mr, MR)
    given = [volume.transform] if volume.transform else []
    contents = digest([*ct.files, *mr.files, *given])
    load = partial(_volume_sources, volume, window)
    return Case(volume.name, volume.patient or volume.name, f"{contents} {window}", load)


def _volume_sources(volume: Volume, window: Window) -> Sources:
    ct, mr = read(volume.ct, CT), read(volume.mr, MR)
    check_pair(ct, mr, accept_patients=True)
    recipe = Recipe(transform=volume.transform, deterministic=True)
    mr_from_ct = align(ct, mr, recipe, lambda _: None).mr_from_ct
    return _scaled(scale_volumes(ct, mr, mr_from_ct, window), window)


def _phantom_sources(seed: int, spacing_mm: float, window: Window) -> Sources:
    phantom = make_phantom(seed, spacing_mm=spacing_mm)
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, window)
    labels = sitk.GetArrayViewFromImage(phantom.labels)[scaled.box]
    lesion = np.isin(labels, LESION)
    ring = lesion_ring(
        lesion,
        others=~np.isin(labels, AROUND) | ~scaled.field_of_view,
        width=RING_WIDTH_MM,
        gap=RING_GAP_MM,
        spacing=phantom.labels.GetSpacing()[::-1],
    )
    return replace(_scaled(scaled, window), lesion=lesion, ring=ring)


def _scaled(scaled: Scaled, window: Window) -> Sources:
    return Sources(
        scaled.ct,
        scaled.mr,
        seen=scaled.field_of_view,
        window=window,
        is_volume=True,
    )
