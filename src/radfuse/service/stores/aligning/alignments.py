"""Named alignments of the images of a study on disk, written before a request ends."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, StringConstraints, ValidationError

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.record import NOTICE, now
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.schema import VersionedModel
from radfuse.service.models import FrozenModel, Matrix, RequestModel
from radfuse.service.stores.aligning.images import (
    FUSED_MR,
    ImageLabel,
    Sources,
    sources_by_label,
    sources_of,
    with_image_names,
)
from radfuse.service.stores.revisions import check_revision
from radfuse.service.stores.studies import IDENTIFIER, Studies

FOLDER = "alignments"
"""Folder of the named alignments in a study's folder."""

MAX_ALIGNMENTS = 100
"""Named alignments of a study."""

OTHER_FILES = "it was saved for other files of the CT or of the image than the present"
"""Problem of an alignment."""

FullName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class StoredAlignment(VersionedModel):
    """A named alignment, as stored on disk."""

    migrations = (with_image_names,)

    notice: str = NOTICE
    id: str = Field(default_factory=lambda: secrets.token_hex(6))
    name: FullName
    image: ImageLabel = FUSED_MR
    """Label of the image."""

    revision: int = Field(default=1, ge=1)
    number: int = Field(ge=1)
    """Order in which the alignments were saved."""

    saved: datetime = Field(default_factory=now)
    sources: Sources
    image_from_ct: Matrix
    """Maps CT points to points of the image, LPS mm."""


class AlignmentSummary(FrozenModel):
    """A named alignment of a study."""

    id: str
    name: str
    image: str
    """Its label, empty for the MR that is fused; also of an alignment that cannot be read."""

    revision: int
    """Number of changes; 0 for one that cannot be read."""

    number: int
    """Order in which the alignments were saved; 0 for one that cannot be read."""

    saved: datetime | None
    image_from_ct: Matrix | None
    """None where it cannot be used."""

    problem: str | None = None
    """Why it cannot be used."""


class NewAlignment(RequestModel):
    """An alignment to save."""

    name: FullName
    image: ImageLabel = FUSED_MR
    image_from_ct: Matrix


class AlignmentChange(RequestModel):
    """A new name of an alignment, or another alignment of the same name."""

    revision: int
    """Revision that was changed."""

    name: FullName | None = None
    image_from_ct: Matrix | None = None


class UnknownAlignmentError(InputError):
    """A study has no alignment with this identifier."""


class AlignmentStore:
    """Alignments of all studies; each change is on disk before it is returned.

    All of it raises `UnknownStudyError` for a study that is not there or not prepared.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies

    def all(self, study: str) -> list[AlignmentSummary]:
        """All alignments in the order in which they were saved first, then the unreadable ones."""
        sources, found = sources_by_label(self._studies, study), []
        for path in (self._folder(study) / FOLDER).glob("*.json"):
            if IDENTIFIER.fullmatch(path.stem):
                found.append(_summary(path, sources))
        return sorted(found, key=lambda one: (one.revision == 0, one.number, one.id))

    def add(self, study: str, new: NewAlignment) -> AlignmentSummary:
        """Save an alignment.

        Raises `InputError` for a used name, a matrix that is not rigid and the label of no image.
        """
        _check_rigid(new.image_from_ct)
        with self._studies.locked(study):
            others = self.all(study)
            if len(others) >= MAX_ALIGNMENTS:
                raise InputError(f"there are {MAX_ALIGNMENTS} alignments already; delete some")
            _check_name(new.name, new.image, others)
            stored = StoredAlignment(
                name=new.name,
                image=new.image,
                number=1 + max((one.number for one in others), default=0),
                sources=sources_of(self._studies, study, new.image),
                image_from_ct=new.image_from_ct,
            )
            return self._store(study, stored)

    def change(self, study: str, identifier: str, changes: AlignmentChange) -> AlignmentSummary:
        """Change name or matrix; raises `StaleRevisionError` for another revision."""
        if changes.image_from_ct is not None:
            _check_rigid(changes.image_from_ct)
        with self._studies.locked(study):
            stored = _read(self._path(study, identifier))
            check_revision(f"'{stored.name}'", stored.revision, changes.revision)
            if changes.name is not None:
                others = (one for one in self.all(study) if one.id != identifier)
                _check_name(changes.name, stored.image, others)
            update = changes.model_dump(exclude={"revision"}, exclude_none=True)
            if changes.image_from_ct is not None:
                update |= {"sources": sources_of(self._studies, study, stored.image)}
            update |= {"revision": stored.revision + 1}
            return self._store(study, stored.model_copy(update=update))

    def delete(self, study: str, identifier: str) -> None:
        """Remove an alignment, readable or not; raises `UnknownAlignmentError`."""
        with self._studies.locked(study):
            self._path(study, identifier).unlink()

    def _folder(self, study: str) -> Path:
        self._studies.get(study)
        return self._studies.folder_of(study)

    def _path(self, study: str, identifier: str) -> Path:
        path = self._folder(study) / FOLDER / f"{identifier}.json"
        if not (IDENTIFIER.fullmatch(identifier) and path.is_file()):
            raise UnknownAlignmentError("no such alignment in this study; see the list")
        return path

    def _store(self, study: str, stored: StoredAlignment) -> AlignmentSummary:
        folder = self._folder(study) / FOLDER
        with staging(folder, durable=True) as stage:
            path = stage.path_of(Path(f"{stored.id}.json"))
            path.write_text(stored.model_dump_json(indent=2), encoding="utf-8")
        return _summary(folder / path.name, sources_by_label(self._studies, study))


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
    _check_rigid(stored.image_from_ct)
    return stored


def _summary(path: Path, sources: Mapping[str, Sources]) -> AlignmentSummary:
    try:
        stored = _read(path)
    except InputError as error:
        return AlignmentSummary(
            id=path.stem,
            name=f"unreadable {path.stem}",
            image=FUSED_MR,
            revision=0,
            number=0,
            saved=None,
            image_from_ct=None,
            problem=str(error),
        )
    present = sources.get(stored.image)
    is_same = stored.sources == present
    problem = OTHER_FILES if present else f"the result has no image {stored.image}"
    return AlignmentSummary(
        id=stored.id,
        name=stored.name,
        image=stored.image,
        revision=stored.revision,
        number=stored.number,
        saved=stored.saved,
        image_from_ct=stored.image_from_ct if is_same else None,
        problem=None if is_same else problem,
    )


def _check_rigid(matrix: Matrix) -> None:
    rigid_from_matrix(np.array(matrix), name="image_from_ct")


def _check_name(name: str, image: str, others: Iterable[AlignmentSummary]) -> None:
    names = (one.name for one in others if one.image == image)
    if used := [one for one in names if one.casefold() == name.casefold()]:
        raise InputError(f"there is an alignment '{used[0]}' already; choose another name")
