"""The routes of looking and aligning: prepare, view, landmarks, run, a slice by another method."""

from typing import Annotated

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from radfuse.recipe import Recipe
from radfuse.registration.landmarks import fit_landmarks
from radfuse.registration.transforms import matrix_of
from radfuse.service.jobs.fusion import manual
from radfuse.service.jobs.view_files import KEPT_BACK, View, VolumeName
from radfuse.service.jobs.worker import Task
from radfuse.service.routes.dependencies import WITHOUT_PATHS, AtDesk
from radfuse.service.stores.studies import Study
from radfuse.service.stores.view_volumes import Rows, rows_of

MOST_MM = 1e5
"""Largest coordinate that is taken: a hundred metres, beyond any scanner."""

MOST_PAIRS = 1000
"""Pairs of landmarks at once."""

Number = Annotated[float, Field(ge=-MOST_MM, le=MOST_MM, allow_inf_nan=False)]
Place = tuple[Number, Number, Number]
Row = tuple[Number, Number, Number, Number]
Matrix = tuple[Row, Row, Row, Row]


class Pair(BaseModel):
    """One landmark in both images, LPS mm."""

    model_config = ConfigDict(extra="forbid")

    ct: Place
    mr: Place


class Landmarks(BaseModel):
    """Landmarks that a person has found."""

    model_config = ConfigDict(extra="forbid")

    pairs: Annotated[list[Pair], Field(max_length=MOST_PAIRS)]


class Fit(BaseModel):
    """The rigid transform through landmarks, and how badly they agree with each other."""

    mr_from_ct: Rows
    errors_mm: tuple[float, ...]
    rms_mm: float


class AskedRun(BaseModel):
    """A fusion to run; without a recipe the study's."""

    model_config = ConfigDict(extra="forbid")

    recipe: Recipe | None = None
    keep_registration: bool = False
    """Whether the last registration is taken instead of a new search."""

    mr_from_ct: Matrix | None = None
    """A manual alignment, CT point to MR point, LPS mm."""

    refine: bool = True
    """Whether a search starts from the manual alignment; else it is taken as it stands."""

    accept: bool = False
    """Whether a registration that is not trusted is taken, in this run alone."""

    @model_validator(mode="after")
    def _one_alignment(self) -> "AskedRun":
        if self.keep_registration and self.mr_from_ct is not None:
            raise ValueError("give keep_registration or mr_from_ct, not both")
        return self


class AskedSlice(BaseModel):
    """One slice to fuse by another method."""

    model_config = ConfigDict(extra="forbid")

    method: str
    index: int
    """On the page's grid."""


class VolumeFile(FileResponse):
    """A file of some hundred megabytes, in pieces large enough for loopback."""

    chunk_size = 2**22
    """Bytes read at a time. 123 MB take 0.08 to 0.15 s so; 0.27 to 0.34 s in Starlette's 64 KiB."""


api = APIRouter(prefix="/api/v1/studies/{identifier}")


@api.post("/prepare", status_code=202, response_model_exclude=WITHOUT_PATHS)
def prepare(identifier: str, desk: AtDesk) -> Study:
    """Queue reading CT and MR for the page; afterwards the study is `ready`, or `done` again."""
    return desk.work.start(desk.studies.get(identifier), Task("prepare"))


@api.get("/view", response_model_exclude=KEPT_BACK)
def view(identifier: str, desk: AtDesk) -> View:
    """What there is to look at and how it lies together; 404 before the study is prepared."""
    return desk.studies.view(identifier)


@api.get("/volumes/{name}.nii", response_class=VolumeFile)
def volume(identifier: str, name: VolumeName, desk: AtDesk) -> VolumeFile:
    """CT (HU) or fused image (0 to 4095) on the page's grid, or the MR on its own; int16 NIfTI."""
    return VolumeFile(desk.studies.volume(identifier, name), media_type="application/x-nifti")


@api.post("/landmarks")
def landmarks(identifier: str, asked: Landmarks, desk: AtDesk) -> Fit:
    """Fit a rigid transform to at least three pairs of points; nothing is stored."""
    desk.studies.get(identifier)
    fit = fit_landmarks([pair.ct for pair in asked.pairs], [pair.mr for pair in asked.pairs])
    return Fit(
        mr_from_ct=rows_of(matrix_of(fit.mr_from_ct)), errors_mm=fit.errors_mm, rms_mm=fit.rms_mm
    )


@api.post("/run", status_code=202, response_model_exclude=WITHOUT_PATHS)
def run(identifier: str, asked: AskedRun, desk: AtDesk) -> Study:
    """Queue a fusion; one runs at a time. Its result takes back an earlier one's sign-off."""
    found = desk.studies.get(identifier)
    if asked.recipe is not None:
        series = {key: getattr(found.recipe, key) for key in ("ct_series", "mr_series")}
        chosen = {key: uid for key, uid in series.items() if getattr(asked.recipe, key) is None}
        found = found.model_copy(update={"recipe": asked.recipe.model_copy(update=chosen)})
    desk.check(found.recipe)
    manual(asked.mr_from_ct)
    task = Task("fuse", asked.keep_registration, asked.mr_from_ct, asked.refine, asked.accept)
    return desk.work.start(found, task)


@api.post("/cancel", status_code=202)
def cancel(identifier: str, desk: AtDesk) -> dict[str, str]:
    """Stop what waits or runs of a study."""
    desk.studies.get(identifier)
    desk.work.cancel(identifier)
    return {"state": "cancelling"}


@api.post("/slice", response_class=Response, responses={200: {"content": {
    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
}}})  # fmt: skip
def fused_slice(identifier: str, asked: AskedSlice, desk: AtDesk) -> Response:
    """Fuse a slice of the page's grid by another method: int16 little endian, 0 to 4095."""
    found = desk.studies.get(identifier)
    desk.check_method(asked.method)
    values = desk.previews.slice_of(
        desk.studies.place(identifier), desk.studies.view(identifier), found.recipe.options,
        asked.method, asked.index,
    )  # fmt: skip
    return Response(values.astype("<i2").tobytes(), media_type="application/octet-stream")
