"""Run jobs on a Dask cluster; the list of jobs stays with the process that runs the batch.

Dask chooses the worker. Each Dask worker runs one job at a time, in a child process with limits, as
a local one does, on as many cores as the worker has threads. The machines share a file system.
"""

import asyncio
import logging
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock, Timeout

from radfuse.errors import DiskFullError, InputError, PeerError, needs_extra
from radfuse.io.staging import PREFIX
from radfuse.jobs.containment import JOB_MEMORY_BYTES
from radfuse.jobs.job import Job, JobState
from radfuse.jobs.store import JobStore
from radfuse.jobs.worker import (
    LEASE_S,
    POLL_S,
    Answer,
    Lease,
    Limits,
    Surroundings,
    answer_of_child,
    current_surroundings,
)
from radfuse.log import LogSettings

if TYPE_CHECKING:
    from distributed import Client, Future

LOG = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
"""How long a scheduler may take to answer."""

WORKER = "cluster"
"""Name under which jobs of a cluster are taken from the list."""

_ONE_JOB = Lock()
"""Held by the job that runs in this Dask worker, whose threads could run several."""


class Cluster(Protocol):
    """Where jobs run."""

    def connected(self, output: Path) -> AbstractContextManager["Client"]:
        """A client of the cluster, for a batch in the folder `output`."""


@dataclass(frozen=True)
class DaskScheduler:
    """A cluster that others have started."""

    address: str
    """Such as `tcp://host:8786`."""

    @contextmanager
    def connected(self, output: Path) -> Iterator["Client"]:  # noqa: ARG002
        """A client; `PeerError` where no scheduler answers at the address."""
        distributed = imported("distributed")
        try:
            found = asyncio.run(_identity(self.address))
        except (OSError, ValueError) as error:  # includes TimeoutError
            reason = str(error) or f"no answer in {CONNECT_TIMEOUT_S:g} s"
            raise PeerError(f"--scheduler {self.address}: {reason}; is it running?") from error
        if found.get("type") != "Scheduler":
            raise PeerError(f"--scheduler {self.address}: is a Dask {found.get('type')}")
        with distributed.Client(self.address) as client:
            yield client


async def _identity(address: str) -> dict[str, Any]:
    """What answers at an address; `Client` prints tracebacks where nothing does."""
    from distributed.core import rpc  # noqa: PLC0415  # optional extra
    from distributed.security import Security  # noqa: PLC0415

    arguments = Security().get_connection_args("client")
    async with rpc(address, timeout=CONNECT_TIMEOUT_S, connection_args=arguments) as scheduler:
        answer = await asyncio.wait_for(scheduler.identity(n_workers=0), CONNECT_TIMEOUT_S)
        return dict(answer)


def imported(package: str) -> Any:
    """A package of the extra `cluster`; `InputError` where it is not installed."""
    with needs_extra("cluster"):
        module = __import__(package)
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are reported by us
    return module


@dataclass(frozen=True)
class RunOnCluster:
    """What a worker knows of the run that it works for."""

    folder: Path
    """Of the run alone, in the output folder: where it is removed, the jobs of the run stop, at the
    latest when the next run removes it as what a killed one has left."""
    logs: Path
    version: str
    seconds: float
    """Limit of a job."""
    surroundings: Surroundings

    def begun(self, job: Job, attempt: int) -> Path:
        """A file that exists while an attempt runs, or its worker has been killed."""
        return self.folder / f"{job.identity}.{attempt}"

    def log_of(self, job: Job) -> Path:
        """The file with what a job prints."""
        return self.logs / f"{job.case}.log"


