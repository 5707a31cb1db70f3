"""Routes of transfers: send a result to a PACS, retrieve a study from one."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from radfuse.dicom.network.address import Address
from radfuse.dicom.network.pacs import RetrieveRequest
from radfuse.errors import InputError, NoImageError
from radfuse.progress import ProgressCallback
from radfuse.service.delivery.destinations import destination_named, protocol_of
from radfuse.service.delivery.retrieving import mark_of, new_folder, retrieve_studies
from radfuse.service.delivery.run_files import pinned_series
from radfuse.service.delivery.sending import send_folders
from radfuse.service.delivery.transfers import TransferResult, TransferStatus
from radfuse.service.models import RequestModel
from radfuse.service.routes.actor import ActorOf
from radfuse.service.routes.dependencies import UPLOAD_PREFIX, Dependencies, ServiceDeps
from radfuse.service.routes.studies import StudyRequest, Text, create_study
from radfuse.service.stores.structure_files import EXPORTS, export
from radfuse.service.stores.studies import Study
from radfuse.service.structures.on_mr import registered_mr

STRUCTURES = "RTSTRUCT"
"""Name of the structures of a study among its series."""

STRUCTURES_ON_MR = "RTSTRUCT_on_MR"
"""That of the same structures on the slices of the MR."""

MAX_SERIES = 100
"""Series in one request."""


MAX_STUDIES = 10
"""Studies of a patient in one retrieval."""


class SendRequest(RequestModel):
    """Series of the result to send."""

    destination: Text | None = Field(None, description="Name of the PACS; by default the first")
    series: Annotated[tuple[Text, ...], Field(min_length=1, max_length=MAX_SERIES)] = Field(
        description=f"Names as listed by `results`, {STRUCTURES} for the structures, and "
        f"{STRUCTURES_ON_MR} for them on the slices of the MR"
    )
    run: Text = Field(description="Run that is displayed, `current` of the study")
    smooth: bool = Field(False, description="Smooth the contours of the structures")


class RetrievalRequest(RequestModel):
    """Studies of a patient to retrieve and open: often CT and MR have one each."""

    study_uids: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=64)], ...],
        Field(min_length=1, max_length=MAX_STUDIES),
    ]
    destination: Text | None = Field(None, description="Name of the PACS; by default the first")
    again: bool = Field(
        default=False, description="Retrieve it although it was opened before; else that is opened"
    )


api = APIRouter(prefix="/api/v1")


@api.get("/destinations")
def destinations(deps: ServiceDeps) -> list[dict[str, Any]]:
    """Name, protocol and address of each configured PACS; the first one is the default."""
    return [
        {"name": name, "protocol": protocol_of(address), "address": str(address)}
        for name, address in deps.destinations.items()
    ]


@api.get("/transfers/{transfer}")
def status(transfer: str, deps: ServiceDeps) -> TransferStatus:
    """Progress or result of a transfer."""
    return deps.transfers.status(transfer)


@api.post("/transfers/{transfer}/cancel", status_code=202)
def cancel(transfer: str, deps: ServiceDeps) -> TransferStatus:
    """Stop a transfer after its current object."""
    return deps.transfers.cancel(transfer)


@api.post("/studies/{identifier}/send", status_code=202)
def send(
    identifier: str, request: SendRequest, deps: ServiceDeps, actor: ActorOf
) -> TransferStatus:
    """Start sending series of the result, and the structures, to a PACS.

    409 where `run` is not the current one. `transfers` has the progress and the result.
    """
    name, address = destination_named(deps.destinations, request.destination)
    current = deps.studies.current_run(identifier, request.run)
    folder, study = deps.studies.folder_of(identifier), deps.studies.get(identifier)
    sets = [one for one in (STRUCTURES, STRUCTURES_ON_MR) if one in request.series]
    images = [one for one in dict.fromkeys(request.series) if one not in sets]
    mr = registered_mr(deps.studies, study) if STRUCTURES_ON_MR in sets else None
    actor.did("asked to send", study=identifier, run=current, destination=name)
    pinned = ExitStack()
    folders = pinned.enter_context(pinned_series(folder, current, images)) if images else []

    def work(report: ProgressCallback) -> TransferResult:
        with pinned:
            for name_of_set in sets:
                report("writing the structures", None)
                of_mr = mr if name_of_set == STRUCTURES_ON_MR else None
                exported = export(
                    deps.structures, study, folder, "rtstruct", smooth=request.smooth, mr=of_mr
                )
                folders.append(folder / EXPORTS / exported.name)
            return send_folders(name, address, folders, report)

    return deps.transfers.start(work, f"cancelled; what was sent before is at {name}")


@api.post("/retrieve", status_code=202)
def retrieve(request: RetrievalRequest, deps: ServiceDeps) -> TransferStatus:
    """Start retrieving studies of a patient from a PACS.

    The transfer ends with the id of a study of the viewer. Its CT and MR are the suggested pair.
    Where there is no one pair, the transfer fails with the reason and the path of the images, for
    `inspect` and `studies`.
    """
    pacs = destination_named(deps.destinations, request.destination)
    wanted = tuple(map(RetrieveRequest, dict.fromkeys(request.study_uids)))
    work = partial(_open, deps, pacs, wanted, again=request.again)
    return deps.transfers.start(work, "cancelled; nothing was kept")


def _open(
    deps: Dependencies,
    pacs: tuple[str, Address],
    wanted: Sequence[RetrieveRequest],
    report: ProgressCallback,
    *,
    again: bool,
) -> TransferResult:
    if not again and (study := _opened_before(deps.studies.all(), deps, wanted)):
        opened = f"retrieved {study.created:%Y-%m-%d %H:%M} UTC"
        return TransferResult(opened, study=study.id, is_reopened=True)
    name, address = pacs
    target = new_folder(deps.studies.uploads, wanted)
    try:
        retrieve_studies(address, wanted, target, report)
    except NoImageError:
        reason = f"{name} does not have the study, or not all; check the link"
        return TransferResult(reason, is_complete=False)
    path = UPLOAD_PREFIX + target.name
    report("choosing CT and MR", None)
    try:
        study = create_study(deps, StudyRequest(study=path))
    except InputError as error:
        reason = str(error).removeprefix(f"{target.name}: ")
        return TransferResult(f"{reason}; choose the series", is_complete=False, path=path)
    return TransferResult(study.message, study=study.id)


def _opened_before(
    studies: Sequence[Study], deps: Dependencies, wanted: Sequence[RetrieveRequest]
) -> Study | None:
    """The newest study of these images, which were retrieved earlier."""
    root, mark = deps.studies.uploads.resolve(), mark_of(wanted)
    for study in studies:
        path = study.ct.resolve()
        if root in path.parents and path.relative_to(root).parts[0].startswith(mark):
            return study
    return None
