"""The list of jobs: nothing is lost, nothing is done twice."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from job_kit import Clock, job

from radfuse.errors import DiskFullError, InputError, OutputError
from radfuse.jobs.job import Job, JobState
from radfuse.jobs.store import MAX_ATTEMPTS, MAX_RESTARTS, MIGRATIONS, JobStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    store = JobStore(tmp_path / "jobs.sqlite", clock)
    yield store
    store.close()


def taken(store: JobStore, worker: str = "worker") -> Job | None:
    found = store.take(worker, 60)
    return found.job if found else None


def test_a_job_is_added_once(store: JobStore) -> None:
    assert store.add([job(1), job(2)]) == 2
    assert store.add([job(2), job(3)]) == 1
    assert [one.job for one in store.jobs()] == [job(1), job(2), job(3)]


def test_jobs_are_taken_in_their_order_and_once(store: JobStore) -> None:
    store.add(map(job, range(5)))
    assert [taken(store) for _ in range(6)] == [*map(job, range(5)), None]
    assert store.counts()[JobState.RUNNING] == 5


def test_a_run_is_limited_to_its_jobs(store: JobStore) -> None:
    store.add(map(job, range(3)))
    moved = job(1).model_copy(update={"output": Path("elsewhere")})
    store.limit_to([moved])
    assert [taken(store) for _ in range(2)] == [moved, None]
    store.finish(moved.identity, "worker", JobState.REFUSED)
    store.limit_to([job(2)])
    assert store.rerun([JobState.REFUSED]) == 0
    store.limit_to([job(1), job(2)])
    assert store.rerun([JobState.REFUSED]) == 1
    assert taken(store) == job(1)


def test_processes_share_a_list(store: JobStore, tmp_path: Path, clock: Clock) -> None:
    store.add(map(job, range(40)))

    def all_taken(worker: str) -> list[str]:
        own = JobStore(tmp_path / "jobs.sqlite", clock)
        identities = [one.identity for one in iter(lambda: taken(own, worker), None)]
        own.close()
        return identities

    with ThreadPoolExecutor(4) as pool:
        identities = [one for several in pool.map(all_taken, "abcd") for one in several]
    assert sorted(identities) == sorted(job(number).identity for number in range(40))


def test_threads_share_a_list(store: JobStore) -> None:
    store.add(map(job, range(200)))

    def work(worker: str) -> list[str]:
        done = []
        while (found := taken(store, worker)) is not None:
            assert store.extend(found.identity, worker, 60)
            assert store.finish(found.identity, worker, JobState.DONE)
            assert sum(store.counts().values()) == 200
            done.append(found.identity)
        return done

    with ThreadPoolExecutor(4) as pool:
        identities = [one for several in pool.map(work, "abcd") for one in several]
    assert sorted(identities) == sorted(job(number).identity for number in range(200))


def test_a_job_whose_worker_has_ended_is_taken_again(store: JobStore, clock: Clock) -> None:
    store.add([job(1)])
    assert taken(store, "first") == job(1)
    clock.now += 59
    assert taken(store, "second") is None
    clock.now += 1
    assert taken(store, "second") == job(1)
    assert not store.finish(job(1).identity, "first", JobState.DONE)
    assert store.finish(job(1).identity, "second", JobState.DONE, seconds=2.5)
    (ended,) = store.jobs()
    assert (ended.state, ended.attempts, ended.seconds) == (JobState.DONE, 2, 2.5)


def test_a_worker_keeps_a_job_while_it_extends_its_lease(store: JobStore, clock: Clock) -> None:
    store.add([job(1)])
    taken(store, "first")
    for _ in range(10):
        clock.now += 50
        assert store.extend(job(1).identity, "first", 60)
        assert taken(store, "second") is None
    clock.now += 61
    taken(store, "second")
    assert not store.extend(job(1).identity, "first", 60)


def test_a_job_that_ends_its_workers_fails(store: JobStore, clock: Clock) -> None:
    store.add([job(1), job(2)])
    for attempt in range(MAX_ATTEMPTS):
        assert taken(store, f"worker {attempt}") == job(1)
        clock.now += 61
    assert taken(store, "last") == job(2)
    (failed,) = store.jobs([JobState.FAILED])
    assert failed.job == job(1)
    assert "3 times" in failed.reason


def test_an_interrupted_attempt_does_not_count(store: JobStore) -> None:
    store.add([job(1)])
    for _ in range(2 * MAX_ATTEMPTS):
        assert taken(store) == job(1)
        store.release(job(1).identity, "worker")
    assert store.counts()[JobState.WAITING] == 1


def test_ended_jobs_are_run_again_on_request(store: JobStore) -> None:
    store.add(map(job, range(4)))
    ends = (JobState.DONE, JobState.REFUSED, JobState.FAILED)
    for state in ends:
        found = taken(store)
        assert found is not None
        store.finish(found.identity, "worker", state, reason=f"{state} for a reason")
    taken(store)
    assert store.rerun([JobState.REFUSED, JobState.FAILED, JobState.RUNNING]) == 2
    assert [one.state for one in store.jobs()] == ["done", "waiting", "waiting", "running"]
    assert not any(one.reason for one in store.jobs([JobState.WAITING]))


def test_every_state_is_counted(store: JobStore) -> None:
    store.add(map(job, range(3)))
    taken(store)
    counts = store.counts()
    assert list(counts) == list(JobState)
    assert sum(counts.values()) == 3


def test_a_part_of_a_long_list_is_read(store: JobStore) -> None:
    store.add(map(job, range(30)))
    assert [one.job for one in store.jobs(after=10, most=3)] == [job(10), job(11), job(12)]


def test_what_was_added_survives_a_kill(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; sys.path.append(sys.argv[2]);"
        "from radfuse.jobs.store import JobStore; from job_kit import job;"
        "store = JobStore(Path(sys.argv[1])); store.add([job(1), job(2)]); store.take('worker', 0);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path, here = tmp_path / "jobs.sqlite", Path(__file__).parent
    ended = subprocess.run([sys.executable, "-c", code, str(path), str(here)], check=False)
    assert ended.returncode == -signal.SIGKILL
    store = JobStore(path)
    assert taken(store, "next") == job(1)
    assert store.counts()[JobState.WAITING] == 1
    store.close()


def test_a_list_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    JobStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="version 99"):
        JobStore(path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    path.write_text("no list of jobs, but a text of some length" * 100)
    with pytest.raises(InputError, match="not a list of jobs"):
        JobStore(path)
    with pytest.raises(OutputError):
        JobStore(tmp_path)


def test_jobs_of_higher_priority_are_taken_first(store: JobStore) -> None:
    urgent = job(3).model_copy(update={"priority": 1})
    store.add([job(1), job(2), urgent])
    assert [taken(store) for _ in range(3)] == [urgent, job(1), job(2)]


def test_one_ended_job_runs_again(store: JobStore) -> None:
    store.add([job(1), job(2)])
    assert not store.run_again(job(1).identity)
    store.take("worker", 60)
    store.finish(job(1).identity, "worker", JobState.REFUSED, reason="no")
    assert store.run_again(job(1).identity)
    found = store.find(job(1).identity)
    assert found is not None
    assert (found.state, found.attempts, found.reason) == (JobState.WAITING, 0, "")
    assert store.find("unknown") is None


def test_a_cancelled_job_is_its_workers_no_longer(store: JobStore) -> None:
    store.add([job(1)])
    store.take("worker", 60)
    assert store.cancel(job(1).identity)
    assert not store.extend(job(1).identity, "worker", 60)
    assert not store.finish(job(1).identity, "worker", JobState.DONE)
    assert store.counts()[JobState.CANCELLED] == 1
    assert not store.cancel(job(1).identity)


def test_a_list_of_version_1_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    old = sqlite3.connect(path)
    old.executescript(MIGRATIONS[0])
    old.execute("PRAGMA user_version = 1")
    old.execute(
        "INSERT INTO jobs (identity, case_name, description, state, changed) "
        "VALUES (?, ?, ?, 'waiting', 0)",
        (job(1).identity, job(1).case, job(1).model_dump_json()),
    )
    old.commit()
    old.close()
    store = JobStore(path)
    assert taken(store) == job(1)
    store.close()


def test_a_lease_of_before_a_restart_has_ended(store: JobStore, clock: Clock) -> None:
    store.add([job(1)])
    assert taken(store) == job(1)
    assert taken(store) is None
    clock.now = 5.0  # the machine's clock begins again
    assert taken(store) == job(1)


def test_a_cancelled_job_is_not_held(store: JobStore) -> None:
    store.add([job(1)])
    taken(store)
    assert store.is_held(job(1).identity, "worker")
    assert not store.is_held(job(1).identity, "another")
    store.cancel(job(1).identity)
    assert not store.is_held(job(1).identity, "worker")


def test_a_list_goes_on_after_a_full_disk(store: JobStore) -> None:
    connection = store._file._connection
    connection.execute("PRAGMA max_page_count = 1")  # the file remains as large as it is
    with pytest.raises(DiskFullError, match="no space left for the list of jobs"):
        store.add(map(job, range(1000)))
    connection.execute("PRAGMA max_page_count = 1000000")
    assert store.add([job(1)]) == 1


def test_a_job_that_ends_the_whole_program_fails(store: JobStore) -> None:
    store.add([job(1), job(2)])
    for _ in range(MAX_RESTARTS):
        assert taken(store) == job(1)
        store.release_all()
    (failed,) = store.jobs([JobState.FAILED])
    assert failed.job == job(1)
    assert "10 times" in failed.reason
    assert taken(store) == job(2)
    assert store.run_again(job(1).identity)
    assert taken(store) == job(1)
    store.release_all()
    assert store.counts()[JobState.FAILED] == 0


def test_a_certain_job_is_taken(store: JobStore) -> None:
    store.add([job(1), job(2)])
    assert store.take_one(job(2).identity, "worker", 60)
    assert not store.take_one(job(2).identity, "another", 60)
    assert [one.state for one in store.jobs()] == [JobState.WAITING, JobState.RUNNING]
