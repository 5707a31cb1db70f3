"""Studies on disk: a folder each, with `study.json`, the result and the viewer's volumes."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from pydantic import ConfigDict, ValidationError

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.recipe import Recipe
from radfuse.record import NOTICE, Signature, Signoff, now
from radfuse.schema import Values, VersionedModel
from radfuse.service.jobs.view_files import View, VolumeName
from radfuse.service.stores import shown_files
from radfuse.service.stores.further_paths import FurtherPaths
from radfuse.service.stores.patients import AcceptedPatients
from radfuse.service.stores.results import (
    REPLACING,
    RESULT,
    FusionOutcome,
    check_inputs,
    clean_folder,
    move_flat,
    name_of_flat,
    read_outcome,
    run_folder,
    sign_run,
)
from radfuse.service.stores.shown_files import UnknownStudyError
from radfuse.service.stores.uploads import remove_folder, remove_unused_uploads, uploads_of

StudyState = Literal["new", "queued", "running", "ready", "done", "failed", "cancelled"]
"""`ready`: CT and MR can be displayed; `done`: there is a result, too. Both states are kept if a
later job fails or is cancelled."""

STUDY_FILE = "study.json"
"""File of a study, in its folder."""

IDENTIFIER = re.compile(r"[0-9a-f]{12}")
"""Identifier of a study; cannot be a path."""

BUSY = {"queued", "running"}
"""States of a study with a job."""

STOPPED = "the server was stopped during the job; start it again"
"""Message of a job whose server was killed."""

DAMAGED = f"its {STUDY_FILE} is damaged; restore it from a backup or delete the study"
"""Message of a study that cannot be read."""


def _unchanged(values: Values) -> Values:
    """To 2, with runs, 3, with further images, and 4, with patients: earlier ones find none."""
    return values


class Study(VersionedModel):
    """CT and MR of a patient and the state of their fusion."""

    model_config = ConfigDict(extra="forbid")
    migrations = (_unchanged, _unchanged, _unchanged)

    notice: str = NOTICE
    id: str
    name: str
    created: datetime
    ct: Path
    mr: Path
    further: FurtherPaths = FurtherPaths()
    recipe: Recipe
    state: StudyState = "new"
    message: str = ""
    """Why the last job failed and what to do, which pair was chosen, or what the sign-off did."""

    current: str = ""
    """Name of the run that is shown; empty before the first."""

    outcome: FusionOutcome | None = None
    """Of the current run, as is the sign-off."""

    signoff: Signoff | None = None
    accepted_patients: AcceptedPatients | None = None

    @property
    def sources(self) -> tuple[Path, ...]:
        """Paths of all images."""
        return (self.ct, self.mr, *self.further.paths)


class OtherResultError(InputError):
    """A request is about another run than the current one."""


class Studies:
    """The studies in a folder; each change is on disk before it is returned."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute() / "studies"
        self.uploads = folder.absolute() / "uploads"
        self._lock = RLock()
        self._unwritten: dict[str, Study] = {}

    def recover(self) -> None:
        """Clean up after a killed server: its jobs have failed, and incomplete files are removed.

        Old uploads without a study are removed, too, unless a study cannot be read: its uploads are
        unknown.
        """
        for study in self.all():
            if study.state in BUSY:
                self.finish_job(study.id, "failed", STOPPED)
        if not self.unreadable():
            remove_unused_uploads(self.uploads, self._sources())

    def create(
        self,
        name: str,
        ct: Path,
        mr: Path,
        recipe: Recipe,
        message: str = "",
        further: FurtherPaths | None = None,
    ) -> Study:
        """Create a study of a CT and an MR, and further images."""
        study = Study(
            id=secrets.token_hex(6),
            name=name,
            created=now(),
            ct=ct,
            mr=mr,
            further=further or FurtherPaths(),
            recipe=recipe,
            message=message,
        )
        self._write(study)
        return study

    def all(self) -> list[Study]:
        """All readable studies, the newest first."""
        readable = (study for _, study in self._read_all() if isinstance(study, Study))
        return sorted(readable, key=lambda study: (study.created, study.id), reverse=True)

    def unreadable(self) -> list[Study]:
        """Placeholders for studies whose file cannot be read, each with a message."""
        return [
            Study(
                id=path.parent.name,
                name=f"unreadable {path.parent.name}",
                created=datetime.fromtimestamp(path.stat().st_mtime, UTC),
                ct=path.parent,
                mr=path.parent,
                recipe=Recipe(),
                state="failed",
                message=str(error),
            )
            for path, error in self._read_all()
            if isinstance(error, UnknownStudyError)
        ]

    def get(self, identifier: str) -> Study:
        """The study with this identifier; raises `UnknownStudyError`, also if it cannot be read."""
        if identifier in self._unwritten:
            return self._unwritten[identifier]
        folder = self.folder_of(identifier)
        try:
            study = Study.model_validate_json((folder / STUDY_FILE).read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:  # or deleted at this moment
            raise UnknownStudyError(f"no study '{identifier}'; see the list of studies") from error
        except (OSError, ValidationError) as error:
            raise UnknownStudyError(f"study {identifier}: {DAMAGED}") from error
        except InputError as error:  # of a newer version of radfuse
            raise UnknownStudyError(f"study {identifier}: {error}") from error
        if (folder / RESULT).is_dir():
            self._move_flat(identifier)
            return self.get(identifier)
        return study

    def _move_flat(self, identifier: str) -> None:
        """Bring a study into the form with runs; a result that is a mixture is not shown."""
        with self._lock:
            folder = self.folder_of(identifier)
            if not (folder / RESULT).is_dir():
                return
            study = Study.model_validate_json((folder / STUDY_FILE).read_bytes())
            if (folder / REPLACING).exists():
                state = "ready" if study.state == "done" else study.state
                changes = {"state": state, "outcome": None, "signoff": None}
                self._write(study.model_copy(update=changes))
            elif not study.current:
                self._write(study.model_copy(update={"current": name_of_flat(folder)}))
            move_flat(folder)

    def change(self, identifier: str, **changes: Any) -> Study:
        """Change fields of a study and write it."""
        with self._lock:
            study = self.get(identifier).model_copy(update=changes)
            self._write(study)
        return study

    def finish_job(
        self, identifier: str, state: StudyState, message: str, *, run: str | None = None
    ) -> Study:
        """Update a study from the files in its folder after a job has ended, and show its run.

        With files for the viewer it is `ready` or `done`, else it gets `state`. Without `run` the
        current one stays.
        """
        with self._lock:
            current = run or self.get(identifier).current
            try:
                return self._show(identifier, current, state, message)
            except InputError as error:  # of a newer version of radfuse: keep what the study says
                return self.change(identifier, state="failed", message=str(error))

    def _show(self, identifier: str, run: str, state: StudyState, message: str) -> Study:
        """Make a run the current one: writing the study's file is the only moment of change."""
        folder = self.folder_of(identifier)
        outcome, signoff = read_outcome(run_folder(folder, run)) if run else (None, None)
        shown = self.change(
            identifier,
            state=self._state_with(folder, run) or state,
            message=message,
            current=run,
            outcome=outcome,
            signoff=signoff,
        )
        clean_folder(folder, run)
        return shown

    def keep_in_memory(self, identifier: str, state: StudyState, message: str) -> None:
        """Set state and message until the server ends, where the disk cannot be written to."""
        with self._lock:
            changes = {"state": self.state_on_disk(identifier) or state, "message": message}
            self._unwritten[identifier] = self.get(identifier).model_copy(update=changes)

    def state_on_disk(self, identifier: str) -> StudyState | None:
        """`ready` or `done` by the files in a study's folder; None before it is prepared."""
        return self._state_with(self.folder_of(identifier), self.get(identifier).current)

    def _state_with(self, folder: Path, run: str) -> StudyState | None:
        view = shown_files.view_of(folder, run)
        if view is None or view.fused is None:
            return None if view is None else "ready"
        return "done" if read_outcome(run_folder(folder, run))[0] else "ready"

    def delete(self, identifier: str) -> None:
        """Remove a study without a job, readable or not, and uploads that no other study uses.

        While another study cannot be read, no upload is removed. Raises `OutputError` on failure of
        the disk.
        """
        with self._lock:
            if not (self.folder_of(identifier) / STUDY_FILE).is_file():
                raise UnknownStudyError(f"no study '{identifier}'; see the list of studies")
            before = set(uploads_of(self.uploads, self._sources()))
            remove_folder(self.folder_of(identifier))
            self._unwritten.pop(identifier, None)
            if self.unreadable():
                return
            for unused in before - set(uploads_of(self.uploads, self._sources())):
                remove_folder(unused)

    def _sources(self) -> list[Path]:
        return [path for study in self.all() for path in study.sources]

    def sign(self, identifier: str, run: str, signoff: Signoff) -> Study:
        """Sign off the registration of a run: it is replaced by a signed copy, see `sign_run`.

        Raises `InputError` without a readable result or where its inputs were changed, and
        `OtherResultError` where another run is the current one.
        """
        with self._lock:
            study = self.get(identifier)
            if study.state != "done" or study.outcome is None:
                raise InputError("there is no result to sign off; fuse first")
            self.current_run(identifier, run)
            folder = self.folder_of(identifier)
            check_inputs(run_folder(folder, run), study.sources)
            reviewed = {"registration_id": study.outcome.registration_id}
            signed, note = sign_run(folder, run, signoff.model_copy(update=reviewed))
            return self._show(identifier, signed, study.state, note or study.message)

    def confirm(self, identifier: str, run: str, second: Signature) -> Study:
        """Add the signature of a second person to the sign-off of a run; see `sign`.

        Raises `InputError` without a sign-off, and where the person signed first.
        """
        with self._lock:
            self.current_run(identifier, run)
            signoff = self.get(identifier).signoff
            if signoff is None:
                raise InputError("there is no sign-off to confirm; sign first")
            if _folded(second.name) == _folded(signoff.name):
                raise InputError(
                    f"{signoff.name} signed first; the second signature is of another person"
                )
            return self.sign(identifier, run, signoff.model_copy(update={"second": second}))

    def current_run(self, identifier: str, run: str | None = None) -> str:
        """The current run; raises `OtherResultError` where a run is given that is another one."""
        current = self.get(identifier).current
        if run is not None and run != current:
            raise OtherResultError(
                "the study has another result now than the reviewed one; load the study again, "
                "review it and sign"
            )
        return current

    def check_shown(self, identifier: str) -> None:
        """Raise `InputError` where a result is shown and slices were added or removed since.

        Sources that are not reachable are not checked.
        """
        study = self.get(identifier)
        if study.current and all(map(Path.exists, study.sources)):
            run = run_folder(self.folder_of(identifier), study.current)
            if self.view(identifier).fused is not None:
                check_inputs(run, study.sources, contents=False)

    @contextmanager
    def locked(self, identifier: str) -> Iterator[Path]:
        """The folder of a study, which is not deleted meanwhile; raises `UnknownStudyError`."""
        with self._lock:
            self.get(identifier)
            yield self.folder_of(identifier)

    def folder_of(self, identifier: str) -> Path:
        """The folder of a study; raises `UnknownStudyError` for an invalid identifier."""
        if not IDENTIFIER.fullmatch(identifier):
            raise UnknownStudyError("a study identifier has 12 hexadecimal digits; see the list")
        return self.folder / identifier

    def volume(self, identifier: str, name: VolumeName, run: str | None = None) -> Path:
        """The file of a volume, of this run where one is given.

        Raises `UnknownStudyError` if there is none yet, `InputError` if its size is wrong,
        `OtherResultError` as `current_run`; so do the next ones.
        """
        current = self.current_run(identifier, run)
        return shown_files.volume_file(self.folder_of(identifier), current, name)

    def further_volume(self, identifier: str, number: int, run: str | None = None) -> Path:
        """The file of a further image of the result, from 0."""
        current = self.current_run(identifier, run)
        return shown_files.further_file(self.folder_of(identifier), current, number)

    def view(self, identifier: str, run: str | None = None) -> View:
        """The view of a study; raises `UnknownStudyError` before it is prepared."""
        current = self.current_run(identifier, run)
        view = shown_files.view_of(self.folder_of(identifier), current)
        if view is None:
            raise UnknownStudyError(f"study {identifier} is not prepared yet; prepare it")
        return view

    def qa_sheet(self, identifier: str, run: str | None = None) -> Path:
        """The QA sheet of the result; raises `UnknownStudyError` if there is none yet."""
        current = self.current_run(identifier, run)
        return shown_files.sheet_file(self.folder_of(identifier), current)

    def _read_all(self) -> Iterator[tuple[Path, Study | UnknownStudyError]]:
        for path in sorted(self.folder.glob(f"*/{STUDY_FILE}")):
            if IDENTIFIER.fullmatch(path.parent.name):
                try:
                    yield path, self.get(path.parent.name)
                except UnknownStudyError as error:
                    if not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                        yield path, error  # else deleted meanwhile

    def _write(self, study: Study) -> None:
        text = study.model_dump_json(indent=2)
        with self._lock, staging(self.folder / study.id, durable=True) as stage:
            stage.path_of(Path(STUDY_FILE)).write_text(text, encoding="utf-8")
        self._unwritten.pop(study.id, None)


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
