"""What each method may hide: the table is complete and up to date, and the sentence follows it."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from click.testing import CliRunner

from radfuse.cli import main
from radfuse.methods import hidden_findings
from radfuse.methods.catalogue import METHODS
from radfuse.methods.hidden_findings import (
    KEPT_SHARE,
    finding_counts,
    findings_sentence,
    hidden_kinds,
    measured_table,
)
from radfuse.phantom.findings import FIRST_REPORTING_SEED, KINDS

ROOT = Path(__file__).parents[2]


COSTLY = {"sparse", "nsst_papcnn"}
"""Measured again in `make study` only."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "benchmarks" / "hidden_findings.py"
    spec = importlib.util.spec_from_file_location("measure_hidden_findings", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_method_was_measured_with_every_kind(script: ModuleType) -> None:
    measured = [name for name in METHODS if name not in script.TOO_SLOW]
    assert list(measured_table()["methods"]) == measured
    for name in measured:
        counts = finding_counts(name)
        assert list(counts) == list(KINDS), name
        assert all(one.inserted >= 3 for one in counts.values()), name
        assert all(0 <= one.kept + one.inverted <= one.inserted for one in counts.values()), name


def test_only_seeds_for_reports_were_used() -> None:
    table = measured_table()
    assert len(table["phantoms"]) >= 3
    assert min(table["phantoms"] + table["placements"]) >= FIRST_REPORTING_SEED


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.slow if one in COSTLY else ()) for one in METHODS]
)
def test_method_is_as_it_was_measured(script: ModuleType, name: str) -> None:
    if name in script.TOO_SLOW:
        assert findings_sentence(name) == "not measured for this method"
        return
    assert not script.is_stale(name), "run `python benchmarks/hidden_findings.py` and `make docs`"


def test_copies_of_a_source_hide_what_only_the_other_shows() -> None:
    assert {"metastasis", "oedema", "enhancing lesion"} <= set(hidden_kinds("copy_ct"))
    assert {"haemorrhage", "air", "infarct", "fracture"} <= set(hidden_kinds("copy_mr"))
    assert "metastasis" not in hidden_kinds("copy_mr")


@pytest.mark.parametrize(
    ("kinds", "sentence"),
    [
        ({"air": [6, 0, 6], "clip": [5, 0, 6]}, "keeps 2 of 2 kinds of findings"),
        ({"air": [4, 0, 6], "clip": [6, 0, 6]}, "keeps 1 of 2 kinds of findings; may hide: air"),
        (
            {"air": [0, 6, 6], "clip": [0, 0, 6]},
            "keeps 0 of 2 kinds of findings; may hide: air | clip; may show inverted: air",
        ),
    ],
)
def test_sentence_names_hidden_and_inverted_kinds(
    kinds: dict[str, list[int]], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"methods": {"average": {"kinds": kinds}}}
    monkeypatch.setattr(hidden_findings, "measured_table", lambda: table)
    assert findings_sentence("average") == sentence
    assert findings_sentence("average", "2-D images") == "not measured for 2-D images"
    assert findings_sentence("theirs.onnx") == "not measured for this method"


def test_counts_are_those_of_the_verdicts(script: ModuleType) -> None:
    verdicts = ["kept", "kept", "weakened", "lost", "inverted"]
    rows = pd.DataFrame({"kind": ["air"] * 5 + ["clip"], "verdict": [*verdicts, "kept"]})
    assert script.counts_of(rows) == {"air": [2, 1, 5], "clip": [1, 0, 1]}
    assert 0 < KEPT_SHARE < 1


def test_the_command_prints_what_a_method_may_hide() -> None:
    printed = CliRunner().invoke(main, ["methods", "copy_mr"]).output
    assert f"findings  {findings_sentence('copy_mr')}" in printed
    facts = json.loads(CliRunner().invoke(main, ["methods", "copy_mr", "--json"]).output)
    assert facts["findings"] == findings_sentence("copy_mr")
