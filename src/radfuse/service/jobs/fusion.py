"""Prepare and fuse a study in its folder."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from radfuse.errors import InputError
from radfuse.intensity import window_named
from radfuse.io.staging import make_durable, staging
from radfuse.jobs.containment import limit_memory
from radfuse.modality import CT, MR, NM, PT, Modality
from radfuse.pipeline.align import MANUAL, Alignment, PriorAlignment, RegistrationQAError
from radfuse.pipeline.read import naming_pet_ct
from radfuse.pipeline.result import Result
from radfuse.pipeline.study.fuse import fuse_study as fuse_images
from radfuse.pipeline.study.sequences import best_mr
from radfuse.pipeline.volume import Region
from radfuse.progress import ProgressCallback
from radfuse.record import PET_CT
from radfuse.registration.transforms import read_transform, rigid_from_matrix, write_transform
from radfuse.series import Series
from radfuse.service.jobs.client_files import client_recipe, read_source
from radfuse.service.jobs.view_files import (
    VIEW,
    View,
    prepare_view,
    read_view,
    stage_fused_view,
    write_qa_failed_view,
)
from radfuse.service.stores.identity import ImageIdentity, identity_in, write_identities
from radfuse.service.stores.patients import check_accepted
from radfuse.service.stores.results import (
    OUTCOME,
    REGISTRATION,
    RESULT,
    RUNS,
    FurtherOutcome,
    FusionOutcome,
    files_beside,
    run_folder,
    store_run,
    write_inputs,
)
from radfuse.service.stores.studies import Study
from radfuse.service.stores.view_volumes import MatrixRows

SEARCH_ONLY: Mapping[str, Any] = {
    "transform": None, "initial_transform": None, "register_rigidly": True,
}  # fmt: skip
"""Changes of a recipe whose registration is replaced by one of the viewer."""


@dataclass(frozen=True)
class FurtherPose:
    """A manual alignment of an image besides the MR that is fused."""

    label: str
    image_from_ct: MatrixRows
    """Maps CT points to points of the image, LPS mm."""

    refine: bool = False
    """Whether a search starts from it; else it is used unchanged."""


@dataclass(frozen=True)
class JobSpec:
    """What a job does."""

    kind: Literal["prepare", "fuse"]
    keep_registration: bool = False
    """Use the study's last registration."""

    mr_from_ct: MatrixRows | None = None
    """A manual registration; maps CT points to MR points, LPS mm."""

    refine: bool = True
    """Whether a search starts from the manual registration; else it is used unchanged."""

    accept_registration: bool = False
    """Accept a registration that fails QA, in this job only."""

    further: tuple[FurtherPose, ...] = ()
    """Manual alignments of other images."""


@dataclass(frozen=True)
class FurtherSources:
    """The further images of a study."""

    mrs: tuple[Series, ...]
    pet: Series | None
    pet_ct: Series | None
    spect: Series | None

    @property
    def all_series(self) -> tuple[Series, ...]:
        """The images that are brought onto the CT's grid."""
        return (*self.mrs, *(one for one in (self.pet, self.spect) if one))


def prepare_study(
    folder: Path, study: Study, report: ProgressCallback
) -> tuple[Series, Series, View]:
    """Write a study's CT and MR for the viewer; raises the errors of `read` and `prepare_view`."""
    report("reading", None)
    ct = read_source(study.ct, CT, **study.recipe.ct_reading)
    mr = read_source(study.mr, MR, series_uid=study.recipe.mr_series)
    report("preparing the images", None)
    view = prepare_view(folder, ct, mr)
    write_identities(folder, (ct, mr), _further_identities(study))
    return ct, mr, view


def _further_identities(study: Study) -> list[ImageIdentity]:
    """Of the further images, by their first files: other patients are noticed before a fusion."""
    further, recipe = study.further, study.recipe
    functional = ((further.pet, PT), (further.spect, NM))
    chosen = [(path, one, recipe.series_uid(one)) for path, one in functional]
    chosen += [
        (further.pet_ct, CT, recipe.pet_ct_series),
        *((one, MR, uid) for one, uid in further.chosen_mrs),
    ]
    return [identity_in(path, modality, uid) for path, modality, uid in chosen if path]


