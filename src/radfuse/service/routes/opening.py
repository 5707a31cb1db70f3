"""Routes of opening images: which series there are, and whose they are."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Field

from radfuse.service.models import RequestModel
from radfuse.service.opening.folders import FolderListing, list_folder, list_roots
from radfuse.service.opening.series_listing import series_lines
from radfuse.service.routes.dependencies import PATH_FIELDS, ServiceDeps
from radfuse.service.routes.studies import MAX_MRS, FilePath
from radfuse.service.stores.identity import read_identities
from radfuse.service.stores.patients import Reason, accept
from radfuse.service.stores.studies import Study


class PatientsRequest(RequestModel):
    """Why different patients in the headers are one person."""

    reason: Reason


class SeriesRequest(RequestModel):
    """Folders, archives and files whose series are listed."""

    paths: Annotated[tuple[FilePath, ...], Field(min_length=1, max_length=MAX_MRS)]


api = APIRouter(prefix="/api/v1")


@api.get("/folders")
def list_folders(deps: ServiceDeps, path: str | None = None) -> FolderListing:
    """The subfolders and images of a folder of the server, with the numbers of its images.

    With an empty `path` the folders that may be opened, without any that of the user. 400 for one
    that may not be opened.
    """
    roots = deps.access.allowed_roots
    start = str(Path.home()) if deps.access.roots is None and roots else ""
    wanted = start if path is None else path
    if not wanted:
        return list_roots(roots)
    (folder,) = deps.allowed_paths(wanted)
    return list_folder(folder, roots)


@api.post("/series", response_class=StreamingResponse)
def list_series(request: SeriesRequest, deps: ServiceDeps) -> StreamingResponse:
    """List the series of some paths, without name and ID of the patient, as they are read.

    Lines of JSON with one key each: `stage` with a `fraction` from 0 to 1; `row`, a series with a
    thumbnail; at the end `suggestion`, the CT and MR to fuse, or `error`.
    """
    paths = deps.allowed_paths(*request.paths)
    lines = series_lines(paths, request.paths)
    return StreamingResponse(lines, media_type="application/x-ndjson")


@api.put("/studies/{identifier}/patients", response_model_exclude=PATH_FIELDS)
def accept_patients(identifier: str, request: PatientsRequest, deps: ServiceDeps) -> Study:
    """Accept the different patients that the headers name, as they are now, as one person.

    Until then no fusion starts. The reason is stored in the study and in the record of each result.
    400 where they do not differ.
    """
    with deps.studies.locked(identifier) as folder:
        accepted = accept(read_identities(folder).patients, request.reason)
        return deps.studies.change(identifier, accepted_patients=accepted)
