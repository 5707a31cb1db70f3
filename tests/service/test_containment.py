"""Readers with limits: memory, time and crashes cost one clear line, no more."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from radfuse.errors import GeometryError, InputError
from radfuse.service.jobs.containment import run_contained

PATH = Path("scan.dcm")


def answered(number: int) -> np.ndarray:
    return np.full(3, number)


def too_large() -> int:
    return int(np.ones(1 << 30).sum())  # 8 GiB


def endless() -> None:
    time.sleep(60)


def crashing() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def refusing() -> None:
    raise GeometryError("scan.dcm: slices overlap; export it again")


def faulty() -> None:
    raise KeyError("a bug")


def test_result_and_errors_pass_through() -> None:
    np.testing.assert_array_equal(run_contained(answered, 7, path=PATH), [7, 7, 7])
    with pytest.raises(GeometryError, match=r"^scan.dcm: slices overlap; export it again$"):
        run_contained(refusing, path=PATH)


def test_reader_without_memory_names_the_file() -> None:
    with pytest.raises(InputError, match=r"^scan.dcm: reading needs more than 4 GiB of memory"):
        run_contained(too_large, path=PATH, memory_bytes=4 << 30)


def test_reader_that_takes_too_long_is_stopped() -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match=r"^scan.dcm: reading was stopped after 2 s"):
        run_contained(endless, path=PATH, timeout_s=2)
    assert time.monotonic() - start < 30


def test_reader_that_crashes_names_the_file() -> None:
    with pytest.raises(InputError, match=r"^scan.dcm: the program that reads it ended .* -11\)"):
        run_contained(crashing, path=PATH)


def test_bug_in_a_reader_stays_a_bug(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="KeyError in a reader"):
        run_contained(faulty, path=PATH)
