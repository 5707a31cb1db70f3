"""Access control: token or user, host and origin, size of requests, headers of responses."""

import ipaddress
import re
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from radfuse.service.identification import SIGN_IN, Identification, refusal_of
from radfuse.service.responses import (
    LOOPBACK_NAMES,
    MAX_JSON_BYTES,
    is_too_large,
    limited,
    refused,
    too_large,
    with_headers,
)
from radfuse.service.sessions import set_cookie

TOKEN_HEADER, TOKEN_QUERY = "x-radfuse-token", "token"  # names, not secrets
"""The token in a program's requests, and in the URL that a browser opens first."""

KEPT_QUERIES = ("study", "pacs", "lang")
"""What a URL with the token may also name: studies to retrieve, from where, and the language."""

UPLOADS = "/api/v1/uploads"
"""The path that accepts files."""

STRUCTURE_PATHS = re.compile(
    r"/api/v1/studies/[0-9a-f]{12}/(interpolate|structures(/[0-9a-f]{12})?)"
)
"""Paths that accept structures."""

MAX_STRUCTURE_BYTES = 16_000_000
"""Largest body with structures: the outline of a head of 512 x 512 x 234 voxels has 1 MB."""


@dataclass(frozen=True)
class Access:
    """Address of the server and its access rules."""

    host: str
    port: int
    token: str
    max_upload_bytes: int
    """Largest body of an upload."""

    behind_proxy: bool = False
    """Whether a proxy provides TLS, and other machines connect to it."""

    roots: tuple[Path, ...] | None = None
    """Resolved folders whose files may be opened; None for all of them, for clients on this machine
    alone."""

    identification: Identification | None = None
    """How users are known; None where the token alone gives access."""

    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """Opens the viewer once and is not the token: other users see a browser's command line."""

    @property
    def cookie(self) -> str:
        """Name of the cookie; browsers share cookies between ports."""
        return f"radfuse-{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in LOOPBACK_NAMES and not self.behind_proxy

    @property
    def allowed_roots(self) -> tuple[Path, ...]:
        """Folders whose files may be opened."""
        if self.roots is not None:
            return self.roots
        return (Path(Path.home().anchor),) if self.is_local else ()

    @property
    def url(self) -> str:
        """URL of the viewer, with the token where that gives access."""
        return self._url(self.token)

    @property
    def ticket_url(self) -> str:
        """URL that opens the viewer once."""
        return self._url(self.ticket)

    def _url(self, token: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = "" if self.identification else f"?{urlencode({TOKEN_QUERY: token})}"
        return f"http://{host}:{self.port}/{query}"

    def allows_host(self, host: str | None) -> bool:
        """Whether a Host header names this server; other names are DNS rebinding.

        Behind a proxy the name is that of the site, and the cookie is of the name that a browser
        opened with the token.
        """
        if self.behind_proxy:
            return bool(host)
        name, port = _split(host or "")
        if port not in {self.port, None}:
            return False
        if self.is_local:
            return name in LOOPBACK_NAMES
        return name == self.host.lower() or _is_own(name)

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether requests of this origin are allowed: only our own, or no browser at all."""
        schemes = ("http", "https") if self.behind_proxy else ("http",)
        own = {f"{scheme}://{host}".lower() for scheme in schemes}
        return origin is None or origin.lower() in own

    def allows_token(self, *tokens: str | None) -> bool:
        """Whether one of these is the token."""
        token = self.token.encode()
        return any(secrets.compare_digest((one or "").encode(), token) for one in tokens)


def _split(host: str) -> tuple[str, int | None]:
    """Name and port of a Host header; an invalid port is 0."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", 0


def _is_own(name: str) -> bool:
    """Whether a name is an IP address, which DNS cannot rebind, or a name of this machine."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in {socket.gethostname().lower(), socket.getfqdn().lower(), "localhost"}
    return True


class SecurityMiddleware:
    """ASGI middleware that refuses requests which `Access` does not allow."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._tickets = {access.ticket}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, max_bytes = Headers(scope=scope), self._max_bytes(scope["path"])
        response = self._check(headers, max_bytes) or self._authenticate(scope, headers)
        if response is not None:
            await response(scope, receive, with_headers(send))
            return
        await self._app(scope, limited(receive, max_bytes), with_headers(send))

    def _max_bytes(self, path: str) -> int:
        if path == UPLOADS:
            return self._access.max_upload_bytes
        return MAX_STRUCTURE_BYTES if STRUCTURE_PATHS.fullmatch(path) else MAX_JSON_BYTES

    def _check(self, headers: Headers, max_bytes: int) -> Response | None:
        access, host = self._access, headers.get("host")
        if not access.allows_host(host):
            return refused(421, "unknown Host name; open the URL that `radfuse view` printed")
        if not access.allows_origin(headers.get("origin"), host):
            return refused(403, "requests of another origin are not allowed")
        if is_too_large(headers, max_bytes):
            return refused(413, too_large(max_bytes))
        return None

    def _authenticate(self, scope: Scope, headers: Headers) -> Response | None:
        """Refuse a request without token or user; keep its user in its state."""
        known = self._access.identification
        if known is None:
            return self._authenticate_token(scope, headers)
        if known.header and not self._access.allows_token(headers.get(TOKEN_HEADER)):
            return refused(401, "access is through the proxy, which sends its token")
        method, path = scope["method"], scope["path"]
        if known.is_open(method, path):
            return None
        user = known.user(headers, self._access.cookie)
        if isinstance(user, Response):
            opens = method == "GET" and path == "/" and not known.header
            return _redirect(scope, SIGN_IN) if opens else user
        scope.setdefault("state", {})["user"] = user
        return refusal_of(user, method, path)

    def _authenticate_token(self, scope: Scope, headers: Headers) -> Response | None:
        """Set the cookie for a URL with the token; refuse a request without token and cookie."""
        access = self._access
        query = QueryParams(scope["query_string"]).get(TOKEN_QUERY)
        opens = scope["method"] == "GET" and scope["path"] == "/"
        if opens and (access.allows_token(query) or self._use_ticket(query)):
            redirect = _redirect(scope, "/")
            set_cookie(redirect, access.cookie, access.token, is_encrypted=access.behind_proxy)
            return redirect
        cookies = cookie_parser(headers.get("cookie", ""))
        if access.allows_token(headers.get(TOKEN_HEADER), cookies.get(access.cookie)):
            return None
        return refused(401, "access requires the token: open the URL that `radfuse view` printed")

    def _use_ticket(self, ticket: str | None) -> bool:
        """Whether a ticket is valid; it is not afterwards."""
        valid = ticket in self._tickets
        self._tickets.discard(ticket or "")
        return valid


def _redirect(scope: Scope, path: str) -> RedirectResponse:
    """Redirect to a path, with what the URL may name."""
    given = QueryParams(scope["query_string"]).multi_items()
    kept = [(key, value) for key, value in given if key in KEPT_QUERIES]
    return RedirectResponse(f"{path}?{urlencode(kept)}" if kept else path, status_code=303)
