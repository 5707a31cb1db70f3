"""The table of modalities, and that nothing else decides by a modality's code."""

import ast
import copy
import pickle
from pathlib import Path

import pytest

from radfuse.errors import InputError
from radfuse.intensity import WINDOWS
from radfuse.modality import ANATOMICAL, CT, MODALITIES, MR, PT, Modality, modality_named

SOURCE = Path(__file__).parents[1] / "src" / "radfuse"

FOLDER_NAMES = {"io/image_pairs.py"}
"""Files in which the word is the name of a folder of a public data set."""


@pytest.mark.parametrize("row", MODALITIES.values(), ids=str)
def test_a_row_of_another_process_is_the_row(row: Modality) -> None:
    assert pickle.loads(pickle.dumps(row)) is row  # noqa: S301  # our own
    assert copy.deepcopy(row) is row


@pytest.mark.parametrize("row", MODALITIES.values(), ids=str)
def test_a_row_is_complete_and_consistent(row: Modality) -> None:
    assert MODALITIES[str(row)] is row
    assert modality_named(row.code) is row
    assert row.unit or not row.is_quantitative
    assert row.option.islower()
    assert row.default_window in {"", *WINDOWS}
    low, high = row.percentiles
    assert 0 <= low < high <= 100
    assert set(row.registered_to) <= MODALITIES.keys() - {row.code}
    assert row.is_colour == (row.role == "functional")


def test_ct_and_mr_are_anatomical() -> None:
    assert ANATOMICAL == (CT, MR)
    assert MR.registered_to == (CT.code,)


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(InputError, match="no modality 'XA'; there are CT, MR, PT, NM"):
        modality_named("XA")


@pytest.mark.parametrize(
    ("row", "lowest", "problem"),
    [
        (CT, -1024, ""),
        (CT, 0, "not CT in HU: the lowest value is 0, expected -500 or less"),
        (MR, 0, ""),
        (MR, -1000, "not MR: the lowest value is -1000, expected -500 or more"),
        (PT, 0, ""),
        (PT, -3.5, "not PT in Bq/ml: the lowest value is -3.5, expected 0 or more"),
    ],
    ids=str,
)
def test_the_lowest_value_must_fit(row: Modality, lowest: float, problem: str) -> None:
    assert row.minimum_problem(lowest) == problem


def test_no_other_module_names_a_modality_by_its_code() -> None:
    found = {
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in SOURCE.rglob("*.py")
        if path.name != "modality.py" and path.relative_to(SOURCE).as_posix() not in FOLDER_NAMES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in MODALITIES
    }
    assert found == set()
