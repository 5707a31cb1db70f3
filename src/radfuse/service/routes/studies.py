"""Routes of studies: inspect, upload, create, list, delete, events."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import Field, StringConstraints, model_validator
from starlette.datastructures import UploadFile

from radfuse.colour.maps import COLOUR_MAPS
from radfuse.intensity import WINDOWS
from radfuse.io.staging import output_error
from radfuse.jobs.containment import run_contained
from radfuse.methods.catalogue import METHODS, usual_methods
from radfuse.methods.hidden_findings import findings_sentence
from radfuse.modality import MR
from radfuse.pipeline.inspect import InspectedSeries, inspect
from radfuse.pipeline.pairing import choose_pair
from radfuse.pipeline.study.sequences import best_mr, choice_note, labels_of
from radfuse.recipe import DEFAULT_METHOD, DEFAULT_WINDOW, Recipe
from radfuse.record import NOTICE, now
from radfuse.service.jobs.client_files import client_path, read_source
from radfuse.service.jobs.job_queue import Job
from radfuse.service.models import RequestModel
from radfuse.service.routes.actor import Actor, ActorOf
from radfuse.service.routes.dependencies import (
    PATH_FIELDS,
    UPLOAD_PREFIX,
    Dependencies,
    ServiceDeps,
)
from radfuse.service.segmentation_tools import DISTANCE_RANGE_MM
from radfuse.service.stores.further_paths import FurtherPaths
from radfuse.service.stores.identity import Identities, read_identities
from radfuse.service.stores.studies import Study
from radfuse.service.stores.uploads import check_space, checking_space, store_upload
from radfuse.structures.names import STRUCTURE_NAMES

MAX_FILES = 20_000
"""Files in one upload: a study of thin slices has some thousands."""

MAX_MRS = 20
"""Further MR sequences of one patient."""

RETRY_S = 30
"""After which a refused upload may be tried again."""

POLL_S = 0.1
"""Interval in which a stream checks for new events."""

HEARTBEAT_S = 15.0
"""Interval of heartbeats in a silent stream, so that no proxy closes it."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class PathRequest(RequestModel):
    """A file or folder to inspect."""

    path: FilePath


class FurtherRequest(RequestModel):
    """Images that a fusion also brings onto the CT's grid."""

    mrs: Annotated[tuple[FilePath, ...], Field(max_length=MAX_MRS)] = ()
    mr_series: Annotated[tuple[str, ...], Field(max_length=MAX_MRS)] = ()
    """SeriesInstanceUID of each of `mrs`; empty where it has only one series."""

    choose_mr: bool = False
    """Fuse the best of `mr` and `mrs`, as `radfuse fuse` does; else `mr`."""

    pet: FilePath | None = None
    pet_ct: FilePath | None = None
    """CT of the PET's scanner: the PET is registered by it."""

    spect: FilePath | None = None

    @model_validator(mode="after")
    def _pet_of_its_ct(self) -> "FurtherRequest":
        if self.pet_ct and not self.pet:
            raise ValueError("pass pet with pet_ct, its CT")
        if self.mr_series and (len(self.mr_series) != len(self.mrs) or self.choose_mr):
            raise ValueError("pass one mr_series for each of mrs, and no choose_mr")
        return self


class StudyRequest(RequestModel):
    """A study to create: CT and MR, or a folder or archive with both, and a recipe."""

    ct: FilePath | None = None
    mr: FilePath | None = None
    study: FilePath | None = None
    further: FurtherRequest | None = None
    name: Text | None = None
    recipe: Recipe = Recipe()

    @model_validator(mode="after")
    def _one_source(self) -> "StudyRequest":
        if (self.study is None) != (self.ct is not None and self.mr is not None) or (
            self.study and (self.ct or self.mr)
        ):
            raise ValueError("pass ct and mr, or study with both inside")
        if self.further and self.further.choose_mr and (self.study or self.recipe.mr_series):
            raise ValueError("pass mr, and no mr_series, with choose_mr")
        return self


api = APIRouter(prefix="/api/v1")


