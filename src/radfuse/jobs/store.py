"""The list of jobs in an SQLite file: it survives crashes, and threads and processes share it.

A worker takes a job for a limited time, its lease, and extends it while it works. Where a worker
has ended without an answer, the lease ends, and the job is taken again, at most `MAX_ATTEMPTS`
times.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from radfuse.io.sqlite_file import SqliteFile
from radfuse.jobs.job import Job, JobState, ListedJob

MIGRATIONS = (
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY,
        identity TEXT NOT NULL UNIQUE,
        case_name TEXT NOT NULL,
        description TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        worker TEXT NOT NULL DEFAULT '',
        lease_until REAL NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '',
        seconds REAL NOT NULL DEFAULT 0,
        changed REAL NOT NULL
    );
    CREATE INDEX jobs_by_state ON jobs (state, number);
    CREATE INDEX jobs_by_case ON jobs (case_name);
    """,
    """
    ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
    DROP INDEX jobs_by_state;
    CREATE INDEX jobs_by_state ON jobs (state, priority DESC, number);
    """,
    "ALTER TABLE jobs ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0",
)
"""The first makes version 1 of the file, the next 2 of 1, and so on; `user_version` counts them."""

MAX_ATTEMPTS = 3
"""A job that has ended its worker so often is not run again."""

MAX_RESTARTS = 10
"""A job that was running so often when all workers ended at once, as where a container has too
little memory, is not run again."""

ENDED = (JobState.DONE, JobState.REFUSED, JobState.FAILED, JobState.CANCELLED)
"""States that a job stays in until it is to be run again."""

Clock = Callable[[], float]
"""Seconds; of all processes of a machine the same, and never set."""


Kind = TypeVar("Kind", bound=ListedJob)
"""What kind of job a list has."""


@dataclass(frozen=True)
class Stored(Generic[Kind]):
    """A job and what has become of it."""

    job: Kind
    state: JobState
    attempts: int
    reason: str
    """Why it was refused or has failed, a sentence; else empty."""
    seconds: float
    """How long its last attempt took."""


