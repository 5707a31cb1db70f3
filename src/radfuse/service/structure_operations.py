"""Operations on stored structures, and their statistics, on the viewer's grid."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radfuse.arrays import BoolArray
from radfuse.errors import InputError
from radfuse.service.models import FrozenModel, RequestModel
from radfuse.service.segmentation_tools import sampled_mr, stored_box
from radfuse.service.stores.rle import Runs, decode_volume, encode_slices
from radfuse.service.stores.view_volumes import MatrixRows
from radfuse.service.structures.models import StoredStructure
from radfuse.structures.margins import (
    MAX_MARGIN_MM,
    Margins,
    SpacingMm,
    contract,
    expand,
    reachable_box,
)
from radfuse.structures.operations import (
    Combination,
    CropSide,
    combine,
    count_parts,
    crop,
    fill_holes,
    keep_largest,
    smooth,
)
from radfuse.structures.statistics import ValueStatistics, extents_mm, value_statistics

MAX_SIGMA_MM = 10.0
"""Largest standard deviation of a smoothing."""

MAX_PARTS = 100
"""Largest number of parts to keep."""

MarginMm = Annotated[float, Field(ge=0, le=MAX_MARGIN_MM)]


Masks = Sequence[BoolArray]
"""Of the structures of a request, in their order: (slices, rows, columns)."""


class OneStructure(RequestModel):
    """An operation on one structure."""

    structure: str

    @property
    def structures(self) -> tuple[str, ...]:
        """Identifiers of the structures."""
        return (self.structure,)


class TwoStructures(OneStructure):
    """An operation on a structure with another one."""

    other: str

    @property
    def structures(self) -> tuple[str, ...]:
        """Identifiers of the structures."""
        return self.structure, self.other


class MarginRequest(OneStructure):
    """A margin around a structure, or a contraction by it, in mm towards six directions."""

    operation: Literal["margin"]
    right: MarginMm = 0.0
    left: MarginMm = 0.0
    anterior: MarginMm = 0.0
    posterior: MarginMm = 0.0
    inferior: MarginMm = 0.0
    superior: MarginMm = 0.0
    inwards: bool = False
    """Contract the structure."""

    def apply(self, masks: Masks, spacing_mm: SpacingMm) -> BoolArray:
        """The mask with its margin."""
        margins = Margins(**self.model_dump(exclude={"operation", "structure", "inwards"}))
        return (contract if self.inwards else expand)(masks[0], spacing_mm, margins)


class CombinationRequest(TwoStructures):
    """Union, intersection or difference of two structures."""

    operation: Literal["combine"]
    combination: Combination

    def apply(self, masks: Masks, _: SpacingMm) -> BoolArray:
        """The combined mask."""
        return combine(masks[0], masks[1], self.combination)


class SmoothingRequest(OneStructure):
    """A smooth surface with the same volume."""

    operation: Literal["smooth"]
    sigma_mm: float = Field(ge=0, le=MAX_SIGMA_MM)

    def apply(self, masks: Masks, spacing_mm: SpacingMm) -> BoolArray:
        """The smooth mask."""
        return smooth(masks[0], spacing_mm, self.sigma_mm)


class HolesRequest(OneStructure):
    """Filled holes of each axial slice, or only cavities in three dimensions."""

    operation: Literal["fill"]
    in_slices: bool = True

    def apply(self, masks: Masks, _: SpacingMm) -> BoolArray:
        """The filled mask."""
        return fill_holes(masks[0], in_slices=self.in_slices)


class LargestRequest(OneStructure):
    """The largest connected parts."""

    operation: Literal["largest"]
    count: int = Field(1, ge=1, le=MAX_PARTS)

    def apply(self, masks: Masks, _: SpacingMm) -> BoolArray:
        """The mask of the largest parts."""
        return keep_largest(masks[0], self.count)


class CropRequest(TwoStructures):
    """A structure without its part inside or outside of another one."""

    operation: Literal["crop"]
    side: CropSide
    margin_mm: MarginMm = 0.0

    def apply(self, masks: Masks, spacing_mm: SpacingMm) -> BoolArray:
        """The cropped mask."""
        return crop(masks[0], masks[1], spacing_mm, self.side, self.margin_mm)


OperationRequest = Annotated[
    MarginRequest
    | CombinationRequest
    | SmoothingRequest
    | HolesRequest
    | LargestRequest
    | CropRequest,
    Field(discriminator="operation"),
]
"""An operation on a stored structure, by its name."""


def apply_operation(request: OperationRequest, structures: Sequence[StoredStructure]) -> Runs:
    """The result of an operation on its structures; raises `InputError` for an empty one."""
    for one in structures:
        if not one.runs:
            raise InputError(f"'{one.name}' is empty; draw it first")
    masks = [decode_volume(one.runs, one.grid) for one in structures]
    result = request.apply(masks, structures[0].grid.spacing_mm[::-1])
    return encode_slices({int(at): result[at] for at in np.flatnonzero(result.any(axis=(1, 2)))})


class StructureStatistics(FrozenModel):
    """Volume, extents and values of a structure."""

    volume_cm3: float
    extents_mm: tuple[float, float, float]
    """From right to left, anterior to posterior, inferior to superior."""

    parts: int
    """Number of connected parts."""

    ct: ValueStatistics | None
    """HU; None for an empty structure."""

    mr: ValueStatistics | None
    """In the MR's own unit, of the voxels in its field of view; None where there are none."""


def structure_statistics(
    structure: StoredStructure,
    ct: tuple[Path, float],
    mr: tuple[Path, float],
    mr_from_ct: MatrixRows,
) -> StructureStatistics:
    """Statistics of a structure in volumes of the viewer: each a file and its step."""
    grid = structure.grid
    if not structure.runs:
        return StructureStatistics(volume_cm3=0, extents_mm=(0, 0, 0), parts=0, ct=None, mr=None)
    mask = decode_volume(structure.runs, grid)
    box = reachable_box(mask, [(0, 0)] * 3)
    part = mask[box]
    hu = stored_box(ct[0], grid, box)[part] * ct[1]
    across, down, along = grid.spacing_mm
    extents = extents_mm(part, (along, down, across))
    return StructureStatistics(
        volume_cm3=float(np.count_nonzero(part) * grid.voxel_cm3),
        extents_mm=extents[::-1],
        parts=count_parts(part),
        ct=value_statistics(hu),
        mr=_mr_statistics(sampled_mr(mr[0], grid, box, mr_from_ct), part, mr[1]),
    )


def _mr_statistics(
    values: NDArray[np.float32] | None, mask: BoolArray, step: float
) -> ValueStatistics | None:
    if values is None:
        return None
    inside = values[mask]
    inside = inside[np.isfinite(inside)]
    return value_statistics(inside * step) if len(inside) else None