@api.get("/info")
def info() -> dict[str, Any]:
    """Version, notice, methods, CT windows (width, level in HU), limits of region growing.

    `colour_maps` are those of PET and SPECT: positions in [0, 1], and RGB of 8 bits at each.

    `findings` are sentences on what each method may hide, with default options and CT window.
    """
    methods = usual_methods()
    return {
        "version": version("radfuse"),
        "notice": NOTICE,
        "default_method": DEFAULT_METHOD,
        "default_window": DEFAULT_WINDOW,
        "methods": {name: METHODS[name].summary for name in methods},
        "findings": {name: findings_sentence(name) for name in methods},
        "colour_maps": {name: [one.positions, one.rgb] for name, one in COLOUR_MAPS.items()},
        "structure_names": STRUCTURE_NAMES,
        "min_distance_mm": DISTANCE_RANGE_MM[0],
        "max_distance_mm": DISTANCE_RANGE_MM[1],
        "windows": {name: [window.width, window.level] for name, window in WINDOWS.items()},
    }


@api.post("/inspect")
def inspect_path(request: PathRequest, deps: ServiceDeps) -> dict[str, Any]:
    """List the images in a file, folder or archive, without name and ID of the patient."""
    (path,) = deps.allowed_paths(request.path)
    return run_contained(_inspect, path, path=path)


