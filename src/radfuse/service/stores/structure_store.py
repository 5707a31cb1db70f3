"""Structures on disk: a JSON file each in a study's folder, written before a request ends."""

import re
import secrets
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import RLock
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from radfuse.dicom.rtstruct.write import MAX_NAME_LENGTH, check_roi_name
from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.io.volumes import write_volume
from radfuse.record import NOTICE
from radfuse.schema import Values, VersionedModel
from radfuse.service.models import FrozenModel, RequestModel
from radfuse.service.stores.rle import (
    Runs,
    VoxelGrid,
    decode_image,
    grid_of,
    pixel_count,
    validated,
)
from radfuse.service.stores.studies import IDENTIFIER, Studies
from radfuse.service.stores.view_volumes import read_grid
from radfuse.structures.generation import Step, merged_steps
from radfuse.structures.label_maps import PALETTE, RgbColour, palette_colour

FOLDER = "structures"
"""Folder of the structures in a study's folder."""

MASKS = "masks"
"""Folder in a study's folder of masks for registrations; they do not follow later changes."""

HexColour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]

LineStyle = Literal["solid", "dashed", "dotted"]
"""Of a structure's contours on the screen."""

LINES: tuple[LineStyle, ...] = get_args(LineStyle)
"""In the order in which new structures get them: the next where all colours are used."""

LineWidth = Annotated[int, Field(strict=True, ge=1, le=4)]
"""Of a structure's contours on the screen, in pixels."""

GREY = "#808080"
"""Colour of structures that cannot be read."""


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


class UnknownStructureError(InputError):
    """A study has no structure with this identifier."""


class StaleRevisionError(InputError):
    """A structure was changed meanwhile."""


