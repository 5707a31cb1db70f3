"""Limits on the size of folders, files, functions and test names."""

import ast
import subprocess
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "radfuse"

MAX_FILES = 16
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_TEST_NAME = 60

ONE_FILE_PER_ITEM = {
    SOURCE / "methods",
    SOURCE / "methods" / "classical",
    SOURCE / "networks",
    SOURCE / "metrics",
}
"""Folders with one file per method, network or metric, however many there are."""


def tracked() -> list[Path]:
    """Files that the repository has, or everything where it is no checkout."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]
    return [path for path in SOURCE.rglob("*") if "__pycache__" not in path.parts]


def test_folders_have_at_most_16_files() -> None:
    counts = Counter(path.parent for path in tracked() if SOURCE in path.parents)
    large = {folder: count for folder, count in counts.items() if count > MAX_FILES}
    assert large.keys() <= ONE_FILE_PER_ITEM, large


def test_files_have_at_most_400_lines() -> None:
    for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.js")]:
        if path.parent.name != "vendor":
            assert path.read_text().count("\n") <= MAX_FILE_LINES, path


def test_functions_have_at_most_60_lines() -> None:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1] if ast.get_docstring(node) and node.body[1:] else node.body[0]
                lines = (node.end_lineno or 0) - first.lineno + 1
                assert lines <= MAX_FUNCTION_LINES, f"{path}: {node.name}"


def test_test_names_have_at_most_60_characters() -> None:
    long = [
        f"{path.name}: {node.name}"
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and len(node.name) > MAX_TEST_NAME
    ]
    assert long == []