@api.post("/uploads", status_code=201, openapi_extra={
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {
        "type": "object", "required": ["files"],
        "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }}}}})  # fmt: skip
async def upload(request: Request, deps: ServiceDeps) -> dict[str, str]:
    """Store a zip archive or files; returns the path for `inspect` and `studies`.

    429 while others are received.
    """
    folder = deps.studies.uploads
    length = request.headers.get("content-length", "")
    if deps.uploads_at_once.locked():
        raise HTTPException(
            429, "other uploads are being received; try again later", {"retry-after": str(RETRY_S)}
        )
    async with deps.uploads_at_once:  # spooled, and then stored: twice the space
        folder.mkdir(parents=True, exist_ok=True)
        check_space(folder, 2 * int(length) if length.isdecimal() else 0)
        try:
            received = Request(request.scope, checking_space(request.receive, folder))
            async with received.form(max_files=MAX_FILES) as form:
                files = [
                    (part.filename or "", part.file)
                    for part in form.getlist("files")
                    if isinstance(part, UploadFile)
                ]
                stored = await run_in_threadpool(store_upload, folder, files)
                return {"path": UPLOAD_PREFIX + stored.relative_to(folder).as_posix()}
        except OSError as error:
            raise output_error(error)(f"the upload was not stored: {error.strerror}") from error


@api.get("/studies", response_model_exclude={"__all__": PATH_FIELDS})
def studies(deps: ServiceDeps, actor: ActorOf) -> list[Study]:
    """All studies, the newest first; unreadable ones are last and have a message."""
    readable = (_shown_to(actor, deps.jobs.with_details(one)) for one in deps.studies.all())
    return [*readable, *deps.studies.unreadable()]


@api.post("/studies", status_code=201, response_model_exclude=PATH_FIELDS)
def create(request: StudyRequest, deps: ServiceDeps) -> Study:
    """Create a study; no job is started."""
    return create_study(deps, request)


@api.get("/studies/{identifier}", response_model_exclude=PATH_FIELDS)
def study(identifier: str, deps: ServiceDeps, actor: ActorOf) -> Study:
    """One study and its state."""
    return _shown_to(actor, deps.jobs.with_details(deps.studies.get(identifier)))


def _shown_to(actor: Actor, study: Study) -> Study:
    """A study, without the reason about its patients for a user who may not see these."""
    hidden = {} if actor.sees_patients else {"accepted_patients": None}
    return study.model_copy(update=hidden)


@api.get("/studies/{identifier}/identities")
def identities(identifier: str, deps: ServiceDeps, actor: ActorOf) -> Identities:
    """Name, ID, birth date and sex of the patient in each image, and what the images are.

    The one answer that names the patient, for the person at the viewer; withheld from the role
    viewer. Empty before the images are read.
    """
    study = deps.studies.get(identifier)
    found = read_identities(deps.studies.folder_of(study.id), study.accepted_patients)
    return found if actor.sees_patients else found.without_patients()


@api.delete("/studies/{identifier}", status_code=204)
def delete(identifier: str, deps: ServiceDeps, actor: ActorOf) -> None:
    """Remove a study without a job, and its uploads that no other study uses."""
    deps.jobs.delete(identifier)
    actor.did("deleted the study", study=identifier)


@api.get("/studies/{identifier}/events", response_class=StreamingResponse)
def events(identifier: str, deps: ServiceDeps) -> StreamingResponse:
    """Server-sent events of the last job: `stage` with its fraction, then `done` or `error`."""
    deps.studies.get(identifier)
    return StreamingResponse(
        _stream(deps.jobs.last_job(identifier)), media_type="text/event-stream"
    )


def create_study(deps: Dependencies, request: StudyRequest) -> Study:
    """Create a study.

    Raises `InputError` for invalid paths and recipes.
    """
    recipe, message = deps.checked(request.recipe), ""
    if request.study is not None:
        (both,) = deps.allowed_paths(request.study)
        series, message = run_contained(_choose_series, both, recipe, path=both)
        ct, mr, recipe = both, both, recipe.model_copy(update=series)
    else:
        ct, mr = deps.allowed_paths(request.ct or "", request.mr or "")
    further = _further_paths(deps, request.further or FurtherRequest())
    if further.is_mr_chosen:
        paths = [mr, *further.mrs]
        chosen, message = run_contained(_choose_mr, paths, path=mr)
        mr = paths.pop(chosen)
        further = further.model_copy(update={"mrs": tuple(paths)})
    name = request.name or f"Study of {now():%Y-%m-%d %H:%M} UTC"
    return deps.studies.create(name, ct, mr, recipe, message, further)


def _further_paths(deps: Dependencies, request: FurtherRequest) -> FurtherPaths:
    others = {name: path for name in ("pet", "pet_ct", "spect") if (path := getattr(request, name))}
    allowed = zip(others, deps.allowed_paths(*others.values()), strict=True)
    mrs = tuple(deps.allowed_paths(*request.mrs))
    is_mr_chosen = request.choose_mr and bool(mrs)
    series = request.mr_series
    return FurtherPaths(mrs=mrs, mr_series=series, is_mr_chosen=is_mr_chosen, **dict(allowed))


def _inspect(path: Path) -> dict[str, Any]:
    """The images in a file, folder or archive, without name and ID of the patient."""
    with client_path(path) as name:
        inspected, others = inspect(name, numbered=True)
    return {"images": list(map(_image, inspected)), "other_files": others}


def _choose_series(path: Path, recipe: Recipe) -> tuple[dict[str, str], str]:
    """The series of CT and MR in a folder or archive, and a sentence about the choice."""
    with client_path(path) as name:
        pair = choose_pair(name, recipe, numbered=True)
    series = {"ct_series": pair.ct.volume.uid, "mr_series": pair.mr.volume.uid}
    return series, pair.summary()


def _choose_mr(paths: Sequence[Path]) -> tuple[int, str]:
    """Index of the MR that is fused, and a sentence about the choice."""
    mrs = [read_source(path, MR) for path in paths]
    chosen, why = best_mr(mrs)
    return chosen, choice_note(labels_of(mrs)[chosen], why)


def _image(series: InspectedSeries) -> dict[str, Any]:
    facts = asdict(series)
    for name in ("patient_id", "patient_name"):
        (facts["dicom"] or {}).pop(name, None)
    return {"line": series.line(), **facts}


async def _stream(job: Job | None) -> AsyncIterator[str]:
    """All events of a job, past and future; none without a job."""
    sent, silent_s = 0, 0.0
    while job is not None:
        ended = job.ended.is_set()
        new: Sequence[tuple[str, dict[str, Any]]] = job.events[sent:]
        for kind, data in new:
            yield f"event: {kind}\ndata: {json.dumps(data)}\n\n"
        sent += len(new)
        if ended:
            return
        silent_s = 0.0 if new else silent_s + POLL_S
        if silent_s > HEARTBEAT_S:
            silent_s = 0.0
            yield ": waiting\n\n"
        await asyncio.sleep(POLL_S)
