"""A job in a child process: limits on memory and time, a lease that is extended, and its end."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread

from radfuse.errors import DiskFullError
from radfuse.io.staging import output_error
from radfuse.jobs.containment import END_S, JOB_MEMORY_BYTES, child_context, limit_memory
from radfuse.jobs.job import Job, JobState
from radfuse.jobs.store import MAX_ATTEMPTS, JobStore, StoredJob
from radfuse.log import LogSettings, configure_logging, current_settings
from radfuse.progress import ProgressCallback, no_progress

LEASE_S = 60.0
"""How long a job is a worker's without a sign of life."""

POLL_S = 0.2
"""Interval in which a child's answer, the time and a request to stop are checked."""

CHECK_S = 1.0
"""Interval in which a worker asks whether its job was cancelled."""

Answer = tuple[JobState, str]
"""How a job has ended, and why; one that waits again had no space for its result."""


@dataclass(frozen=True)
class Stage:
    """What a child sends as it goes on."""

    name: str
    fraction: float | None
    """Completed part, 0 to 1, where it is known."""


@dataclass(frozen=True)
class Limits:
    """What a job may use."""

    seconds: float = 3600.0
    memory_bytes: int = JOB_MEMORY_BYTES
    cores: tuple[int, ...] = ()
    """Numbers of the processor's cores that it runs on; all without any."""


@dataclass(frozen=True)
class Surroundings:
    """What a child has of the process that runs the batch, wherever that is."""

    log: LogSettings
    working_folder: Path
    """Paths of jobs and recipes may be relative to it."""


def current_surroundings() -> Surroundings:
    """Those of this process."""
    return Surroundings(current_settings(), Path.cwd())


def work(
    store: JobStore,
    worker: str,
    logs: Path,
    limits: Limits,
    stop: Event,
    ended: Callable[[Job, Answer], None] = lambda _job, _answer: None,
) -> None:
    """Take jobs and run them until none waits, or `stop` is set.

    What a job prints is in the folder `logs`, a file for each. A job that is stopped waits again.
    Raises `DiskFullError`, and sets `stop`, where no space is left; the job waits again, too.
    """
    try:
        while not stop.is_set() and (taken := store.take(worker, LEASE_S)) is not None:
            answer = run_job(store, taken, worker, logs / f"{taken.job.case}.log", limits, stop)
            if answer is not None:
                ended(taken.job, answer)
    except DiskFullError:
        stop.set()
        raise


class Lease:
    """A worker's hold on a job that it has taken, to be extended while the job runs."""

    def __init__(self, store: JobStore, taken: StoredJob, worker: str) -> None:
        self._store, self.taken, self._worker = store, taken, worker
        self._extended = self._checked = time.monotonic()

    def extended(self) -> bool:
        """Extend the lease where it is time; False where the job is no longer this worker's.

        On a full disk nobody else can take the job, either.
        """
        now = time.monotonic()
        if now - self._checked < CHECK_S:
            return True
        self._checked = now
        if now - self._extended <= LEASE_S / 4:
            return self._store.is_held(self.taken.job.identity, self._worker)
        self._extended = now
        try:
            return self._store.extend(self.taken.job.identity, self._worker, LEASE_S)
        except DiskFullError:
            return True

    def end(self, answer: Answer | None, seconds: float, log: Path) -> Answer | None:
        """Store how a run has ended, None without an answer; returns None if the job runs again.

        Raises `DiskFullError` for a run that had no space; the job waits again.
        """
        if answer is not None and answer[0] is JobState.WAITING:
            self.release()
            raise DiskFullError(answer[1])
        if answer is None:
            state = JobState.FAILED if self.taken.attempts >= MAX_ATTEMPTS else JobState.WAITING
            answer = state, f"the process that fuses it has ended without an answer; see {log.name}"
        is_ours = self._store.finish(
            self.taken.job.identity, self._worker, answer[0], reason=answer[1], seconds=seconds
        )
        return answer if is_ours and answer[0] is not JobState.WAITING else None

    def release(self) -> None:
        """Let the job wait again, as if it had not been taken."""
        self._store.release(self.taken.job.identity, self._worker)


