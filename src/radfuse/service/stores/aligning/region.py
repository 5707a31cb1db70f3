"""The region of the CT that a registration is restricted to: a box, or structures, as masks."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, StringConstraints, ValidationError

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.io.volumes import write_volume
from radfuse.record import NOTICE
from radfuse.schema import VersionedModel
from radfuse.service.models import RequestModel
from radfuse.service.stores.revisions import check_revision
from radfuse.service.stores.rle import MAX_INT, VoxelGrid
from radfuse.service.stores.structure_store import MASKS, StructureStore
from radfuse.service.stores.studies import Studies

REGION = "region.json"
"""File of the region in a study's folder."""

Voxel = Annotated[int, Field(strict=True, ge=0, le=MAX_INT)]
Corner = tuple[Voxel, Voxel, Voxel]
"""Column, row and slice of the viewer's grid."""


class Box(RequestModel):
    """All voxels of the viewer's grid between two corners, both included."""

    first: Corner
    last: Corner


RegionName = Annotated[str, StringConstraints(pattern="^(box|[0-9a-f]{12}|)$")]
"""`box`, the identifier of a structure, or empty for the whole head."""


class RegionChoice(RequestModel):
    """The region of the next registration."""

    box: Box | None = None
    roi: RegionName = ""
    """What is registered and judged."""

    metric_mask: RegionName = ""
    """The voxels that count in the search."""


class RegionChange(RegionChoice):
    """A region to store."""

    revision: int
    """Revision that was changed."""


class StoredRegion(VersionedModel):
    """The region of a study, as stored on disk."""

    notice: str = NOTICE
    revision: int = Field(default=0, ge=0)
    """Number of changes; 0 before the first."""

    source: str = ""
    """SHA-256 of the files of the CT that the box is drawn on."""

    region: RegionChoice = RegionChoice()


class RegionStore:
    """The regions of all studies; each change is on disk before it is returned."""

    def __init__(self, studies: Studies, structures: StructureStore) -> None:
        self._studies, self._structures = studies, structures

    def get(self, study: str) -> StoredRegion:
        """The region of a study, at first the whole head, as it is for another CT.

        Raises `UnknownStudyError` for a study that is not there or not prepared, `InputError` where
        the file is damaged.
        """
        source = self._studies.view(study).sources[0]
        path = self._studies.folder_of(study) / REGION
        if not path.is_file():
            return StoredRegion(source=source)
        try:
            stored = StoredRegion.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(
                f"the region cannot be read: {REGION} is damaged; restore it from a backup or "
                "delete it"
            ) from error
        if stored.source == source:
            return stored
        return StoredRegion(source=source, revision=stored.revision)

    def write(self, study: str, change: RegionChange) -> StoredRegion:
        """Replace the region.

        Raises `StaleRevisionError` for another revision, `InputError` for a box that is empty or
        outside the CT.
        """
        if change.box is not None:
            _grid_around(self._structures, study, change.box)
        with self._studies.locked(study) as folder:
            before = self.get(study)
            check_revision("the region", before.revision, change.revision)
            region = RegionChoice(**change.model_dump(exclude={"revision"}))
            update = {"revision": before.revision + 1, "region": region}
            changed = before.model_copy(update=update)
            with staging(folder, durable=True) as stage:
                path = stage.path_of(Path(REGION))
                path.write_text(changed.model_dump_json(indent=2), encoding="utf-8")
        return changed


def write_box(studies: Studies, structures: StructureStore, study: str, box: Box) -> Path:
    """The file of a box's mask; raises `InputError` for one that is empty or outside the CT."""
    grid = _grid_around(structures, study, box)
    voxels = np.zeros(grid.size[::-1], np.uint8)
    spans = (slice(low, high + 1) for low, high in zip(box.first, box.last, strict=True))
    voxels[tuple(spans)[::-1]] = 1
    name = "-".join(map(str, (*box.first, *box.last)))
    with studies.locked(study) as folder, staging(folder / MASKS, durable=True) as stage:
        path = folder / MASKS / f"box-{name}.nii.gz"
        write_volume(stage.path_of(path), grid.image(voxels))
    return path


def _grid_around(structures: StructureStore, study: str, box: Box) -> VoxelGrid:
    grid = structures.grid(study)
    is_inside = all(
        low <= high < size for low, high, size in zip(box.first, box.last, grid.size, strict=True)
    )
    if not is_inside:
        raise InputError(
            f"the box from voxel {box.first} to {box.last} is not inside the CT of {grid.size} "
            "voxels; draw it again"
        )
    return grid
