"""Routes of the review: the QA sheet, the form of the sign-off, and its signatures."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from radfuse.errors import InputError
from radfuse.pipeline.qa.form import ANSWERS, CHECKS, GRADES, MAX_ACCEPTED_GRADE
from radfuse.record import CheckAnswer, Signature, Signoff, now
from radfuse.service.models import RequestModel
from radfuse.service.responses import SHEET_POLICY
from radfuse.service.routes.actor import Actor, ActorOf
from radfuse.service.routes.dependencies import PATH_FIELDS, ServiceDeps
from radfuse.service.routes.studies import Text
from radfuse.service.stores.studies import Study


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has unprintable characters; type it again")
    return text


Name = Annotated[Text, AfterValidator(_printable)]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(_printable)
]
Comment = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=400), AfterValidator(_printable)
]


class SignatureRequest(RequestModel):
    """A signature of the viewer."""

    name: Name | None = Field(
        None, description="Name of the person who signs; by default, and at most, that of the login"
    )
    run: Text = Field(description="Run that was reviewed, `current` of the study")


class SignoffRequest(SignatureRequest):
    """A sign-off of the viewer, with the form of the QA sheet."""

    state: Literal["accepted", "rejected"]
    grade: Annotated[int, Field(ge=0, lt=len(GRADES))] | None = Field(
        None, description="Grade of AAPM TG-132, 0 the best"
    )
    checks: Mapping[str, CheckAnswer] = Field({}, description="Answers by the names of the checks")
    region: Line = Field("", description="Intended use and region for which it is good")
    comment: Comment = ""

    @model_validator(mode="after")
    def _agrees(self) -> "SignoffRequest":
        if unknown := sorted(self.checks.keys() - CHECKS.keys()):
            raise ValueError(f"no check {unknown[0][:100]!r}; the checks are {', '.join(CHECKS)}")
        if self.state == "accepted":
            if self.grade is not None and self.grade > MAX_ACCEPTED_GRADE:
                raise ValueError(
                    f"grade {self.grade} is not acceptable: reject the registration, or choose "
                    "another grade"
                )
            failed = [name for name, answer in self.checks.items() if answer == "no"]
            if failed and not self.comment:
                raise ValueError(
                    f"{', '.join(failed)} answered with no: state in the comment why the "
                    "registration is accepted, or reject it"
                )
        return self


api = APIRouter(prefix="/api/v1")


@api.get("/signoff-form")
def form() -> dict[str, Any]:
    """Grades from 0, checks and their answers, as on the QA sheet: names and texts."""
    return {
        "grades": [{"name": name, "text": text} for name, text in GRADES],
        "max_accepted_grade": MAX_ACCEPTED_GRADE,
        "checks": [{"name": name, "text": text} for name, text in CHECKS.items()],
        "answers": ANSWERS,
    }


@api.get("/studies/{identifier}/qa.html", response_class=HTMLResponse)
def qa_sheet(identifier: str, deps: ServiceDeps, run: str | None = None) -> FileResponse:
    """The printable QA sheet of the result; 409 where `run` is given and is not the current one."""
    return FileResponse(
        deps.studies.qa_sheet(identifier, run),
        media_type="text/html",
        headers={"content-security-policy": SHEET_POLICY},
    )


@api.put("/studies/{identifier}/signoff", response_model_exclude=PATH_FIELDS)
def sign(identifier: str, request: SignoffRequest, deps: ServiceDeps, actor: ActorOf) -> Study:
    """Sign off the registration, in study, record, QA sheet and DICOM objects, with the time.

    The DICOM objects are written again with new UIDs; the study's message says so. 409 if another
    run than the reviewed one is the current one.
    """
    form = request.model_dump(exclude={"run", "name"})
    signoff = Signoff(**form, **signature_of(request, actor).model_dump())
    study = deps.studies.sign(identifier, request.run, signoff)
    actor.did("signed off", study=identifier, run=study.current, state=signoff.state)
    return study


@api.put("/studies/{identifier}/signoff/second", response_model_exclude=PATH_FIELDS)
def sign_second(
    identifier: str, request: SignatureRequest, deps: ServiceDeps, actor: ActorOf
) -> Study:
    """Confirm the sign-off by another person, in the same parts as the first signature.

    400 without a sign-off, and for the name of the first person; 409 as for the sign-off.
    """
    study = deps.studies.confirm(identifier, request.run, signature_of(request, actor))
    actor.did("confirmed the sign-off", study=identifier, run=study.current)
    return study


def signature_of(request: SignatureRequest, actor: Actor) -> Signature:
    """The signature of a request: of its user, or with the typed name where nobody signs in.

    Raises `InputError` for the name of another user, and without a name.
    """
    if actor.user is None:
        if request.name is None:
            raise InputError("name: type your name to sign")
        return Signature(name=request.name, time=now())
    if request.name not in {None, actor.user.name}:
        raise InputError(f"you are signed in as {actor.user.name}; sign with this name")
    return Signature(name=actor.user.name, time=now(), is_authenticated=True)
