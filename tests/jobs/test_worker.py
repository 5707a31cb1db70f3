"""Workers: what the child of one job does to others, and what a full disk does to a job."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from job_kit import job

from radfuse.io.staging import staging
from radfuse.jobs.job import JobState
from radfuse.jobs.store import JobStore
from radfuse.jobs.worker import Limits, work


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def test_a_job_leaves_what_another_one_writes(store: JobStore, tmp_path: Path) -> None:
    store.add([job(1, tmp_path)])
    target = tmp_path / "slow.nii.gz"  # beside the result of the job
    with staging(tmp_path) as stage:
        stage.path_of(target).write_bytes(b"half")
        work(store, "worker", tmp_path / "logs", Limits(), Event())
        with stage.path_of(target).open("ab") as stream:
            stream.write(b" and half")
    assert target.read_bytes() == b"half and half"
    assert store.counts()[JobState.REFUSED] == 1
