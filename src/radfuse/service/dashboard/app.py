"""The application of the dashboard."""

from importlib.metadata import version

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from radfuse.service.dashboard import health
from radfuse.service.dashboard.health import Health
from radfuse.service.responses import (
    MAX_JSON_BYTES,
    add_error_responses,
    is_too_large,
    limited,
    refused,
    too_large,
    with_headers,
)


def make_dashboard(of: Health) -> FastAPI:
    """The dashboard of a node and its REST interface."""
    app = FastAPI(
        title="radfuse node",
        version=version("radfuse"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.health = of
    app.add_middleware(Protection)
    add_error_responses(app)
    app.include_router(health.api)
    return app


class Protection:
    """ASGI middleware: limits of requests, and headers of responses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif is_too_large(Headers(scope=scope), MAX_JSON_BYTES):
            await refused(413, too_large(MAX_JSON_BYTES))(scope, receive, with_headers(send))
        else:
            await self._app(scope, limited(receive, MAX_JSON_BYTES), with_headers(send))
