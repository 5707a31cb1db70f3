"""Routes of registration and fusion: prepare, view, fuse, preview of a slice."""

from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import Field, model_validator

from radfuse.intensity import window_named
from radfuse.recipe import MASK_FIELDS, SERIES_FIELDS, TRANSFORM_FIELDS, Recipe
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.service.jobs.fusion import FurtherPose, JobSpec
from radfuse.service.jobs.view_files import NOT_SENT, View, VolumeName
from radfuse.service.models import Coordinate, Matrix, RequestModel
from radfuse.service.routes.dependencies import PATH_FIELDS, Dependencies, ServiceDeps
from radfuse.service.stores.aligning.images import ImageLabel, check_further
from radfuse.service.stores.aligning.region import Box, write_box
from radfuse.service.stores.identity import read_identities
from radfuse.service.stores.patients import check_accepted, with_acceptance
from radfuse.service.stores.studies import Study

MAX_FURTHER = 30
"""Images besides the MR that is fused."""


class FurtherAlignment(RequestModel):
    """A manual alignment of an image besides the MR that is fused."""

    label: ImageLabel
    image_from_ct: Matrix
    """Maps CT points to points of the image, LPS mm."""

    refine: bool = True
    """Whether a search starts from it; else it is used unchanged."""


class FusionRequest(RequestModel):
    """A fusion to start; by default with the recipe of the study."""

    recipe: Recipe | None = None
    keep_registration: bool = False
    """Use the last registration instead of a new search."""

    mr_from_ct: Matrix | None = None
    """A manual registration; maps CT points to MR points, LPS mm."""

    refine: bool = True
    """Whether a search starts from the manual registration; else it is used unchanged."""

    accept_registration: bool = False
    """Accept a registration that fails QA, in this fusion only."""

    further: Annotated[tuple[FurtherAlignment, ...], Field(max_length=MAX_FURTHER)] = ()
    """Manual alignments of other images. Earlier ones are kept, unless the MR is registered by a
    new search."""

    roi: str | Box | None = None
    """Structure or box to register and judge; empty for the whole head, null as in the recipe."""

    metric_mask: str | Box | None = None
    """Structure or box whose voxels alone count in the search; empty for the whole head."""

    @model_validator(mode="after")
    def _one_alignment(self) -> "FusionRequest":
        if self.keep_registration and self.mr_from_ct is not None:
            raise ValueError("pass keep_registration or mr_from_ct, not both")
        return self


class PreviewRequest(RequestModel):
    """A slice to fuse by another method or CT window."""

    method: str
    index: int
    """Slice of the viewer's grid."""

    window: str | tuple[Coordinate, Coordinate] | None = None
    """CT window, a preset or width and level in HU; None for that of the last fusion."""


class VolumeFile(FileResponse):
    """Response with a file of some hundred megabytes, read in large chunks."""

    chunk_size = 2**22
    """Bytes per read: 123 MB take 0.08 to 0.15 s on loopback, 0.27 to 0.34 s with 64 KiB."""


api = APIRouter(prefix="/api/v1/studies/{identifier}")


@api.post("/prepare", status_code=202, response_model_exclude=PATH_FIELDS)
def prepare(identifier: str, deps: ServiceDeps) -> Study:
    """Queue reading CT and MR for the viewer; the study becomes `ready`, or `done` again."""
    return deps.jobs.start(deps.studies.get(identifier), JobSpec("prepare"))


@api.get("/view", response_model_exclude=NOT_SENT)
def view(identifier: str, deps: ServiceDeps, run: str | None = None) -> View:
    """Volumes for the viewer and their alignment; 404 before the study is prepared.

    400 where slices of CT or MR were added or removed since the fusion; 409 where `run` is given
    and is not the current one.
    """
    deps.studies.current_run(identifier, run)
    deps.studies.check_shown(identifier)
    return deps.studies.view(identifier, run)


@api.get("/volumes/{name}.nii", response_class=VolumeFile)
def volume(
    identifier: str, name: VolumeName, deps: ServiceDeps, run: str | None = None
) -> VolumeFile:
    """CT (HU) or fused image (0 to 4095) on the viewer's grid, or the MR on its own grid; int16.

    409 where `run` is given and is not the current one.
    """
    return VolumeFile(deps.studies.volume(identifier, name, run), media_type="application/x-nifti")


