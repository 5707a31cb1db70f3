"""A job in a child process: limits on memory and time, a lease that is extended, and its end."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread

from radfuse.errors import OutputError, RadfuseError
from radfuse.jobs.containment import END_S, JOB_MEMORY_BYTES, child_context, limit_memory
from radfuse.jobs.derivative import fuse_into_derivative
from radfuse.jobs.job import Job, JobState
from radfuse.jobs.store import MAX_ATTEMPTS, JobStore, StoredJob
from radfuse.log import LogSettings, configure_logging, current_settings
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.result import Result
from radfuse.pipeline.study.fuse import fuse_study

LEASE_S = 60.0
"""How long a job is a worker's without a sign of life."""

POLL_S = 0.2
"""Interval in which a child's answer, the time and a request to stop are checked."""

Answer = tuple[JobState, str]
"""How a job has ended, and why."""


@dataclass(frozen=True)
class Limits:
    """What a job may use."""

    seconds: float = 3600.0
    memory_bytes: int = JOB_MEMORY_BYTES
    cores: tuple[int, ...] = ()
    """Numbers of the processor's cores that it runs on; all without any."""


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
    """
    while not stop.is_set() and (taken := store.take(worker, LEASE_S)) is not None:
        answer = run_job(store, taken, worker, logs / f"{taken.job.case}.log", limits, stop)
        if answer is not None:
            ended(taken.job, answer)


def run_job(
    store: JobStore, taken: StoredJob, worker: str, log: Path, limits: Limits, stop: Event
) -> Answer | None:
    """Run a taken job to its end, and store it; None where it is to be run again."""
    job, began = taken.job, time.monotonic()
    answer = _answer_of_child(store, job, worker, log, limits, stop)
    if answer is None:
        if stop.is_set():
            store.release(job.identity, worker)
            return None
        state = JobState.FAILED if taken.attempts >= MAX_ATTEMPTS else JobState.WAITING
        answer = state, f"the process that fuses it has ended without an answer; see {log.name}"
    seconds = round(time.monotonic() - began, 2)
    is_ours = store.finish(job.identity, worker, answer[0], reason=answer[1], seconds=seconds)
    return answer if is_ours and answer[0] is not JobState.WAITING else None


def _answer_of_child(
    store: JobStore, job: Job, worker: str, log: Path, limits: Limits, stop: Event
) -> Answer | None:
    """The answer of a child process; None where it was stopped, or has ended without one."""
    context = child_context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_answer, args=(theirs, job, log, limits, current_settings()), daemon=True
    )
    process.start()
    theirs.close()
    deadline, extended = time.monotonic() + limits.seconds, time.monotonic()
    try:
        while not stop.is_set():
            if ours.poll(POLL_S):
                answer: Answer = ours.recv()
                return answer
            if time.monotonic() > deadline:
                return JobState.FAILED, f"stopped after {limits.seconds:g} s; raise --time-limit"
            if time.monotonic() - extended > LEASE_S / 4:
                extended = time.monotonic()
                if not store.extend(job.identity, worker, LEASE_S):
                    return None
    except EOFError:
        process.join(END_S)
    finally:
        process.kill()
        process.join()
        ours.close()
    return None


def _answer(pipe: Connection, job: Job, log: Path, limits: Limits, settings: LogSettings) -> None:
    """Run in the child: fuse, and send how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends this process
    Thread(target=_exit_with_parent, daemon=True).start()
    _redirect_output(log)
    if limits.cores and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # a container may forbid it
            os.sched_setaffinity(0, limits.cores)
    limit_memory(limits.memory_bytes)
    configure_logging(settings)
    try:
        pipe.send(fused(job))
    except MemoryError:
        pipe.send((JobState.FAILED, "not enough memory; use fewer --workers"))
    except Exception as error:
        traceback.print_exc()
        pipe.send((JobState.FAILED, f"an internal error ({type(error).__name__}); see {log.name}"))


def fused(job: Job) -> Answer:
    """Fuse the images of a job; what the user can correct is an answer, a bug raises."""
    try:
        if job.derivative:
            result = fuse_into_derivative(job, job.derivative, partial(_fused_images, job))
        else:
            result = _fused_images(job, job.output)
    except OutputError as error:
        return JobState.FAILED, str(error)
    except RadfuseError as error:
        return JobState.REFUSED, str(error)
    quality = result.alignment.quality if result.alignment else None
    return JobState.DONE, quality.sentence() if quality else ""


def _fused_images(job: Job, output: Path) -> Result:
    images = job.images
    if len(images.mrs) == 1 and not (images.pet or images.spect):
        return fuse_ct_mr(
            images.ct, images.mrs[0], output,
            recipe=job.recipe, job=job.reference, overwrite=True,
        )  # fmt: skip
    return fuse_study(
        images.ct, images.mrs, output, pet=images.pet, pet_ct=images.pet_ct,
        spect=images.spect, recipe=job.recipe, job=job.reference, overwrite=True,
    )  # fmt: skip


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
