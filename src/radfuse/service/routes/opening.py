"""Routes of opening images: whose they are."""

from fastapi import APIRouter

from radfuse.service.models import RequestModel
from radfuse.service.routes.dependencies import PATH_FIELDS, ServiceDeps
from radfuse.service.stores.identity import read_identities
from radfuse.service.stores.patients import Reason, accept
from radfuse.service.stores.studies import Study


class PatientsRequest(RequestModel):
    """Why different patients in the headers are one person."""

    reason: Reason


api = APIRouter(prefix="/api/v1")


@api.put("/studies/{identifier}/patients", response_model_exclude=PATH_FIELDS)
def accept_patients(identifier: str, request: PatientsRequest, deps: ServiceDeps) -> Study:
    """Accept the different patients that the headers name, as they are now, as one person.

    Until then no fusion starts. The reason is stored in the study and in the record of each result.
    400 where they do not differ.
    """
    with deps.studies.locked(identifier) as folder:
        accepted = accept(read_identities(folder).patients, request.reason)
        return deps.studies.change(identifier, accepted_patients=accepted)
