"""`radfuse study delineation` on coarse phantoms, start to end."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_kit import refused_in_a_line, run

from radfuse.benchmark.delineation import (
    CLICKS,
    CT_ALONE,
    MEASURES,
    MR_ALONE,
    TUMOURS,
    phantom_sources,
    regions,
)
from radfuse.benchmark.delineation_report import DESIGN, LIMITS, RULE
from radfuse.record import NOTICE

METHODS = ("--method", "bone_over_mr", "--method", "res2fusion")
QUICK = ("--seeds", 2, "--spacing", 6, "--quiet")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "report.md").write_text("an earlier one")
    kinds = ("--tumour", "at-bone", "--tumour", "at-bone")
    result = run(
        "study", "delineation", "-o", folder, *QUICK, *kinds, *METHODS, "--overwrite", "--json"
    )
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["report"] == str(folder / "report.md")
    assert told["notice"] == NOTICE
    assert list(told["dice"]) == [CT_ALONE, MR_ALONE, "bone_over_mr", "res2fusion"]
    assert all(0 < dice < 1 for dice in told["dice"].values())
    return folder


def test_the_rows_have_every_metric_of_every_click_image_and_tumour(study: Path) -> None:
    rows = pd.read_csv(study / "rows.csv")
    assert len(rows) == 2 * CLICKS * 4 * len(MEASURES)
    assert set(rows["metric"]) == {measure.name for measure in MEASURES}
    assert set(rows["case"]) == {"phantom-7 at-bone", "phantom-8 at-bone"}
    assert set(rows["patient"]) == {"phantom-7", "phantom-8"}
    assert np.isfinite(rows["value"]).all()


def test_the_report_says_how_it_was_done_and_compares_patient_by_patient(study: Path) -> None:
    text = (study / "report.md").read_text()
    for words in (NOTICE, DESIGN, RULE, LIMITS):
        assert words in text
    sections = [line for line in text.splitlines() if line.startswith("## Tumours")]
    assert sections == ["## Tumours: at-bone"]
    assert f"differences to {MR_ALONE}, paired by patients" in text
    assert "Fewer than 5 patients" in text


def test_an_earlier_study_is_replaced_only_when_asked_and_foreign_files_never(
    study: Path, tmp_path: Path
) -> None:
    command = ("study", "delineation", *QUICK, "--method", "average")
    refused_in_a_line(run(*command, "-o", study), "exists; pass --overwrite")
    (tmp_path / "thesis.doc").touch()
    refused_in_a_line(run(*command, "-o", tmp_path), "holds thesis.doc, no study's")
    refused_in_a_line(run(*command, "-o", tmp_path / "thesis.doc"), "is a file; give a folder")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tumour", "huge"), "no tumour 'huge'; there are typical, small, faint, at-bone"),
        (("--method", "magic"), "magic"),
        (("--spacing", "0.1"), "a phantom's spacing of 0.1 mm"),
    ],
)
def test_a_study_that_cannot_be_is_refused_in_a_line(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refused_in_a_line(run("study", "delineation", "-o", out, "--quiet", *options), words)
    assert not out.exists()


def test_the_clicks_lie_in_the_tumour_and_are_the_same_for_every_image() -> None:
    sources = phantom_sources(7, "at-bone", spacing_mm=4.5)
    found = list(regions(sources, {}, np.random.default_rng(3)))
    assert [(name, click) for name, click, _ in found] == [
        (name, click) for name in (CT_ALONE, MR_ALONE) for click in range(CLICKS)
    ]
    for _, _, region in found:
        assert (region & sources.truth).any()
        assert region.shape == sources.truth.shape == sources.mr.shape
    again = list(regions(sources, {}, np.random.default_rng(3)))
    np.testing.assert_array_equal(found[4][2], again[4][2])


def test_every_kind_of_tumour_is_solid() -> None:
    assert all(tumour.is_solid for tumour in TUMOURS.values())
