"""Workers: what the child of one job does to others, and what a full disk does to a job."""

import errno
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest
from job_kit import job

from radfuse.errors import DiskFullError, RegistrationError
from radfuse.io.staging import staging
from radfuse.jobs import fusion, worker
from radfuse.jobs.job import JobState
from radfuse.jobs.store import JobStore, StoredJob
from radfuse.jobs.worker import LEASE_S, Lease, Limits, _answer_of, work


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


@pytest.fixture
def lease(store: JobStore) -> Lease:
    store.add([job(1)])
    taken = store.take("worker", LEASE_S)
    assert taken is not None
    return Lease(store, taken, "worker")


def full(*_args: object, **_more: object) -> bool:
    """Instead of what writes."""
    raise DiskFullError("no space left", Path("OUT"))


def test_a_job_without_space_waits_again(
    monkeypatch: pytest.MonkeyPatch, store: JobStore, lease: Lease
) -> None:
    monkeypatch.setattr(fusion, "_fused_images", full)
    answer = fusion.fused(lease.taken.job)
    assert answer == (JobState.WAITING, "OUT: no space left")
    with pytest.raises(DiskFullError, match="OUT: no space left"):
        lease.end(answer, 1.0, Path("log"))
    (waiting,) = store.jobs()
    assert (waiting.state, waiting.attempts) == (JobState.WAITING, 0)


def test_a_failed_registration_names_no_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failed(*_: object) -> None:
        raise RegistrationError("registration QA FAILED: 9 mm", "pass --accept-registration")

    monkeypatch.setattr(fusion, "_fused_images", failed)
    state, reason = fusion.fused(job(1, tmp_path))
    assert state is JobState.REFUSED
    assert reason == f"registration QA FAILED: 9 mm; {fusion.REMEDIES}"
    assert "--" not in reason


def test_a_job_is_done_once_its_files_are_durable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fusion, "_fused_images", lambda *_: SimpleNamespace(alignment=None))
    assert fusion.fused(job(1, tmp_path)) == (JobState.DONE, "")
    monkeypatch.setattr(fusion, "make_durable", full)
    assert fusion.fused(job(1, tmp_path))[0] is JobState.WAITING


@pytest.mark.parametrize(
    ("number", "state"), [(errno.ENOSPC, JobState.WAITING), (errno.EIO, JobState.FAILED)]
)
def test_an_error_of_the_disk_ends_a_job(tmp_path: Path, number: int, state: JobState) -> None:
    answer = _answer_of(OSError(number, "an error", "file"), tmp_path / "log")
    assert answer[0] is state


def test_a_lease_lasts_on_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, store: JobStore, lease: Lease
) -> None:
    monkeypatch.setattr(worker, "LEASE_S", -1.0)  # it is time
    monkeypatch.setattr(store, "extend", full)
    assert lease.extended()


def test_a_full_disk_stops_all_workers(
    monkeypatch: pytest.MonkeyPatch, store: JobStore, tmp_path: Path
) -> None:
    def ran(_store: JobStore, taken: StoredJob, *_args: object) -> None:
        Lease(store, taken, "worker").end((JobState.WAITING, "full"), 1.0, Path("log"))

    monkeypatch.setattr(worker, "run_job", ran)
    store.add([job(1), job(2)])
    stop = Event()
    with pytest.raises(DiskFullError):
        work(store, "worker", tmp_path, Limits(), stop)
    assert stop.is_set()
    assert store.counts()[JobState.WAITING] == 2
