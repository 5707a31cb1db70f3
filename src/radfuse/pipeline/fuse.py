"""Fusion: read, register, resample, scale, fuse and write a CT and an MR."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.errors import InputError
from radfuse.intensity import coarse_mask, head_mask, window_named
from radfuse.io.volume_checks import registered_size_problem
from radfuse.log import since
from radfuse.methods.loading import Method, check_options, load_method, method_info
from radfuse.methods.options import option_values
from radfuse.modality import CT, MR, Modality
from radfuse.parallel import in_order
from radfuse.pipeline.align import Alignment, PriorAlignment, align
from radfuse.pipeline.functional.colours import colour_facts
from radfuse.pipeline.outputs import check_output, write_result
from radfuse.pipeline.read import check_pair, read_by_recipe
from radfuse.pipeline.result import FurtherImage, Result
from radfuse.pipeline.study.align import FurtherSeries, align_further
from radfuse.pipeline.study.colours import fuse_over_ct
from radfuse.pipeline.study.sequences import mr_label
from radfuse.pipeline.volume import fuse_volumes
from radfuse.progress import ProgressCallback, no_progress
from radfuse.recipe import FILE_FIELDS, SERIES_FIELDS, TRANSFORM_FIELDS, Device, Recipe
from radfuse.record import (
    PET_CT,
    FurtherInput,
    Input,
    JobReference,
    Record,
    digest,
    library_versions,
    now,
    platform_name,
)
from radfuse.registration.planar_check import best_motion
from radfuse.series import Series

LOG = logging.getLogger(__name__)

FORMATS = {
    ".nii": "NIfTI", ".nii.gz": "NIfTI", ".nrrd": "NRRD", ".nhdr": "NRRD", ".mha": "MetaImage",
    ".mhd": "MetaImage",
}  # fmt: skip
"""Formats of volume files by suffix."""


REASON_OMITTED = "omitted"
"""Recorded instead of a reason for accepting different patients, which may identify them."""


@dataclass
class StageTimer:
    """Wall time by stage."""

    report: ProgressCallback
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Report and time a stage."""
        self.report(name, None)
        start = time.perf_counter()
        yield
        self.seconds[name] = since(start)
        LOG.info("stage ended", extra={"stage": name, "seconds": self.seconds[name]})


def fuse_ct_mr(
    ct: Series | Path | str,
    mr: Series | Path | str,
    output: Path | str | None = None,
    *,
    recipe: Recipe | None = None,
    further: Sequence[FurtherSeries] = (),
    prior: PriorAlignment | None = None,
    job: JobReference | None = None,
    overwrite: bool = False,
    report: ProgressCallback = no_progress,
) -> Result:
    """Fuse a CT and an MR of one head.

    Parameters
    ----------
    ct, mr
        Two volumes, or two 2-D images of one size; series, or paths for `read`.
    output
        For volumes a NIfTI, NRRD or MetaImage file, or a folder for DICOM; for 2-D images a PNG
        file or a folder. Nothing is written without it.
    recipe
        Settings; the default recipe without it.
    further
        Other volumes of the patient that are brought onto the CT's grid, and not fused.
    prior
        The alignment, or where the search starts, instead of the recipe's.
    job
        The job that the result is of; a repeated one gives DICOM objects with the same UIDs.
    overwrite
        Whether earlier results may be replaced.

    Raises
    ------
    InputError
        For input that cannot be fused.
    RegistrationError
        Where registration QA failed.
    OutputError
        Where the result cannot be written; nothing is changed.
    """
    recipe = recipe or Recipe()
    timer = StageTimer(report)
    method_info(recipe.method)  # wrong names are reported before the work begins
    check_options(recipe.method, recipe.options, recipe.device)
    window_named(recipe.window)
    with timer.stage("reading"):
        reading = partial(_read_if_path, recipe=recipe)
        ct_series, mr_series = in_order(reading, ((ct, CT), (mr, MR)))
    for series in (mr_series, *(one for two in further for one in two.all_series)):
        check_pair(
            ct_series,
            series,
            accept_patients=recipe.accept_patients,
            show_identifiers=recipe.show_identifiers,
        )
    labels = [one.label for one in further]
    sources = [series.source for one in further for series in one.all_series]
    target = check_output(
        output, ct_series, mr_series, recipe, labels, sources=sources, overwrite=overwrite
    )
    if recipe.deidentify:
        deidentified, recipe = without_identity(recipe)
        ct_series, mr_series = deidentified(ct_series), deidentified(mr_series)
        further = [one.changed(deidentified) for one in further]
    if ct_series.is_volume:
        result = _fuse_volumes(ct_series, mr_series, further, recipe, prior, timer)
    else:
        result = _fuse_images(ct_series, mr_series, recipe, timer)
    if job is not None:
        result = replace(result, record=result.record.model_copy(update={"job": job}))
    if target is not None:
        with timer.stage("writing"):
            result = write_result(target, result)
    return result