def run_job(
    store: JobStore, taken: StoredJob, worker: str, log: Path, limits: Limits, stop: Event,
    report: ProgressCallback = no_progress,
) -> Answer | None:  # fmt: skip
    """Run a taken job to its end, and store it; None where it is to be run again."""
    lease = Lease(store, taken, worker)
    answer, seconds = answer_of_child(
        taken.job, log, limits, lambda: not stop.is_set() and lease.extended(), report=report
    )
    if answer is None and stop.is_set():
        lease.release()
        return None
    return lease.end(answer, seconds, log)


def answer_of_child(
    job: Job,
    log: Path,
    limits: Limits,
    may_run: Callable[[], bool],
    surroundings: Surroundings | None = None,
    report: ProgressCallback = no_progress,
) -> tuple[Answer | None, float]:
    """Run a job in a child process; returns its answer, and for how many seconds it ran.

    None instead of an answer: the child has ended without one, or `may_run`, which is called
    several times a second, has returned False. Without `surroundings` the child has those of this
    process.
    """
    context, began = child_context(), time.monotonic()
    ours, theirs = context.Pipe(duplex=False)
    there = surroundings or current_surroundings()
    process = context.Process(target=_answer, args=(theirs, job, log, limits, there), daemon=True)
    process.start()
    theirs.close()
    try:
        answer = _awaited(ours, began + limits.seconds, limits, may_run, report)
    except EOFError:
        process.join(END_S)
        answer = None
    finally:
        process.kill()
        process.join()
        ours.close()
    return answer, round(time.monotonic() - began, 2)


def _awaited(
    pipe: Connection, deadline: float, limits: Limits, may_run: Callable[[], bool],
    report: ProgressCallback,
) -> Answer | None:  # fmt: skip
    """The answer that arrives; `EOFError` where the child has ended."""
    while may_run():
        if pipe.poll(POLL_S):
            message: Answer | Stage = pipe.recv()
            if not isinstance(message, Stage):
                return message
            report(message.name, message.fraction)
        if time.monotonic() > deadline:
            return JobState.FAILED, f"stopped after {limits.seconds:g} s; raise the time limit"
    return None


def _answer(pipe: Connection, job: Job, log: Path, limits: Limits, there: Surroundings) -> None:
    """Run in the child: fuse, and send how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends this process
    Thread(target=_exit_with_parent, daemon=True).start()
    os.chdir(there.working_folder)
    if limits.cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # a container may forbid it
            os.sched_setaffinity(0, limits.cores)
    limit_memory(limits.memory_bytes)

    def report(stage: str, fraction: float | None = None) -> None:
        pipe.send(Stage(stage, fraction))

    try:
        _redirect_output(log)
        configure_logging(there.log)
        from radfuse.jobs.fusion import fused  # noqa: PLC0415  # parents need not wait for imports

        pipe.send(fused(job, report))
    except MemoryError:
        pipe.send((JobState.FAILED, "not enough memory; run fewer workers"))
    except Exception as error:
        pipe.send(_answer_of(error, log))


def _answer_of(error: Exception, log: Path) -> Answer:
    """How a job ends by an error that is not of its images: a full disk, or a bug."""
    if isinstance(error, OSError) and output_error(error) is DiskFullError:
        return JobState.WAITING, f"{error.filename or log}: no space left"
    with suppress(OSError):  # the log may be on a full disk
        traceback.print_exception(error)
    return JobState.FAILED, f"an internal error ({type(error).__name__}); see {log.name}"


def _redirect_output(log: Path) -> None:
    """What this process and its libraries print is appended to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)


def _exit_with_parent() -> None:
    """End this process at once when its parent has ended."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def shares_of_cores(workers: int) -> Sequence[tuple[int, ...]]:
    """The cores of each of some workers; empty ones where there are fewer cores than workers."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if workers > len(cores):
        return [()] * workers
    return [tuple(cores[number::workers]) for number in range(workers)]
