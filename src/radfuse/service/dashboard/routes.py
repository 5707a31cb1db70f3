"""The REST interface of the dashboard; each route names the role that it needs."""

import time
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from pydantic import Field

from radfuse.errors import InputError
from radfuse.modality import CT, MR
from radfuse.node.node import AUDIT, Node
from radfuse.node.state import FusionState, PatientState
from radfuse.record import NOTICE
from radfuse.service.dashboard.access import Admin, Door, Operator, Viewer
from radfuse.service.dashboard.health import Health
from radfuse.service.dashboard.listings import (
    audit_json,
    delivery_json,
    end_of,
    fusion_json,
    identity_json,
    log_of,
    patient_json,
    sheet_of,
)
from radfuse.service.models import RequestModel
from radfuse.service.responses import SHEET_POLICY
from radfuse.service.sessions import SignIn, clear_cookie, set_cookie, signed_in

MAX_LISTED = 100
"""Entries of one answer."""

MAX_STUDIES = 10
"""Studies of a patient that the viewer retrieves."""

OPENED = (str(CT), str(MR))
"""Modalities of series for which a study is retrieved."""

Number = Annotated[int, Path(ge=1, lt=1 << 63)]
Resource = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{8}){4}$")]
Most = Annotated[int, Query(ge=1, le=MAX_LISTED)]
After = Annotated[int, Query(ge=0, lt=1 << 63)]


class Suspension(RequestModel):
    """Whether the node takes patients."""

    suspended: bool


class PatientQuery(RequestModel):
    """A PatientID or a name; `*` matches any characters."""

    patient: Annotated[str, Field(min_length=1, max_length=64)]


def _health(request: Request) -> Health:
    health: Health = request.app.state.health
    return health


def _node(request: Request) -> Node:
    return _health(request).node


HealthOf = Annotated[Health, Depends(_health)]
NodeOf = Annotated[Node, Depends(_node)]

api = APIRouter(prefix="/api/v1")


@api.post("/session", status_code=HTTPStatus.NO_CONTENT)
def sign_in(request: Request, given: SignIn, node: NodeOf) -> Response:
    """Sign a browser in: it gets a cookie for some hours."""
    door: Door = request.app.state.door
    session, user = signed_in(door.users, given)
    node.audit.write("signed in", who=user.name)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    set_cookie(response, door.cookie, session, is_encrypted=door.is_encrypted)
    return response


@api.delete("/session", status_code=HTTPStatus.NO_CONTENT)
def sign_out(request: Request, _user: Viewer) -> Response:
    """End the session of a browser."""
    door: Door = request.app.state.door
    door.users.sign_out(request.cookies.get(door.cookie, ""))
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    clear_cookie(response, door.cookie)
    return response


@api.get("/session")
def session(user: Viewer, node: NodeOf) -> dict[str, Any]:
    """The user, the version and what the dashboard links to."""
    return {
        "name": user.name, "role": user.role, "version": version("radfuse"), "notice": NOTICE,
        "viewer": node.settings.viewer,
    }  # fmt: skip


@api.get("/status")
def status(request: Request, _user: Viewer, health: HealthOf) -> dict[str, Any]:
    """What keeps the node from working, and how much of what there is."""
    node, door = health.node, request.app.state.door
    problems = health.problems()
    return {
        "suspended": node.store.is_suspended,
        "paused": node.paused,
        "problems": [*problems, *filter(None, [door.users.problem])],
        "fusions": node.store.counts(),
        "patients": node.store.patient_counts(),
        "deliveries": node.store.delivery_count(),
        "free_bytes": health.free_bytes(),
        "min_free_bytes": node.settings.min_free_bytes,
        "now": time.time(),
    }


@api.put("/suspended", status_code=HTTPStatus.NO_CONTENT)
def suspend(given: Suspension, user: Operator, node: NodeOf) -> None:
    """Take no patient, or go on; fusions that run end."""
    node.suspend(user.name, suspended=given.suspended)


@api.get("/fusions")
def fusions(
    user: Viewer, node: NodeOf,
    state: Annotated[list[FusionState] | None, Query()] = None,
    after: After = 0, most: Most = 50,
) -> dict[str, Any]:  # fmt: skip
    """Fusions of some states, the newest first; `after` is the number of the last one shown."""
    found = node.store.newest(state or list(FusionState), after=after, most=most + 1)
    listed = [fusion_json(node, one, user) for one in found[:most]]
    return {"fusions": listed, "next": found[most - 1].number if len(found) > most else None}


@api.get("/fusions/{number}")
def fusion(number: Number, user: Viewer, node: NodeOf) -> dict[str, Any]:
    """One fusion."""
    found = node.store.fusion(number)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no fusion {number}")
    return fusion_json(node, found, user)


@api.get("/fusions/{number}/log", response_class=PlainTextResponse)
def log(number: Number, _user: Operator, node: NodeOf) -> PlainTextResponse:
    """The end of what the job of a fusion has printed."""
    path = log_of(node, number)
    if not path.is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND, f"fusion {number} has no log")
    return PlainTextResponse(end_of(path))


