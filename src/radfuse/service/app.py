"""The application: the routes, the page and what becomes of errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from radfuse.errors import RadfuseError
from radfuse.service.jobs.job_queue import Work
from radfuse.service.routes.dependencies import Desk
from radfuse.service.routes.registration import api as alignment
from radfuse.service.routes.structures import api as drawing
from radfuse.service.routes.studies import api
from radfuse.service.security import Access, Guard
from radfuse.service.stores.structure_store import Drawings, StaleError, UnknownStructureError
from radfuse.service.stores.studies import OtherRegistrationError, Studies, UnknownStudyError

STATIC = Path(__file__).parent / "static"
"""The page."""

STATUS: dict[type[Exception], int] = {
    UnknownStudyError: 404,
    UnknownStructureError: 404,
    StaleError: 409,
    OtherRegistrationError: 409,
}
"""HTTP status of an error of ours, where it is not 400."""


def make_app(access: Access, folder: Path) -> FastAPI:
    """The page and its interface over the studies in a folder.

    Raises `OutputError` where the folder cannot be written to.
    """
    studies = Studies(folder)
    studies.recover()
    work = Work(studies)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        work.close()

    app = FastAPI(
        title="radfuse view",
        version=version("radfuse"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk = Desk(studies, work, access)
    app.state.drawings = Drawings(studies)
    app.add_middleware(Guard, access=access)
    app.add_exception_handler(RadfuseError, _ours)
    app.add_exception_handler(HTTPException, _of_protocol)
    app.add_exception_handler(RequestValidationError, _of_form)
    app.include_router(api)
    app.include_router(alignment)
    app.include_router(drawing)
    app.mount("/", StaticFiles(directory=STATIC, html=True))
    return app


async def _ours(_: Request, error: Exception) -> JSONResponse:
    return _answer(STATUS.get(type(error), 400), str(error))


async def _of_protocol(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    return _answer(error.status_code, str(error.detail))


async def _of_form(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return _answer(422, f"{place}: {first['msg'].removeprefix('Value error, ')}")


def _answer(status: int, error: str) -> JSONResponse:
    """One sentence; what is no Unicode in it, such as half a surrogate pair, becomes '?'."""
    sayable = error.encode("utf-8", "replace").decode("utf-8")
    return JSONResponse({"error": sayable}, status_code=status)
