"""Who may talk to the server: token, host and origin, size of a request, headers of an answer."""

import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER, TOKEN_QUERY = "x-radfuse-token", "token"  # names, not secrets
"""How a program and how the first call of a browser say the token."""

UPLOADS = "/api/v1/uploads"
"""The one path that takes files."""

DRAWINGS = re.compile(r"/api/v1/studies/[0-9a-f]{12}/(interpolate|structures(/[0-9a-f]{12})?)")
"""Paths that take drawn structures."""

MOST_DRAWING_BYTES = 16_000_000
"""Largest body with drawn structures: the outline of a head of 512 x 512 x 234 voxels has 1 MB."""

MOST_JSON_BYTES = 1_000_000
"""Largest body of any other request."""

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
"""Names of this machine to itself."""

POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
        "connect-src 'self' data:", "font-src 'self'", "worker-src 'self' blob:",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    )
)  # fmt: skip
"""Content-Security-Policy: nothing from elsewhere, no script in the page itself."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""On every answer."""


@dataclass(frozen=True)
class Access:
    """Where the server listens and who may talk to it."""

    host: str
    port: int
    token: str
    most_upload_bytes: int
    """Largest body of an upload."""

    @property
    def cookie(self) -> str:
        """Name of the cookie; browsers do not part cookies by port."""
        return f"radfuse-{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.host in LOOPBACK_NAMES

    @property
    def url(self) -> str:
        """The page's address, token included."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/?{urlencode({TOKEN_QUERY: self.token})}"

    def allows_host(self, host: str | None) -> bool:
        """Whether a Host header names this server: a foreign name is a rebound one."""
        name, port = _split(host or "")
        if port not in {self.port, None}:
            return False
        if self.is_local:
            return name in LOOPBACK_NAMES
        return name == self.host.lower() or _is_own(name)

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of this origin may call: none but our own, or no page at all."""
        return origin is None or origin.lower() == f"http://{host}".lower()

    def knows(self, tokens: Iterable[str | None]) -> bool:
        """Whether one of these is the token."""
        wanted = self.token.encode()
        return any(secrets.compare_digest((given or "").encode(), wanted) for given in tokens)


def _split(host: str) -> tuple[str, int | None]:
    """Name and port of a Host header; an impossible port is 0."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", 0


def _is_own(name: str) -> bool:
    """Whether a name is an address, which no name server can rebind, or this machine's own."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in {socket.gethostname().lower(), socket.getfqdn().lower(), "localhost"}
    return True


class Guard:
    """ASGI middleware that lets in only what `Access` allows."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is refused, pass on what is not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, most = Headers(scope=scope), self._most_bytes(scope["path"])
        answer = self._refusal(headers, most) or self._entrance(scope, headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                for name, value in HEADERS.items():
                    MutableHeaders(scope=message).setdefault(name, value)
            await send(message)

        if answer is not None:
            await answer(scope, receive, send_with_headers)
            return
        await self._app(scope, _limited(receive, most), send_with_headers)

    def _most_bytes(self, path: str) -> int:
        if path == UPLOADS:
            return self._access.most_upload_bytes
        return MOST_DRAWING_BYTES if DRAWINGS.fullmatch(path) else MOST_JSON_BYTES

    def _refusal(self, headers: Headers, most_bytes: int) -> JSONResponse | None:
        access, host = self._access, headers.get("host")
        if not access.allows_host(host):
            return _refused(421, "this server does not answer to that Host name")
        if not access.allows_origin(headers.get("origin"), host):
            return _refused(403, "pages of another origin may not call this server")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > most_bytes:
            return _refused(413, _too_large(most_bytes))
        return None

    def _entrance(self, scope: Scope, headers: Headers) -> JSONResponse | RedirectResponse | None:
        """The cookie for a first call with the right token, a refusal without any."""
        access = self._access
        query = QueryParams(scope["query_string"]).get(TOKEN_QUERY)
        if scope["method"] == "GET" and scope["path"] == "/" and access.knows([query]):
            entrance = RedirectResponse("/", status_code=303)
            entrance.set_cookie(access.cookie, access.token, httponly=True, samesite="strict")
            return entrance
        cookies = cookie_parser(headers.get("cookie", ""))
        if access.knows([headers.get(TOKEN_HEADER), cookies.get(access.cookie)]):
            return None
        return _refused(401, "open the address that `radfuse view` printed: it has the token")


def _limited(receive: Receive, most_bytes: int) -> Receive:
    """Count a body as it comes: its length may not have been told, or told wrongly."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most_bytes:
            raise HTTPException(413, _too_large(most_bytes))
        return message

    return counted


def _too_large(most_bytes: int) -> str:
    return f"larger than the {most_bytes / 1e6:g} MB that this request may have"


def _refused(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status_code=status)
