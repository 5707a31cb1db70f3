"""A box of the CT that a registration is restricted to, as a mask for the pipeline."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.io.volumes import write_volume
from radfuse.service.models import RequestModel
from radfuse.service.stores.rle import MAX_INT
from radfuse.service.stores.structure_store import MASKS, StructureStore
from radfuse.service.stores.studies import Studies

Voxel = Annotated[int, Field(strict=True, ge=0, le=MAX_INT)]
Corner = tuple[Voxel, Voxel, Voxel]
"""Column, row and slice of the viewer's grid."""


class Box(RequestModel):
    """All voxels of the viewer's grid between two corners, both included."""

    first: Corner
    last: Corner


def write_box(studies: Studies, structures: StructureStore, study: str, box: Box) -> Path:
    """The file of a box's mask; raises `InputError` for one that is empty or outside the CT."""
    grid = structures.grid(study)
    is_inside = all(
        low <= high < size for low, high, size in zip(box.first, box.last, grid.size, strict=True)
    )
    if not is_inside:
        raise InputError(
            f"the box from voxel {box.first} to {box.last} is not inside the CT of {grid.size} "
            "voxels; draw it again"
        )
    voxels = np.zeros(grid.size[::-1], np.uint8)
    spans = (slice(low, high + 1) for low, high in zip(box.first, box.last, strict=True))
    voxels[tuple(spans)[::-1]] = 1
    name = "-".join(map(str, (*box.first, *box.last)))
    with studies.locked(study) as folder, staging(folder / MASKS) as stage:
        path = folder / MASKS / f"box-{name}.nii.gz"
        write_volume(stage.path_of(path), grid.image(voxels))
    return path
