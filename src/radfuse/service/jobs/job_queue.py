"""The jobs of a server: one at a time, each in a child process, with their events.

They are in a list on disk, as those of a batch. Those that a killed server leaves have failed: a
person saw them stop, and decides.
"""

import logging
import queue
import secrets
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Literal

from radfuse.errors import InputError, OutputError, RadfuseError
from radfuse.jobs.containment import JOB_TIMEOUT_S, child_context
from radfuse.jobs.job import JobState, ListedJob
from radfuse.jobs.store import JobList
from radfuse.log import current_settings, since
from radfuse.service.jobs.fusion import JobSpec
from radfuse.service.jobs.worker import DETAILS, INTERNAL_ERROR, NOT_ENOUGH_MEMORY, run_job
from radfuse.service.stores.studies import STOPPED, Studies, Study, StudyState

LOG = logging.getLogger(__name__)

CANCELLED = "the job was cancelled; earlier results are unchanged"
"""Message of a cancelled job."""

POLL_S = 0.1
"""Interval in which a running job's messages and a cancellation are checked."""

LIST = "jobs.sqlite"
"""Name of the list in the folder of the server."""

WORKER = "viewer"
"""The only worker of the list."""

LEASE_S = float("inf")
"""There is no other worker that a job could pass to."""

ENDS = {"done": JobState.DONE, "cancelled": JobState.CANCELLED}
"""How a job ends in the list; with an error it is refused, or has failed."""

FAULTS = (INTERNAL_ERROR, NOT_ENOUGH_MEMORY)
"""Errors that the user cannot correct."""

END_S = 5.0
"""How long a stopped process may take to end before it is killed."""


class ViewerJob(ListedJob):
    """A job as it is listed; its case is the study."""

    kind: Literal["prepare", "fuse"]