def _read_if_path(given: tuple[Series | Path | str, Modality], recipe: Recipe) -> Series:
    source, modality = given
    if isinstance(source, Series):
        return source
    series = read_by_recipe(source, modality, recipe)
    is_registered = series.is_volume and not registered_size_problem(series.image.GetSize())
    if modality is MR and is_registered:
        coarse_mask(series.image, MR)  # kept for later: reading the CT takes longer
        head_mask(series.image, MR)
    return series


def without_identity(recipe: Recipe) -> tuple[Callable[[Series], Series], Recipe]:
    """What de-identifies each series, and the recipe with changed UIDs; the key is not kept."""
    # the tables of the standard take a second to import
    from radfuse.dicom.deidentify.headers import deidentify_series, hashed_uid, random_key  # noqa: PLC0415

    key = random_key()
    uids = {
        keyword: hashed_uid(uid, key)
        for keyword in SERIES_FIELDS
        if (uid := getattr(recipe, keyword))
    }
    return lambda series: deidentify_series(series, key), recipe.model_copy(update=uids)


def _fuse_volumes(
    ct: Series,
    mr: Series,
    further: Sequence[FurtherSeries],
    recipe: Recipe,
    prior: PriorAlignment | None,
    timer: StageTimer,
) -> Result:
    window = window_named(recipe.window)
    method = load_method(recipe.method, recipe.options, window=window, device=recipe.device)
    with timer.stage("registering"):
        alignment = align(
            ct, mr, recipe, lambda stage: timer.report(f"registering: {stage}", None), prior
        )
        fused = FurtherImage(mr_label(mr), mr, alignment, "")
        others = align_further(
            ct, fused, further, recipe, lambda stage: timer.report(f"registering: {stage}", None)
        )
    with timer.stage("fusing"):
        image, region = fuse_volumes(
            ct, mr, alignment.mr_from_ct, window, method,
            lambda done, count: timer.report("fusing", done / count),
        )  # fmt: skip
        others = tuple(_in_colour(ct, one, recipe) for one in others)
    scaling = {
        "CT window, HU": f"width {window.width:g}, level {window.level:g}",
        "MR values scaled to 0 and 1": "{:g} and {:g}".format(*region.mr_range),
        "Fused 1.0 is stored as": FULL_SCALE,
        "Outside the MR field of view": "the CT alone; soft tissue and bone are visible",
    }
    for one in others:
        if one.colours:
            scaling |= colour_facts(one.series, one.colours.scale, one.colours.recipe)
    record = _record(ct, mr, recipe, method, scaling, alignment, timer)
    further_facts = {
        "further": tuple(_further_input(one, recipe) for one in others),
        "warnings": (*record.warnings, *(text for one in others for text in one.warnings)),
    }
    record = record.model_copy(update=further_facts)
    return Result(image, ct, mr, record, alignment, region, others)


def _in_colour(ct: Series, one: FurtherImage, recipe: Recipe) -> FurtherImage:
    """A PET or SPECT with its colours over the CT; an MR as it is."""
    if one.series.modality.role != "functional":
        return one
    transform = one.alignment.moving_from_fixed
    return replace(one, colours=fuse_over_ct(ct, one.series, transform, recipe))


def _fuse_images(ct: Series, mr: Series, recipe: Recipe, timer: StageTimer) -> Result:
    refuse_options_of_volumes(recipe)
    method = method_for_images(recipe)
    with timer.stage("fusing"):
        ct_array, mr_array = (sitk.GetArrayFromImage(series.image)[None] for series in (ct, mr))
        fused = np.asarray(method(ct_array, mr_array)[0], np.float32)
    scaling = {"Fused 1.0 is stored as": 2**recipe.bits - 1}
    record = _record(ct, mr, recipe, method, scaling, None, timer)
    if warning := best_motion(ct_array[0], mr_array[0]).warning():
        record = record.model_copy(update={"warnings": (warning,)})
    return Result(sitk.GetImageFromArray(fused), ct, mr, record)


def method_for_images(recipe: Recipe) -> Method:
    """The method of a recipe for 2-D images; that of the last recipe is kept, compiled."""
    return _method_for_images(recipe.method, tuple(sorted(recipe.options.items())), recipe.device)


