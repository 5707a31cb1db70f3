"""The routes of the page's interface for structures: parse, call one function, encode."""

import math
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from radfuse.metrics.segmentation_agreement import TOLERANCE_MM
from radfuse.service.drawing_tools import Click, agreement, filled_between, grown
from radfuse.service.routes.dependencies import AtDesk
from radfuse.service.routes.studies import FilePath, Text
from radfuse.service.stores.rle import Runs
from radfuse.service.stores.structure_files import (
    Export,
    Format,
    Import,
    export,
    exported,
    import_file,
)
from radfuse.service.stores.structure_store import Change, Draft, Drawings, Summary

MOST_TOLERANCE_MM = 100.0
"""Largest tolerance of a comparison: surfaces of a head are hardly farther apart."""


class Whole(Summary):
    """A structure with all that is drawn."""

    runs: Runs


class Slices(BaseModel):
    """Drawn slices."""

    model_config = ConfigDict(extra="forbid")

    runs: Runs


class AskedImport(BaseModel):
    """A file with structures."""

    model_config = ConfigDict(extra="forbid")

    path: FilePath
    name: Text | None = Field(None, description="For a mask that brings none")


class AskedExport(BaseModel):
    """How to write the structures."""

    model_config = ConfigDict(extra="forbid")

    format: Format


class AskedComparison(BaseModel):
    """Two structures of a study."""

    model_config = ConfigDict(extra="forbid")

    first: str
    reference: str
    tolerance_mm: float = Field(TOLERANCE_MM, ge=0, le=MOST_TOLERANCE_MM)


def _drawings(request: Request) -> Drawings:
    drawings: Drawings = request.app.state.drawings
    return drawings


AtDrawings = Annotated[Drawings, Depends(_drawings)]

api = APIRouter(prefix="/api/v1/studies/{identifier}")


@api.get("/structures")
def structures(identifier: str, drawings: AtDrawings) -> list[Summary]:
    """All structures in the order in which they were added; one that cannot be read says why."""
    return drawings.summaries(identifier)


@api.post("/structures", status_code=201)
def add(identifier: str, draft: Draft, drawings: AtDrawings) -> Summary:
    """Add a structure, empty or with slices."""
    return drawings.add(identifier, [draft])[0].summary()


@api.get("/structures/{structure}")
def structure(identifier: str, structure: str, drawings: AtDrawings) -> Whole:
    """One structure with the runs of all its slices."""
    found = drawings.get(identifier, structure)
    return Whole(**found.summary().model_dump(), runs=found.runs)


@api.patch("/structures/{structure}")
def change(identifier: str, structure: str, wanted: Change, drawings: AtDrawings) -> Summary:
    """Change name, colour or slices; 409 where somebody else changed it meanwhile."""
    return drawings.change(identifier, structure, wanted).summary()


@api.delete("/structures/{structure}", status_code=204)
def delete(identifier: str, structure: str, drawings: AtDrawings) -> None:
    """Remove a structure."""
    drawings.delete(identifier, structure)


@api.post("/grow")
def grow(identifier: str, click: Click, drawings: AtDrawings, desk: AtDesk) -> Slices:
    """The region around a click in CT, MR or fused image; nothing is stored."""
    volume = desk.studies.volume(identifier, click.image)
    mr_from_ct = desk.studies.view(identifier).mr_from_ct
    return Slices(runs=grown(click, volume, drawings.grid(identifier), mr_from_ct))


@api.post("/interpolate")
def interpolate(identifier: str, drawn: Slices, drawings: AtDrawings) -> Slices:
    """The slices between drawn ones; nothing is stored."""
    return Slices(runs=filled_between(drawn.runs, drawings.grid(identifier)))


@api.post("/structures/import")
def import_structures(
    identifier: str, asked: AskedImport, drawings: AtDrawings, desk: AtDesk
) -> Import:
    """Add all structures of an RT Structure Set, a label map or masks on the CT."""
    (path,) = desk.usable(asked.path)
    return import_file(drawings, desk.studies.get(identifier), path, asked.name)


@api.post("/structures/export")
def export_structures(
    identifier: str, asked: AskedExport, drawings: AtDrawings, desk: AtDesk
) -> Export:
    """Write all structures as an RT Structure Set on the CT, or as NIfTI with their names."""
    return export(drawings, desk.studies.get(identifier), drawings.folder(identifier), asked.format)


@api.get("/exports/{name}", response_class=FileResponse)
def exported_file(identifier: str, name: str, drawings: AtDrawings) -> FileResponse:
    """A file that was exported."""
    return FileResponse(
        exported(drawings.folder(identifier), name),
        media_type="application/octet-stream",
        filename=name,
    )


@api.post("/structures/compare")
def compare(
    identifier: str, asked: AskedComparison, drawings: AtDrawings
) -> dict[str, float | None]:
    """How far two structures agree; what is not defined is null."""
    first, reference = (drawings.get(identifier, one) for one in (asked.first, asked.reference))
    found = agreement(first, reference, asked.tolerance_mm)
    facts = {**asdict(found), "volume_difference_cm3": found.volume_difference_cm3}
    return {name: value if math.isfinite(value) else None for name, value in facts.items()}
