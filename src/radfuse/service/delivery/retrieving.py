"""Retrieve the studies of a patient from a PACS into the uploads of the viewer."""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from pydicom.config import disable_value_validation

from radfuse.dicom.network.address import Address
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.pacs import Pacs, Query, RetrieveRequest
from radfuse.dicom.network.retrieve import retrieve
from radfuse.io.staging import make_durable, staging
from radfuse.progress import ProgressCallback
from radfuse.service.stores.uploads import check_space


def new_folder(uploads: Path, requests: Sequence[RetrieveRequest]) -> Path:
    """A new folder for the images of studies; its name has a hash of the UIDs, not the UIDs."""
    return uploads / f"{mark_of(requests)}{secrets.token_hex(6)}"


def mark_of(requests: Sequence[RetrieveRequest]) -> str:
    """Start of the names of folders with the images of some studies."""
    uids = " ".join(sorted(request.study_uid for request in requests))
    return f"pacs-{sha256(uids.encode()).hexdigest()[:16]}-"


def retrieve_studies(
    address: Address, requests: Sequence[RetrieveRequest], target: Path, report: ProgressCallback
) -> None:
    """Retrieve all objects of studies, or none, into a new folder with a folder for each.

    Raises `PeerError` where the PACS cannot be reached or sends others, `NoImageError` for an
    unknown study, `OutputError` where the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    check_space(target.parent)
    pacs, received = connect(address), 0
    report("asking the PACS for the study", None)
    expected = sum(_expected(pacs, request) for request in requests)

    def count() -> None:
        nonlocal received
        received += 1
        of = f" of {expected}" if expected else ""
        fraction = min(1.0, received / expected) if expected else None
        report(f"retrieving object {received}{of}", fraction)

    with staging(target.parent) as stage:
        for number, request in enumerate(requests, 1):
            retrieve(pacs, request, stage.path_of(target) / f"study-{number}", count)
        make_durable(stage.folder)  # before the folder has its name, by which it is opened again


def _expected(pacs: Pacs, request: RetrieveRequest) -> int:
    """Number of objects as the PACS states it; 0 where it does not."""
    with disable_value_validation():
        matches = pacs.find(Query("study", {"StudyInstanceUID": request.study_uid}))
        numbers = [str(one.get("NumberOfStudyRelatedInstances") or "0") for one in matches]
    return sum(int(one) for one in numbers if one.isdecimal())
