"""The tables of docs/functional.md are those of the reports."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_tables_of_pet_and_spect_are_those_of_the_reports() -> None:
    path = ROOT / "docs" / "functional_tables.py"
    spec = importlib.util.spec_from_file_location("functional_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "functional.md").read_text()
    assert written == module.document(), "run `python docs/functional_tables.py`"
    assert "| `uptake_over_mr` |" in written
