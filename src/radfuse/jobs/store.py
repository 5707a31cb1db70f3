"""The list of jobs in an SQLite file: it survives crashes, and threads and processes share it.

A worker takes a job for a limited time, its lease, and extends it while it works. Where a worker
has ended without an answer, the lease ends, and the job is taken again, at most `MAX_ATTEMPTS`
times.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from radfuse.errors import DiskFullError, InputError, OutputError
from radfuse.jobs.job import Job, JobState

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
)
"""The first makes version 1 of the file, the next 2 of 1, and so on; `user_version` counts them."""

MAX_ATTEMPTS = 3
"""A job that has ended its worker so often is not run again."""

BUSY_TIMEOUT_S = 60.0
"""How long to wait for another process that writes."""

ENDED = (JobState.DONE, JobState.REFUSED, JobState.FAILED, JobState.CANCELLED)
"""States that a job stays in until it is to be run again."""

Clock = Callable[[], float]
"""Seconds; of all processes that use a store the same."""


@dataclass(frozen=True)
class StoredJob:
    """A job and what has become of it."""

    job: Job
    state: JobState
    attempts: int
    reason: str
    """Why it was refused or has failed, a sentence; else empty."""
    seconds: float
    """How long its last attempt took."""


class JobStore:
    """The jobs of a file, which is made if it does not exist.

    Raises `InputError` for a file of a newer version or of another program, `OutputError` where it
    cannot be written.
    """

    def __init__(self, path: Path, clock: Clock = time.time) -> None:
        self._path, self._clock, self._lock = path, clock, Lock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._migrate()

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def add(self, jobs: Iterable[Job]) -> int:
        """Add the jobs that are not in the store; returns how many were new.

        A job replaces that of the same case with other images or another recipe.
        """
        now, new = self._clock(), 0
        with self._writing() as connection:
            for one in jobs:
                connection.execute(
                    "DELETE FROM jobs WHERE case_name = ? AND identity <> ?",
                    (one.case, one.identity),
                )
                new += connection.execute(
                    "INSERT OR IGNORE INTO jobs (identity, case_name, description, state, changed) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (one.identity, one.case, one.model_dump_json(), JobState.WAITING, now),
                ).rowcount
        return new

    def take(self, worker: str, lease_s: float) -> StoredJob | None:
        """The first job that waits, or whose worker has ended, now running; None without one.

        Jobs whose last permitted attempt has ended without an answer fail.
        """
        now = self._clock()
        with self._writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, reason = ?, changed = ? "
                "WHERE state = ? AND lease_until <= ? AND attempts >= ?",
                (
                    JobState.FAILED,
                    f"the process that fuses it has ended {MAX_ATTEMPTS} times without an answer; "
                    "memory may be too small, or a file damaged",
                    now, JobState.RUNNING, now, MAX_ATTEMPTS,
                ),
            )  # fmt: skip
            row = connection.execute(
                "UPDATE jobs SET state = ?, attempts = attempts + 1, worker = ?, lease_until = ?, "
                "changed = ? WHERE number = (SELECT number FROM jobs WHERE state = ? OR "
                "(state = ? AND lease_until <= ?) ORDER BY number LIMIT 1) "
                "RETURNING description, state, attempts, reason, seconds",
                (
                    JobState.RUNNING, worker, now + lease_s, now,
                    JobState.WAITING, JobState.RUNNING, now,
                ),
            ).fetchone()  # fmt: skip
        return _stored(row) if row else None

    def extend(self, identity: str, worker: str, lease_s: float) -> bool:
        """Extend a lease; False where the job is no longer this worker's, which must then stop."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET lease_until = ? WHERE identity = ? AND worker = ? AND state = ?",
                (self._clock() + lease_s, identity, worker, JobState.RUNNING),
            )
            return changed.rowcount == 1

    def finish(
        self, identity: str, worker: str, state: JobState, *, reason: str = "", seconds: float = 0
    ) -> bool:
        """End a job; False, and no change, where it is no longer this worker's."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, reason = ?, seconds = ?, changed = ? "
                "WHERE identity = ? AND worker = ? AND state = ?",
                (state, reason, seconds, self._clock(), identity, worker, JobState.RUNNING),
            )
            return changed.rowcount == 1

    def release(self, identity: str, worker: str) -> None:
        """Let a job of this worker wait again, as if it had not been taken: the worker stops."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, attempts = attempts - 1, changed = ? "
                "WHERE identity = ? AND worker = ? AND state = ?",
                (JobState.WAITING, self._clock(), identity, worker, JobState.RUNNING),
            )

    def release_all(self) -> None:
        """As `release`, for every job that runs: the caller knows that no worker is left."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE jobs SET state = ?, attempts = attempts - 1, changed = ? WHERE state = ?",
                (JobState.WAITING, self._clock(), JobState.RUNNING),
            )

    def rerun(self, states: Iterable[JobState]) -> int:
        """Let ended jobs of some states wait again, their attempts forgotten; returns how many."""
        chosen = json.dumps([state for state in states if state in ENDED])
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE jobs SET state = ?, attempts = 0, reason = '', changed = ? "
                "WHERE state IN (SELECT value FROM json_each(?))",
                (JobState.WAITING, self._clock(), chosen),
            )
            return changed.rowcount

    def counts(self) -> dict[JobState, int]:
        """Number of jobs by state, in the order of `JobState`."""
        found = dict(self._read("SELECT state, COUNT(*) FROM jobs GROUP BY state"))
        return {state: found.get(state, 0) for state in JobState}

    def jobs(
        self, states: Iterable[JobState] = tuple(JobState), *, after: int = 0, most: int = -1
    ) -> Iterator[StoredJob]:
        """Jobs of some states in the order in which they were added, without the first `after`."""
        rows = self._read(
            "SELECT description, state, attempts, reason, seconds FROM jobs "
            "WHERE state IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT ? OFFSET ?",
            (json.dumps(list(states)), most, after),
        )
        yield from map(_stored, rows)

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock, self._translated():
            return self._connection.execute(query, values).fetchall()

    def _migrate(self) -> None:
        with self._writing() as connection:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > len(MIGRATIONS):
                raise InputError(
                    f"{self._path} has version {found}; this version of radfuse reads up to "
                    f"{len(MIGRATIONS)}: update radfuse"
                )
            for script in MIGRATIONS[found:]:
                for statement in filter(str.strip, script.split(";")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other process writes beside; all of it is done, or nothing."""
        with self._lock, self._translated():  # threads share the connection
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise DiskFullError("no space left for the list of jobs", self._path) from error
            raise OutputError(f"the list of jobs cannot be used ({error})", self._path) from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._path}: not a list of jobs ({error})") from error
        except OSError as error:
            raise OutputError(f"not writable ({error.strerror})", self._path) from error


def _stored(row: tuple[str, str, int, str, float]) -> StoredJob:
    description, state, attempts, reason, seconds = row
    job = Job.model_validate_json(description)
    return StoredJob(job, JobState(state), attempts, reason, seconds)