class StructureStore:
    """The structures of all studies; each change is on disk before it is returned."""

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self._lock = RLock()
        for staged in studies.folder.glob(f"*/{FOLDER}/.radfuse-*"):
            shutil.rmtree(staged, ignore_errors=True)  # of a killed server

    def folder(self, study: str) -> Path:
        """The folder of a study; raises `UnknownStudyError`."""
        self._studies.get(study)
        return self._studies.folder_of(study)

    def grid(self, study: str) -> VoxelGrid:
        """The viewer's grid; raises `UnknownStudyError` before the study is prepared."""
        path = self._studies.volume(study, "ct")
        try:
            return grid_of(read_grid(path))
        except RuntimeError as error:
            raise InputError(f"study {study}: {path.name} is damaged; prepare it again") from error

    def summaries(self, study: str) -> list[StructureSummary]:
        """All structures in the order in which they were added, then the unreadable ones."""
        readable, unreadable = self.all(study)
        return [*(one.summary() for one in readable), *unreadable]

    def all(self, study: str) -> tuple[list[StoredStructure], list[StructureSummary]]:
        """Structures in the order in which they were added, and summaries of unreadable ones."""
        readable: list[StoredStructure] = []
        unreadable: list[StructureSummary] = []
        with self._lock:
            if not (paths := self._paths(study)):
                return [], []
            grid = self.grid(study)
            for path in paths:
                try:
                    readable.append(self._read(path, grid))
                except InputError as error:
                    unreadable.append(_unreadable(path, str(error)))
        return sorted(readable, key=lambda one: (one.number, one.id)), unreadable

    def get(self, study: str, identifier: str) -> StoredStructure:
        """One structure.

        Raises `UnknownStructureError`, and `InputError` if its file cannot be read or it was drawn
        on another CT.
        """
        with self._lock:
            return self._read(self._path(study, identifier), self.grid(study))

    def add(
        self, study: str, new: Sequence[NewStructure], *, rename: bool = False
    ) -> list[StoredStructure]:
        """Add structures, all or none.

        With `rename`, used names get a number and used colours are replaced by unused ones. Raises
        `InputError` for invalid names and runs.
        """
        grid = self.grid(study)
        runs = [_without_empty(validated(one.runs, grid.size)) for one in new]
        with self._lock:
            readable, unreadable = self.all(study)
            names = [*(one.name for one in readable), *(one.name for one in unreadable)]
            before = [one.colour for one in readable]
            colours = list(before)
            number = max((one.number for one in readable), default=0)
            added: list[StoredStructure] = []
            for one, one_runs in zip(new, runs, strict=True):
                name = one.name.strip()
                name = _unused_name(name, names) if rename else name
                _check_name(name, names)
                names.append(name)
                number += 1
                colour = one.colour
                if colour is None or (rename and colour in before):
                    colour = _unused_colour(colours)
                colours.append(colour)
                added.append(
                    StoredStructure(
                        name=name,
                        colour=colour,
                        number=number,
                        grid=grid,
                        runs=one_runs,
                        steps=merged_steps((), one.steps),
                        line=LINES[(len(colours) - 1) // len(PALETTE) % len(LINES)],
                    )
                )
            self._write(study, added)
        return added

    def change(self, study: str, identifier: str, changes: StructureChange) -> StoredStructure:
        """Change a structure.

        Raises `StaleRevisionError` if it has another revision than `changes`.
        """
        path, grid = self._path(study, identifier), self.grid(study)
        runs = validated(changes.runs, grid.size)
        with self._lock:
            structure = self._read(path, grid)
            if structure.revision != changes.revision:
                raise StaleRevisionError(
                    f"'{structure.name}' was changed elsewhere: it has revision "
                    f"{structure.revision}, this change is for {changes.revision}; load it again"
                )
            name = structure.name
            if changes.name is not None and (name := changes.name.strip()) != structure.name:
                others = [one.name for one in self.summaries(study) if one.id != identifier]
                _check_name(name, others)
            changed = structure.model_copy(
                update={
                    "name": name,
                    "colour": changes.colour or structure.colour,
                    "revision": structure.revision + 1,
                    "runs": _without_empty(structure.runs | runs),
                    "steps": merged_steps(structure.steps, changes.steps),
                    "line": changes.line or structure.line,
                    "line_width": changes.line_width or structure.line_width,
                }
            )
            self._write(study, [changed])
        return changed

    def delete(self, study: str, identifier: str) -> None:
        """Remove a structure, readable or not; raises `UnknownStructureError`."""
        with self._lock:
            self._path(study, identifier).unlink()

    def write_mask(self, study: str, identifier: str) -> Path:
        """The file of a structure's mask as it is now; raises `InputError` for an empty one."""
        structure = self.get(study, identifier)
        if not structure.runs:
            raise InputError(f"'{structure.name}' is empty; draw it first")
        path = self.folder(study) / MASKS / f"{identifier}-{structure.revision}.nii.gz"
        with self._studies.locked(study), staging(path.parent) as stage:
            write_volume(stage.path_of(path), decode_image(structure.runs, structure.grid))
        return path

    def is_mask(self, path: Path) -> bool:
        """Whether a resolved path is that of a written mask."""
        folder = path.parent
        return folder.name == MASKS and folder.parent.parent == self._studies.folder.resolve()

    def _path(self, study: str, identifier: str) -> Path:
        path = self.folder(study) / FOLDER / f"{identifier}.json"
        if not (IDENTIFIER.fullmatch(identifier) and path.is_file()):
            raise UnknownStructureError("no such structure in this study; see the list")
        return path

    def _paths(self, study: str) -> list[Path]:
        files = (self.folder(study) / FOLDER).glob("*.json")
        return sorted(path for path in files if IDENTIFIER.fullmatch(path.stem))

    def _read(self, path: Path, grid: VoxelGrid) -> StoredStructure:
        try:
            stored = StoredStructure.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise _damaged(path) from error
        except InputError as error:  # of a newer version of radfuse
            raise InputError(f"structure {path.stem}: {error}") from error
        if stored.id != path.stem:
            raise _damaged(path)
        try:
            runs = validated(stored.runs, stored.grid.size)
        except InputError as error:
            raise _damaged(path) from error
        structure = stored.model_copy(update={"runs": runs})
        if not structure.grid.fits(grid):
            raise InputError(
                f"'{structure.name}' was drawn on another CT than that of this study; "
                "open that CT again or delete the structure"
            )
        return structure

    def _write(self, study: str, structures: Iterable[StoredStructure]) -> None:
        with self._studies.locked(study) as folder, staging(folder / FOLDER) as stage:
            for structure in structures:
                path = stage.path_of(Path(f"{structure.id}.json"))
                path.write_text(structure.model_dump_json(), encoding="utf-8")


def hexadecimal(colour: RgbColour) -> str:
    """A colour as in HTML, such as #ff8000."""
    return f"#{bytes(colour).hex()}"


def _damaged(path: Path) -> InputError:
    return InputError(
        f"structure {path.stem} cannot be read: its file is damaged; restore "
        f"{FOLDER}/{path.name} from a backup or delete it"
    )


def _without_empty(runs: Runs) -> Runs:
    """Slices in order, without empty ones."""
    return {index: runs[index] for index in sorted(runs, key=int) if runs[index]}


def _unreadable(path: Path, problem: str) -> StructureSummary:
    return StructureSummary(
        id=path.stem,
        name=f"unreadable {path.stem}",
        colour=GREY,
        revision=0,
        volume_cm3=0.0,
        slices=0,
        problem=problem,
    )


def _check_name(name: str, others: Iterable[str]) -> None:
    """Raise `InputError` for a name that is invalid in DICOM or used, ignoring case."""
    check_roi_name(name, [])
    if used := [other for other in others if other.casefold() == name.casefold()]:
        raise InputError(f"there is a structure '{used[0]}' already; choose another name")


def _unused_colour(used: Sequence[str]) -> str:
    """The first unused colour of the palette; where all are used, each in sequence."""
    colours = [hexadecimal(colour) for colour in PALETTE]
    free = (colour for colour in colours if colour not in used)
    return next(free, hexadecimal(palette_colour(len(used))))


def _unused_name(name: str, others: Iterable[str]) -> str:
    """The name, with the first number that makes it unique where it is used."""
    used, number = {other.casefold() for other in others}, 1
    base = re.sub(r" \(\d+\)$", "", name)
    while name.casefold() in used:
        number += 1
        ending = f" ({number})"
        name = base[: MAX_NAME_LENGTH - len(ending)] + ending
    return name
