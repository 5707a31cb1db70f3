"""Retrieve a study from a PACS into the uploads of the viewer."""

import secrets
from hashlib import sha256
from pathlib import Path

from pydicom.config import disable_value_validation

from radfuse.dicom.network.address import Address
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.pacs import Pacs, Query, RetrieveRequest
from radfuse.dicom.network.retrieve import retrieve
from radfuse.progress import ProgressCallback
from radfuse.service.stores.uploads import check_space


def folder_of_study(uploads: Path, study_uid: str) -> Path:
    """A new folder for the images of a study; its name has a hash of the UID, not the UID."""
    return uploads / f"{mark_of(study_uid)}{secrets.token_hex(6)}"


def mark_of(study_uid: str) -> str:
    """Start of the names of folders with the images of a study."""
    return f"pacs-{sha256(study_uid.encode()).hexdigest()[:16]}-"


def retrieve_study(
    address: Address, request: RetrieveRequest, target: Path, report: ProgressCallback
) -> None:
    """Retrieve all objects of a study, or none, into a new folder.

    Raises `PeerError` where the PACS cannot be reached or sends others, `NoImageError` for an
    unknown study, `OutputError` where the disk is full.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    check_space(target.parent)
    pacs = connect(address)
    report("asking the PACS for the study", None)
    expected, received = _expected(pacs, request), 0

    def count() -> None:
        nonlocal received
        received += 1
        of = f" of {expected}" if expected else ""
        fraction = min(1.0, received / expected) if expected else None
        report(f"retrieving object {received}{of}", fraction)

    retrieve(pacs, request, target, count)


def _expected(pacs: Pacs, request: RetrieveRequest) -> int:
    """Number of objects as the PACS states it; 0 where it does not."""
    with disable_value_validation():
        matches = pacs.find(Query("study", {"StudyInstanceUID": request.study_uid}))
        numbers = [str(one.get("NumberOfStudyRelatedInstances") or "0") for one in matches]
    return sum(int(one) for one in numbers if one.isdecimal())
