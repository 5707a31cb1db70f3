"""The errors that `dciodvfy` of dicom3tools finds in a file, where it is installed."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROGRAM = "dciodvfy"
"""Validator of the Debian package dicom3tools."""

LIMIT_S = 30.0
"""Seconds for one file."""

QUOTED = 20
"""Lines quoted of one file, at most."""


def is_installed() -> bool:
    """Whether the program can be run."""
    return shutil.which(PROGRAM) is not None


def errors_of(file: Path) -> Iterator[str]:
    """The program's lines about errors, without repetition; none where it is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        return
    try:
        run = subprocess.run(  # noqa: S603  # a program that the user installed, without a shell
            [program, "-new", str(file.resolve())],
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield f"no answer in {LIMIT_S:g} s"
        return
    if run.returncode < 0:
        yield f"ended by signal {-run.returncode}"
    lines = run.stderr.decode(errors="replace").splitlines()
    errors = dict.fromkeys(
        line.removeprefix("Error - ").strip() for line in lines if line.startswith("Error")
    )
    for line, _ in zip(errors, range(QUOTED), strict=False):
        yield line
