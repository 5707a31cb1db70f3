"""The lock of an output folder: one run at a time writes into it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from radfuse.errors import OutputError

LOCK = ".lock"
"""Name of the file in the folder."""


@contextmanager
def locked_output(output: Path) -> Iterator[None]:
    """Make an output folder and hold it; the system releases it where this process ends.

    Raises `OutputError` where another run holds it, and where it cannot be written to.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = FileLock(output / LOCK, timeout=0).acquire()
    except Timeout as error:
        raise OutputError(
            f"{output}: in use by another run; wait, or give another --output"
        ) from error
    except OSError as error:
        raise OutputError(f"{output}: cannot be written to ({error.strerror})") from error
    with lock:
        yield
