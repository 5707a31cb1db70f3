"""Drawn structures on disk: a file each in a study's folder; what was answered is written."""

import re
import secrets
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import RLock
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from radfuse.dicom.rtstruct.write import MAX_NAME_LENGTH, check_roi_name
from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.record import NOTICE
from radfuse.service.stores.rle import Grid, Runs, checked, grid_of, pixels
from radfuse.service.stores.studies import IDENTIFIER, Studies
from radfuse.service.stores.view_volumes import read_grid
from radfuse.structures.label_maps import PALETTE, RgbColour, palette_colour

FOLDER = "structures"
"""Of a study's folder."""

HexColour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]

GREY = "#808080"
"""Of what cannot be read."""


class Summary(BaseModel):
    """A structure without its runs."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    colour: HexColour
    revision: int
    """Counts the changes; 1 is new, 0 what cannot be read."""

    volume_cm3: float
    slices: int
    """That have something drawn on them."""

    problem: str | None = None
    """Why it cannot be shown."""


class Drawing(BaseModel):
    """A structure as it lies on the disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notice: str = NOTICE
    id: str = Field(default_factory=lambda: secrets.token_hex(6))
    name: str
    colour: HexColour
    revision: int = Field(default=1, ge=1)
    number: int = Field(ge=1)
    """Counts the structures as they were added."""

    grid: Grid
    """What it is drawn on."""

    runs: Runs = {}
    """By slice; without empty ones."""

    @property
    def rgb(self) -> RgbColour:
        """Red, green, blue."""
        red, green, blue = bytes.fromhex(self.colour[1:])
        return red, green, blue

    def summary(self) -> Summary:
        """What a list says of it."""
        return Summary(
            id=self.id,
            name=self.name,
            colour=self.colour,
            revision=self.revision,
            volume_cm3=round(pixels(self.runs) * self.grid.voxel_cm3, 4),
            slices=len(self.runs),
        )


class Draft(BaseModel):
    """A structure to add."""

    model_config = ConfigDict(extra="forbid")

    name: str
    colour: HexColour | None = None
    runs: Runs = {}


class Change(BaseModel):
    """What shall be otherwise in a structure."""

    model_config = ConfigDict(extra="forbid")

    revision: int
    """That the change was made to."""

    name: str | None = None
    colour: HexColour | None = None
    runs: Runs = {}
    """Of the slices that changed; an empty list clears one."""


class UnknownStructureError(InputError):
    """A study has no structure of this name."""


class StaleError(InputError):
    """A structure was changed by somebody else meanwhile."""


