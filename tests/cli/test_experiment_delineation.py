"""`radfuse study delineation` on coarse phantoms, start to end."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_kit import refused_in_a_line, run

from radfuse.benchmark.experiments.delineation import (
    CLICKS,
    CT_ALONE,
    MEASURES,
    MR_ALONE,
    TRUTH_COLUMNS,
    TUMOURS,
    Sources,
    clicks_of,
    images,
    phantom_sources,
    truth_of,
)
from radfuse.benchmark.experiments.delineation_report import DESIGN, LIMITS, RULE
from radfuse.benchmark.experiments.delineation_run import Study, run_delineation
from radfuse.intensity import window_named
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import NOTICE

SPACING_MM = 6.0
OPTIONS = ("--spacing", SPACING_MM, "--tumour", "at-bone", "--quiet")
FEW = ("--method", "bone_over_mr", "--method", "res2fusion")
UNIT_ROWS = CLICKS * len(MEASURES)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, and a third method that is no graph."""
    home = tmp_path_factory.mktemp("study")
    (home / "broken.onnx").write_text("no graph")
    methods = (*FEW, "--method", home / "broken.onnx")
    folder = home / "study"
    result = run("study", "delineation", "-o", folder, *OPTIONS, "--seeds", 2, *methods, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["report"] == str(folder / "report.md")
    assert told["notice"] == NOTICE
    assert told["failures"] == 2
    assert set(told["dice"]) == {CT_ALONE, MR_ALONE, "bone_over_mr", "res2fusion"}
    assert all(0 < dice < 1 for dice in told["dice"].values())
    return folder


def test_rows_have_every_metric_of_click_image_and_tumour(study: Path) -> None:
    rows = pd.read_csv(study / "rows.csv")
    assert len(rows) == 2 * 4 * UNIT_ROWS
    assert set(rows["metric"]) == {measure.name for measure in MEASURES}
    assert set(rows["case"]) == {"phantom-7 at-bone", "phantom-8 at-bone"}
    assert set(rows["patient"]) == {"phantom-7", "phantom-8"}
    assert np.isfinite(rows["value"]).all()


def test_a_method_that_fails_costs_its_own_rows_and_is_told(study: Path) -> None:
    failures = pd.read_csv(study / "failures.csv")
    assert list(failures["method"]) == ["broken", "broken"]
    assert failures["message"].str.contains("not an ONNX graph").all()
    text = (study / "report.md").read_text()
    assert "| broken | " in text
    assert "not an ONNX graph that OpenVINO can read | 2 | " in text


def test_report_states_conditions_and_compares_by_patient(study: Path) -> None:
    text = (study / "report.md").read_text()
    for words in (NOTICE, DESIGN, RULE, LIMITS):
        assert words in text
    sections = [line for line in text.splitlines() if line.startswith("## Tumours")]
    assert sections == ["## Tumours: at-bone"]
    assert f"differences to {MR_ALONE}, paired by patients" in text
    assert f"All tumours, against {CT_ALONE}: better: no image; worse: no image." in text
    assert "Fewer than 5 patients" in text
    assert "--seeds 2 --spacing 6 --tumour at-bone --method bone\\_over\\_mr" in text
    assert "| at-bone | 2 | " in text


def silent(stage: str, share: float | None) -> None:
    """Report nothing."""


def test_stopped_experiment_resumes_without_measuring_again(tmp_path: Path) -> None:
    asked = Study(tmp_path, 2, ["average"], tumours=["at-bone"], spacing_mm=SPACING_MM)
    run_delineation(asked, overwrite=False, report=silent)
    whole = asked.rows.path.read_text().splitlines()
    told = asked.truths.path.read_text()
    marked = [line.rpartition(",")[0] + ",0.25" for line in whole[1:4]]
    kept = [whole[0], *marked, *whole[4 : -2 * UNIT_ROWS + 3]]
    asked.rows.path.write_text("\n".join(kept) + "\n")
    asked.truths.path.write_text(told[:-9])
    again = run_delineation(asked, overwrite=False, report=silent)
    assert len(again.results.rows) == len(whole) - 1
    lines = asked.rows.path.read_text().splitlines()
    assert lines[1:4] == marked
    assert sorted(lines[4:]) == sorted(whole[4:])
    assert asked.truths.path.read_text() == told


def test_experiment_folder_with_other_settings_is_kept(study: Path, tmp_path: Path) -> None:
    command = ("study", "delineation", "--quiet", "--seeds", 2, "--method", "average")
    refused_in_a_line(run(*command, "-o", study), "begun with other settings: spacing; pass")
    (tmp_path / "thesis.doc").touch()
    refused_in_a_line(run(*command, "-o", tmp_path), "holds something else; choose another")
    refused_in_a_line(run(*command, "-o", tmp_path, "--overwrite"), "not the folder of a")
    refused_in_a_line(run(*command, "-o", tmp_path / "thesis.doc"), "choose another --output")


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


@pytest.fixture(scope="module")
def at_bone() -> Sources:
    return phantom_sources(7, "at-bone", spacing_mm=4.5, window=window_named(DEFAULT_WINDOW))


def test_the_clicks_lie_in_the_tumour_and_are_the_same_each_time(at_bone: Sources) -> None:
    clicks = clicks_of(7, at_bone)
    assert len(clicks) == CLICKS
    assert all(at_bone.truth[click] for click in clicks)
    assert clicks_of(7, at_bone) == clicks != clicks_of(8, at_bone)


def test_every_slice_is_fused_alone_and_ct_outside_the_fov(
    at_bone: Sources,
) -> None:
    shapes = set()

    def average(ct: np.ndarray, mr: np.ndarray) -> np.ndarray:
        shapes.add(ct.shape)
        return (ct + mr) / 2

    fused = images({"average": average})["average"](at_bone)
    assert shapes == {(1, *at_bone.ct.shape[1:])}
    wanted = np.where(at_bone.seen, (at_bone.ct + at_bone.mr) / 2, at_bone.ct)
    np.testing.assert_array_equal(fused, wanted)
    assert not at_bone.seen.all()


def test_tumour_at_bone_is_near_bone_and_above_its_oedema(at_bone: Sources) -> None:
    truth = dict(zip(TRUTH_COLUMNS[2:], truth_of(at_bone), strict=True))
    assert 5 < truth["volume_cm3"] < 25
    assert truth["ct_contrast_hu"] > 5
    assert truth["mr_contrast"] > 0.1
    assert truth["nearest_bone_mm"] < 6


def test_every_kind_of_tumour_is_solid() -> None:
    assert all(tumour.is_solid for tumour in TUMOURS.values())