@dataclass
class Job:
    """A queued, running or ended job, and its events."""

    study: str
    spec: JobSpec
    identity: str = field(default_factory=lambda: secrets.token_hex(16))

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Kind and data; the last one is `done` or `error`."""

    stored_message: str = ""
    """Message of an error in the study, without names of files; its event has them."""

    cancelled: Event = field(default_factory=Event)
    ended: Event = field(default_factory=Event)

    def add_event(self, kind: str, **data: Any) -> None:
        """Add an event."""
        self.events.append((kind, data))


class JobQueue:
    """Runs at most one job at a time, in the order of their start."""

    def __init__(self, studies: Studies) -> None:
        self._studies = studies
        self._list = JobList(studies.folder.parent / LIST, ViewerJob)
        self._list.end_all(JobState.FAILED, STOPPED)
        self._jobs: dict[str, Job] = {}
        self._waiting: queue.Queue[Job | None] = queue.Queue()
        self._lock = Lock()
        self._thread = Thread(target=self._run_all, name="radfuse jobs", daemon=True)
        self._thread.start()

    def start(self, study: Study, spec: JobSpec) -> Study:
        """Queue a job; raises `InputError` while another job of the study is queued or runs."""
        with self._lock:
            last = self._jobs.get(study.id)
            if last is not None and not last.ended.is_set():
                raise InputError("this study is queued or running already; cancel it first")
            message = study.message if spec.kind == "prepare" else ""
            job = Job(study.id, spec)
            self._list.add([ViewerJob(identity=job.identity, case=study.id, kind=spec.kind)])
            try:
                queued = self._studies.change(
                    study.id, recipe=study.recipe, state="queued", message=message
                )
            except BaseException:
                with suppress(OutputError):  # on a full disk the next start ends it
                    self._list.remove(job.identity)
                raise
            job.add_event("stage", stage="queued", fraction=None)
            self._jobs[study.id] = job
            self._waiting.put(job)
        return queued

    def cancel(self, identifier: str) -> None:
        """Stop the queued or running job of a study; raises `InputError` if there is none."""
        job = self.last_job(identifier)
        if job is None or job.ended.is_set():
            raise InputError("nothing to cancel: this study is neither queued nor running")
        job.cancelled.set()

    def delete(self, identifier: str) -> None:
        """Remove a study, see `Studies.delete`; raises `InputError` while it is queued or runs."""
        with self._lock:
            job = self.last_job(identifier)
            if job is not None and not job.ended.is_set():
                raise InputError("this study is queued or running; cancel it first")
            self._studies.delete(identifier)
            self._list.remove_case(identifier)

    def last_job(self, identifier: str) -> Job | None:
        """The last job of a study since the server was started."""
        return self._jobs.get(identifier)

    def with_details(self, study: Study) -> Study:
        """A study with the full message of its last error, until the server ends."""
        job = self.last_job(study.id)
        if job is None or not job.stored_message or study.message != job.stored_message:
            return study
        return study.model_copy(update={"message": job.events[-1][1]["error"]})

    def close(self) -> None:
        """Stop all jobs; returns when none runs."""
        for job in list(self._jobs.values()):
            job.cancelled.set()
        self._waiting.put(None)
        self._thread.join()
        self._list.close()

    def _run_all(self) -> None:
        while (job := self._waiting.get()) is not None:
            state, began = JobState.FAILED, time.perf_counter()
            try:
                self._list.take_one(job.identity, WORKER, LEASE_S)
                state = self._run(job)
            except Exception as error:  # the next job must run in any case
                self._report_failure(job, error)
            finally:
                with suppress(OutputError):  # on a full disk the next start ends it
                    self._list.finish(
                        job.identity, WORKER, state,
                        reason=job.stored_message, seconds=since(began),
                    )  # fmt: skip
                job.ended.set()

    def _run(self, job: Job) -> JobState:
        """Run a job; returns how it has ended."""
        if job.cancelled.is_set():
            self._finish(job, "cancelled", {"error": CANCELLED})
            return JobState.CANCELLED
        study = self._studies.change(job.study, state="running")
        facts, began = {"kind": job.spec.kind, "study": job.study}, time.perf_counter()
        LOG.info("job started", extra=facts)
        kind, data = self._run_in_process(job, study, self._studies.folder_of(job.study))
        self._finish(job, kind, data)
        LOG.info("job ended", extra={**facts, "end": kind, "seconds": since(began)})
        is_fault = job.stored_message in FAULTS
        return ENDS.get(kind, JobState.FAILED if is_fault else JobState.REFUSED)

    def _finish(self, job: Job, kind: str, data: Any) -> None:
        """Show the result of a job, if it has one, and report its end."""
        if kind == "done":
            message = self._studies.get(job.study).message
            after = self._studies.finish_job(job.study, "failed", message, run=data)
            outcome = after.outcome.model_dump(mode="json") if data and after.outcome else None
            job.add_event("done", outcome=outcome)
        else:
            state: StudyState = "cancelled" if kind == "cancelled" else "failed"
            stored = data.pop("stored", data["error"])
            after = self._studies.finish_job(job.study, state, stored)
            job.stored_message = stored
            message = data["error"] if after.message == stored else after.message
            job.add_event("error", state=state, **{**data, "error": message})

    def _report_failure(self, job: Job, error: Exception) -> None:
        """Report a job that was ended by a bug or by the machine, such as a full disk."""
        message = job.stored_message = INTERNAL_ERROR
        if isinstance(error, RadfuseError):
            message, job.stored_message = str(error), f"{error.kind} {DETAILS}"
        else:
            with suppress(OSError):  # the terminal may be a file on a full disk
                traceback.print_exception(error)
        try:
            self._studies.finish_job(job.study, "failed", job.stored_message)
        except Exception:  # a full disk, for instance
            with suppress(InputError):
                self._studies.keep_in_memory(job.study, "failed", job.stored_message)
        job.add_event("error", state="failed", error=message)

    def _run_in_process(self, job: Job, study: Study, folder: Path) -> tuple[str, Any]:
        """Run a job to its end; returns `done`, `error` or `cancelled`, and its data."""
        context = child_context()
        ours, theirs = context.Pipe()
        process = context.Process(
            target=run_job, args=(theirs, folder, study, job.spec, current_settings()), daemon=True
        )
        process.start()
        theirs.close()
        silent_since = time.monotonic()
        try:
            while not job.cancelled.is_set():
                if not ours.poll(POLL_S):
                    if time.monotonic() - silent_since > JOB_TIMEOUT_S:
                        process.kill()
                        reason = f"stopped after {JOB_TIMEOUT_S:g} s without progress"
                        return "error", _reader_error(study, reason)
                    continue
                kind, data = ours.recv()
                silent_since = time.monotonic()
                if kind == "stage":
                    job.add_event("stage", stage=data[0], fraction=data[1])
                elif not job.cancelled.is_set():
                    return kind, data
        except EOFError:
            process.join(END_S)
            reason = f"the process that reads and fuses them ended (status {process.exitcode})"
            reason += "; a file is damaged, or memory too small"
            return "error", _reader_error(study, reason)
        finally:
            if job.cancelled.is_set():
                process.terminate()
            process.join(END_S)
            process.kill()
            process.join()
            ours.close()
        return "cancelled", {"error": CANCELLED}


def _reader_error(study: Study, reason: str) -> dict[str, str]:
    """An error with the paths for the signed-in user, and without them as it is stored."""
    what = "CT, MR or a further image" if study.further.paths else "CT or MR"
    paths = ", ".join(dict.fromkeys(map(str, study.sources)))
    return {"error": f"{paths}: {reason}", "stored": f"{what}: {reason}"}