class Drawings:
    """The structures of all studies; each change is on disk before it is told."""

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self._lock = RLock()
        for half in studies.folder.glob(f"*/{FOLDER}/.radfuse-*"):
            shutil.rmtree(half, ignore_errors=True)  # of a server that was killed

    def folder(self, study: str) -> Path:
        """Of a study; raises `UnknownStudyError`."""
        self._studies.get(study)
        return self._studies.place(study)

    def grid(self, study: str) -> Grid:
        """The page's grid; raises `UnknownStudyError` before the study was prepared."""
        path = self._studies.volume(study, "ct")
        try:
            return grid_of(read_grid(path))
        except RuntimeError as error:
            raise InputError(f"study {study}: {path.name} is damaged; prepare it again") from error

    def summaries(self, study: str) -> list[Summary]:
        """All structures in the order in which they were added; the unreadable ones last."""
        readable, broken = self.all(study)
        return [*(drawing.summary() for drawing in readable), *broken]

    def all(self, study: str) -> tuple[list[Drawing], list[Summary]]:
        """The structures of a study in the order in which they were added, and the unreadable."""
        readable: list[Drawing] = []
        broken: list[Summary] = []
        with self._lock:
            if not (paths := self._paths(study)):
                return [], []
            grid = self.grid(study)
            for path in paths:
                try:
                    readable.append(self._read(path, grid))
                except InputError as error:
                    broken.append(_broken(path, str(error)))
        return sorted(readable, key=lambda one: (one.number, one.id)), broken

    def get(self, study: str, identifier: str) -> Drawing:
        """One structure.

        Raises `UnknownStructureError`, and `InputError` where its file cannot be read or it was
        drawn on another CT.
        """
        with self._lock:
            return self._read(self._path(study, identifier), self.grid(study))

    def add(self, study: str, drafts: Sequence[Draft], *, rename: bool = False) -> list[Drawing]:
        """Add structures, all or none; with `rename` a name that is taken gets a number.

        With `rename` a colour that was taken before becomes one that is not, too.

        Raises `InputError` for names and runs that cannot be used.
        """
        grid = self.grid(study)
        runs = [_drawn(checked(draft.runs, grid.size)) for draft in drafts]
        with self._lock:
            readable, broken = self.all(study)
            names = [*(one.name for one in readable), *(one.name for one in broken)]
            before = [one.colour for one in readable]
            colours = list(before)
            number = max((one.number for one in readable), default=0)
            added: list[Drawing] = []
            for draft, drawn in zip(drafts, runs, strict=True):
                name = draft.name.strip()
                name = _free(name, names) if rename else name
                _check(name, names)
                names.append(name)
                number += 1
                colour = draft.colour
                if colour is None or (rename and colour in before):
                    colour = _fresh(colours)
                colours.append(colour)
                added.append(
                    Drawing(name=name, colour=colour, number=number, grid=grid, runs=drawn)
                )
            self._write(study, added)
        return added

    def change(self, study: str, identifier: str, wanted: Change) -> Drawing:
        """Change a structure.

        Raises `StaleError` where it is no longer at the revision that the change was made to.
        """
        path, grid = self._path(study, identifier), self.grid(study)
        runs = checked(wanted.runs, grid.size)
        with self._lock:
            drawing = self._read(path, grid)
            if drawing.revision != wanted.revision:
                raise StaleError(
                    f"'{drawing.name}' was changed elsewhere: it is at revision "
                    f"{drawing.revision}, this change was made to {wanted.revision}; load it again"
                )
            name = drawing.name
            if wanted.name is not None and (name := wanted.name.strip()) != drawing.name:
                others = [one.name for one in self.summaries(study) if one.id != identifier]
                _check(name, others)
            changed = drawing.model_copy(
                update={
                    "name": name,
                    "colour": wanted.colour or drawing.colour,
                    "revision": drawing.revision + 1,
                    "runs": _drawn(drawing.runs | runs),
                }
            )
            self._write(study, [changed])
        return changed

    def delete(self, study: str, identifier: str) -> None:
        """Remove a structure, readable or not; raises `UnknownStructureError`."""
        with self._lock:
            self._path(study, identifier).unlink()

    def _path(self, study: str, identifier: str) -> Path:
        path = self.folder(study) / FOLDER / f"{identifier}.json"
        if not (IDENTIFIER.fullmatch(identifier) and path.is_file()):
            raise UnknownStructureError("no such structure in this study; see the list")
        return path

    def _paths(self, study: str) -> list[Path]:
        found = (self.folder(study) / FOLDER).glob("*.json")
        return sorted(path for path in found if IDENTIFIER.fullmatch(path.stem))

    def _read(self, path: Path, grid: Grid) -> Drawing:
        try:
            stored = Drawing.model_validate_json(path.read_bytes())
            if stored.id != path.stem:
                raise InputError("a copy of another structure")
            drawing = stored.model_copy(update={"runs": checked(stored.runs, stored.grid.size)})
        except (OSError, ValidationError, InputError) as error:
            raise InputError(
                f"structure {path.stem} cannot be read: its file is damaged; restore "
                f"{FOLDER}/{path.name} from a backup or delete it"
            ) from error
        if not drawing.grid.fits(grid):
            raise InputError(
                f"'{drawing.name}' was drawn on another CT than this study has now; "
                "choose that CT again or delete it"
            )
        return drawing

    def _write(self, study: str, drawings: Iterable[Drawing]) -> None:
        with self._studies.kept(study) as folder, staging(folder / FOLDER) as stage:
            for drawing in drawings:
                path = stage.path_of(Path(f"{drawing.id}.json"))
                path.write_text(drawing.model_dump_json(), encoding="utf-8")


def hexadecimal(colour: RgbColour) -> str:
    """A colour as the page writes it."""
    return f"#{bytes(colour).hex()}"


def _drawn(runs: Runs) -> Runs:
    """Without empty slices, in order."""
    return {index: runs[index] for index in sorted(runs, key=int) if runs[index]}


def _broken(path: Path, problem: str) -> Summary:
    return Summary(
        id=path.stem,
        name=f"unreadable {path.stem}",
        colour=GREY,
        revision=0,
        volume_cm3=0.0,
        slices=0,
        problem=problem,
    )


def _check(name: str, others: Iterable[str]) -> None:
    """Raise `InputError` for a name that DICOM cannot hold or that is taken, whatever its case."""
    check_roi_name(name, [])
    if taken := [other for other in others if other.casefold() == name.casefold()]:
        raise InputError(f"there is a structure '{taken[0]}' already; choose another name")


def _fresh(used: Sequence[str]) -> str:
    """The first colour of the palette that is not used; by turns where all are."""
    colours = [hexadecimal(colour) for colour in PALETTE]
    free = (colour for colour in colours if colour not in used)
    return next(free, hexadecimal(palette_colour(len(used))))


def _free(name: str, others: Iterable[str]) -> str:
    """The name, or the name and the first number that makes it a new one."""
    taken, number = {other.casefold() for other in others}, 1
    base = re.sub(r" \(\d+\)$", "", name)
    while name.casefold() in taken:
        number += 1
        ending = f" ({number})"
        name = base[: MAX_NAME_LENGTH - len(ending)] + ending
    return name
