"""Routes of the manual registration: landmark pairs, named alignments, and the region."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from fastapi import APIRouter
from pydantic import BaseModel

from radfuse.errors import InputError
from radfuse.modality import CT
from radfuse.registration.head_displacement import HeadExtent, alignment_difference, head_extent
from radfuse.registration.landmark_errors import landmark_errors
from radfuse.registration.landmarks import fit_landmarks
from radfuse.registration.transforms import matrix_of, rigid_from_matrix
from radfuse.series import Series
from radfuse.service.models import Matrix, RequestModel
from radfuse.service.routes.dependencies import Dependencies, ServiceDeps
from radfuse.service.stores.aligning.alignments import (
    AlignmentChange,
    AlignmentStore,
    AlignmentSummary,
    NewAlignment,
)
from radfuse.service.stores.aligning.images import FUSED_MR, ImageLabel
from radfuse.service.stores.aligning.landmarks import (
    LandmarkPair,
    LandmarksChange,
    LandmarkStore,
    Pairs,
)
from radfuse.service.stores.aligning.region import (
    RegionChange,
    RegionChoice,
    RegionStore,
    StoredRegion,
)
from radfuse.service.stores.view_volumes import MatrixRows, matrix_rows, read_view_volume

MAX_CACHED_HEADS = 4
"""Studies whose head is kept in memory, a few kilobytes each."""


class LandmarksResponse(BaseModel):
    """The landmark pairs of an image."""

    revision: int
    pairs: tuple[LandmarkPair, ...]
    of_other_images: bool
    """Whether the files of the CT or of the image have changed since the pairs were saved."""


class LandmarksRequest(RequestModel):
    """Landmark pairs to fit."""

    pairs: Pairs


class FitResponse(BaseModel):
    """The rigid transform that fits landmark pairs, and errors: see `LandmarkErrors`."""

    image_from_ct: MatrixRows
    """Maps CT points to points of the image, LPS mm."""

    errors_mm: tuple[float, ...]
    """Residual error of each pair (FRE)."""

    rms_mm: float
    leave_one_out_mm: tuple[float | None, ...]
    leave_one_out_rms_mm: float | None
    outliers: tuple[bool, ...]
    localization_mm: float
    centre_mm: float | None
    """Expected target registration error at the head's centre; null where there is no head."""

    max_mm: float | None
    """The largest one in the head."""


class AlignmentsToCompare(RequestModel):
    """Two alignments of an image; each maps CT points to points of it, LPS mm."""

    first: Matrix
    second: Matrix


class DifferenceResponse(BaseModel):
    """How two alignments differ, see `AlignmentDifference`."""

    centre_mm: float
    max_mm: float
    max_at_mm: tuple[float, float, float]
    rotation_deg: float


class RegionResponse(RegionChoice):
    """The region of the next registration; see `RegionStore`."""

    revision: int


api = APIRouter(prefix="/api/v1/studies/{identifier}")


@api.post("/landmarks/fit")
def fit(identifier: str, request: LandmarksRequest, deps: ServiceDeps) -> FitResponse:
    """Fit a rigid transform to at least three landmark pairs; nothing is stored."""
    deps.studies.get(identifier)
    ct, image = [one.ct for one in request.pairs], [one.image for one in request.pairs]
    weights = [one.weight for one in request.pairs]
    fitted, errors = fit_landmarks(ct, image, weights), landmark_errors(ct, image, weights)
    centre_mm, max_mm = None, None
    if (head := _head_if_any(deps, identifier)) is not None:
        centre_mm = float(errors.target_mm(head.centre_mm)[0])
        max_mm = float(errors.target_mm(head.hull_mm).max())
    return FitResponse(
        image_from_ct=matrix_rows(matrix_of(fitted.mr_from_ct)),
        errors_mm=fitted.errors_mm,
        rms_mm=fitted.rms_mm,
        leave_one_out_mm=errors.leave_one_out_mm,
        leave_one_out_rms_mm=errors.leave_one_out_rms_mm,
        outliers=errors.outliers,
        localization_mm=errors.localization_mm,
        centre_mm=centre_mm,
        max_mm=max_mm,
    )


