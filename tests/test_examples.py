"""Every notebook in `examples` runs, but for what it marks."""

import re
from pathlib import Path

import pytest

from docs_kit import ROOT, blocks, run_notebook
from radfuse.record import NOTICE

EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.md"))}
NOTEBOOKS = [name for name in EXAMPLES if name != "README"]

NEEDS = r"needs (3D Slicer|the packages? [a-z]+( and [a-z]+)?)"
"""What is not installed here."""


def test_examples_are_listed_and_have_the_research_use_line() -> None:
    listed = re.findall(r"\]\(([\w-]+)\.md\)", EXAMPLES["README"].read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(NOTEBOOKS)
    for path in EXAMPLES.values():
        assert NOTICE in " ".join(path.read_text(encoding="utf-8").replace("*", "").split())


def test_examples_run_all_but_other_programs() -> None:
    for name in NOTEBOOKS:
        found = blocks(EXAMPLES[name])
        assert any(block.reason is None for block in found), name
        for block in found:
            assert block.reason is None or re.fullmatch(NEEDS, block.reason), block


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_example_runs(name: str, tmp_path: Path) -> None:
    run_notebook(blocks(EXAMPLES[name]), tmp_path)
