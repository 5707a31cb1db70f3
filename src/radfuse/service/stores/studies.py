"""Studies on disk: a folder each, with `study.json`, the result and the volumes to look at."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.pipeline.qa.signoff import sign_result
from radfuse.recipe import Recipe
from radfuse.record import NOTICE, Signoff, now
from radfuse.service.jobs.view_files import VIEW, View, VolumeName, read_view
from radfuse.service.stores.results import RESULT, Outcome, read_outcome, sweep_folder
from radfuse.service.stores.uploads import remove, sweep_uploads, uploads_of

State = Literal["new", "queued", "running", "ready", "done", "failed", "cancelled"]
"""Where a study stands: `ready` has CT and MR to look at, `done` has a result, too, and both stay
so when a later run fails or is cancelled."""

STUDY_FILE = "study.json"
"""What lies in a study's folder, beside view and result."""

IDENTIFIER = re.compile(r"[0-9a-f]{12}")
"""What names a study: nothing that could be a path."""

BUSY = {"queued", "running"}
"""States of a study whose folder somebody is at work in."""

STOPPED = "the server was stopped during the run; run it again"
"""Said of a run that a killed server left behind."""

UNREADABLE = (
    f"its {STUDY_FILE} is damaged or of another version of radfuse; restore it from a backup or "
    "delete the study"
)
"""Said of a study that cannot be read."""

MIXED = (
    "the run was stopped while its results replaced the earlier ones, so that neither are left; "
    "run it again"
)
"""Said where the results of two runs were mixed."""


