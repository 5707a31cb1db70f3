"""The examples of docs/howto/arrays.md."""

import doctest
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "arrays.md"
VOLUMES = "## Volumes"
"""Heading of the examples that register volumes."""


def check_examples(text: str) -> int:
    """Run the examples of a text in the current folder; returns their number."""
    blocks = re.findall(r"```pycon\n(.*?)```", text, re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    runner = doctest.DocTestRunner()
    report: list[str] = []
    result = runner.run(examples, out=report.append)
    assert result.failed == 0, "".join(report)
    return result.attempted


def test_examples_of_2d_images_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_examples(PAGE.read_text(encoding="utf-8").split(VOLUMES)[0]) > 8


@pytest.mark.slow
def test_examples_of_volumes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_examples(PAGE.read_text(encoding="utf-8")) > 20
