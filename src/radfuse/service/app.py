"""The application: REST routes, the viewer's files and the responses to errors."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from radfuse.errors import DiskFullError, OutputError, RadfuseError
from radfuse.service.jobs.job_queue import JobQueue
from radfuse.service.routes import registration, structures, studies
from radfuse.service.routes.dependencies import Dependencies
from radfuse.service.security import Access, SecurityMiddleware
from radfuse.service.stores.structure_store import (
    StaleRevisionError,
    StructureStore,
    UnknownStructureError,
)
from radfuse.service.stores.studies import OtherResultError, Studies, UnknownStudyError

STATIC = Path(__file__).parent / "static"
"""HTML, CSS and scripts of the viewer."""

STATUS: dict[type[Exception], int] = {
    UnknownStudyError: 404,
    UnknownStructureError: 404,
    StaleRevisionError: 409,
    OtherResultError: 409,
    DiskFullError: 507,
}
"""HTTP status of an error of ours, where it is not 400."""


def make_app(access: Access, folder: Path) -> FastAPI:
    """The viewer and its REST interface for the studies in a folder.

    Raises `OutputError` where the folder is not writable.
    """
    store = Studies(folder)
    store.recover()
    jobs = JobQueue(store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        jobs.close()

    app = FastAPI(
        title="radfuse view",
        version=version("radfuse"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.deps = Dependencies(store, StructureStore(store), jobs, access)
    app.add_middleware(SecurityMiddleware, access=access)
    for kind in (RadfuseError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _on_error)
    for routes in (studies, registration, structures):
        app.include_router(routes.api)
    app.mount("/", StaticFiles(directory=STATIC, html=True))
    return app


async def _on_error(_: Request, error: Exception) -> JSONResponse:
    match error:
        case HTTPException():
            return _response(error.status_code, str(error.detail), error.headers)
        case RequestValidationError():
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            return _response(422, f"{field}: {first['msg'].removeprefix('Value error, ')}")
    text = error.reason if isinstance(error, OutputError) else str(error)
    return _response(STATUS.get(type(error), 400), text)


def _response(status: int, error: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One sentence; characters that are not valid Unicode, such as a lone surrogate, become '?'."""
    encodable = error.encode("utf-8", "replace").decode("utf-8")
    return JSONResponse({"error": encodable}, status_code=status, headers=headers)
