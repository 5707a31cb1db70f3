"""Routes of the review: the QA sheet and the sign-off of a registration."""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import AfterValidator, Field

from radfuse.record import Signoff, now
from radfuse.service.models import RequestModel
from radfuse.service.responses import SHEET_POLICY
from radfuse.service.routes.dependencies import PATH_FIELDS, ServiceDeps
from radfuse.service.routes.studies import Text
from radfuse.service.stores.studies import Study


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("has unprintable characters; type the name again")
    return name


class SignoffRequest(RequestModel):
    """A sign-off of the viewer."""

    state: Literal["accepted", "rejected"]
    name: Annotated[Text, AfterValidator(_printable)] = Field(
        description="Name of the person who signs"
    )
    run: Text = Field(description="Run that was reviewed, `current` of the study")


api = APIRouter(prefix="/api/v1/studies/{identifier}")


@api.get("/qa.html", response_class=HTMLResponse)
def qa_sheet(identifier: str, deps: ServiceDeps) -> FileResponse:
    """The printable QA sheet of the result."""
    return FileResponse(
        deps.studies.qa_sheet(identifier),
        media_type="text/html",
        headers={"content-security-policy": SHEET_POLICY},
    )


@api.put("/signoff", response_model_exclude=PATH_FIELDS)
def sign(identifier: str, request: SignoffRequest, deps: ServiceDeps) -> Study:
    """Sign off the registration, in study, record, QA sheet and DICOM objects, with the time.

    The DICOM objects are written again with new UIDs; the study's message says so. 409 if another
    run than the reviewed one is the current one.
    """
    signoff = Signoff(**request.model_dump(exclude={"run"}), time=now())
    return deps.studies.sign(identifier, request.run, signoff)
