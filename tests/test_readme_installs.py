"""The commands of the README that install, in a copy of the checkout, from pip's own index."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs_kit import ROOT, TIMEOUT_S, blocks

SKIPPED = "make test"
"""Its fast tests are many, and run by themselves."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A package index that pip reaches."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "hatchling"],
        cwd=tmp_path_factory.mktemp("index"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode:
        pytest.skip(f"no package index here: {asked.stderr.splitlines()[-1:]}")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """What git has of this checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout of git")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    yield tmp_path
    shutil.rmtree(tmp_path / ".venv", ignore_errors=True)  # 850 MB


@pytest.mark.slow
@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    ("first", "written"),
    [("make demo", ["radfuse-demo"]), ("python -m venv .venv", ["radfuse-demo", "pet-demo"])],
)
def test_readme_installs_and_runs_the_demo(first: str, written: list[str], checkout: Path) -> None:
    (block,) = (one for one in blocks(ROOT / "README.md") if one.code.startswith(first))
    lines = [line for line in block.code.splitlines() if not line.startswith(SKIPPED)]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", "\n".join(lines)], cwd=checkout, env=kept | {"PATH": path},
        capture_output=True, text=True, timeout=len(lines) * TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for name in written:
        assert (checkout / name / "fused" / "qa.html").is_file()
