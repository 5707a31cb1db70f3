"""`radfuse demo --pet`."""

import json
from pathlib import Path

import pydicom
import pytest
from click.testing import CliRunner

from radfuse.cli import main

SPACING_MM = 4.0
"""Coarse, and fast; poses are compared with the truth in tests/pipeline/functional."""


@pytest.mark.slow
def test_a_pet_is_written_and_fused_with_the_mr(tmp_path: Path) -> None:
    demo = ["demo", "--pet", "--spacing", str(SPACING_MM), "-o", str(tmp_path / "demo"), "--quiet"]
    done = CliRunner().invoke(main, [*demo, "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["recipe"]["method"] == "uptake_over_mr"
    pet = pydicom.dcmread(next((tmp_path / "demo/PT").iterdir()))
    assert (pet.Modality, pet.Units) == ("PT", "BQML")
    names = {path.name for path in (tmp_path / "demo/fused").iterdir()}
    assert {"COLOUR_MR_PT", "PT_on_MR", "REG", "qa.html", "record.json"} <= names
    assert record["registration"]["quality"]["grade"] == "pass"
    again = CliRunner().invoke(main, demo)
    assert again.exit_code == 2
    assert "exists; pass --overwrite" in again.stderr
