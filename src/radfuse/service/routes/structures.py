"""Routes of structures: list, change, region growing, interpolation, files, comparison."""

import math
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from pydantic import Field

from radfuse.metrics.segmentation_agreement import TOLERANCE_MM
from radfuse.service.models import RequestModel
from radfuse.service.routes.dependencies import ServiceDeps
from radfuse.service.routes.studies import FilePath, Text
from radfuse.service.segmentation_tools import (
    Plane,
    RegionRequest,
    compare_structures,
    grow_from_seed,
    interpolate_structure,
)
from radfuse.service.stores.rle import MAX_INT, Runs
from radfuse.service.stores.structure_files import (
    ExportResult,
    Format,
    ImportResult,
    export,
    exported_path,
    import_file,
)
from radfuse.service.structure_operations import (
    OperationRequest,
    StructureStatistics,
    apply_operation,
    structure_statistics,
)
from radfuse.service.structures.models import (
    DeletedStructure,
    NewStructure,
    StructureChange,
    StructureSummary,
)
from radfuse.service.structures.on_mr import registered_mr

ReferencedImage = Literal["ct", "mr"]
"""Images that a structure set can reference."""

MAX_TOLERANCE_MM = 100.0
"""Largest tolerance of a comparison."""


Revision = Annotated[int, Query(ge=0, le=MAX_INT)]
"""Number of changes of a structure that a client knows."""


class StructureDetails(StructureSummary):
    """A structure with its masks."""

    runs: Runs


class SliceRuns(RequestModel):
    """Masks of slices."""

    runs: Runs


class DrawnSlices(SliceRuns):
    """Masks of slices, and the planes in which they were drawn."""

    plane: Plane = "axial"


class ImportRequest(RequestModel):
    """A file with structures to import."""

    path: FilePath
    name: Text | None = Field(None, description="Name of a mask without a name")


class ExportRequest(RequestModel):
    """Format of the exported structures."""

    format: Format
    smooth: bool = Field(False, description="Smooth the contours of a structure set")
    image: ReferencedImage = Field("ct", description="Whose slices a structure set references")


class ComparisonRequest(RequestModel):
    """Two structures of a study to compare."""

    first: str
    reference: str
    tolerance_mm: float = Field(TOLERANCE_MM, ge=0, le=MAX_TOLERANCE_MM)


api = APIRouter(prefix="/api/v1/studies/{identifier}")


@api.get("/structures")
def structures(identifier: str, deps: ServiceDeps) -> list[StructureSummary]:
    """All structures in the order in which they were added; unreadable ones have a `problem`."""
    return deps.structures.summaries(identifier)


@api.post("/structures", status_code=201)
def add(identifier: str, new: NewStructure, deps: ServiceDeps) -> StructureSummary:
    """Add a structure, empty or with slices."""
    return deps.structures.add(identifier, [new])[0].summary()


@api.get("/structures/{structure}")
def structure(identifier: str, structure: str, deps: ServiceDeps) -> StructureDetails:
    """One structure with the masks of all its slices."""
    stored = deps.structures.get(identifier, structure)
    return StructureDetails(**stored.summary().model_dump(), runs=stored.runs)


@api.patch("/structures/{structure}")
def change(
    identifier: str, structure: str, changes: StructureChange, deps: ServiceDeps
) -> StructureSummary:
    """Change name, colour or slices; 409 if it was changed meanwhile."""
    return deps.structures.change(identifier, structure, changes).summary()


@api.delete("/structures/{structure}", status_code=204)
def delete(
    identifier: str, structure: str, deps: ServiceDeps, revision: Revision | None = None
) -> None:
    """Remove a structure, which can be restored; 409 if it has another revision."""
    deps.structures.delete(identifier, structure, revision)


@api.get("/deleted-structures")
def deleted_structures(identifier: str, deps: ServiceDeps) -> list[DeletedStructure]:
    """Structures that can be restored, the last deleted one first."""
    return deps.structures.deleted(identifier)


@api.post("/structures/{structure}/restore")
def restore(identifier: str, structure: str, deps: ServiceDeps) -> StructureSummary:
    """Bring a deleted structure back; it gets another name where its own is used meanwhile."""
    return deps.structures.restore(identifier, structure).summary()


@api.post("/grow-region")
def grow_region(identifier: str, request: RegionRequest, deps: ServiceDeps) -> SliceRuns:
    """The region around a seed in CT, MR or fused image; nothing is stored."""
    volume = deps.studies.volume(identifier, request.image)
    mr_from_ct = deps.studies.view(identifier).mr_from_ct
    return SliceRuns(
        runs=grow_from_seed(request, volume, deps.structures.grid(identifier), mr_from_ct)
    )


@api.post("/interpolate")
def interpolate(identifier: str, drawn: DrawnSlices, deps: ServiceDeps) -> SliceRuns:
    """The slices between the given ones; nothing is stored."""
    grid = deps.structures.grid(identifier)
    with deps.comparisons_at_once:
        return SliceRuns(runs=interpolate_structure(drawn.runs, grid, drawn.plane))


@api.post("/structures/operate")
def operate(identifier: str, request: OperationRequest, deps: ServiceDeps) -> SliceRuns:
    """The result of an operation on a structure as stored; nothing is stored."""
    structures = [deps.structures.get(identifier, one) for one in request.structures]
    with deps.comparisons_at_once:
        return SliceRuns(runs=apply_operation(request, structures))


@api.get("/structures/{structure}/statistics")
def statistics(identifier: str, structure: str, deps: ServiceDeps) -> StructureStatistics:
    """Volume, extents and values in CT and MR of a structure as stored."""
    stored = deps.structures.get(identifier, structure)
    view = deps.studies.view(identifier)
    ct = deps.studies.volume(identifier, "ct"), view.ct.step
    mr = deps.studies.volume(identifier, "mr"), view.mr.step
    with deps.comparisons_at_once:
        return structure_statistics(stored, ct, mr, view.mr_from_ct)


@api.post("/structures/import")
def import_structures(identifier: str, request: ImportRequest, deps: ServiceDeps) -> ImportResult:
    """Add all structures of an RT Structure Set, a label map or masks on the CT."""
    (path,) = deps.allowed_paths(request.path)
    return import_file(deps.structures, deps.studies.get(identifier), path, request.name)


@api.post("/structures/export")
def export_structures(identifier: str, request: ExportRequest, deps: ServiceDeps) -> ExportResult:
    """Write all structures as an RT Structure Set of CT or MR, or as NIfTI with their names.

    A structure set of the MR needs a registration that was not rejected.
    """
    study = deps.studies.get(identifier)
    return export(
        deps.structures,
        study,
        deps.structures.folder(identifier),
        request.format,
        smooth=request.smooth,
        mr=registered_mr(deps.studies, study) if request.image == "mr" else None,
    )


@api.get("/exports/{name}", response_class=FileResponse)
def exported_file(identifier: str, name: str, deps: ServiceDeps) -> FileResponse:
    """An exported file."""
    return FileResponse(
        exported_path(deps.structures.folder(identifier), name),
        media_type="application/octet-stream",
        filename=name,
    )


@api.post("/structures/compare")
def compare(
    identifier: str, request: ComparisonRequest, deps: ServiceDeps
) -> dict[str, float | None]:
    """Agreement of two structures; undefined metrics are null."""
    first, reference = (
        deps.structures.get(identifier, one) for one in (request.first, request.reference)
    )
    with deps.comparisons_at_once:
        agreement = compare_structures(first, reference, request.tolerance_mm)
    metrics = {**asdict(agreement), "volume_difference_cm3": agreement.volume_difference_cm3}
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
