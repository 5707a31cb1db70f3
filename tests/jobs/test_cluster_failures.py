"""Dask workers that are killed, hosts of a network, and SLURM: every job ends once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cluster_kit import write_heads
from distributed import Client, LocalCluster
from namespace_kit import ADDRESSES, connected_hosts

from radfuse.io.staging import PREFIX
from radfuse.jobs.batch import plan, run_batch, stored_jobs
from radfuse.jobs.cases import read_cases
from radfuse.jobs.cluster import DaskScheduler
from radfuse.jobs.job import JobState
from radfuse.jobs.store import MAX_ATTEMPTS
from radfuse.recipe import Recipe
from slurm_kit import running_slurm

pytestmark = pytest.mark.slow

DETERMINISTIC = Recipe(method="average", accept_registration=True, deterministic=True)
"""Registers; a case takes some seconds."""

OPTIONS = ["--method", "average", "--accept-registration", "--deterministic"]
"""The same on the command line."""

TIMEOUT_S = 600.0


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_heads(tmp_path_factory.mktemp("heads"), 8)


@pytest.fixture(scope="module")
def local(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a local run, of three cases."""
    output = tmp_path_factory.mktemp("local")
    run_batch(plan(read_cases(table, DETERMINISTIC)[:3], output), output, workers=2)
    return output


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[DaskScheduler]:
    """Two worker processes, which their nannies start again."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
        local_directory=str(tmp_path / "dask"),
    ) as started:  # fmt: skip
        yield DaskScheduler(started.scheduler_address)


def kill_busy_workers(scheduler: DaskScheduler, output: Path, count: int) -> Thread:
    """A thread that kills a worker while it fuses, some times."""

    def kill() -> None:
        with Client(scheduler.address, set_as_default=False) as client:
            for attempt in range(1, count + 1):
                wait_for(partial(begun, attempt))
                busy = next(address for address, keys in client.processing().items() if keys)
                (pid,) = client.run(os.getpid, workers=[busy]).values()
                os.kill(pid, signal.SIGKILL)

    def begun(attempt: int) -> list[Path]:
        return list(output.glob(f"{PREFIX}*/*.{attempt}"))

    thread = Thread(target=kill, daemon=True)
    thread.start()
    return thread


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def same_images(here: Path, there: Path, count: int) -> None:
    images = sorted(there.rglob("*_fused.nii.gz"))
    assert len(images) == count
    for image in images:
        assert image.read_bytes() == (here / image.relative_to(there)).read_bytes()
    assert not list(there.rglob(f"{PREFIX}*"))


def test_the_job_of_a_killed_worker_runs_again(
    table: Path, local: Path, scheduler: DaskScheduler, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    killer = kill_busy_workers(scheduler, output, 1)
    cases = read_cases(table, DETERMINISTIC)[:3]
    found = run_batch(plan(cases, output), output, cluster=scheduler)
    killer.join()
    assert {one.state for one in found} == {JobState.DONE}
    assert sum(one.attempts for one in found) == len(found) + 1
    same_images(local, output, 3)


def test_a_job_that_ends_three_workers_fails(
    table: Path, scheduler: DaskScheduler, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    killer = kill_busy_workers(scheduler, output, MAX_ATTEMPTS)
    cases = read_cases(table, DETERMINISTIC)[:1]
    (found,) = run_batch(plan(cases, output), output, cluster=scheduler)
    killer.join()
    assert (found.state, found.attempts) == (JobState.FAILED, MAX_ATTEMPTS)
    assert "without an answer" in found.reason


def test_an_interrupt_stops_the_jobs_which_wait_again(
    table: Path, scheduler: DaskScheduler, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    running = start(
        ["batch", str(table), "-o", str(output), "--scheduler", scheduler.address, *OPTIONS]
    )
    wait_for(lambda: list(output.glob(f"{PREFIX}*/*.1")) or running.poll() is not None)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    assert {one.state for one in stored_jobs(output)} <= {JobState.WAITING, JobState.DONE}
    assert {one.attempts for one in stored_jobs(output) if one.state is JobState.WAITING} == {0}
    with Client(scheduler.address, set_as_default=False) as client:
        wait_for(lambda: not any(client.run(_children).values()))


def _children() -> list[str]:
    """Command lines of processes that fuse for this worker."""
    import psutil  # noqa: PLC0415  # in the worker

    below = psutil.Process().children(recursive=True)
    return [line for one in below if "forkserver" not in (line := " ".join(one.cmdline()))]


def start(
    arguments: Sequence[str], on: Sequence[str] = (), env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """`radfuse`, on a host."""
    command = [*on, sys.executable, "-m", "radfuse", *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@contextmanager
def running_dask(
    host: list[str], program: str, *arguments: str, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    command = [*host, sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments]
    with (folder / f"{program}.log").open("ab") as log:
        process = subprocess.Popen([*command, "--no-dashboard"], stdout=log, stderr=log, cwd=folder)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_a_worker_of_another_host_is_killed(table: Path, local: Path, tmp_path: Path) -> None:
    first, *others = ADDRESSES
    output, address = tmp_path / "out", f"tcp://{first}:8786"
    with connected_hosts() as hosts, ExitStack() as stack:

        def start_dask(*arguments: Any) -> subprocess.Popen[bytes]:
            return stack.enter_context(running_dask(*arguments, folder=tmp_path))

        start_dask(hosts[first], "scheduler", "--host", first, "--port", "8786")
        workers = [
            start_dask(hosts[one], "worker", address, "--host", one, "--nthreads", "1",
                       "--no-nanny", "--local-directory", str(tmp_path / one))
            for one in others
        ]  # fmt: skip
        only = [text for number in range(1, 4) for text in ("--participant-label", str(number))]
        batch = start(
            ["batch", str(table), "-o", str(output), "--scheduler", address, *OPTIONS, *only],
            on=hosts[first],
        )
        wait_for(lambda: len(list(output.glob(f"{PREFIX}*/*.1"))) == 2 or batch.poll() is not None)
        workers[0].kill()
        _, errors = batch.communicate(timeout=TIMEOUT_S)
        assert batch.returncode == 0, errors.decode()
    found = stored_jobs(output)
    assert sum(one.attempts for one in found) == len(found) + 1
    same_images(local, output, 3)


def test_eight_cases_run_in_jobs_of_slurm(table: Path, tmp_path: Path) -> None:
    slurm, output = tmp_path / "slurm", tmp_path / "out"
    slurm.mkdir()
    with running_slurm(slurm) as environment:
        batch = start(
            ["batch", str(table), "-o", str(output), "--workers", "2",
             "--slurm", "partition=main,time=30,cpus-per-task=1,mem=3G,interface=lo",
             *OPTIONS, "--json"],
            env=environment,
        )  # fmt: skip
        counts, errors = batch.communicate(timeout=TIMEOUT_S)
        assert batch.returncode == 0, errors.decode()
        assert json.loads(counts)["done"] == 8
        left = subprocess.run(
            ["squeue", "-h"], env=environment, capture_output=True, text=True, check=True
        )
        assert left.stdout.strip() == "" or " CG " in left.stdout
    assert len(list((output / "slurm").glob("radfuse-*.err"))) == 2
    assert not list(output.rglob(f"{PREFIX}*"))


def test_what_slurm_does_not_accept_is_one_line(table: Path, tmp_path: Path) -> None:
    slurm = tmp_path / "slurm"
    slurm.mkdir()
    with running_slurm(slurm) as environment:
        batch = start(
            ["batch", str(table), "-o", str(tmp_path / "out"), "--slurm", "partition=none",
             *OPTIONS],
            env=environment,
        )  # fmt: skip
        _, errors = batch.communicate(timeout=TIMEOUT_S)
    assert batch.returncode == 2
    assert "invalid partition" in errors.decode()
    assert errors.decode().count("\n") == 1
