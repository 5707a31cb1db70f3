"""The cases of a benchmark: image pairs, patients' volumes, synthetic phantoms."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.benchmark.case import Case, FunctionalSource, Sources
from radfuse.benchmark.functional.measure import luma
from radfuse.benchmark.settings import BenchmarkSettings, FunctionalPairs, Volume
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.errors import InputError, NoImageError
from radfuse.intensity import Window, grey_levels, window_named
from radfuse.io.image_pairs import ImagePairFiles, find_image_pairs, named_patient, read_image_pair
from radfuse.io.images import read_image, read_levels
from radfuse.metrics.image_levels import WHITE
from radfuse.metrics.lesion_contrast import lesion_ring
from radfuse.modality import CT, MR
from radfuse.phantom.head import Label, make_phantom
from radfuse.pipeline.align import align
from radfuse.pipeline.read import check_pair, read
from radfuse.pipeline.volume import ScaledPair, scale_volumes
from radfuse.recipe import Recipe
from radfuse.record import digest
from radfuse.series import Series

LESION_LABELS = (Label.TUMOUR, Label.NECROSIS)
"""Labels of a phantom's lesion."""

BACKGROUND_LABELS = (Label.GREY, Label.WHITE, Label.OEDEMA)
"""Labels that the contrast of the lesion is measured against."""

RING_WIDTH_MM, RING_GAP_MM = 10.0, 2.0
"""The ring around the lesion: wide enough for a few voxels of a coarse phantom."""


def find_cases(settings: BenchmarkSettings) -> list[Case]:
    """All cases, not loaded yet; raises `InputError` for missing cases and duplicate names."""
    cases = list(_cases(settings))
    names = [case.name for case in cases]
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"two cases are called {', '.join(duplicates[:5])}; rename one of each")
    if not cases:
        raise NoImageError("no case to fuse; name folders of pairs, volumes or phantoms")
    return cases


def _cases(settings: BenchmarkSettings) -> Iterator[Case]:
    for folder in settings.pairs:
        yield from _cases_of_pairs(folder, settings)
    window = window_named(settings.window)
    for volume in settings.volumes:
        yield _volume_case(volume, window, settings.data_set)
    for seed in settings.phantoms:
        spacing_mm = settings.phantom_spacing_mm
        load = partial(_phantom_sources, seed, spacing_mm, window)
        yield Case(f"phantom-{seed}", f"phantom-{seed}", f"{seed} {spacing_mm} {window}", load)


def _cases_of_pairs(folder: Path, settings: BenchmarkSettings) -> Iterator[Case]:
    functional = settings.functional
    for files in find_image_pairs(folder, functional.images if functional else CT.code):
        if settings.patients and files.patient not in settings.patients:
            continue
        contents = digest([files.ct, files.mr])
        if not functional:
            patient = named_patient(files.patient, settings.data_set)
            yield Case(files.name, patient, contents, partial(_pair_sources, files))
            continue
        person = functional.persons.get(files.patient, files.patient)
        yield Case(
            files.name,
            named_patient(person, settings.data_set),
            f"{contents} {functional.colour_map} {functional.colour_space}",
            partial(_functional_sources, files, functional),
        )


def _functional_sources(files: ImagePairFiles, how: FunctionalPairs) -> Sources:
    levels, mr = read_levels(files.ct), read_image(files.mr)
    rgb = levels if levels.ndim == 3 else COLOUR_MAPS[how.colour_map].colours(levels)
    if rgb.shape[:2] != mr.shape:
        raise InputError(
            f"{files.name} has (rows, columns) {rgb.shape[:2]} in {how.images}/ and {mr.shape} in "
            "MRI/; resample one of them"
        )
    first = luma(np.asarray(grey_levels(rgb), np.uint8)) / np.float32(WHITE)
    functional = FunctionalSource(rgb, how.colour_map, how.colour_space)
    return Sources(first[None].astype(np.float32), mr[None], functional=functional)


def _pair_sources(files: ImagePairFiles) -> Sources:
    pair = read_image_pair(files)
    ct, mr = (image[None] / np.float32(WHITE) for image in (pair.ct, pair.mr))
    return Sources(ct.astype(np.float32), mr.astype(np.float32))


def _volume_case(volume: Volume, window: Window, data_set: str) -> Case:
    ct, mr = _read_pair(volume)
    transforms = [volume.transform] if volume.transform else []
    contents = digest([*ct.files, *mr.files, *transforms])
    load = partial(_volume_sources, volume, window)
    patient = named_patient(volume.patient or volume.name, data_set)
    return Case(volume.name, patient, f"{contents} {window}", load)


def _volume_sources(volume: Volume, window: Window) -> Sources:
    ct, mr = _read_pair(volume)
    recipe = Recipe(
        transform=volume.transform, deterministic=True, accept_patients=volume.accept_patients
    )
    mr_from_ct = align(ct, mr, recipe, lambda _: None).mr_from_ct
    return _sources_of(scale_volumes(ct, mr, mr_from_ct, window), ct, window)


def _read_pair(volume: Volume) -> tuple[Series, Series]:
    ct, mr = read(volume.ct, CT), read(volume.mr, MR)
    if ct.patient.differs_from(mr.patient) and not volume.accept_patients:
        raise InputError(
            f"volumes: CT and MR of '{volume.name}' are of different patients by their headers; if "
            "they are one person, set accept_patients = true"
        )
    check_pair(ct, mr, accept_patients=True)
    return ct, mr


def _phantom_sources(seed: int, spacing_mm: float, window: Window) -> Sources:
    phantom = make_phantom(seed, spacing_mm=spacing_mm)
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, window)
    labels = sitk.GetArrayViewFromImage(phantom.labels)[scaled.box]
    lesion = np.isin(labels, LESION_LABELS)
    ring = lesion_ring(
        lesion,
        others=~np.isin(labels, BACKGROUND_LABELS) | ~scaled.fov_mask,
        width=RING_WIDTH_MM,
        gap=RING_GAP_MM,
        spacing=phantom.labels.GetSpacing()[::-1],
    )
    return replace(_sources_of(scaled, phantom.ct, window), lesion=lesion, ring=ring)


def _sources_of(scaled: ScaledPair, ct: Series, window: Window) -> Sources:
    hu = sitk.GetArrayViewFromImage(ct.image)[scaled.box].astype(np.float32)
    z, y, x = ct.image.GetSpacing()[::-1]
    return Sources(
        scaled.ct, scaled.mr, fov_mask=scaled.fov_mask, window=window, is_volume=True, hu=hu,
        spacing_mm=(z, y, x),
    )  # fmt: skip
