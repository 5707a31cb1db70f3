"""The routes of the page's interface: parse, call one function, encode."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from starlette.datastructures import UploadFile

from radfuse.dicom.deidentify.identifiers import identifiers_below
from radfuse.intensity import WINDOWS
from radfuse.methods.catalogue import METHODS
from radfuse.pipeline.inspect import InspectedSeries, inspect
from radfuse.pipeline.pairing import choose_pair
from radfuse.recipe import Recipe
from radfuse.record import NOTICE, Signoff, now
from radfuse.service.drawing_tools import REACHES_MM
from radfuse.service.jobs.containment import run_contained
from radfuse.service.jobs.job_queue import Run
from radfuse.service.routes.dependencies import WITHOUT_PATHS, AtDesk, Desk, hiding
from radfuse.service.stores.studies import Study
from radfuse.service.stores.uploads import keep_files
from radfuse.structures.names import STRUCTURE_NAMES

MOST_FILES = 20_000
"""In one upload: a study of thin slices has some thousands."""

NEWS_S = 0.1
"""How often a stream of events looks for news."""

HEARTBEAT_S = 15.0
"""How often a silent stream says that it is alive, so that nothing between closes it."""

SHEET_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""For the QA sheet, which has its styles and pictures in itself and no script."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class Place(BaseModel):
    """A file or folder to look into."""

    model_config = ConfigDict(extra="forbid")

    path: FilePath


class NewStudy(BaseModel):
    """A CT and an MR, or a folder or archive with both, and what to do with them."""

    model_config = ConfigDict(extra="forbid")

    ct: FilePath | None = None
    mr: FilePath | None = None
    study: FilePath | None = None
    name: Text | None = None
    recipe: Recipe = Recipe()

    @model_validator(mode="after")
    def _one_way(self) -> "NewStudy":
        if (self.study is None) != (self.ct is not None and self.mr is not None) or (
            self.study and (self.ct or self.mr)
        ):
            raise ValueError("give ct and mr, or study with both inside")
        return self


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("has characters that cannot be printed; type the name again")
    return name


class Verdict(BaseModel):
    """A sign-off as the page sends it."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["accepted", "rejected"]
    name: Annotated[Text, AfterValidator(_printable)] = Field(description="Who signs, as typed")
    registration_id: Text = Field(description="Of the outcome that the person has looked at")


api = APIRouter(prefix="/api/v1")


@api.get("/info")
def info() -> dict[str, Any]:
    """Version, notice, methods, CT windows (width, level in HU) and limits of the drawing tools."""
    return {
        "version": version("radfuse"),
        "notice": NOTICE,
        "methods": {
            name: info.summary
            for name, info in METHODS.items()
            if info.weights is None or info.weights.is_file()
        },
        "structure_names": STRUCTURE_NAMES,
        "min_reach_mm": REACHES_MM[0],
        "max_reach_mm": REACHES_MM[1],
        "windows": {name: [window.width, window.level] for name, window in WINDOWS.items()},
    }


@api.post("/inspect")
def inspect_path(place: Place, desk: AtDesk) -> dict[str, Any]:
    """Say what a file, folder or archive holds, without names and IDs of patients."""
    (path,) = desk.usable(place.path)
    return run_contained(_inspected, path, path=path)