@lru_cache(maxsize=1)
def _method_for_images(
    name: str, options: tuple[tuple[str, float | int | str], ...], device: Device
) -> Method:
    return load_method(name, dict(options), device=device)


def refuse_options_of_volumes(recipe: Recipe) -> None:
    """Raise `InputError` for a recipe of 2-D images with settings of registration or HU."""
    given = recipe.transform, recipe.initial_transform, recipe.roi, recipe.metric_mask
    if any(given) or not recipe.register_rigidly:
        raise InputError("2-D images are not registered; leave out the options of registration")
    if (recipe.ct_scale, recipe.ct_offset) != (None, None):
        raise InputError("2-D images have no HU; leave out the scale and offset of the CT")


def _record(
    ct: Series,
    mr: Series,
    recipe: Recipe,
    method: Method,
    scaling: dict[str, Any],
    alignment: Alignment | None,
    timer: StageTimer,
) -> Record:
    return Record(
        created=now(),
        recipe=recorded_recipe(recipe),
        inputs=tuple(
            recorded_input(series, sha256, shown=recipe.show_identifiers)
            for series, sha256 in zip(
                (ct, mr), alignment.inputs if alignment else ("", ""), strict=True
            )
        ),
        method=method_facts(recipe, method),
        scaling=scaling,
        registration=alignment.facts() if alignment else None,
        warnings=alignment.quality.warnings if alignment else (),
        seconds=timer.seconds,
        versions=library_versions(),
        platform=platform_name(),
    )


def recorded_recipe(recipe: Recipe) -> Recipe:
    """The recipe as a record has it: a file by its kind and SHA-256, a graph by its name.

    With `show_identifiers` paths are recorded, too; with `deidentify` no reason that a person
    typed.
    """
    if recipe.deidentify and recipe.accept_patients_reason:
        recipe = recipe.model_copy(update={"accept_patients_reason": REASON_OMITTED})
    if recipe.show_identifiers:
        return recipe
    files = {
        keyword: Path(f"sha256:{digest([path])} ({_file_kind(keyword, path)})")
        for keyword in FILE_FIELDS
        if isinstance(path := getattr(recipe, keyword), Path)
    }
    return recipe.model_copy(update={"method": Path(recipe.method).name, **files})


def _file_kind(keyword: str, path: Path) -> str:
    if keyword not in TRANSFORM_FIELDS:
        return "mask file"
    return "DICOM registration" if is_dicom(path) else "transform file"


def recorded_input(series: Series, sha256: str = "", *, shown: bool) -> Input:
    """What a record says of a source; with `shown` its path."""
    return Input(
        role=series.modality.code,
        source=str(series.source) if shown else _description(series),
        files=len(series.files),
        sha256=(sha256 or digest(series.files)) if series.files else "",
        size=series.image.GetSize(),
        spacing_mm=series.image.GetSpacing() if series.is_volume else (),
        notes=series.notes,
    )


def recorded_pet_ct(own_ct: Series, *, shown: bool) -> Input:
    """What a record says of the CT of a PET's scanner."""
    return recorded_input(own_ct, shown=shown).model_copy(update={"role": PET_CT})


def _further_input(one: FurtherImage, recipe: Recipe) -> FurtherInput:
    shown = recipe.show_identifiers
    return FurtherInput(
        label=one.label,
        image=recorded_input(one.series, shown=shown),
        registered_by=recorded_pet_ct(one.through, shown=shown) if one.through else None,
        registration=one.alignment.facts(),
        note=one.note,
    )


def _description(series: Series) -> str:
    """What a series was read from, in words that cannot identify the patient."""
    if not series.files:
        return "image without files"
    if series.headers:
        count = len(series.files)
        return f"DICOM series of {count} files" if count > 1 else "DICOM file or archive"
    name = series.source.name.lower()
    formats = (kind for suffix, kind in FORMATS.items() if name.endswith(suffix))
    return f"{next(formats, 'image' if series.is_volume else '2-D image')} file"


def method_facts(recipe: Recipe, method: Method) -> dict[str, Any]:
    """What a record says of the method."""
    info = method_info(recipe.method)
    facts = {
        "name": recipe.method if recipe.show_identifiers else Path(recipe.method).name,
        "summary": info.summary,
        "options": option_values(method),
        "device": recipe.device,
    }
    graphs = getattr(method, "graphs", [info.weights] if info.weights else ())
    if graphs:
        names = ", ".join(graph.name for graph in graphs)
        facts |= {"weights": names, "sha256": digest(graphs)}
    return facts
