"""Routes of results that leave the viewer as files: DICOM, NIfTI, QA sheet, transform."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from radfuse.pipeline.outputs import TRANSFORM
from radfuse.record import Record
from radfuse.service.delivery.pdf import NO_BROWSER, find_browser, print_pdf
from radfuse.service.delivery.run_files import (
    NO_DICOM,
    SeriesSummary,
    dicom_entries,
    file_name,
    record_of,
    series_in,
    write_nifti,
)
from radfuse.service.delivery.zip_stream import ZipEntry, zip_length, zip_stream
from radfuse.service.models import FrozenModel
from radfuse.service.routes.dependencies import Dependencies, ServiceDeps
from radfuse.service.stores.results import REGISTRATION, run_folder

ZIP, PDF, OCTETS = "application/zip", "application/pdf", "application/octet-stream"
"""Media types."""


class ResultFiles(FrozenModel):
    """What of a result can leave the viewer."""

    run: str
    series: tuple[SeriesSummary, ...]
    dicom_problem: str
    """Why there is no DICOM; empty where there is."""

    pdf_problem: str
    """Why no PDF can be written; empty where it can."""


def _binary(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


api = APIRouter(prefix="/api/v1/studies/{identifier}/results")


@api.get("")
def results(identifier: str, deps: ServiceDeps, run: str | None = None) -> ResultFiles:
    """The DICOM series of the result, and which files can be written.

    404 before the first fusion; 409 where `run` is given and is not the current one: both also of
    the files.
    """
    folder, current = _shown(deps, identifier, run)
    series = series_in(folder, current)
    return ResultFiles(
        run=current,
        series=tuple(series),
        dicom_problem="" if series else NO_DICOM,
        pdf_problem="" if find_browser() else NO_BROWSER,
    )


@api.get("/dicom.zip", response_class=StreamingResponse, responses=_binary(ZIP))
def dicom(identifier: str, deps: ServiceDeps, run: str | None = None) -> StreamingResponse:
    """All DICOM objects of the result as zip archive, a folder for each series."""
    folder, current = _shown(deps, identifier, run)
    _, record = record_of(folder, current)
    name = file_name(record, current, "-dicom.zip")
    return _zipped(dicom_entries(folder, current), record, name)


@api.get("/nifti.zip", response_class=StreamingResponse, responses=_binary(ZIP))
def nifti(identifier: str, deps: ServiceDeps, run: str | None = None) -> StreamingResponse:
    """Fused image and MR on the CT's grid as NIfTI, with transform and record, as zip archive."""
    folder, current = _shown(deps, identifier, run)
    _, record = record_of(folder, current)
    view = deps.studies.view(identifier, current)
    with _folder_of_download() as written:
        entries = write_nifti(folder, current, view, written)
    return _zipped(entries, record, file_name(record, current, "-nifti.zip"), written)


@api.get("/sheet.pdf", response_class=FileResponse, responses=_binary(PDF))
def qa_pdf(identifier: str, deps: ServiceDeps, run: str | None = None) -> FileResponse:
    """The QA sheet as PDF; 400 where the server has no browser to print it."""
    folder, current = _shown(deps, identifier, run)
    _, record = record_of(folder, current)
    sheet = deps.studies.qa_sheet(identifier, current)
    with _folder_of_download() as written, deps.pdfs_at_once:
        path = print_pdf(sheet, written)
    clean = BackgroundTask(shutil.rmtree, written, ignore_errors=True)
    name = file_name(record, current, "-qa.pdf")
    return FileResponse(path, media_type=PDF, filename=name, background=clean)


@api.get("/sheet.html", response_class=FileResponse, responses=_binary("text/html"))
def qa_html(identifier: str, deps: ServiceDeps, run: str | None = None) -> FileResponse:
    """The QA sheet as one HTML file to keep."""
    folder, current = _shown(deps, identifier, run)
    _, record = record_of(folder, current)
    sheet = deps.studies.qa_sheet(identifier, current)
    name = file_name(record, current, "-qa.html")
    return FileResponse(sheet, media_type="text/html", filename=name)


@api.get("/transform.tfm", response_class=FileResponse, responses=_binary(OCTETS))
def transform(identifier: str, deps: ServiceDeps, run: str | None = None) -> FileResponse:
    """The rigid transform that resamples the MR onto the CT: maps CT points to MR points."""
    folder, current = _shown(deps, identifier, run)
    record_of(folder, current)
    path = run_folder(folder, current) / REGISTRATION
    return FileResponse(path, media_type=OCTETS, filename=TRANSFORM)


def _shown(deps: Dependencies, identifier: str, run: str | None) -> tuple[Path, str]:
    """Folder of a study, and its current run."""
    current = deps.studies.current_run(identifier, run)
    return deps.studies.folder_of(identifier), current


@contextmanager
def _folder_of_download() -> Iterator[Path]:
    """A new folder, which is removed if writing into it fails, and else by who sends it."""
    folder = Path(tempfile.mkdtemp(prefix="radfuse-download-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _zipped(
    entries: Sequence[ZipEntry], record: Record, name: str, written: Path | None = None
) -> StreamingResponse:
    """The archive of some files; the folder `written` is removed after it was sent."""

    def stream() -> Iterator[bytes]:
        try:
            yield from zip_stream(entries, record.created)
        finally:
            if written:
                shutil.rmtree(written, ignore_errors=True)

    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "content-length": str(zip_length(entries)),
    }
    return StreamingResponse(stream(), media_type=ZIP, headers=headers)
