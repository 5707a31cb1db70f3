"""`radfuse experiment findings` on coarse phantoms, start to end."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_kit import refused_in_a_line, run
from PIL import Image

from radfuse.benchmark.experiments.findings_report import LIMITS
from radfuse.benchmark.experiments.findings_run import FindingsExperiment, run_findings
from radfuse.benchmark.findings.results import FINDING_COLUMNS, GUARD_COLUMNS
from radfuse.benchmark.findings.tables import MEASURE
from radfuse.phantom.findings import FIRST_REPORTING_SEED, KINDS, TUNING_SEEDS
from radfuse.record import NOTICE

OPTIONS = ("--spacing", 3.5, "--placements", 1, "--quiet")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two phantoms, and a method that is no graph."""
    home = tmp_path_factory.mktemp("experiment")
    (home / "broken.onnx").write_text("no graph")
    methods = ("--method", "bone_blend", "--method", "copy_mr", "--method", home / "broken.onnx")
    folder = home / "experiment"
    result = run("experiment", "findings", "-o", folder, *OPTIONS, "--seeds", 2, *methods, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["report"] == str(folder / "report.md")
    assert summary["notice"] == NOTICE
    assert summary["failures"] == 2
    assert set(summary["kept"]) == {"bone_blend", "copy_mr"}
    return folder


def test_rows_have_a_finding_per_method_phantom_and_kind(experiment: Path) -> None:
    rows = pd.read_csv(experiment / "rows.csv")
    assert tuple(rows.columns) == FINDING_COLUMNS
    assert set(rows["case"]) == {"phantom-201", "phantom-202"}
    assert set(rows["seed"]) == {FIRST_REPORTING_SEED}
    assert not rows.duplicated(["method", "case", "seed", "kind"]).any()
    assert set(rows["kind"]) <= set(KINDS)
    assert len(rows) > 2 * 2 * 8
    assert np.isfinite(rows[["kept", "contrast", "reference", "spill"]]).all().all()
    void = rows[(rows["kind"] == "calcification, MR void") & (rows["method"] == "copy_mr")]
    assert set(void["verdict"]) == {"inverted"}
    guards = pd.read_csv(experiment / "guards.csv")
    assert tuple(guards.columns) == GUARD_COLUMNS
    assert len(guards) == 4


def test_report_has_tables_conditions_and_the_image(experiment: Path) -> None:
    text = (experiment / "report.md").read_text()
    for words in (NOTICE, MEASURE, LIMITS, "Table 3. Findings that the MR shows, by kind"):
        assert words in text
    assert "Seeds from 201 on are for reports" in text
    assert "| broken | " in text
    assert "not an ONNX graph that OpenVINO can read | 2 | " in text
    assert "2 placements in 2 cases of 2 patients" in text
    assert "](cases.png)" in text
    image = Image.open(experiment / "cases.png")
    assert image.width > image.height / 5
    assert np.asarray(image.convert("L")).std() > 20


@pytest.mark.slow
def test_the_same_command_measures_nothing_again(experiment: Path) -> None:
    before = {name: (experiment / name).read_text() for name in ("rows.csv", "guards.csv")}
    broken = experiment.parent / "broken.onnx"
    methods = ("--method", "bone_blend", "--method", "copy_mr", "--method", broken)
    result = run("experiment", "findings", "-o", experiment, *OPTIONS, "--seeds", 2, *methods)
    assert result.exit_code == 0, result.output
    for name, text in before.items():
        lines = (experiment / name).read_text().splitlines()
        assert sorted(lines) == sorted(text.splitlines())


def silent(stage: str, share: float | None) -> None:
    """Report nothing."""


def test_tuning_uses_other_seeds_and_the_report_says_so(tmp_path: Path) -> None:
    asked = FindingsExperiment(
        tmp_path, 1, ["copy_mr"], ("metastasis",), placements=1, spacing_mm=3.5, is_tuning=True
    )
    outcome = run_findings(asked, overwrite=False, report=silent)
    assert set(outcome.findings.rows["case"]) == {f"phantom-{TUNING_SEEDS[0]}"}
    assert outcome.findings.seeds == (TUNING_SEEDS[0],)
    assert "--tuning" in outcome.record["command"]
    assert '--kind "metastasis"' in outcome.record["command"]
    assert list(outcome.findings.rows["verdict"]) == ["kept"]


def test_findings_folder_with_other_settings_is_kept(experiment: Path) -> None:
    command = ("experiment", "findings", "--quiet", "--seeds", 2, "--method", "average")
    refused_in_a_line(run(*command, "-o", experiment), "begun with other settings: spacing; pass")
    kinds = ("--spacing", 3.5, "--kind", "air")
    refused_in_a_line(run(*command, "-o", experiment, *kinds), "other settings: kinds of findings")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--kind", "tumour"), "no kind of finding 'tumour'; there are calcification 150 HU; "),
        (("--method", "magic"), "magic"),
        (("--spacing", "0.1"), "a phantom's spacing of 0.1 mm"),
        (("--tuning", "--seeds", "11"), "there are 10 seeds for tuning, 101 to 110; choose"),
    ],
)
def test_invalid_findings_experiment_is_refused_in_a_line(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refused_in_a_line(run("experiment", "findings", "-o", out, "--quiet", *options), words)
    assert not out.exists()
