"""Batches on a Dask cluster: each job once, with the result of a local run."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_kit import QUICK, write_heads
from distributed import LocalCluster
from job_kit import job

from radfuse.errors import InputError, PeerError
from radfuse.io.staging import PREFIX
from radfuse.jobs import cluster
from radfuse.jobs.batch import plan, run_batch, stored_jobs
from radfuse.jobs.cases import read_cases
from radfuse.jobs.cluster import (
    DaskScheduler,
    RunOnCluster,
    _locked_cores,
    problem_of_worker,
    run_on_worker,
)
from radfuse.jobs.job import JobState
from radfuse.jobs.worker import current_surroundings


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_heads(tmp_path_factory.mktemp("heads"), 1)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskScheduler]:
    """A scheduler on loopback, and a worker that a nanny has started."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
        local_directory=str(tmp_path_factory.mktemp("dask")),
    ) as started:  # fmt: skip
        yield DaskScheduler(started.scheduler_address)


@pytest.fixture
def run(tmp_path: Path) -> RunOnCluster:
    return RunOnCluster(
        tmp_path, tmp_path / "logs", cluster.version("radfuse"), 60.0, current_surroundings()
    )


def test_a_dask_worker_fuses_as_a_local_one(
    table: Path, scheduler: DaskScheduler, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    run_batch(plan(read_cases(table, QUICK), here), here)
    found = run_batch(plan(read_cases(table, QUICK), there), there, cluster=scheduler)
    assert [(one.state, one.attempts) for one in found] == [(JobState.DONE, 1)]
    for image in here.rglob("*_fused.nii.gz"):
        assert image.read_bytes() == (there / image.relative_to(here)).read_bytes()
    assert not list(there.rglob(f"{PREFIX}*"))
    assert (there / "logs" / "sub-1.log").exists()


def test_a_worker_with_another_version_is_refused(
    table: Path, scheduler: DaskScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "version", lambda _package: "99.0")
    with pytest.raises(InputError, match=r"Dask worker tcp.*this machine 99.0; install the same"):
        run_batch(plan(read_cases(table, QUICK), tmp_path), tmp_path, cluster=scheduler)
    assert {one.state for one in stored_jobs(tmp_path)} == {JobState.WAITING}
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_a_worker_without_the_folder_is_refused(run: RunOnCluster, tmp_path: Path) -> None:
    assert problem_of_worker(run) == ""
    elsewhere = replace(run, folder=tmp_path / "absent")
    assert "file system" in problem_of_worker(elsewhere)
    with pytest.raises(InputError, match="file system"):
        run_on_worker(job(1), 1, elsewhere)


def test_an_attempt_does_not_begin_twice(run: RunOnCluster) -> None:
    run.begun(job(1), 2).touch()
    assert run_on_worker(job(1), 2, run) == (None, 0.0)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_scheduler_that_does_not_answer_is_named(
    address: str, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT_S", 0.2)
    unreachable = DaskScheduler(address)
    with pytest.raises(PeerError, match=f"--scheduler {address}"):
        run_batch(plan(read_cases(table, QUICK), tmp_path), tmp_path, cluster=unreachable)
    assert {one.state for one in stored_jobs(tmp_path)} == {JobState.WAITING}


def test_workers_of_a_machine_have_cores_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.tempfile, "gettempdir", lambda: str(tmp_path))
    with ExitStack() as first, ExitStack() as second:
        assert _locked_cores([0, 1, 2, 3, 4], 2, first) == (0, 1)
        assert _locked_cores([0, 1, 2, 3, 4], 2, second) == (2, 3)
        with ExitStack() as third:
            assert _locked_cores([0, 1, 2, 3, 4], 2, third) == ()
        first.close()
        assert _locked_cores([0, 1, 2, 3, 4], 2, second) == (0, 1)