@api.post("/uploads", status_code=201, openapi_extra={
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {
        "type": "object", "required": ["files"],
        "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }}}}})  # fmt: skip
async def upload(request: Request, desk: AtDesk) -> dict[str, str]:
    """Take a zip archive or files; returns the path to name in `inspect` and `studies`."""
    async with request.form(max_files=MOST_FILES) as form:
        files = [
            (part.filename or "", part.file)
            for part in form.getlist("files")
            if isinstance(part, UploadFile)
        ]
        return {"path": str(await run_in_threadpool(keep_files, desk.studies.uploads, files))}


@api.get("/studies", response_model_exclude={"__all__": WITHOUT_PATHS})
def studies(desk: AtDesk) -> list[Study]:
    """Every study, the newest first, and what is known of those that cannot be read."""
    return [*desk.studies.all(), *desk.studies.broken()]


@api.post("/studies", status_code=201, response_model_exclude=WITHOUT_PATHS)
def create(asked: NewStudy, desk: AtDesk) -> Study:
    """Make a study; nothing runs yet."""
    return create_study(desk, asked)


@api.get("/studies/{identifier}", response_model_exclude=WITHOUT_PATHS)
def study(identifier: str, desk: AtDesk) -> Study:
    """One study and how far it is."""
    return desk.studies.get(identifier)


@api.delete("/studies/{identifier}", status_code=204)
def delete(identifier: str, desk: AtDesk) -> None:
    """Remove a study that does not run, and its upload where no other study uses it."""
    desk.work.delete(identifier)


@api.get("/studies/{identifier}/events", response_class=StreamingResponse)
def events(identifier: str, desk: AtDesk) -> StreamingResponse:
    """Server-sent events of the last run: `stage` with its share, at the end `done` or `error`."""
    desk.studies.get(identifier)
    return StreamingResponse(_stream(desk.work.run_of(identifier)), media_type="text/event-stream")


@api.get("/studies/{identifier}/qa.html", response_class=HTMLResponse)
def sheet(identifier: str, desk: AtDesk) -> FileResponse:
    """The QA sheet of the result, to print."""
    return FileResponse(
        desk.studies.sheet(identifier),
        media_type="text/html",
        headers={"content-security-policy": SHEET_POLICY},
    )


@api.put("/studies/{identifier}/signoff", response_model_exclude=WITHOUT_PATHS)
def sign(identifier: str, verdict: Verdict, desk: AtDesk) -> Study:
    """Sign the registration off: into study, record, QA sheet and DICOM objects, with the time.

    The objects are written anew with new UIDs; the study's message says so. 409 where the result
    has another registration than the one that was looked at.
    """
    return desk.studies.sign(identifier, Signoff(**verdict.model_dump(), time=now()))


def create_study(desk: Desk, asked: NewStudy) -> Study:
    """Make a study of what was asked for.

    Raises `InputError` and its kin for paths and recipes that cannot be used.
    """
    desk.check(asked.recipe)
    recipe, message = asked.recipe, ""
    if asked.study is not None:
        (both,) = desk.usable(asked.study)
        series, message = run_contained(_chosen, both, recipe, path=both)
        ct, mr, recipe = both, both, recipe.model_copy(update=series)
    else:
        ct, mr = desk.usable(asked.ct or "", asked.mr or "")
    name = asked.name or f"Study of {now():%Y-%m-%d %H:%M} UTC"
    return desk.studies.create(name, ct, mr, recipe, message)


def _inspected(path: Path) -> dict[str, Any]:
    """What a file, folder or archive holds, without identifiers."""
    with hiding(path):
        findings, others = inspect(path)
    facts = json.dumps([_facts(found) for found in findings], ensure_ascii=False)
    return {"images": json.loads(identifiers_below(path).hide(facts)), "other_files": others}


def _chosen(path: Path, recipe: Recipe) -> tuple[dict[str, str], str]:
    """The series of the CT and the MR in a folder or archive, and a sentence about the choice."""
    with hiding(path):
        pair = choose_pair(path, recipe)
    series = {"ct_series": pair.ct.volume.uid, "mr_series": pair.mr.volume.uid}
    return series, identifiers_below(path).hide(pair.sentence())


def _facts(found: InspectedSeries) -> dict[str, Any]:
    facts = asdict(found)
    for name in ("patient_id", "patient_name"):
        (facts["dicom"] or {}).pop(name, None)
    return {"line": found.line(), **facts}


async def _stream(told: Run | None) -> AsyncIterator[str]:
    """Events from the first to the last; nothing where nothing has run."""
    sent, silent_s = 0, 0.0
    while told is not None:
        over = told.ended.is_set()
        news: Sequence[tuple[str, dict[str, Any]]] = told.events[sent:]
        for kind, facts in news:
            yield f"event: {kind}\ndata: {json.dumps(facts)}\n\n"
        sent += len(news)
        if over:
            return
        silent_s = 0.0 if news else silent_s + NEWS_S
        if silent_s > HEARTBEAT_S:
            silent_s = 0.0
            yield ": waiting\n\n"
        await asyncio.sleep(NEWS_S)
