"""Landmark pairs and named alignments of a study on disk, written before a request ends."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.record import NOTICE, now
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.schema import VersionedModel
from radfuse.service.models import FrozenModel, Matrix, Point, RequestModel
from radfuse.service.stores.structure_store import StaleRevisionError
from radfuse.service.stores.studies import IDENTIFIER, Studies

LANDMARKS = "landmarks.json"
"""File of the landmark pairs, in a study's folder."""

FOLDER = "alignments"
"""Folder of the named alignments in a study's folder."""

MAX_PAIRS = 200
"""Landmark pairs of a study."""

MAX_WEIGHT = 100.0
"""Largest weight of a pair."""

MAX_ALIGNMENTS = 100
"""Named alignments of a study."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
FullName = Annotated[Name, StringConstraints(min_length=1)]


class LandmarkPair(RequestModel):
    """One landmark in CT and MR, LPS mm."""

    model_config = ConfigDict(frozen=True)

    ct: Point
    mr: Point
    name: Name = ""
    weight: Annotated[float, Field(gt=0, le=MAX_WEIGHT)] = 1.0


Pairs = Annotated[tuple[LandmarkPair, ...], Field(max_length=MAX_PAIRS)]


class Landmarks(VersionedModel):
    """The landmark pairs of a study, as stored on disk."""

    notice: str = NOTICE
    revision: int = Field(default=0, ge=0)
    """Number of changes; 0 before the first."""

    sources: tuple[str, str] | None = None
    """SHA-256 of the files of CT and MR in which they were marked."""

    pairs: Pairs = ()


class LandmarksChange(RequestModel):
    """All landmark pairs of a study."""

    revision: int
    """Revision that was changed."""

    pairs: Pairs


class StoredAlignment(VersionedModel):
    """A named alignment, as stored on disk."""

    notice: str = NOTICE
    id: str = Field(default_factory=lambda: secrets.token_hex(6))
    name: FullName
    revision: int = Field(default=1, ge=1)
    number: int = Field(ge=1)
    """Order in which the alignments were saved."""

    saved: datetime = Field(default_factory=now)
    sources: tuple[str, str]
    """SHA-256 of the files of CT and MR."""

    mr_from_ct: Matrix
    """Maps CT points to MR points, LPS mm."""


class AlignmentSummary(FrozenModel):
    """A named alignment of a study."""

    id: str
    name: str
    revision: int
    """Number of changes; 0 for one that cannot be read."""

    number: int
    """Order in which the alignments were saved; 0 for one that cannot be read."""

    saved: datetime | None
    mr_from_ct: Matrix | None
    """None where it cannot be used."""

    problem: str | None = None
    """Why it cannot be used."""


class NewAlignment(RequestModel):
    """An alignment to save."""

    name: FullName
    mr_from_ct: Matrix


class AlignmentChange(RequestModel):
    """A new name of an alignment, or another alignment of the same name."""

    revision: int
    """Revision that was changed."""

    name: FullName | None = None
    mr_from_ct: Matrix | None = None


class UnknownAlignmentError(InputError):
    """A study has no alignment with this identifier."""


class AlignmentStore:
    """Landmark pairs and alignments of all studies; each change is on disk before it is returned.

    All of it raises `UnknownStudyError` for a study that is not there or not prepared.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies

    def landmarks(self, study: str) -> Landmarks:
        """The landmark pairs, none at first; `InputError` where their file is damaged."""
        path = self._folder(study) / LANDMARKS
        if not path.is_file():
            return Landmarks()
        try:
            return Landmarks.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(
                f"the landmark pairs cannot be read: {LANDMARKS} is damaged; restore it from a "
                "backup or delete it"
            ) from error

    def are_of_other_images(self, study: str, landmarks: Landmarks) -> bool:
        """Whether the files of CT or MR have changed since the pairs were saved."""
        return landmarks.sources not in (None, self._sources(study))

    def write_landmarks(self, study: str, change: LandmarksChange) -> Landmarks:
        """Replace the landmark pairs; raises `StaleRevisionError` for another revision."""
        with self._studies.locked(study) as folder:
            before = self.landmarks(study)
            _check_revision("the landmark pairs", before.revision, change.revision)
            changed = Landmarks(
                revision=before.revision + 1, sources=self._sources(study), pairs=change.pairs
            )
            with staging(folder) as stage:
                _write(stage.path_of(Path(LANDMARKS)), changed)
        return changed

    def all(self, study: str) -> list[AlignmentSummary]:
        """All alignments in the order in which they were saved first, then the unreadable ones."""
        sources, found = self._sources(study), []
        for path in (self._folder(study) / FOLDER).glob("*.json"):
            if IDENTIFIER.fullmatch(path.stem):
                found.append(_summary(path, sources))
        return sorted(found, key=lambda one: (one.revision == 0, one.number, one.id))

    def add(self, study: str, new: NewAlignment) -> AlignmentSummary:
        """Save an alignment; raises `InputError` for a used name and a matrix that is not rigid."""
        _check_rigid(new.mr_from_ct)
        with self._studies.locked(study):
            others = self.all(study)
            if len(others) >= MAX_ALIGNMENTS:
                raise InputError(f"there are {MAX_ALIGNMENTS} alignments already; delete some")
            _check_name(new.name, others)
            stored = StoredAlignment(
                name=new.name,
                number=1 + max((one.number for one in others), default=0),
                sources=self._sources(study),
                mr_from_ct=new.mr_from_ct,
            )
            return self._store(study, stored)

    def change(self, study: str, identifier: str, changes: AlignmentChange) -> AlignmentSummary:
        """Change name or matrix; raises `StaleRevisionError` for another revision."""
        if changes.mr_from_ct is not None:
            _check_rigid(changes.mr_from_ct)
        with self._studies.locked(study):
            stored = _read(self._path(study, identifier))
            _check_revision(f"'{stored.name}'", stored.revision, changes.revision)
            if changes.name is not None:
                _check_name(changes.name, (o for o in self.all(study) if o.id != identifier))
            update = changes.model_dump(exclude={"revision"}, exclude_none=True)
            if changes.mr_from_ct is not None:
                update |= {"sources": self._sources(study)}
            update |= {"revision": stored.revision + 1}
            return self._store(study, stored.model_copy(update=update))

    def delete(self, study: str, identifier: str) -> None:
        """Remove an alignment, readable or not; raises `UnknownAlignmentError`."""
        with self._studies.locked(study):
            self._path(study, identifier).unlink()

    def _folder(self, study: str) -> Path:
        self._studies.get(study)
        return self._studies.folder_of(study)

    def _sources(self, study: str) -> tuple[str, str]:
        return self._studies.view(study).sources

    def _path(self, study: str, identifier: str) -> Path:
        path = self._folder(study) / FOLDER / f"{identifier}.json"
        if not (IDENTIFIER.fullmatch(identifier) and path.is_file()):
            raise UnknownAlignmentError("no such alignment in this study; see the list")
        return path

    def _store(self, study: str, stored: StoredAlignment) -> AlignmentSummary:
        folder = self._folder(study) / FOLDER
        with staging(folder) as stage:
            _write(stage.path_of(Path(f"{stored.id}.json")), stored)
        return _summary(folder / f"{stored.id}.json", self._sources(study))


