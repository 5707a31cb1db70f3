"""The application of the dashboard: REST routes, its files and the responses to errors."""

from importlib.metadata import version
from pathlib import Path
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from radfuse.errors import OutputError, PeerError
from radfuse.service.dashboard import health, routes
from radfuse.service.dashboard.access import AccessMiddleware, Door
from radfuse.service.dashboard.health import Health
from radfuse.service.responses import add_error_responses
from radfuse.service.sessions import set_cookie
from radfuse.service.users import Users

STATIC = Path(__file__).parent / "static"
"""HTML, CSS and scripts of the dashboard."""

SHARED = Path(__file__).parents[1] / "static"
"""Those of the viewer, of which the dashboard uses some."""


def make_dashboard(of: Health, users: Users) -> FastAPI:
    """The dashboard of a node and its REST interface."""
    app = FastAPI(
        title="radfuse node",
        version=version("radfuse"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    door = Door(users, of.node.settings)
    app.state.health, app.state.door = of, door
    app.add_middleware(AccessMiddleware, door=door)
    add_error_responses(app, {PeerError: 424, OutputError: 503})
    app.include_router(health.api)
    app.include_router(routes.api)

    @app.get("/", include_in_schema=False)
    def index(request: Request, token: str = "") -> Response:
        """The dashboard; a URL with the local token signs in first."""
        if token and users.local_token and (session := users.sign_in(token)):
            response = RedirectResponse(str(request.url.path), status_code=303)
            set_cookie(response, door.cookie, session, is_encrypted=door.is_encrypted)
            return response
        return FileResponse(STATIC / "index.html")

    @app.get("/shared/{name}", include_in_schema=False)
    def shared(name: Literal["style.css", "dom.js"]) -> Response:
        """A file that the viewer has, too."""
        return FileResponse(SHARED / name)

    app.mount("/", StaticFiles(directory=STATIC))
    return app
