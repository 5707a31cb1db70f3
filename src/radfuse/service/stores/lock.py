"""One server at a time in a folder of studies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from radfuse.errors import InputError, OutputError

LOCK_FILE = ".lock"
"""In the folder; the system frees it when the server ends, however that is."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other servers out of a folder of studies.

    Raises `InputError` where one is in it, `OutputError` where the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE, blocking=False).acquire()
    except Timeout as error:
        raise InputError(
            f"{folder}: another `radfuse view` works on these studies; use its page, end it, or "
            "pass --folder with another place"
        ) from error
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written to ({error.strerror}); pass --folder with another place"
        ) from error
    with lock:
        yield
