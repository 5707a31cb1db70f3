"""The command line gives OpenBLAS one thread, unless the user chose another number."""

import os
import subprocess
import sys

import pytest

PROGRAM = (
    "import radfuse.cli, os, sys;print(os.environ['OPENBLAS_NUM_THREADS'], 'numpy' in sys.modules)"
)


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("3", "3")])
def test_blas_has_one_thread_unless_chosen(given: str | None, expected: str) -> None:
    others = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    environment = others | ({"OPENBLAS_NUM_THREADS": given} if given else {})
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [expected, "False"]