class JobList(Generic[Kind]):
    """The jobs of a file, which is made if it does not exist.

    Raises `InputError` for a file of a newer version or of another program, `OutputError` where it
    cannot be written.
    """

    def __init__(self, path: Path, kind: type[Kind], clock: Clock = time.monotonic) -> None:
        self._kind = kind
        self._file = SqliteFile(path, MIGRATIONS, "list of jobs")
        self._clock = clock
        self._only: str | None = None  # identities as JSON, for take and rerun

    def limit_to(self, jobs: Iterable[Kind]) -> None:
        """From now on `take` and `rerun` of this object are for these jobs only.

        They are stored as they are now: files may have been moved.
        """
        jobs = list(jobs)
        self._only = json.dumps([one.identity for one in jobs])
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE jobs SET description = ?, case_name = ? WHERE identity = ?",
                [(one.model_dump_json(), one.case, one.identity) for one in jobs],
            )

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def add(self, jobs: Iterable[Kind]) -> int:
        """Add the jobs that are not in the store; returns how many were new.

        A job replaces that of the same case with other images or another recipe.
        """
        now, new = self._clock(), 0
        with self._file.writing() as connection:
            for one in jobs:
                connection.execute(
                    "DELETE FROM jobs WHERE case_name = ? AND identity <> ?",
                    (one.case, one.identity),
                )
                new += connection.execute(
                    "INSERT OR IGNORE INTO jobs "
                    "(identity, case_name, description, priority, state, changed) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        one.identity, one.case, one.model_dump_json(), one.priority,
                        JobState.WAITING, now,
                    ),
                ).rowcount  # fmt: skip
        return new

    def take(self, worker: str, lease_s: float) -> Stored[Kind] | None:
        """The first job that waits, or whose worker has ended, now running; None without one.

        Jobs whose last permitted attempt has ended without an answer fail. A lease that ends later
        than one of now is of a time before the machine was restarted.
        """
        now = self._clock()
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, reason = ?, changed = ? "
                "WHERE state = ? AND NOT (lease_until > ? AND lease_until <= ?) AND attempts >= ?",
                (
                    JobState.FAILED,
                    f"the process that fuses it has ended {MAX_ATTEMPTS} times without an answer; "
                    "memory may be too small, or a file damaged",
                    now, JobState.RUNNING, now, now + lease_s, MAX_ATTEMPTS,
                ),
            )  # fmt: skip
            row = connection.execute(
                "UPDATE jobs SET state = ?, attempts = attempts + 1, worker = ?, lease_until = ?, "
                "changed = ? WHERE number = (SELECT number FROM jobs WHERE (state = ? OR "
                "(state = ? AND NOT (lease_until > ? AND lease_until <= ?))) "
                "AND (? IS NULL OR identity IN (SELECT value FROM json_each(?))) "
                "ORDER BY priority DESC, number LIMIT 1) RETURNING *",
                (
                    JobState.RUNNING, worker, now + lease_s, now,
                    JobState.WAITING, JobState.RUNNING, now, now + lease_s,
                    self._only, self._only,
                ),
            ).fetchone()  # fmt: skip
        return self._stored(row) if row else None

    def take_one(self, identity: str, worker: str, lease_s: float) -> bool:
        """Take a certain job; False where it does not wait."""
        now = self._clock()
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, attempts = attempts + 1, worker = ?, lease_until = ?, "
                "changed = ? WHERE identity = ? AND state = ?",
                (JobState.RUNNING, worker, now + lease_s, now, identity, JobState.WAITING),
            )
            return changed.rowcount == 1

    def extend(self, identity: str, worker: str, lease_s: float) -> bool:
        """Extend a lease; False where the job is no longer this worker's, which must then stop."""
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET lease_until = ? WHERE identity = ? AND worker = ? AND state = ?",
                (self._clock() + lease_s, identity, worker, JobState.RUNNING),
            )
            return changed.rowcount == 1

    def is_held(self, identity: str, worker: str) -> bool:
        """Whether a worker runs a job; not where it was cancelled or removed meanwhile."""
        return bool(
            self._file.read(
                "SELECT 1 FROM jobs WHERE identity = ? AND worker = ? AND state = ?",
                (identity, worker, JobState.RUNNING),
            )
        )

    def finish(
        self, identity: str, worker: str, state: JobState, *, reason: str = "", seconds: float = 0
    ) -> bool:
        """End a job; False, and no change, where it is no longer this worker's."""
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, reason = ?, seconds = ?, changed = ? "
                "WHERE identity = ? AND worker = ? AND state = ?",
                (state, reason, seconds, self._clock(), identity, worker, JobState.RUNNING),
            )
            return changed.rowcount == 1

    def release(self, identity: str, worker: str) -> None:
        """Let a job of this worker wait again, as if it had not been taken: the worker stops."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, attempts = attempts - 1, changed = ? "
                "WHERE identity = ? AND worker = ? AND state = ?",
                (JobState.WAITING, self._clock(), identity, worker, JobState.RUNNING),
            )

    def release_all(self) -> None:
        """As `release`, for every job that runs: the caller knows that no worker is left.

        A job that this happens to for the `MAX_RESTARTS`-th time fails.
        """
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, attempts = attempts - 1, restarts = restarts + 1, "
                "changed = ? WHERE state = ?",
                (JobState.WAITING, self._clock(), JobState.RUNNING),
            )
            connection.execute(
                "UPDATE jobs SET state = ?, reason = ? WHERE state = ? AND restarts >= ?",
                (
                    JobState.FAILED,
                    f"radfuse was ended {MAX_RESTARTS} times while it ran; memory may be too small",
                    JobState.WAITING, MAX_RESTARTS,
                ),
            )  # fmt: skip

    def rerun(self, states: Iterable[JobState]) -> int:
        """Let ended jobs of some states wait again, their attempts forgotten; returns how many."""
        chosen = json.dumps([state for state in states if state in ENDED])
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, attempts = 0, restarts = 0, reason = '', changed = ? "
                "WHERE state IN (SELECT value FROM json_each(?)) "
                "AND (? IS NULL OR identity IN (SELECT value FROM json_each(?)))",
                (JobState.WAITING, self._clock(), chosen, self._only, self._only),
            )
            return changed.rowcount

    def run_again(self, identity: str) -> bool:
        """Let one ended job wait again, its attempts forgotten; False where it has not ended."""
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, attempts = 0, restarts = 0, reason = '', changed = ? "
                "WHERE identity = ? AND state IN (SELECT value FROM json_each(?))",
                (JobState.WAITING, self._clock(), identity, json.dumps(list(ENDED))),
            )
            return changed.rowcount == 1

    def cancel(self, identity: str) -> bool:
        """Cancel a job that waits or runs, whose worker then stops it; False for an ended one."""
        with self._file.writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, worker = '', changed = ? "
                "WHERE identity = ? AND state IN (?, ?)",
                (JobState.CANCELLED, self._clock(), identity, JobState.WAITING, JobState.RUNNING),
            )
            return changed.rowcount == 1

    def cancel_all(self, jobs: Iterable[Kind], reason: str) -> None:
        """Cancel jobs that wait or have ended: no worker is left."""
        now = self._clock()
        values = [(JobState.CANCELLED, reason, now, one.identity) for one in jobs]
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE jobs SET state = ?, reason = ?, changed = ? WHERE identity = ?", values
            )

    def remove(self, identity: str) -> None:
        """Forget a job; a worker that runs it stops."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM jobs WHERE identity = ?", (identity,))

    def remove_case(self, case: str) -> None:
        """Forget the job of a case, as `remove`."""
        with self._file.writing() as connection:
            connection.execute("DELETE FROM jobs WHERE case_name = ?", (case,))

    def find(self, identity: str) -> Stored[Kind] | None:
        """A job by its identity."""
        rows = self._file.read("SELECT * FROM jobs WHERE identity = ?", (identity,))
        return self._stored(rows[0]) if rows else None

    def counts(self) -> dict[JobState, int]:
        """Number of jobs by state, in the order of `JobState`."""
        found = {
            row["state"]: row["number"]
            for row in self._file.read("SELECT state, COUNT(*) AS number FROM jobs GROUP BY state")
        }
        return {state: found.get(state, 0) for state in JobState}

    def jobs(
        self, states: Iterable[JobState] = tuple(JobState), *, after: int = 0, most: int = -1
    ) -> Iterator[Stored[Kind]]:
        """Jobs of some states in the order in which they were added, without the first `after`."""
        rows = self._file.read(
            "SELECT * FROM jobs "
            "WHERE state IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT ? OFFSET ?",
            (json.dumps(list(states)), most, after),
        )
        yield from map(self._stored, rows)

    def end_all(self, state: JobState, reason: str) -> None:
        """End every job that waits or runs: the caller knows that no worker is left."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, reason = ?, changed = ? WHERE state IN (?, ?)",
                (state, reason, self._clock(), JobState.WAITING, JobState.RUNNING),
            )

    def _stored(self, row: sqlite3.Row) -> Stored[Kind]:
        return Stored(
            self._kind.model_validate_json(row["description"]), JobState(row["state"]),
            row["attempts"], row["reason"], row["seconds"],
        )  # fmt: skip


StoredJob = Stored[Job]
"""A fusion of files, and what has become of it."""


class JobStore(JobList[Job]):
    """A list of fusions of files."""

    def __init__(self, path: Path, clock: Clock = time.monotonic) -> None:
        super().__init__(path, Job, clock)
