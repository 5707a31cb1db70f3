"""`radfuse experiment delineation` on coarse phantoms, start to end."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_kit import refused_in_a_line, run

from radfuse.benchmark.experiments.delineation import (
    CT_ALONE,
    METRICS,
    MR_ALONE,
    SEED_POINTS,
    TUMOUR_COLUMNS,
    TUMOURS,
    TumourImages,
    image_functions,
    make_tumour_images,
    seed_points_of,
    tumour_properties,
)
from radfuse.benchmark.experiments.delineation_report import ALGORITHM, DESIGN, LIMITS
from radfuse.benchmark.experiments.delineation_run import DelineationExperiment, run_delineation
from radfuse.intensity import window_named
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import NOTICE

SPACING_MM = 6.0
OPTIONS = ("--spacing", SPACING_MM, "--tumour", "at-bone", "--quiet")
FEW = ("--method", "bone_over_mr", "--method", "res2fusion")
GROUP_ROWS = SEED_POINTS * len(METRICS)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, and a third method that is no graph."""
    home = tmp_path_factory.mktemp("experiment")
    (home / "broken.onnx").write_text("no graph")
    methods = (*FEW, "--method", home / "broken.onnx")
    folder = home / "experiment"
    result = run(
        "experiment", "delineation", "-o", folder, *OPTIONS, "--seeds", 2, *methods, "--json"
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["report"] == str(folder / "report.md")
    assert summary["notice"] == NOTICE
    assert summary["failures"] == 2
    assert set(summary["dice"]) == {CT_ALONE, MR_ALONE, "bone_over_mr", "res2fusion"}
    assert all(0 < dice < 1 for dice in summary["dice"].values())
    return folder


def test_rows_have_every_metric_seed_point_image_and_tumour(experiment: Path) -> None:
    rows = pd.read_csv(experiment / "rows.csv")
    assert len(rows) == 2 * 4 * GROUP_ROWS
    assert set(rows["metric"]) == {metric.name for metric in METRICS}
    assert set(rows["case"]) == {"phantom-7 at-bone", "phantom-8 at-bone"}
    assert set(rows["patient"]) == {"phantom-7", "phantom-8"}
    assert np.isfinite(rows["value"]).all()


def test_failing_method_is_reported_and_affects_no_other(experiment: Path) -> None:
    failures = pd.read_csv(experiment / "failures.csv")
    assert list(failures["method"]) == ["broken", "broken"]
    assert failures["message"].str.contains("not an ONNX graph").all()
    text = (experiment / "report.md").read_text()
    assert "| broken | " in text
    assert "not an ONNX graph that OpenVINO can read | 2 | " in text


def test_report_states_conditions_and_compares_by_patient(experiment: Path) -> None:
    text = (experiment / "report.md").read_text()
    for words in (NOTICE, DESIGN, ALGORITHM, LIMITS):
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
    asked = DelineationExperiment(
        tmp_path, 2, ["average"], tumours=["at-bone"], spacing_mm=SPACING_MM
    )
    run_delineation(asked, overwrite=False, report=silent)
    whole = asked.rows.path.read_text().splitlines()
    before = asked.properties.path.read_text()
    marked = [line.rpartition(",")[0] + ",0.25" for line in whole[1:4]]
    kept = [whole[0], *marked, *whole[4 : -2 * GROUP_ROWS + 3]]
    asked.rows.path.write_text("\n".join(kept) + "\n")
    asked.properties.path.write_text(before[:-9])
    again = run_delineation(asked, overwrite=False, report=silent)
    assert len(again.results.rows) == len(whole) - 1
    lines = asked.rows.path.read_text().splitlines()
    assert lines[1:4] == marked
    assert sorted(lines[4:]) == sorted(whole[4:])
    assert asked.properties.path.read_text() == before


def test_experiment_folder_with_other_settings_is_kept(experiment: Path, tmp_path: Path) -> None:
    command = ("experiment", "delineation", "--quiet", "--seeds", 2, "--method", "average")
    refused_in_a_line(run(*command, "-o", experiment), "begun with other settings: spacing; pass")
    (tmp_path / "thesis.doc").touch()
    refused_in_a_line(run(*command, "-o", tmp_path), "contains other files; choose another")
    refused_in_a_line(run(*command, "-o", tmp_path, "--overwrite"), "not the folder of a")
    refused_in_a_line(run(*command, "-o", tmp_path / "thesis.doc"), "choose another --output")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--tumour", "huge"),
            "no tumour 'huge'; there are typical, small, faint, at-bone, calcified",
        ),
        (("--method", "magic"), "magic"),
        (("--spacing", "0.1"), "a phantom's spacing of 0.1 mm"),
    ],
)
def test_invalid_experiment_is_refused_in_a_line(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refused_in_a_line(run("experiment", "delineation", "-o", out, "--quiet", *options), words)
    assert not out.exists()


@pytest.fixture(scope="module")
def at_bone() -> TumourImages:
    return make_tumour_images(7, "at-bone", spacing_mm=4.5, window=window_named(DEFAULT_WINDOW))


def test_the_clicks_lie_in_the_tumour_and_are_the_same_each_time(at_bone: TumourImages) -> None:
    seed_points = seed_points_of(7, at_bone)
    assert len(seed_points) == SEED_POINTS
    assert all(at_bone.truth[seed_point] for seed_point in seed_points)
    assert seed_points_of(7, at_bone) == seed_points != seed_points_of(8, at_bone)


def test_slices_are_fused_and_the_ct_is_outside_the_fov(at_bone: TumourImages) -> None:
    shapes = set()

    def average(ct: np.ndarray, mr: np.ndarray) -> np.ndarray:
        shapes.add(ct.shape[1:])
        return (ct + mr) / 2

    fused = image_functions({"average": average})["average"](at_bone)
    assert shapes == {at_bone.ct.shape[1:]}
    wanted = np.where(at_bone.fov_mask, (at_bone.ct + at_bone.mr) / 2, at_bone.ct)
    np.testing.assert_array_equal(fused, wanted)
    assert not at_bone.fov_mask.all()


def test_tumour_at_bone_is_near_bone_and_above_its_oedema(at_bone: TumourImages) -> None:
    truth = dict(zip(TUMOUR_COLUMNS[2:], tumour_properties(at_bone), strict=True))
    assert 5 < truth["volume_cm3"] < 25
    assert truth["ct_contrast_hu"] > 5
    assert truth["mr_contrast"] > 0.1
    assert truth["nearest_bone_mm"] < 6


def test_every_kind_of_tumour_is_solid() -> None:
    assert all(tumour.is_solid for tumour in TUMOURS.values())