class Study(BaseModel):
    """One patient's CT and MR and how far their fusion is; frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notice: str = NOTICE
    id: str
    name: str
    created: datetime
    ct: Path
    mr: Path
    recipe: Recipe
    state: State = "new"
    message: str = ""
    """Why the last run failed and the ways out, which pair was chosen, or what signing did."""

    outcome: Outcome | None = None
    signoff: Signoff | None = None


class UnknownStudyError(InputError):
    """There is no study of this name."""


class OtherRegistrationError(InputError):
    """A sign-off is of another registration than the one that the result has now."""


class Studies:
    """The studies below a folder; each change is on disk before it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "studies"
        self.uploads = folder / "uploads"
        self._lock = RLock()
        self._unwritten: dict[str, Study] = {}

    def recover(self) -> None:
        """Mark runs that a killed server left behind, and sweep what nobody needs any more.

        That is what they left half-written, and uploads of no study that are older than a day,
        unless a study cannot be read: nobody knows its uploads.
        """
        for study in self.all():
            if study.state in BUSY:
                self.settle(study.id, "failed", STOPPED)
        if not self.broken():
            sweep_uploads(self.uploads, self._sources())

    def create(self, name: str, ct: Path, mr: Path, recipe: Recipe, message: str = "") -> Study:
        """A new study of a CT and an MR, not yet run."""
        study = Study(
            id=secrets.token_hex(6),
            name=name,
            created=now(),
            ct=ct,
            mr=mr,
            recipe=recipe,
            message=message,
        )
        self._write(study)
        return study

    def all(self) -> list[Study]:
        """Every study that can be read, the newest first."""
        return sorted(self._read_all(), key=lambda study: (study.created, study.id), reverse=True)

    def broken(self) -> list[Study]:
        """Stand-ins for the studies whose file cannot be read, each with a message about it."""
        readable = {study.id for study in self.all()}
        return [
            Study(
                id=path.parent.name,
                name=f"unreadable {path.parent.name}",
                created=datetime.fromtimestamp(path.stat().st_mtime, UTC),
                ct=path.parent,
                mr=path.parent,
                recipe=Recipe(),
                state="failed",
                message=UNREADABLE,
            )
            for path in self._files()
            if path.parent.name not in readable
        ]

    def get(self, identifier: str) -> Study:
        """The study of this identifier; raises `UnknownStudyError`, also for an unreadable one."""
        if identifier in self._unwritten:
            return self._unwritten[identifier]
        try:
            return Study.model_validate_json((self.place(identifier) / STUDY_FILE).read_bytes())
        except ValidationError as error:
            raise UnknownStudyError(f"study {identifier}: {UNREADABLE}") from error
        except OSError as error:
            raise UnknownStudyError(f"no study '{identifier}'; see the list of studies") from error

    def change(self, identifier: str, **changes: Any) -> Study:
        """Write a study with some fields changed."""
        with self._lock:
            study = self.get(identifier).model_copy(update=changes)
            self._write(study)
        return study

    def settle(self, identifier: str, state: State, message: str) -> Study:
        """Let a study say what lies in its folder, now that a run has ended.

        What there is to look at makes it `ready` or `done`, the state is for one without. The
        message is not for a run that has put its result in place, whatever became of it then.
        """
        with self._lock:
            folder, before = self.place(identifier), self.get(identifier)
            mixed = sweep_folder(folder)
            outcome, signoff = read_outcome(folder)
            if mixed:
                message = MIXED
            elif outcome not in {None, before.outcome}:
                message = before.message
            return self.change(
                identifier,
                state=self.standing(identifier) or state,
                message=message,
                outcome=outcome,
                signoff=signoff,
            )

    def remember(self, identifier: str, state: State, message: str) -> None:
        """Say how a run has ended until the server does, where the disk does not take it."""
        with self._lock:
            changes = {"state": self.standing(identifier) or state, "message": message}
            self._unwritten[identifier] = self.get(identifier).model_copy(update=changes)

    def standing(self, identifier: str) -> State | None:
        """What of a study there is to look at, as a state; None before there is anything."""
        folder = self.place(identifier)
        view, (outcome, _) = read_view(folder), read_outcome(folder)
        if view is None:
            return None
        return "ready" if view.fused is None or outcome is None else "done"

    def delete(self, identifier: str) -> None:
        """Remove a study that does not run, and its uploads where no other study uses them.

        One that cannot be read goes, too; while there is another such, no upload goes.
        Raises `OutputError` where the disk does not let it go.
        """
        with self._lock:
            if not (self.place(identifier) / STUDY_FILE).is_file():
                raise UnknownStudyError(f"no study '{identifier}'; see the list of studies")
            before = set(uploads_of(self.uploads, self._sources()))
            remove(self.place(identifier))
            self._unwritten.pop(identifier, None)
            if self.broken():
                return
            for unused in before - set(uploads_of(self.uploads, self._sources())):
                remove(unused)

    def _sources(self) -> list[Path]:
        return [path for study in self.all() for path in (study.ct, study.mr)]

    def sign(self, identifier: str, signoff: Signoff) -> Study:
        """Put a sign-off into the study and into all of its result, see `sign_result`.

        Raises `InputError` without a result, or one that cannot be read, and
        `OtherRegistrationError` where it has another registration than was signed.
        """
        with self._lock:
            study = self.get(identifier)
            if study.state != "done" or study.outcome is None:
                raise InputError("there is no result to sign off; run the fusion first")
            if signoff.registration_id != study.outcome.registration_id:
                raise OtherRegistrationError(
                    "the study has another registration by now than the one that was looked at; "
                    "load the study again, look at it and sign then"
                )
            note = sign_result(self.place(identifier) / study.outcome.record, signoff)
            return self.change(identifier, signoff=signoff, message=note or study.message)

    @contextmanager
    def kept(self, identifier: str) -> Iterator[Path]:
        """The folder of a study that is not deleted within; raises `UnknownStudyError`."""
        with self._lock:
            self.get(identifier)
            yield self.place(identifier)

    def place(self, identifier: str) -> Path:
        """The folder of a study; raises `UnknownStudyError` for what is no identifier."""
        if not IDENTIFIER.fullmatch(identifier):
            raise UnknownStudyError("a study is named by 12 hexadecimal digits; see the list")
        return self.folder / identifier

    def volume(self, identifier: str, name: VolumeName) -> Path:
        """The file of a volume; raises `UnknownStudyError` before there is one."""
        path = self.place(identifier) / VIEW / f"{name}.nii"
        if not path.is_file():
            way = "run the fusion" if name == "fused" else "prepare it"
            raise UnknownStudyError(f"study {identifier} has no {name} volume yet; {way}")
        return path

    def view(self, identifier: str) -> View:
        """What the page shows of a study; raises `UnknownStudyError` before it is prepared."""
        view = read_view(self.place(identifier))
        if view is None:
            raise UnknownStudyError(f"study {identifier} has nothing to look at yet; prepare it")
        return view

    def sheet(self, identifier: str) -> Path:
        """The QA sheet of the result; raises `UnknownStudyError` before there is one."""
        found = sorted((self.place(identifier) / RESULT).glob("*qa.html"))
        if not found:
            raise UnknownStudyError(f"study {identifier} has no QA sheet yet; run the fusion")
        return found[0]

    def _files(self) -> list[Path]:
        found = self.folder.glob(f"*/{STUDY_FILE}")
        return sorted(path for path in found if IDENTIFIER.fullmatch(path.parent.name))

    def _read_all(self) -> Iterator[Study]:
        for path in self._files():
            with suppress(UnknownStudyError):
                yield self.get(path.parent.name)

    def _write(self, study: Study) -> None:
        with self._lock, staging(self.folder / study.id) as stage:
            text = study.model_dump_json(indent=2)
            stage.path_of(Path(STUDY_FILE)).write_text(text, encoding="utf-8")
        self._unwritten.pop(study.id, None)
