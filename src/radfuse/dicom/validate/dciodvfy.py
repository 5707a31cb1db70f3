"""The errors that `dciodvfy` of dicom3tools reports for a file, if it is installed."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROGRAM = "dciodvfy"
"""Validator of the Debian package dicom3tools."""

TIMEOUT_S = 30.0
"""Longest time for one file."""

MAX_LINES = 20
"""Lines quoted for one file, at most."""


def is_installed() -> bool:
    """Whether the program is installed."""
    return shutil.which(PROGRAM) is not None


def errors_of(file: Path) -> Iterator[str]:
    """The distinct error lines of the program, without values; none if it is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        return
    try:
        run = subprocess.run(  # noqa: S603  # a program that the user installed, without a shell
            [program, "-new", str(file.resolve())],
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield f"no result within {TIMEOUT_S:g} s"
        return
    if run.returncode < 0:
        yield f"ended by signal {-run.returncode}"
    lines = run.stderr.decode(errors="replace").splitlines()
    errors = dict.fromkeys(
        line.removeprefix("Error - ").partition(" = ")[0].strip()
        for line in lines
        if line.startswith("Error")
    )
    for line, _ in zip(errors, range(MAX_LINES), strict=False):
        yield line