def _write(path: Path, model: VersionedModel) -> None:
    path.write_text(model.model_dump_json(indent=2), encoding="utf-8")


def _read(path: Path) -> StoredAlignment:
    try:
        stored = StoredAlignment.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(
            f"alignment {path.stem} cannot be read: its file is damaged; restore "
            f"{FOLDER}/{path.name} from a backup or delete it"
        ) from error
    if stored.id != path.stem:
        raise InputError(f"alignment {path.stem} has the identifier of another one; delete it")
    _check_rigid(stored.mr_from_ct)
    return stored


def _summary(path: Path, sources: tuple[str, str]) -> AlignmentSummary:
    try:
        stored = _read(path)
    except InputError as error:
        return AlignmentSummary(
            id=path.stem,
            name=f"unreadable {path.stem}",
            revision=0,
            number=0,
            saved=None,
            mr_from_ct=None,
            problem=str(error),
        )
    is_same = stored.sources == sources
    return AlignmentSummary(
        id=stored.id,
        name=stored.name,
        revision=stored.revision,
        number=stored.number,
        saved=stored.saved,
        mr_from_ct=stored.mr_from_ct if is_same else None,
        problem=None if is_same else "it was saved for other files of CT or MR than the present",
    )


def _check_rigid(matrix: Matrix) -> None:
    rigid_from_matrix(np.array(matrix), name="mr_from_ct")


def _check_revision(what: str, found: int, changed: int) -> None:
    if found != changed:
        raise StaleRevisionError(
            f"{what} changed elsewhere: revision {found}, this change is for {changed}; load again"
        )


def _check_name(name: str, others: Iterable[AlignmentSummary]) -> None:
    if used := [one.name for one in others if one.name.casefold() == name.casefold()]:
        raise InputError(f"there is an alignment '{used[0]}' already; choose another name")
