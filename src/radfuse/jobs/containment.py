"""Run what reads files of unknown origin in a child process with limits on memory and time.

Libraries that parse images may ask for any memory, never return or end their process at a
malicious or malformed file; here that costs the one request.
"""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from radfuse.errors import InputError, RadfuseError, ReaderEndedError
from radfuse.log import LogSettings, configure_logging, current_settings

READER_MEMORY_BYTES = 8 << 30
"""Address space of a process that only reads, libraries included (some 2 GiB)."""

READER_TIMEOUT_S = 300.0
"""Of a process that only reads; 2,000 slices on a slow disk take a minute."""

JOB_MEMORY_BYTES = max(
    16 << 30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if os.name == "posix" else 0
)
"""Address space of a process that prepares or fuses a study, until it has read CT and MR: the
machine's memory, or more."""

JOB_TIMEOUT_S = 1800.0
"""A process that prepares or fuses a study is stopped if it reports no progress for this long."""

PRELOADED = "radfuse.jobs.fusion"
"""Module that children share, so that a child starts in milliseconds."""

T = TypeVar("T")

END_S = 5.0
"""How long a child may take to end after its answer."""


def run_contained(
    function: Callable[..., T],
    *args: object,
    path: Path,
    memory_bytes: int = READER_MEMORY_BYTES,
    timeout_s: float = READER_TIMEOUT_S,
) -> T:
    """Call a function of a module in a child process and return its (picklable) result.

    Errors of ours pass through. Raises `InputError`, naming the last part of `path`, if the child
    runs out of memory, takes longer than `timeout_s` or crashes.
    """
    value: T
    (value,) = stream_contained(
        _send_result, function, *args, path=path, memory_bytes=memory_bytes, timeout_s=timeout_s
    )
    return value


def stream_contained(
    function: Callable[..., None],
    *args: object,
    path: Path,
    memory_bytes: int = READER_MEMORY_BYTES,
    timeout_s: float = READER_TIMEOUT_S,
) -> Iterator[Any]:
    """Call a function of a module in a child process, and yield what it sends, as it sends it.

    The function gets a callable first, with which it sends (picklable) values. Raises errors as
    `run_contained`; `timeout_s` is between two values.
    """
    context = child_context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_answer, args=(theirs, memory_bytes, current_settings(), function, args), daemon=True
    )
    process.start()
    theirs.close()
    try:
        is_ended = False
        while not is_ended:
            if not ours.poll(timeout_s):
                raise InputError(
                    f"{path.name}: reading was stopped after {timeout_s:g} s; is it damaged?"
                )
            value, error, is_ended = ours.recv()
            if not is_ended:
                yield value
    except EOFError:
        process.join(END_S)
        raise ReaderEndedError(
            f"{path.name}: the program that reads it ended abnormally (status {process.exitcode}); "
            "the file is damaged or malicious: replace it or leave it out"
        ) from None
    finally:
        process.kill()
        process.join()
        ours.close()
    if isinstance(error, MemoryError):
        raise InputError(
            f"{path.name}: reading needs more than {memory_bytes / (1 << 30):g} GiB of memory; "
            "is it damaged?"
        )
    if error is not None:
        raise error


def _send_result(
    send: Callable[[object], None], function: Callable[..., object], *args: object
) -> None:
    send(function(*args))


def limit_memory(memory_bytes: int | None) -> None:
    """Limit the address space of this process, or lift the limit; no effect on Windows."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415  # POSIX only

        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        with suppress(ValueError):  # the system's own limit is lower
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes or most, most))


def warm_up() -> None:
    """Let the process that children are copies of import what they need, in the background.

    It and its children do not get Ctrl-C, which this process handles: it ends them.
    """
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver, resource_tracker  # noqa: PLC0415  # not on Windows

        child_context()
        resource_tracker.ensure_running()  # it would undo the mask
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()  # inherits the mask
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def child_context() -> Any:
    """How children start: as copies of a process that has imported `PRELOADED`, where possible."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    return context


def _answer(
    pipe: Connection,
    memory_bytes: int,
    log: LogSettings,
    function: Callable[..., None],
    args: tuple[object, ...],
) -> None:
    configure_logging(log)
    limit_memory(memory_bytes)
    ended: Exception | None = None
    try:
        function(lambda value: pipe.send((value, None, False)), *args)
    except MemoryError:
        ended = MemoryError()
    except RadfuseError as error:
        ended = error
    except Exception as error:
        traceback.print_exc()
        ended = RuntimeError(f"{type(error).__name__} in a reader; see the terminal")
    pipe.send((None, ended, True))