@api.get("/fusions/{number}/qa.html", response_class=HTMLResponse)
def sheet(number: Number, _user: Operator, node: NodeOf) -> HTMLResponse:
    """The QA sheet of a fusion."""
    path = sheet_of(node, number)
    if not path.is_file():
        raise HTTPException(HTTPStatus.NOT_FOUND, f"fusion {number} has no QA sheet")
    return HTMLResponse(path.read_bytes(), headers={"content-security-policy": SHEET_POLICY})


@api.post("/fusions/{number}/cancel", status_code=HTTPStatus.NO_CONTENT)
def cancel(number: Number, user: Operator, node: NodeOf) -> None:
    """Cancel a fusion that is not done."""
    node.cancel(number, user.name)


@api.post("/fusions/{number}/run-again", status_code=HTTPStatus.NO_CONTENT)
def run_again(number: Number, user: Operator, node: NodeOf) -> None:
    """Run an ended fusion again."""
    node.run_again(number, user.name)


@api.get("/patients")
def patients(
    _user: Operator, node: NodeOf, state: PatientState = PatientState.UNMATCHED,
    after: After = 0, most: Most = 50,
) -> dict[str, Any]:  # fmt: skip
    """Patients of a state, the longest unchanged first, without the first `after`."""
    found = node.store.patients([state], after=after, most=most + 1)
    listed = [patient_json(one) for one in found[:most]]
    return {"patients": listed, "next": after + most if len(found) > most else None}


@api.get("/identities")
def identities(
    _user: Operator, health: HealthOf,
    patient: Annotated[list[Annotated[str, Field(pattern=r"^[0-9a-f-]{44}$")]],
                       Query(min_length=1, max_length=MAX_LISTED)],
) -> list[dict[str, str]]:  # fmt: skip
    """Names and IDs of patients, as the Orthanc has them now."""
    return [identity_json(health.orthanc, one) for one in dict.fromkeys(patient)]


@api.post("/patients/search")
def search(given: PatientQuery, user: Operator, health: HealthOf) -> list[dict[str, Any]]:
    """Patients of the Orthanc by ID or name, each with what is stored of it."""
    node, found = health.node, []
    for keyword in ("PatientID", "PatientName"):
        found += health.orthanc.find_patients(given.patient, keyword)
    node.audit.write("patients searched", who=user.name)
    return [_searched(one, user, health) for one in list(dict.fromkeys(found))[:MAX_LISTED]]


def _searched(patient: str, user: Operator, health: Health) -> dict[str, Any]:
    node = health.node
    stored, fusions = node.store.patient(patient), node.store.fusions_of(patient)
    return {
        **(patient_json(stored) if stored else {"state": "", "reason": "", "changed": None}),
        **identity_json(health.orthanc, patient),
        "fusions": [fusion_json(node, one, user) for one in fusions[-MAX_LISTED:]],
    }


@api.post("/patients/{patient}/fuse", status_code=HTTPStatus.NO_CONTENT)
def force(patient: Resource, user: Operator, node: NodeOf) -> None:
    """Fuse what is there of a patient now, and again."""
    node.force(patient, user.name)


@api.get("/patients/{patient}/viewer", status_code=HTTPStatus.SEE_OTHER)
def open_viewer(patient: Resource, user: Operator, health: HealthOf) -> RedirectResponse:
    """Redirect to the viewer, which retrieves the patient's studies with CT or MR, the newest.

    404 without a viewer in the settings, and for a patient without such studies.
    """
    node = health.node
    if not node.settings.viewer:
        raise HTTPException(HTTPStatus.NOT_FOUND, "the settings of the node name no viewer")
    studies = {
        one.study_uid: one.facts.get("StudyDate", "")
        for one in health.orthanc.series_of(patient, with_sender=False)
        if one.facts.get("Modality") in OPENED
    }
    if not studies:
        raise HTTPException(HTTPStatus.NOT_FOUND, "the Orthanc has no CT or MR of this patient")
    newest = sorted(studies, key=lambda uid: (studies[uid], uid), reverse=True)[:MAX_STUDIES]
    node.audit.write("opened in the viewer", who=user.name)
    query = urlencode([("study", uid) for uid in newest])
    return RedirectResponse(f"{node.settings.viewer}/?{query}", HTTPStatus.SEE_OTHER)


@api.get("/deliveries")
def deliveries(_user: Operator, node: NodeOf, after: After = 0, most: Most = 50) -> dict[str, Any]:
    """Results that are not yet at a destination, the oldest first, after a number."""
    found = node.store.waiting_deliveries(after=after, most=most + 1)
    listed = [delivery_json(one) for one in found[:most]]
    return {"deliveries": listed, "next": found[most - 1].number if len(found) > most else None}


@api.get("/audit")
def audit(
    _user: Admin, node: NodeOf, after: Annotated[int | None, Query(ge=0)] = None, most: Most = 50
) -> dict[str, Any]:
    """Who did what, when: the newest first; `after` is the position that an answer gave."""
    try:
        return audit_json(node.settings.data / AUDIT, after, most)
    except OSError as error:
        raise InputError(f"the audit log cannot be read ({error.strerror})") from error


@api.get("/settings")
def settings(_user: Admin, node: NodeOf) -> dict[str, Any]:
    """The settings in force; no password is among them."""
    return node.settings.model_dump(mode="json")
