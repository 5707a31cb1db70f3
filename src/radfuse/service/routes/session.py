"""Routes of the session: sign in with the token of a user, sign out, who is signed in."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from radfuse.service.routes.actor import Actor, ActorOf
from radfuse.service.routes.dependencies import ServiceDeps
from radfuse.service.sessions import SignIn, clear_cookie, set_cookie, signed_in
from radfuse.service.users import Users

NO_SIGN_IN = "nobody signs in here: the viewer was started without a file of users"
"""Message of a viewer whose token gives access."""

api = APIRouter(prefix="/api/v1")


@api.post("/session", status_code=HTTPStatus.NO_CONTENT)
def sign_in(given: SignIn, deps: ServiceDeps) -> Response:
    """Sign a browser in: it gets a cookie for some hours. 404 for a viewer without sign-in."""
    session, user = signed_in(_users(deps), given)
    Actor(user, deps.audit).did("signed in")
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    access = deps.access
    set_cookie(response, access.cookie, session, is_encrypted=access.behind_proxy)
    return response


@api.delete("/session", status_code=HTTPStatus.NO_CONTENT)
def sign_out(deps: ServiceDeps, actor: ActorOf) -> Response:
    """End the session of a browser. 404 for a viewer without sign-in."""
    _users(deps).sign_out(actor.session)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    clear_cookie(response, deps.access.cookie)
    return response


@api.get("/session")
def session(deps: ServiceDeps, actor: ActorOf) -> dict[str, Any]:
    """Name and role of the user, both empty where the token gives access.

    `signs_out` is whether the session can be ended here, and not by a proxy.
    """
    known, user = deps.access.identification, actor.user
    return {
        "name": user.name if user else "",
        "role": user.role if user else "",
        "signs_out": known is not None and not known.header,
    }


def _users(deps: ServiceDeps) -> Users:
    known = deps.access.identification
    if known is None or known.header or known.users is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, NO_SIGN_IN)
    return known.users
