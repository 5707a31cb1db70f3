"""The application: REST routes, the viewer's files and the responses to errors."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI

from radfuse.dicom.network.address import Address
from radfuse.node.audit import Audit
from radfuse.service.delivery.transfers import UnknownTransferError
from radfuse.service.jobs.job_queue import JobQueue
from radfuse.service.responses import add_error_responses
from radfuse.service.routes import (
    aligning,
    opening,
    phantom,
    registration,
    results,
    session,
    signing,
    structures,
    studies,
    transfers,
)
from radfuse.service.routes.actor import AUDIT
from radfuse.service.routes.dependencies import Dependencies
from radfuse.service.security import Access, SecurityMiddleware
from radfuse.service.slice_preview import SlicePreviews
from radfuse.service.static_files import StaticFiles
from radfuse.service.stores.aligning.alignments import UnknownAlignmentError
from radfuse.service.stores.patients import DifferentPatientsError
from radfuse.service.stores.revisions import StaleRevisionError
from radfuse.service.stores.shown_files import UnknownStudyError
from radfuse.service.stores.structure_store import StructureStore, UnknownStructureError
from radfuse.service.stores.studies import OtherResultError, Studies

STATIC = Path(__file__).parent / "static"
"""HTML, CSS and scripts of the viewer."""

STATUS: dict[type[Exception], int] = {
    UnknownStudyError: 404,
    UnknownStructureError: 404,
    UnknownAlignmentError: 404,
    UnknownTransferError: 404,
    StaleRevisionError: 409,
    OtherResultError: 409,
    DifferentPatientsError: 409,
}
"""HTTP status of errors of ours that only the viewer has."""


def make_app(
    access: Access, folder: Path, destinations: Mapping[str, Address] | None = None
) -> FastAPI:
    """The viewer and its REST interface for the studies in a folder.

    Raises `OutputError` where the folder is not writable.
    """
    store = Studies(folder)
    store.recover()
    jobs = JobQueue(store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.deps.transfers.close()
        jobs.close()

    app = FastAPI(
        title="radfuse view",
        version=version("radfuse"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.deps = Dependencies(
        store,
        StructureStore(store),
        jobs,
        access,
        SlicePreviews(),
        destinations=destinations or {},
        audit=Audit(folder / AUDIT) if access.identification else None,
    )
    app.add_middleware(SecurityMiddleware, access=access)
    add_error_responses(app, STATUS)
    for routes in (
        session, studies, opening, phantom, registration, aligning, results, transfers, signing,
        structures,
    ):  # fmt: skip
        app.include_router(routes.api)
    app.mount("/", StaticFiles(STATIC))
    return app
