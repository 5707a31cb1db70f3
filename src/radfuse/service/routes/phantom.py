"""Route of the synthetic phantom, which the viewer offers where there is no study yet."""

import secrets
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from radfuse.io.staging import output_error
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.recipe import Recipe
from radfuse.service.models import RequestModel
from radfuse.service.routes.dependencies import PATH_FIELDS, ServiceDeps
from radfuse.service.stores.studies import Study
from radfuse.service.stores.uploads import check_space

NAME = "Synthetic phantom"
"""Name of its study."""

api = APIRouter(prefix="/api/v1")


class PhantomRequest(RequestModel):
    """A synthetic phantom."""

    spacing_mm: Annotated[float, Field(ge=1.5, le=6.0)] = 2.0
    """Pixel spacing of its CT; 2 mm take a few seconds."""


@api.post("/phantom", status_code=201, response_model_exclude=PATH_FIELDS)
def phantom(request: PhantomRequest, deps: ServiceDeps) -> Study:
    """Create a study of a synthetic phantom, CT and MR as DICOM; no job is started."""
    with deps.phantoms_at_once:
        ct, mr = _store_phantom(deps.studies.uploads, request.spacing_mm)
    return deps.studies.create(NAME, ct, mr, Recipe())


def _store_phantom(uploads: Path, spacing_mm: float) -> tuple[Path, Path]:
    """Write the phantom as an upload: folders of CT and MR.

    Raises `OutputError` if the disk is full.
    """
    target = uploads / secrets.token_hex(6)
    try:
        uploads.mkdir(parents=True, exist_ok=True)
        check_space(uploads)
        with tempfile.TemporaryDirectory(prefix=".radfuse-", dir=uploads) as staging:
            written = Path(staging) / "phantom"
            folders = write_phantom(make_phantom(spacing_mm=spacing_mm), written)
            written.replace(target)
    except OSError as error:
        raise output_error(error)(f"the phantom could not be stored: {error.strerror}") from error
    ct, mr = (target / folder.name for folder in folders)
    return ct, mr
