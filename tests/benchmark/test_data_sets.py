"""A patient of a benchmark is one of a model card only where both name the same data set."""

import json
import shutil
from pathlib import Path

import pytest
from test_benchmark_run import command, write_pairs

from radfuse.benchmark.load_cases import find_cases
from radfuse.benchmark.results import ComparedMethod
from radfuse.benchmark.run.methods import UNKNOWN_DATA_SET, UNKNOWN_PATIENTS, find_methods
from radfuse.benchmark.settings import BenchmarkSettings, ExternalMethod, changed
from radfuse.cli.training.weights import patients_by_data_set
from radfuse.errors import InputError
from radfuse.methods.catalogue import shipped_graph


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs", ["2001", "5001"])


def method(settings: BenchmarkSettings) -> tuple[ComparedMethod, set[str]]:
    """The last method, and the patients of the benchmark that it was developed on."""
    info = find_methods(settings)[-1].info
    return info, {case.patient for case in find_cases(settings)} & info.development_patients


@pytest.mark.parametrize(
    ("data_set", "developed", "is_known"),
    [("harvard", {"harvard:2"}, True), ("ours", set(), True), ("", set(), False)],
)
@pytest.mark.parametrize("name", ["bone_blend", "csf"])
def test_patient_2_is_harvards_only_in_its_data_set(
    pairs: Path, name: str, data_set: str, developed: set[str], is_known: bool
) -> None:
    settings = BenchmarkSettings(pairs=(pairs,), methods=(name,), data_set=data_set)
    info, found = method(settings)
    assert (found, info.patients_known) == (developed, is_known)
    assert ("developed on patients of harvard; " in info.note) == (not is_known)


@pytest.mark.parametrize("data_set", ["", "ours"])
@pytest.mark.parametrize(
    ("patients", "developed", "note"),
    [
        (["ours:2", "theirs:5"], {"ours:2"}, ""),
        (["2", "ours:5"], {"ours:5"}, UNKNOWN_DATA_SET),
        (["2", "5"], set(), UNKNOWN_DATA_SET),
        (None, set(), UNKNOWN_PATIENTS),
        ([], set(), ""),
    ],
)
def test_cards_without_a_data_set_claim_nothing(
    pairs: Path,
    tmp_path: Path,
    data_set: str,
    patients: list[str] | None,
    developed: set[str],
    note: str,
) -> None:
    graph = tmp_path / "net.onnx"
    shutil.copy(shipped_graph("csf"), graph)
    graph.with_suffix(".json").write_text(json.dumps({"patients_trained": patients}))
    settings = BenchmarkSettings(pairs=(pairs,), methods=(str(graph),), data_set=data_set)
    info, found = method(settings)
    assert found == (developed if data_set else set())
    assert info.patients_known == (not note and (bool(data_set) or patients == []))
    assert info.note.startswith(note)


@pytest.mark.parametrize(("data_set", "patient"), [("ours", "ours:2"), ("", "2")])
def test_patients_that_the_settings_name_are_of_its_pairs(
    pairs: Path, data_set: str, patient: str
) -> None:
    external = ExternalMethod("mine", "maximum", development_patients=("2",))
    settings = BenchmarkSettings(pairs=(pairs,), external=(external,), data_set=data_set)
    info, found = method(settings)
    assert (found, info.patients_known) == ({patient}, True)


def test_phantoms_are_of_no_data_set() -> None:
    info, found = method(BenchmarkSettings(phantoms=(2,), methods=("bone_blend",)))
    assert (found, info.patients_known) == (set(), True)


def test_other_pairs_are_not_of_the_data_set_of_a_file(pairs: Path) -> None:
    settings = BenchmarkSettings(methods=("bone_blend",), data_set="harvard")
    assert changed(settings, pairs=(pairs,)).data_set == ""
    assert changed(settings, pairs=(pairs,), data_set="ours").data_set == "ours"
    with pytest.raises(InputError, match="data_set"):
        changed(settings, data_set="harvard:2")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "unknown whether these methods were developed on patients of this benchmark"),
        (("--data-set", "ours"), "no method was developed on patients of this benchmark"),
        (("--data-set", "harvard"), "blend 1 of 2 (its two constants"),
    ],
)
def test_report_states_what_is_known_of_the_patients(
    pairs: Path, tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    out = tmp_path / "out"
    named = ("--method", "bone_blend", "--method", "maximum", "--profile", "mfinet2024", *options)
    result = command("--pairs", pairs, "-o", out, *named, "--quiet")
    assert result.exit_code == 0, result.output
    assert expected in " ".join((out / "report/report.md").read_text().split())


@pytest.mark.parametrize(
    ("patients", "expected"),
    [
        (["harvard:2", "harvard:20"], "harvard: 2, 20"),
        (["2", "ours:2"], "unknown: 2; ours: 2"),
        ([], "not stated"),
    ],
)
def test_patients_are_listed_by_data_set(patients: list[str], expected: str) -> None:
    assert patients_by_data_set(patients) == expected
