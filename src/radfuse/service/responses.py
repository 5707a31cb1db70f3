"""What the viewer and the dashboard have in common: headers, limits of requests, errors."""

from collections.abc import Mapping

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import Message, Receive, Send

from radfuse.errors import DiskFullError, OutputError, RadfuseError

MAX_JSON_BYTES = 1_000_000
"""Largest body of a request without files."""

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
"""Names of the local host."""

POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
        "connect-src 'self' data:", "font-src 'self'", "worker-src 'self' blob:",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    )
)  # fmt: skip
"""Content-Security-Policy: nothing from other servers, no inline scripts."""

SHEET_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
"""Content-Security-Policy of a QA sheet, which embeds its styles and images."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of each response."""


def with_headers(send: Send) -> Send:
    """Add `HEADERS` to a response that does not have them."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            for name, value in HEADERS.items():
                MutableHeaders(scope=message).setdefault(name, value)
        await send(message)

    return send_with_headers


def is_too_large(headers: Headers, max_bytes: int) -> bool:
    """Whether a request announces a larger body."""
    length = headers.get("content-length", "")
    return length.isdecimal() and int(length) > max_bytes


def limited(receive: Receive, max_bytes: int) -> Receive:
    """Limit a body as it is received: its Content-Length may be missing or wrong."""
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise HTTPException(413, too_large(max_bytes))
        return message

    return counted


def too_large(max_bytes: int) -> str:
    """Why a body is refused."""
    return f"the request is larger than {max_bytes / 1e6:g} MB"


def refused(status: int, error: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One sentence; characters that are not valid Unicode, such as a lone surrogate, become '?'."""
    encodable = error.encode("utf-8", "replace").decode("utf-8")
    return JSONResponse({"error": encodable}, status_code=status, headers=headers)


def _invalid(where: tuple[str | int, ...], message: str) -> str:
    """What is wrong with a request, with its field unless it is the whole body."""
    reason = message.removeprefix("Value error, ")
    return reason if where == ("body",) else f"{'.'.join(map(str, where))}: {reason}"


def add_error_responses(
    app: FastAPI, statuses: Mapping[type[Exception], int] | None = None
) -> None:
    """Let an application answer errors of ours, of HTTP and of validation with one sentence.

    `statuses` are those of errors of ours that are not 400, or 507 for a full disk.
    """
    status_of: dict[type[Exception], int] = {DiskFullError: 507, **(statuses or {})}

    async def on_error(_: Request, error: Exception) -> JSONResponse:
        match error:
            case StarletteHTTPException():
                return refused(error.status_code, str(error.detail), error.headers)
            case RequestValidationError():
                first = error.errors()[0]
                return refused(422, _invalid(first["loc"], first["msg"]))
        text = error.reason if isinstance(error, OutputError) else str(error)
        known = (status_of[kind] for kind in type(error).__mro__ if kind in status_of)
        return refused(next(known, 400), text)

    for kind in (RadfuseError, StarletteHTTPException, RequestValidationError):
        app.add_exception_handler(kind, on_error)
