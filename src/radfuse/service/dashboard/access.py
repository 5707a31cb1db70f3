"""Who may do what: tokens, sessions, origin and size of requests, headers of responses."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from radfuse.node.settings import NodeSettings
from radfuse.service.responses import (
    LOOPBACK_NAMES,
    MAX_JSON_BYTES,
    is_too_large,
    limited,
    refused,
    too_large,
    with_headers,
)
from radfuse.service.sessions import SESSION, user_of
from radfuse.service.users import Role, User, Users

API = "/api/"
"""Paths that need a user."""


@dataclass(frozen=True)
class Door:
    """The users and the address of a dashboard."""

    users: Users
    settings: NodeSettings

    @property
    def cookie(self) -> str:
        """Name of the cookie; browsers share cookies between ports."""
        return f"radfuse-node-{self.settings.port}"

    @property
    def is_encrypted(self) -> bool:
        """Whether browsers reach it by TLS."""
        return bool(self.settings.certificate) or self.settings.behind_proxy

    def allows_host(self, host: str) -> bool:
        """Whether a Host header may name this server.

        Where only this machine connects, other names are DNS rebinding; elsewhere a name is up to
        the site, and a session is of the name that a browser signed in with.
        """
        if self.settings.host not in LOOPBACK_NAMES or self.is_encrypted:
            return True
        try:
            return urlsplit(f"//{host}").hostname in LOOPBACK_NAMES
        except ValueError:
            return False

    def allows_origin(self, origin: str | None, host: str) -> bool:
        """Whether requests of this origin are allowed: only our own, or no browser at all."""
        own = {f"http://{host}".lower(), f"https://{host}".lower()}
        return origin is None or origin.lower() in own

    def user_of(self, headers: Headers) -> User | None:
        """The user of a request, by a token or a session."""
        return user_of(self.users, headers, self.cookie)


class AccessMiddleware:
    """ASGI middleware that refuses requests which a `Door` does not allow."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on, with its user."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        response = self._check(headers) or self._authenticate(scope, headers)
        if response is not None:
            await response(scope, receive, with_headers(send))
            return
        await self._app(scope, limited(receive, MAX_JSON_BYTES), with_headers(send))

    def _check(self, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if not self._door.allows_host(host):
            return refused(421, "unknown Host name; open the URL that `radfuse node run` printed")
        if not self._door.allows_origin(headers.get("origin"), host):
            return refused(403, "requests of another origin are not allowed")
        if is_too_large(headers, MAX_JSON_BYTES):
            return refused(413, too_large(MAX_JSON_BYTES))
        return None

    def _authenticate(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        """Keep the user of a request in its state; refuse one that needs a user and has none."""
        path = scope["path"]
        user = self._door.user_of(headers) if path.startswith(API) else None
        scope.setdefault("state", {})["user"] = user
        signs_in = path == SESSION and scope["method"] == "POST"
        if user is None and path.startswith(API) and not signs_in:
            return refused(401, "access requires a token: sign in", {"www-authenticate": "Bearer"})
        return None


def _needs(role: Role) -> Callable[[Request], User]:
    def check(request: Request) -> User:
        user: User = request.state.user
        if not user.role.includes(role):
            raise HTTPException(
                HTTPStatus.FORBIDDEN, f"this needs the role {role}; you have {user.role}"
            )
        return user

    return check


Viewer = Annotated[User, Depends(_needs(Role.VIEWER))]
Operator = Annotated[User, Depends(_needs(Role.OPERATOR))]
Admin = Annotated[User, Depends(_needs(Role.ADMIN))]
