"""Sign-in by the token of a user, and the cookie of the session, of dashboard and viewer."""

import logging
from http import HTTPStatus
from typing import Annotated

from fastapi import HTTPException
from fastapi.responses import Response
from pydantic import Field
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from radfuse.service.models import RequestModel
from radfuse.service.users import User, Users

LOG = logging.getLogger(__name__)

SESSION = "/api/v1/session"
"""The path that makes a session."""

BEARER = "bearer "
"""Start of the header Authorization of a program."""


class SignIn(RequestModel):
    """A token of a user."""

    token: Annotated[str, Field(min_length=1, max_length=1000)]


def user_of(users: Users, headers: Headers, cookie: str) -> User | None:
    """The user of a request, by a token or by the session in a cookie."""
    given = headers.get("authorization", "")
    if given.lower().startswith(BEARER):
        return users.find(given[len(BEARER) :].strip())
    session = cookie_parser(headers.get("cookie", "")).get(cookie)
    return users.of_session(session) if session else None


def signed_in(users: Users, given: SignIn) -> tuple[str, User]:
    """A new session and its user; 401 for a token of nobody."""
    user, session = users.find(given.token), users.sign_in(given.token)
    if session is None or user is None:
        LOG.warning("sign-in refused")
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "no user has this token")
    return session, user


def set_cookie(response: Response, name: str, session: str, *, is_encrypted: bool) -> None:
    """Let a browser keep a session; scripts and other sites cannot use it."""
    response.set_cookie(name, session, httponly=True, samesite="strict", secure=is_encrypted)


def clear_cookie(response: Response, name: str) -> None:
    """Let a browser forget a session."""
    response.delete_cookie(name, httponly=True, samesite="strict")