@api.get("/landmarks")
def landmarks(
    identifier: str, deps: ServiceDeps, image: ImageLabel = FUSED_MR
) -> LandmarksResponse:
    """The landmark pairs of an image, by its label; none and revision 0 at first.

    Without a label they are those of the MR that is fused.
    """
    store = LandmarkStore(deps.studies)
    found = store.get(identifier, image)
    return LandmarksResponse(
        revision=found.revision,
        pairs=found.pairs,
        of_other_images=store.are_of_other_images(identifier, found),
    )


@api.put("/landmarks")
def write_landmarks(
    identifier: str, change: LandmarksChange, deps: ServiceDeps, image: ImageLabel = FUSED_MR
) -> LandmarksResponse:
    """Replace the landmark pairs of an image; 409 if they were changed meanwhile."""
    stored = LandmarkStore(deps.studies).write(identifier, image, change)
    return LandmarksResponse(revision=stored.revision, pairs=stored.pairs, of_other_images=False)


@api.get("/region")
def region(identifier: str, deps: ServiceDeps) -> RegionResponse:
    """The region of the next registration; the whole head and revision 0 at first."""
    return _region(RegionStore(deps.studies, deps.structures).get(identifier))


@api.put("/region")
def write_region(identifier: str, change: RegionChange, deps: ServiceDeps) -> RegionResponse:
    """Replace the region; 409 if it was changed meanwhile."""
    return _region(RegionStore(deps.studies, deps.structures).write(identifier, change))


@api.get("/alignments")
def alignments(identifier: str, deps: ServiceDeps) -> list[AlignmentSummary]:
    """All named alignments of all images, the first saved first.

    Those that cannot be used have a `problem`.
    """
    return AlignmentStore(deps.studies).all(identifier)


@api.post("/alignments", status_code=201)
def add_alignment(identifier: str, new: NewAlignment, deps: ServiceDeps) -> AlignmentSummary:
    """Save an alignment of an image under a name."""
    return AlignmentStore(deps.studies).add(identifier, new)


@api.patch("/alignments/{alignment}")
def change_alignment(
    identifier: str, alignment: str, changes: AlignmentChange, deps: ServiceDeps
) -> AlignmentSummary:
    """Change name or matrix of an alignment; 409 if it was changed meanwhile."""
    return AlignmentStore(deps.studies).change(identifier, alignment, changes)


@api.delete("/alignments/{alignment}", status_code=204)
def delete_alignment(identifier: str, alignment: str, deps: ServiceDeps) -> None:
    """Remove a named alignment."""
    AlignmentStore(deps.studies).delete(identifier, alignment)


@api.post("/alignments/compare")
def compare(identifier: str, pair: AlignmentsToCompare, deps: ServiceDeps) -> DifferenceResponse:
    """How far two alignments differ in the head; nothing is stored."""
    first, second = (
        rigid_from_matrix(np.array(getattr(pair, name)), name=name) for name in ("first", "second")
    )
    difference = alignment_difference(first, second, _head(deps, identifier))
    return DifferenceResponse(
        centre_mm=difference.centre_mm,
        max_mm=difference.max_mm,
        max_at_mm=difference.max_at_mm,
        rotation_deg=difference.rotation_deg,
    )


def _region(stored: StoredRegion) -> RegionResponse:
    return RegionResponse(revision=stored.revision, **stored.region.model_dump())


def _head_if_any(deps: Dependencies, identifier: str) -> HeadExtent | None:
    try:
        return _head(deps, identifier)
    except InputError:  # it shows no head, or is not prepared
        return None


def _head(deps: Dependencies, identifier: str) -> HeadExtent:
    """Where the head is in a study's CT; raises the errors of `head_extent`."""
    view = deps.studies.view(identifier)
    return _read_head(deps.studies.volume(identifier, "ct"), view.ct.step, view.sources[0])


@lru_cache(MAX_CACHED_HEADS)
def _read_head(path: Path, step: float, _source: str) -> HeadExtent:
    """`_source` is part of the cache's key."""
    hu = sitk.Cast(read_view_volume(path), sitk.sitkFloat32) * step
    return head_extent(Series(image=hu, modality=CT, source=Path(path.name)))
