"""Lock of a folder of studies: one server at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from radfuse.errors import InputError, OutputError

LOCK_FILE = ".lock"
"""Lock file in the folder; the operating system releases it when the server ends or crashes."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder of studies for one server.

    Raises `InputError` if another server uses it, `OutputError` if it is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE, blocking=False).acquire()
    except Timeout as error:
        raise InputError(
            f"{folder}: another `radfuse view` uses this folder; use its viewer, end it, or "
            "pass another --folder"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder}: not writable ({error.strerror}); pass another --folder"
        ) from error
    with lock:
        yield