@api.get("/further/{number}.nii", response_class=VolumeFile)
def further_volume(
    identifier: str, number: int, deps: ServiceDeps, run: str | None = None
) -> VolumeFile:
    """A further image of the view, by its number from 0, on its own grid; int16.

    409 where `run` is given and is not the current one.
    """
    return VolumeFile(
        deps.studies.further_volume(identifier, number, run), media_type="application/x-nifti"
    )


@api.post("/fuse", status_code=202, response_model_exclude=PATH_FIELDS)
def fuse(identifier: str, request: FusionRequest, deps: ServiceDeps) -> Study:
    """Queue a fusion; one runs at a time. Its result removes an earlier sign-off.

    A recipe without series has those of the study. One without `transform` and
    `initial_transform`, which are not sent, has these files of the study; null removes them; so
    has one without `roi` or `metric_mask`. A structure is used as it is now. Different patients
    are fused only after they were accepted, see `/patients`, whatever the recipe says.
    """
    study = deps.studies.get(identifier)
    if (recipe := request.recipe) is not None:
        kept = {key for key in SERIES_FIELDS if getattr(recipe, key) is None}
        if recipe.register_rigidly and recipe.model_fields_set.isdisjoint(TRANSFORM_FIELDS):
            kept |= set(TRANSFORM_FIELDS)
        kept |= set(MASK_FIELDS) - recipe.model_fields_set
        chosen = {key: getattr(study.recipe, key) for key in kept}
        study = study.model_copy(update={"recipe": recipe.model_copy(update=chosen)})
    drawn = {key: one for key in MASK_FIELDS if (one := getattr(request, key)) is not None}
    changes = {key: _mask(deps, identifier, one) for key, one in drawn.items()}
    if request.mr_from_ct is not None and request.refine:
        changes["transform"] = None  # the search from the manual registration replaces it
    recipe = deps.checked(study.recipe.model_copy(update=changes))
    patients = read_identities(deps.studies.folder_of(identifier)).patients
    check_accepted(patients, study.accepted_patients)
    study = study.model_copy(update={"recipe": with_acceptance(recipe, study.accepted_patients)})
    if request.mr_from_ct is not None:
        rigid_from_matrix(np.array(request.mr_from_ct), name="mr_from_ct")
    poses = _further_poses(study, request)
    settings = request.model_dump(exclude={"recipe", "further", *MASK_FIELDS})
    spec = JobSpec("fuse", **settings, further=poses)
    return deps.jobs.start(study, spec)


def _further_poses(study: Study, request: FusionRequest) -> tuple[FurtherPose, ...]:
    """The manual alignments of further images of the current result."""
    for one in request.further:
        check_further(study, one.label)
        rigid_from_matrix(np.array(one.image_from_ct), name=f"image_from_ct of {one.label}")
    return tuple(FurtherPose(**one.model_dump()) for one in request.further)


def _mask(deps: Dependencies, identifier: str, region: str | Box) -> Path | None:
    """The mask of a structure as it is now, or of a box; None for the whole head."""
    if isinstance(region, Box):
        return write_box(deps.studies, deps.structures, identifier, region)
    return deps.structures.write_mask(identifier, region) if region else None


@api.post("/cancel", status_code=202)
def cancel(identifier: str, deps: ServiceDeps) -> dict[str, str]:
    """Cancel the queued or running job of a study."""
    deps.studies.get(identifier)
    deps.jobs.cancel(identifier)
    return {"state": "cancelling"}


@api.post("/slice-preview", response_class=Response, responses={200: {"content": {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
}}})  # fmt: skip
def preview_slice(identifier: str, request: PreviewRequest, deps: ServiceDeps) -> Response:
    """Fuse a slice of the viewer's grid by another method or CT window.

    Sends int16 little endian, 0 to 4095.
    """
    study = deps.studies.get(identifier)
    deps.check_method(request.method)
    window = None if request.window is None else window_named(request.window)
    values = deps.previews.fuse(
        deps.studies.folder_of(identifier), deps.studies.view(identifier), study.recipe.options,
        request.method, request.index, window,
    )  # fmt: skip
    return Response(values.astype("<i2").tobytes(), media_type="application/octet-stream")