def work_on_cluster(
    client: "Client",
    store: JobStore,
    output: Path,
    logs: Path,
    limits: Limits,
    ended: Callable[[Job, Answer], None],
) -> None:
    """Run the jobs of a list until none waits, as many at a time as there are Dask workers.

    After an interrupt and after an error, the jobs that run are stopped and wait again. Raises
    `InputError` for a worker with another version or without the file system, `PeerError` where
    the scheduler no longer answers.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=output))
    here = current_surroundings()
    there = replace(here, log=LogSettings(here.log.level))  # machines do not share a file of logs
    run = RunOnCluster(folder.resolve(), logs.resolve(), version("radfuse"), limits.seconds, there)
    running: dict[Future[Any], Lease] = {}
    try:
        _check_workers(client, run)
        while _submit(store, client, run, running):
            _settle(client, run, running, ended)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(Exception):  # the scheduler may be unreachable
            client.cancel(list(running))
        for lease in running.values():
            with suppress(DiskFullError):  # the next run releases it
                lease.release()


def _check_workers(client: "Client", run: RunOnCluster) -> None:
    """Raise `InputError` for the first worker that cannot run the jobs of this run."""
    for address, answer in client.run(problem_of_worker, run, on_error="return").items():
        if answer:
            raise InputError(_named(f"Dask worker {address}", answer, run))


def _named(who: str, answer: object, run: RunOnCluster) -> str:
    """A line about a worker that cannot run jobs."""
    if isinstance(answer, ImportError | AttributeError):
        return f"{who}: has no radfuse that can run this; install radfuse {run.version} there"
    return f"{who}: {answer}"


def _submit(
    store: JobStore, client: "Client", run: RunOnCluster, running: dict["Future[Any]", Lease]
) -> bool:
    """Give each idle worker a job; without any worker one job waits. False if nothing is left."""
    for _ in range(len(running), max(len(_threads(client)), 1)):
        taken = store.take(WORKER, LEASE_S)
        if taken is None:
            break
        key = f"radfuse-{taken.job.identity}-{taken.attempts}-{run.folder.name}"
        future = client.submit(run_on_worker, taken.job, taken.attempts, run, key=key, pure=False)
        running[future] = Lease(store, taken, WORKER)
    return bool(running)


def _threads(client: "Client") -> dict[str, int]:
    """Threads of each worker; `PeerError` where the scheduler does not answer."""
    try:
        return dict(client.nthreads())
    except (OSError, RuntimeError, ValueError) as error:
        raise _lost(client) from error


def _lost(client: "Client") -> PeerError:
    return PeerError(
        f"the Dask scheduler {client.scheduler.addr if client.scheduler else ''} no longer answers;"
        " the cases that ran wait again: start it, and run the same command"
    )


def _settle(
    client: "Client",
    run: RunOnCluster,
    running: dict["Future[Any]", Lease],
    ended: Callable[[Job, Answer], None],
) -> None:
    """Wait for a moment, store what has ended, and extend the leases of what runs."""
    distributed = imported("distributed")
    with suppress(distributed.TimeoutError):
        distributed.wait(list(running), timeout=POLL_S, return_when="FIRST_COMPLETED")
    for future, lease in list(running.items()):
        if not future.done():
            lease.extended()
            continue
        job = lease.taken.job
        answer, seconds = _result(client, run, future)
        del running[future]
        run.begun(job, lease.taken.attempts).unlink(missing_ok=True)
        final = lease.end(answer, seconds, run.log_of(job))
        if final is not None:
            ended(job, final)


def _result(
    client: "Client", run: RunOnCluster, future: "Future[Any]"
) -> tuple[Answer | None, float]:
    """The answer of a job, None without one; raises what concerns all jobs."""
    error = future.exception() if future.status == "error" else None
    if future.cancelled() or future.status == "lost":
        raise _lost(client)
    if isinstance(error, InputError | ImportError | AttributeError):
        raise InputError(_named("a Dask worker", error, run))
    if error is None:
        answer, seconds = future.result()
        return answer, seconds
    if isinstance(error, imported("distributed").KilledWorker):
        return None, 0.0
    return (JobState.FAILED, f"an internal error on a worker ({type(error).__name__})"), 0.0


def problem_of_worker(run: RunOnCluster) -> str:
    """Run in a Dask worker: why it cannot run jobs of this run, or nothing."""
    if (found := version("radfuse")) != run.version:
        return f"has radfuse {found}, this machine {run.version}; install the same version"
    if not run.folder.is_dir():
        return f"does not have {run.folder.parent}; use a file system that all machines share"
    return ""


def run_on_worker(job: Job, attempt: int, run: RunOnCluster) -> tuple[Answer | None, float]:
    """Run in a Dask worker: run a job in a child process; None for an attempt that began before.

    Where a worker was killed, Dask runs its tasks again by itself: the attempt has left a file, and
    ends without an answer, so that the list counts it. The child ends where that file is removed.
    """
    with _ONE_JOB, ExitStack() as held:
        if problem := problem_of_worker(run):
            raise InputError(problem)
        begun = run.begun(job, attempt)
        try:
            begun.touch(exist_ok=False)
        except FileExistsError:
            return None, 0.0
        # A nanny starts its worker as a daemonic process, which multiprocessing permits no
        # children: they could outlive it. Ours end with it by themselves.
        multiprocessing.current_process().daemon = False
        limits = Limits(run.seconds, JOB_MEMORY_BYTES, held.enter_context(_cores()))
        return answer_of_child(job, run.log_of(job), limits, begun.exists, run.surroundings)


@contextmanager
def _cores() -> Iterator[tuple[int, ...]]:
    """As many cores as this Dask worker has threads, which no other worker on the machine has.

    Empty, which means all, where there are not that many, or no more than that.
    """
    from distributed import get_worker  # noqa: PLC0415  # optional extra

    wanted = get_worker().state.nthreads
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    with ExitStack() as held:
        yield _locked_cores(cores, wanted, held) if wanted < len(cores) else ()


def _locked_cores(cores: list[int], wanted: int, held: ExitStack) -> tuple[int, ...]:
    """Lock a file for each core; the system releases them where this process ends."""
    folder = Path(tempfile.gettempdir()) / f"radfuse-cores-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found: list[int] = []
    for core in cores:
        with suppress(Timeout):
            held.enter_context(FileLock(folder / str(core), timeout=0).acquire())
            found.append(core)
        if len(found) == wanted:
            return tuple(found)
    return ()