def fuse_study(folder: Path, study: Study, spec: JobSpec, report: ProgressCallback) -> str:
    """Fuse a study: writes a run with result, volume for the viewer and transform.

    Returns the name of the run, which is not shown yet; an earlier result is unchanged. Raises the
    errors of `fuse`.
    """
    start, listed = time.perf_counter(), files_beside(study.sources)
    prior, further_priors = (
        _prior_alignment(folder, study, spec),
        _further_priors(folder, study, spec),
    )
    ct, mr, view = prepare_study(folder, study, report)
    further = _read_further(study)
    images = (ct, mr, *further.all_series, *((further.pet_ct,) if further.pet_ct else ()))
    write_identities(folder, images)
    check_accepted([one.patient for one in images], study.accepted_patients)
    limit_memory(None)  # a GPU maps more addresses than there is memory
    recipe = study.recipe.model_copy(update=dict(SEARCH_ONLY)) if prior else study.recipe
    if spec.accept_registration:
        recipe = recipe.model_copy(update={"accept_registration": True})
    with staging(folder / RUNS, durable=True) as stage:
        run = stage.folder / "run"
        run.mkdir()
        result_folder = run / RESULT
        is_dicom = all(one.headers for one in (ct, mr, *further.all_series))
        output = result_folder if is_dicom else result_folder / "fused.nii.gz"
        try:
            with client_recipe(recipe) as named:
                mrs = (mr, *further.mrs)
                is_best = study.further.is_mr_chosen and best_mr(mrs)[0] == 0
                result = fuse_images(
                    ct, mrs, output, pet=further.pet, pet_ct=further.pet_ct,
                    spect=further.spect, fused_mr=None if is_best else 0, recipe=named,
                    prior=prior, further_priors=further_priors, report=report,
                )  # fmt: skip
        except RegistrationQAError as error:
            write_qa_failed_view(folder, view, error.alignment.mr_from_ct)
            raise
        alignment, region = _parts(result)
        report("preparing the images", None)
        with staging(run / VIEW) as view_stage:
            stage_fused_view(view_stage, view, result, alignment, region)
        write_transform(run / REGISTRATION, alignment.mr_from_ct)
        record = "record.json" if output == result_folder else "fused.json"
        seconds = time.perf_counter() - start
        outcome = _outcome(result, alignment, region, f"{RESULT}/{record}", seconds)
        write_inputs(result_folder, _files_by_role(result, further.pet_ct), listed)
        (result_folder / OUTCOME).write_text(outcome.model_dump_json(indent=2), encoding="utf-8")
        report("moving the results into the study", None)  # a job of a killed server ends here
        make_durable(run)
        return store_run(stage, run, result.record)


def _read_further(study: Study) -> FurtherSources:
    def read_one(path: Path | None, modality: Modality) -> Series | None:
        uid = recipe.pet_ct_series if modality is CT else recipe.series_uid(modality)
        return read_source(path, modality, series_uid=uid) if path else None

    further, recipe = study.further, study.recipe
    with naming_pet_ct():
        pet_ct = read_one(further.pet_ct, CT)
    return FurtherSources(
        tuple(read_source(path, MR, series_uid=uid) for path, uid in further.chosen_mrs),
        read_one(further.pet, PT),
        pet_ct,
        read_one(further.spect, NM),
    )


def _files_by_role(result: Result, pet_ct: Series | None) -> dict[str, tuple[Path, ...]]:
    files = {one.modality.code: one.files for one in (result.ct, result.mr)}
    files |= {one.label: one.series.files for one in result.further}
    return files | ({PET_CT: pet_ct.files} if pet_ct else {})


def _prior_alignment(folder: Path, study: Study, spec: JobSpec) -> PriorAlignment | None:
    if spec.keep_registration:
        if study.outcome is None:
            raise InputError("there is no earlier registration to keep; register and fuse")
        earlier = run_folder(folder, study.current) / REGISTRATION
        return PriorAlignment(read_transform(earlier), study.outcome.alignment)
    if spec.mr_from_ct is None:
        return None
    mr_from_ct = rigid_from_matrix(np.array(spec.mr_from_ct), name="mr_from_ct")
    return PriorAlignment(mr_from_ct, MANUAL, spec.refine)


def _further_priors(folder: Path, study: Study, spec: JobSpec) -> dict[str, PriorAlignment]:
    """Manual alignments of further images: those of the request, and earlier ones without a search.

    A new registration of the MR that does not start from a manual one discards earlier ones.
    """
    poses = {}
    if study.outcome is not None and (spec.keep_registration or spec.mr_from_ct is not None):
        view = read_view(run_folder(folder, study.current))
        earlier = {one.label: one.image_from_ct for one in view.further} if view else {}
        for one in study.outcome.further:
            if one.origin.startswith(MANUAL) and one.label in earlier:
                poses[one.label] = (earlier[one.label], one.origin, False)
    for given in spec.further:
        poses[given.label] = (given.image_from_ct, MANUAL, given.refine)
    return {
        label: PriorAlignment(rigid_from_matrix(np.array(matrix), name=label), origin, refine)
        for label, (matrix, origin, refine) in poses.items()
    }


def _parts(result: Result) -> tuple[Alignment, Region]:
    if result.alignment is None or result.region is None:
        raise InputError("the viewer shows volumes; fuse 2-D images with `radfuse fuse`")
    return result.alignment, result.region


def _outcome(
    result: Result, alignment: Alignment, region: Region, record: str, seconds: float
) -> FusionOutcome:
    window = window_named(result.record.recipe.window)
    notes = [note for source in result.record.inputs for note in source.notes]
    notes += [f"{one.label}: {note}" for one in result.record.further for note in one.image.notes]
    notes += result.record.left_out
    if alignment.quality.region_note:
        notes.append(alignment.quality.region_note)
    if alignment.header_note:
        notes.append(alignment.header_note)
    return FusionOutcome(
        method=result.record.recipe.method,
        window_hu=(window.width, window.level),
        mr_range=region.mr_range,
        quality=alignment.quality.sentence(),
        qa_passed=alignment.quality.passed,
        registration_id=alignment.identifier,
        alignment=alignment.origin,
        job=secrets.token_hex(6),
        residuals=alignment.quality.residuals,
        worst_point_mm=alignment.quality.worst_point_mm,
        further=tuple(
            FurtherOutcome(
                label=one.label,
                quality=one.alignment.quality.sentence(),
                qa_passed=one.alignment.quality.passed,
                note=one.note,
                origin=one.alignment.origin,
            )
            for one in result.further
        ),
        notes=tuple(notes),
        record=record,
        seconds=round(seconds, 1),
    )
