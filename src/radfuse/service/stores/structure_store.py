"""Structures on disk: a JSON file each in a study's folder, written before a request ends."""

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from time import time_ns

from pydantic import ValidationError

from radfuse.dicom.rtstruct.write import MAX_NAME_LENGTH, check_roi_name
from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.io.volumes import write_volume
from radfuse.service.stores.revisions import check_revision
from radfuse.service.stores.rle import Runs, VoxelGrid, decode_image, grid_of, validated
from radfuse.service.stores.studies import IDENTIFIER, Studies
from radfuse.service.stores.view_volumes import read_grid
from radfuse.service.structures.models import (
    LINES,
    DeletedStructure,
    NewStructure,
    StoredStructure,
    StructureChange,
    StructureSummary,
)
from radfuse.structures.generation import merged_steps
from radfuse.structures.label_maps import PALETTE, RgbColour, palette_colour

FOLDER = "structures"
"""Folder of the structures in a study's folder."""

DELETED = "deleted"
"""Folder of deleted structures in that folder: they can be restored until the study is deleted."""

MASKS = "masks"
"""Folder in a study's folder of masks for registrations; they do not follow later changes."""

GREY = "#808080"
"""Colour of structures that cannot be read."""


class UnknownStructureError(InputError):
    """A study has no structure with this identifier."""


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
            _check_revision(structure, changes.revision)
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

    def delete(self, study: str, identifier: str, revision: int | None = None) -> None:
        """Remove a structure, readable or not; `restore` brings it back.

        Raises `UnknownStructureError`, and `StaleRevisionError` if it has another revision than
        the given one.
        """
        with self._lock:
            path = self._path(study, identifier)
            if revision is not None:
                _check_revision(self._read(path, self.grid(study)), revision)
            path.parent.joinpath(DELETED).mkdir(exist_ok=True)
            os.utime(path, ns=(time_ns(), time_ns()))  # of the deletion, finer than `touch`
            path.replace(path.parent / DELETED / path.name)

    def deleted(self, study: str) -> list[DeletedStructure]:
        """Deleted structures, the last one first; without those that cannot be read."""
        with self._lock:
            if not (paths := self._paths(study, DELETED)):
                return []
            grid = self.grid(study)
            paths = sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)
            found = [(self._read_if_readable(path, grid), _time_of(path)) for path in paths]
        return [
            DeletedStructure(**one.summary().model_dump(), deleted=time)
            for one, time in found
            if one
        ]

    def restore(self, study: str, identifier: str) -> StoredStructure:
        """Bring a deleted structure back: the same but for its revision.

        A name that is used meanwhile gets a number. Raises `UnknownStructureError` if no such
        structure was deleted, and errors as `get`.
        """
        with self._lock:
            path = self._path(study, identifier, DELETED)
            structure = self._read(path, self.grid(study))
            names = [one.name for one in self.summaries(study)]
            changes = {
                "name": _unused_name(structure.name, names),
                "revision": structure.revision + 1,
            }
            restored = structure.model_copy(update=changes)
            self._write(study, [restored])
            path.unlink()
        return restored

    def write_mask(self, study: str, identifier: str) -> Path:
        """The file of a structure's mask as it is now; raises `InputError` for an empty one."""
        structure = self.get(study, identifier)
        if not structure.runs:
            raise InputError(f"'{structure.name}' is empty; draw it first")
        path = self.folder(study) / MASKS / f"{identifier}-{structure.revision}.nii.gz"
        with self._studies.locked(study), staging(path.parent, durable=True) as stage:
            write_volume(stage.path_of(path), decode_image(structure.runs, structure.grid))
        return path

    def is_mask(self, path: Path) -> bool:
        """Whether a resolved path is that of a written mask."""
        folder = path.parent
        return folder.name == MASKS and folder.parent.parent == self._studies.folder.resolve()

    def _path(self, study: str, identifier: str, within: str = "") -> Path:
        path = self.folder(study) / FOLDER / within / f"{identifier}.json"
        if not (IDENTIFIER.fullmatch(identifier) and path.is_file()):
            raise UnknownStructureError("no such structure in this study; see the list")
        return path

    def _paths(self, study: str, within: str = "") -> list[Path]:
        files = (self.folder(study) / FOLDER / within).glob("*.json")
        return sorted(path for path in files if IDENTIFIER.fullmatch(path.stem))

    def _read_if_readable(self, path: Path, grid: VoxelGrid) -> StoredStructure | None:
        try:
            return self._read(path, grid)
        except InputError:
            return None

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
        folder = self.folder(study) / FOLDER
        with self._studies.locked(study), staging(folder, durable=True) as stage:
            for structure in structures:
                path = stage.path_of(Path(f"{structure.id}.json"))
                path.write_text(structure.model_dump_json(), encoding="utf-8")


def _time_of(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _check_revision(structure: StoredStructure, revision: int) -> None:
    check_revision(f"'{structure.name}'", structure.revision, revision)


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
