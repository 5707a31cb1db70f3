"""Structures as they are stored, listed and changed."""

import secrets
from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, StringConstraints

from radfuse.record import NOTICE
from radfuse.schema import Values, VersionedModel
from radfuse.service.models import FrozenModel, RequestModel
from radfuse.service.stores.rle import Runs, VoxelGrid, pixel_count
from radfuse.structures.generation import Step
from radfuse.structures.label_maps import RgbColour

HexColour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]

LineStyle = Literal["solid", "dashed", "dotted"]
"""Of a structure's contours on the screen."""

LINES: tuple[LineStyle, ...] = get_args(LineStyle)
"""In the order in which new structures get them: the next where all colours are used."""

LineWidth = Annotated[int, Field(strict=True, ge=1, le=4)]
"""Of a structure's contours on the screen, in pixels."""


class StructureSummary(FrozenModel):
    """A structure without its runs."""

    id: str
    name: str
    colour: HexColour
    revision: int
    """Number of changes; 1 for a new structure, 0 for one that cannot be read."""

    volume_cm3: float
    slices: int
    """Number of slices that are not empty."""

    steps: tuple[Step, ...] = ()
    """Of its generation."""

    line: LineStyle = "solid"
    line_width: LineWidth = 2

    problem: str | None = None
    """Why it cannot be read."""


class DeletedStructure(StructureSummary):
    """A structure that can be restored."""

    deleted: datetime
    """When it was deleted, UTC."""


def _unchanged(values: Values) -> Values:
    """Version 1 to 2, with steps and lines: earlier versions find neither."""
    return values


class StoredStructure(VersionedModel):
    """A structure as stored on disk."""

    model_config = ConfigDict(extra="forbid")
    migrations = (_unchanged,)

    notice: str = NOTICE
    id: str = Field(default_factory=lambda: secrets.token_hex(6))
    name: str
    colour: HexColour
    revision: int = Field(default=1, ge=1)
    number: int = Field(ge=1)
    """Order in which the structures were added."""

    grid: VoxelGrid
    """Grid of the CT that it was drawn on."""

    runs: Runs = Field(default_factory=dict)
    """Slices that are not empty."""

    steps: tuple[Step, ...] = ()
    """Of its generation, each once."""

    line: LineStyle = "solid"
    line_width: LineWidth = 2

    @property
    def rgb(self) -> RgbColour:
        """Red, green, blue."""
        red, green, blue = bytes.fromhex(self.colour[1:])
        return red, green, blue

    def summary(self) -> StructureSummary:
        """Summary for the list of structures."""
        return StructureSummary(
            id=self.id,
            name=self.name,
            colour=self.colour,
            revision=self.revision,
            volume_cm3=round(pixel_count(self.runs) * self.grid.voxel_cm3, 4),
            slices=len(self.runs),
            steps=self.steps,
            line=self.line,
            line_width=self.line_width,
        )


class NewStructure(RequestModel):
    """A structure to add."""

    name: str
    colour: HexColour | None = None
    runs: Runs = Field(default_factory=dict)
    steps: tuple[Step, ...] = ()


class StructureChange(RequestModel):
    """Changes of a structure."""

    revision: int
    """Revision that was changed."""

    name: str | None = None
    colour: HexColour | None = None
    runs: Runs = Field(default_factory=dict)
    """Changed slices; an empty list clears a slice."""

    steps: tuple[Step, ...] = ()
    """Of this change; they are added to those of the structure."""

    line: LineStyle | None = None
    line_width: LineWidth | None = None
