"""The model card of a network of one's own."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from radfuse.cli import main
from radfuse.methods.catalogue import WEIGHTS
from radfuse.methods.installed import VARIABLE

STATED = ("--source", "my thesis", "--licence", "CC0-1.0", "--trained-on", "harvard:2")


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "installed"))
    (source,) = WEIGHTS.rglob("res2fusion.onnx")
    return Path(shutil.copy(source, tmp_path / "mine.onnx"))


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, words)])


def test_a_graph_with_a_written_card_is_installed(graph: Path) -> None:
    refused = run("install", graph)
    assert refused.exit_code == 2
    assert f"`radfuse weights describe {graph}` writes it" in refused.stderr
    assert run("describe", graph, *STATED).exit_code == 0
    card = json.loads(graph.with_suffix(".json").read_text())
    assert card["source"] == "my thesis"
    assert card["patients_trained"] == ["harvard:2"]
    assert run("install", graph).exit_code == 0
    assert "harvard: 2" in run("list").output
    assert run("verify").exit_code == 0


def test_a_card_is_not_replaced_unasked(graph: Path) -> None:
    run("describe", graph, *STATED)
    refused = run("describe", graph, *STATED)
    assert refused.exit_code == 2
    assert "exists" in refused.stderr
    assert run("describe", graph, *STATED, "--overwrite").exit_code == 0


def test_what_is_no_graph_gets_no_card(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_text("no graph")
    assert run("describe", path, *STATED).exit_code == 2
    assert not path.with_suffix(".json").exists()
