"""A durable SQLite file: transactions, versions with migrations, errors in one line."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from radfuse.errors import DiskFullError, InputError, OutputError

BUSY_TIMEOUT_S = 60.0
"""How long to wait for another process that writes."""


class SqliteFile:
    """A file that threads and processes share; it is made if it does not exist.

    Parameters
    ----------
    path
        Its path.
    migrations
        Scripts: the first makes version 1 of the file, the next 2 of 1, and so on; `user_version`
        counts them.
    what
        What the file is, for messages.

    Raises
    ------
    InputError
        For a file of a newer version or of another program.
    OutputError
        Where the file cannot be written.
    """

    def __init__(self, path: Path, migrations: Sequence[str], what: str) -> None:
        self._path, self._what, self._lock = path, what, Lock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._migrate(migrations)

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def read(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query."""
        with self._lock, self._translated():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other process writes beside; all of it is done, or nothing."""
        with self._lock, self._translated():  # threads share the connection
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite itself ends some that fail
                    self._connection.execute("ROLLBACK")
                raise

    def _migrate(self, migrations: Sequence[str]) -> None:
        (found,) = self._connection.execute("PRAGMA user_version").fetchone()
        if found == len(migrations):
            return  # nothing is written: it can be read on a full disk
        with self.writing() as connection:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > len(migrations):
                raise InputError(
                    f"{self._path} has version {found}; this version of radfuse reads up to "
                    f"{len(migrations)}: update radfuse"
                )
            for script in migrations[found:]:
                for statement in filter(str.strip, script.split(";")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(migrations)}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise DiskFullError(f"no space left for the {self._what}", self._path) from error
            raise OutputError(f"the {self._what} cannot be used ({error})", self._path) from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._path}: not a {self._what} ({error})") from error
        except OSError as error:
            raise OutputError(f"not writable ({error.strerror})", self._path) from error
