"""A benchmark from command to report: it resumes, survives failures, takes external methods."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dicom_kit import change_all, put
from radfuse.benchmark.load_cases import find_cases
from radfuse.benchmark.report.write import write_report
from radfuse.benchmark.run.collect import collect_results
from radfuse.benchmark.run.methods import UNKNOWN_PATIENTS, find_methods
from radfuse.benchmark.run.plan import Plan, make_plan
from radfuse.benchmark.run.runner import run as run_plan
from radfuse.benchmark.run.work_items import read_fused, read_sources
from radfuse.benchmark.settings import (
    BenchmarkSettings,
    ExternalMethod,
    Volume,
    read_benchmark_settings,
)
from radfuse.cli import main
from radfuse.errors import InputError, NoImageError, OutputError
from radfuse.io.images import read_grey
from radfuse.io.volumes import write_volume
from radfuse.methods.catalogue import HARVARD_PATIENTS, METHODS, WEIGHTS
from radfuse.methods.installed import VARIABLE
from radfuse.metrics.measure import measure
from radfuse.metrics.profiles import columns_of
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Phantom, make_phantom
from radfuse.registration.transforms import write_transform

CONFIGS = Path(__file__).parents[2] / "configs"
BENCHMARKS = [
    path
    for path in sorted(CONFIGS.glob("*.toml"))
    if not {"network", "dictionaries"} & tomllib.loads(path.read_text()).keys()
]
SIDE = 48


def silent(stage: str, share: float | None) -> None:
    """Report nothing."""


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["benchmark", *(str(argument) for argument in arguments)])


def write_pairs(folder: Path, names: list[str], side: int = SIDE) -> Path:
    rng = np.random.default_rng(3)
    for kind in ("CT", "MRI"):
        (folder / kind).mkdir(parents=True)
        for name in names:
            coarse = rng.integers(0, 256, (side // 8, side // 8), np.uint8)
            Image.fromarray(np.kron(coarse, np.ones((8, 8), np.uint8))).save(
                folder / kind / f"{name}.png"
            )
    return folder


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs", ["1001", "1002", "2001"])


@pytest.fixture
def settings(pairs: Path) -> BenchmarkSettings:
    return BenchmarkSettings(
        pairs=(pairs,), methods=("average", "maximum"), profiles=("mfinet2024",)
    )


def carried_out(settings: BenchmarkSettings, folder: Path) -> Plan:
    plan = make_plan(settings, folder)
    run_plan(plan, silent)
    return plan


def test_every_value_is_that_of_the_profile_on_the_fused_image(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    plan = carried_out(settings, tmp_path / "out")
    rows = plan.rows.read()
    assert len(rows) == 2 * 3 * len(columns_of("mfinet2024"))
    for (method, case), found in rows.groupby(["method", "case"]):
        images = [tmp_path / "out/fused" / method / f"{case}.png"]
        images += [pairs / kind / f"{case}.png" for kind in ("CT", "MRI")]
        expected = measure("mfinet2024", *(read_grey(path) for path in images))
        assert dict(zip(found["metric"], found["value"], strict=True)) == expected
        assert set(found["patient"]) == {case[0]}


def test_installed_weights_take_part_where_the_user_has_them(
    settings: BenchmarkSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.setenv(VARIABLE, str(shelf))
    for suffix in (".onnx", ".json"):
        shutil.copy(WEIGHTS / "res2fusion" / f"res2fusion{suffix}", shelf / f"mine@home{suffix}")
    asked = replace(settings, installed=("mine@home", "other@home"))
    plan = carried_out(asked, tmp_path / "out")
    assert set(plan.rows.read()["method"]) == {"average", "maximum", "mine@home"}
    assert collect_results(plan).record["not installed here"] == "other@home"


def test_finished_benchmark_repeats_only_its_last_work_item(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    plan = carried_out(settings, tmp_path / "out")
    rows = plan.rows.path.read_text()
    fused = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/fused").rglob("*.png")}
    carried_out(settings, tmp_path / "out")
    assert plan.rows.path.read_text() == rows
    assert fused == {path: path.stat().st_mtime_ns for path in fused}


def test_a_benchmark_may_gain_methods_cases_and_profiles(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    carried_out(settings, tmp_path / "out")
    more = write_pairs(tmp_path / "more", ["3001"])
    larger = replace(
        settings, methods=("average", "maximum", "copy_ct"), pairs=(pairs, more),
        profiles=("mfinet2024", "res2fusion2024"),
    )  # fmt: skip
    at_once = carried_out(larger, tmp_path / "at_once").rows.read()
    grown = carried_out(larger, tmp_path / "out").rows.read()
    key = ["profile", "method", "case", "metric"]
    pd.testing.assert_frame_equal(
        grown.sort_values(key, ignore_index=True), at_once.sort_values(key, ignore_index=True)
    )


def test_killed_benchmark_resumes_to_the_same_result(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    words = ["--pairs", pairs, "--method", "average", "--method", "dwt", "--quiet"]
    words += ["--profile", "mfinet2024"]
    program = [sys.executable, "-m", "radfuse", "benchmark", "-o", tmp_path / "out", *words]
    for written in ("plan.json", "fused/average/*.png", "fused/dwt/*.png"):
        process = subprocess.Popen([str(word) for word in program], start_new_session=True)
        while process.poll() is None and not any((tmp_path / "out").glob(written)):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, written
    methods = replace(settings, methods=("average", "dwt"))
    found, expected = (
        carried_out(methods, tmp_path / name).rows.read() for name in ("out", "fresh")
    )
    pd.testing.assert_frame_equal(found, expected)


def test_a_failing_method_costs_its_own_rows_only(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    partly = tmp_path / "partly"
    partly.mkdir()
    Image.new("L", (SIDE, SIDE), 9).save(partly / "1001.png")
    Image.new("L", (SIDE, SIDE + 8), 9).save(partly / "1002.png")
    methods = ("average", str(broken), str(partly))
    plan = carried_out(replace(settings, methods=methods), tmp_path / "out")
    assert plan.rows.finished_keys() == {
        *(("mfinet2024", "average", case) for case in ("1001", "1002", "2001")),
        ("mfinet2024", "partly", "1001"),
    }
    failures = plan.failures.read()
    assert failures["method"].tolist() == ["broken", "broken", "partly", "broken", "partly"]
    messages = " ".join(failures["message"])
    assert "not an ONNX graph" in messages
    assert "uint8 (1, 56, 48), but the case is uint8 (1, 48, 48)" in messages
    assert "no 2001.png, nor 2001.npy" in messages
    assert len(collect_results(plan).failures) == 5


def test_a_case_that_cannot_be_loaded_costs_its_own_rows_only(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    whole = (pairs / "MRI" / "1002.png").read_bytes()
    (pairs / "MRI" / "1002.png").write_bytes(whole[: len(whole) // 2])
    plan = carried_out(replace(settings, shown_cases=("1002",)), tmp_path / "out")
    assert {case for _, _, case in plan.rows.finished_keys()} == {"1001", "2001"}
    failures = plan.failures.read()
    assert failures["method"].tolist() == ["average", "maximum"]
    assert set(failures["case"]) == {"1002"}
    assert failures["message"].str.startswith("the case cannot be loaded: ").all()
    page = write_report(
        collect_results(plan),
        tmp_path / "report",
        reference="average",
        shown_cases=("1001", "1002"),
    )
    assert "Case 1002 has no images" in page.read_text()


def test_deleted_fused_images_are_made_and_measured_again(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    timed = replace(settings, repetitions=1)
    first = carried_out(timed, tmp_path / "out")
    expected = first.rows.read()
    changed = first.rows.path.read_text().replace("average,1001,1,0,SF,", "average,1001,1,0,SF,9")
    first.rows.path.write_text(changed)
    assert not carried_out(timed, tmp_path / "out").rows.read().equals(expected)
    (first.fused("average") / "1001.png").unlink()
    again = carried_out(timed, tmp_path / "out")
    key = ["method", "case", "metric"]
    pd.testing.assert_frame_equal(
        again.rows.read().sort_values(key, ignore_index=True),
        expected.sort_values(key, ignore_index=True),
    )
    assert len(again.speed.read()) == 6


def test_images_too_small_for_profile_fail_with_reason(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    small = write_pairs(tmp_path / "small", ["5001"], side=24)
    plan = carried_out(replace(settings, pairs=(*settings.pairs, small)), tmp_path / "out")
    failures = plan.failures.read()
    assert set(failures["case"]) == {"5001"}
    assert "profile mfinet2024 needs images of one size, 41 pixels" in failures["message"][0]


def test_external_fused_images_are_measured_with_their_facts(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    first = carried_out(settings, tmp_path / "first")
    external = ExternalMethod(
        "song", str(first.fused("maximum")), "a paper", ("1",), "read from a disk"
    )
    plan = carried_out(replace(settings, external=(external,)), tmp_path / "out")
    rows = plan.rows.read().set_index(["method", "case", "metric"])["value"]
    np.testing.assert_array_equal(rows["song"], rows["maximum"])
    method = collect_results(plan).methods[-1]
    described = replace(settings, external=(replace(external, note=""),))
    assert find_methods(described)[-1].info.note == ""
    assert method.name == "song"
    assert method.development_patients == {"1"}
    assert method.note == "read from a disk"


def test_times_are_taken_so_often_as_asked_and_not_of_files(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    first = carried_out(settings, tmp_path / "first")
    timed = replace(settings, methods=("average", str(first.fused("maximum"))), repetitions=2)
    plan = carried_out(timed, tmp_path / "out")
    speed = plan.speed.read()
    assert speed["method"].tolist() == ["average"] * 6
    assert speed["repetition"].tolist() == [0, 1] * 3
    assert (speed["seconds"] > 0).all()


def test_changed_images_under_old_names_are_noticed(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    carried_out(settings, tmp_path / "out")
    Image.new("L", (SIDE, SIDE), 9).save(pairs / "CT" / "1002.png")
    with pytest.raises(OutputError, match="begun with other cases: 1002; pass --overwrite"):
        make_plan(settings, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"methods": ("averige",)}, InputError, "no method 'averige'; nearest: average"),
        ({"methods": ("average", "average")}, InputError, "two methods are called average"),
        ({"methods": ()}, InputError, "no method to compare"),
        ({"pairs": ()}, NoImageError, "no case to fuse"),
        ({"patients": ("9",)}, NoImageError, "no case to fuse"),
        ({"reference": "dwt"}, InputError, "the reference dwt is not among the methods average"),
        ({"external": (ExternalMethod("", "average"),)}, InputError, "'': not a valid file name"),
        (
            {"external": (ExternalMethod("ct", "average"),)},
            InputError,
            "a method is called ct like a source",
        ),
        ({"profiles": ()}, InputError, "no profile to measure by; name some of mfinet2024"),
        ({"profiles": ("tang", "tang")}, InputError, "profile tang is named twice; name it once"),
        ({"shown_cases": ("1001", "7")}, InputError, "no case 7 to show"),
        (
            {"external": (ExternalMethod("../up", "average"),)},
            InputError,
            "'../up': not a valid file name",
        ),
    ],
)
def test_a_wrong_plan_is_refused(
    settings: BenchmarkSettings, tmp_path: Path, changes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        make_plan(replace(settings, **changes), tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_volume_of_other_slices_or_patient_is_noticed(tmp_path: Path) -> None:
    settings = BenchmarkSettings(phantoms=(7,), methods=("average",), slice_step=16)
    make_plan(settings, tmp_path / "out")
    with pytest.raises(OutputError, match="begun with other settings: every; pass --overwrite"):
        make_plan(replace(settings, slice_step=8), tmp_path / "out")
    plan = json.loads((tmp_path / "out/plan.json").read_text())
    plan["patients"]["phantom-7"] = "somebody"
    (tmp_path / "out/plan.json").write_text(json.dumps(plan))
    with pytest.raises(OutputError, match="begun with other patients: phantom-7; pass --over"):
        make_plan(settings, tmp_path / "out")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"cases": 3}', b"\xff"])
def test_a_damaged_plan_is_refused(
    settings: BenchmarkSettings, tmp_path: Path, content: bytes
) -> None:
    make_plan(settings, tmp_path / "out")
    (tmp_path / "out/plan.json").write_bytes(content)
    with pytest.raises(OutputError, match=r"plan\.json: damaged; pass --overwrite"):
        make_plan(settings, tmp_path / "out")


def test_a_folder_claimed_by_a_crash_alone_may_be_claimed_again(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    (tmp_path / "out/.radfuse-x").mkdir(parents=True)
    (tmp_path / "out/.radfuse-x/plan.json").write_text("{")
    make_plan(settings, tmp_path / "out")
    make_plan(settings, tmp_path / "out", overwrite=True)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".lock", "plan.json"}


def test_neighbouring_folder_does_not_replace_catalogue_method(
    settings: BenchmarkSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = carried_out(settings, tmp_path / "first")
    monkeypatch.chdir(tmp_path / "first/fused")
    assert all(one.folder is None for one in find_methods(settings))
    folder = first.fused("maximum").rename(tmp_path / "run_0.1")
    (from_folder,) = find_methods(BenchmarkSettings(methods=(str(folder),)))
    assert (from_folder.name, from_folder.folder) == ("run_0.1", folder)
    assert from_folder.info.note == UNKNOWN_PATIENTS


def test_full_disk_stops_benchmark_without_blaming_a_method(
    settings: BenchmarkSettings,
    tmp_path: Path,
    full_disk: Callable[[int], AbstractContextManager[None]],
) -> None:
    plan = make_plan(settings, tmp_path / "out")
    with full_disk(100), pytest.raises(OutputError, match="sources: writing failed: File too"):
        run_plan(plan, silent)
    assert plan.failures.read().empty


def test_two_cases_of_one_name_are_refused(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="two cases are called 1001, 1002, 2001; rename"):
        make_plan(replace(settings, pairs=(pairs, pairs)), tmp_path / "out")


def test_a_folder_with_something_else_in_it_is_left_alone(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("irreplaceable")
    with pytest.raises(OutputError, match="contains other files"):
        make_plan(settings, tmp_path / "out")
    words = ["-o", tmp_path / "out", "--pairs", settings.pairs[0], "--overwrite", "--quiet"]
    result = command(*words)
    assert result.exit_code == 2
    assert "not the folder of a benchmark" in result.stderr
    assert (tmp_path / "out" / "thesis.tex").read_text() == "irreplaceable"


def test_the_command_writes_a_report_and_says_where(pairs: Path, tmp_path: Path) -> None:
    words = ["--pairs", pairs, "--method", "average", "--method", "bone_blend", "--quiet"]
    words += ["--profile", "mfinet2024", "--show-case", "1002", "--repetitions", 1, "--json"]
    result = command("-o", tmp_path / "out", *words)
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    page = Path(facts["report"])
    assert page == tmp_path / "out/report/report.html"
    text = page.read_text()
    assert "bone_blend" in text
    assert "mfinet2024" in text
    assert "its two constants were chosen on the Harvard test pairs" in text
    assert facts["cases"] == 3
    assert facts["failures"] == 0
    assert (tmp_path / "out/rows.parquet").is_file()
    parquet = pd.read_parquet(tmp_path / "out/rows.parquet")
    assert len(parquet) == facts["rows"] == 2 * 3 * 4
    assert set(parquet["patient"]) == {"1", "2"}


def test_a_report_shows_three_cases_unless_others_are_named(pairs: Path, tmp_path: Path) -> None:
    words = ["--pairs", pairs, "--method", "average", "--profile", "mfinet2024", "--quiet"]
    for name, more, shown in (("three", [], 3), ("one", ["--show-case", "1002"], 1)):
        result = command("-o", tmp_path / name, *words, *more)
        assert result.exit_code == 0, result.output
        report = (tmp_path / name / "report/report.md").read_text()
        assert report.count(" of patient ") == shown


def test_overwriting_begins_anew(settings: BenchmarkSettings, pairs: Path, tmp_path: Path) -> None:
    words = ["-o", tmp_path / "out", "--pairs", pairs, "--method", "average", "--quiet"]
    words += ["--profile", "mfinet2024"]
    assert command(*words).exit_code == 0
    shutil.copy(pairs / "CT" / "1001.png", pairs / "CT" / "1002.png")
    assert "pass --overwrite" in command(*words).stderr
    assert command(*words, "--overwrite").exit_code == 0


def test_a_phantom_has_a_lesion_and_neighbouring_slices(tmp_path: Path) -> None:
    settings = BenchmarkSettings(
        phantoms=(7,), phantom_spacing_mm=3.0, slice_step=16, methods=("copy_mr", "average"),
        profiles=("radfuse1",),
    )  # fmt: skip
    plan = carried_out(settings, tmp_path / "out")
    values = plan.rows.read().set_index(["method", "metric"])["value"]
    assert values["copy_mr", "flicker"].item() == 0
    np.testing.assert_allclose(values["copy_mr", "lesion"].item(), 1, atol=0.05)
    assert values["average", "lesion"].item() < 0.8
    assert len(values["average", "bone"]) > 1
    slices = plan.rows.read().query("method == 'average'").groupby("metric")["slice"].nunique()
    assert slices["flicker"] == slices["lesion"] == 1
    levels = read_sources(plan.sources("phantom-7"))
    fused = read_fused(plan.fused("average") / "phantom-7.npy")
    rows = plan.rows.read().query("method == 'average' and metric == 'MI'")
    for index, value in zip(rows["slice"], rows["value"], strict=True):
        images = [one[index] * levels.fov_mask[index] for one in (fused, levels.ct, levels.mr)]
        assert value == measure("radfuse1", *images, metrics=["MI"])["MI"]
    results = collect_results(plan)
    np.testing.assert_allclose(results.bone_level("phantom-7"), 0.3 * 255)
    shapes = {results.middle_slice("phantom-7", who).shape for who in ("ct", "mr", "average")}
    assert len(shapes) == 1
    assert shapes.pop()[0] > 40


def test_patient_volumes_use_the_given_transform(phantom: Phantom, tmp_path: Path) -> None:
    write_volume(tmp_path / "ct.nii.gz", phantom.ct.image)
    write_volume(tmp_path / "mr.nii.gz", phantom.mr.image)
    write_transform(tmp_path / "truth.tfm", phantom.mr_from_ct)
    (tmp_path / "mine.toml").write_text(
        'methods = ["maximum"]\nprofiles = ["mfinet2024"]\nslice_step = 20\n'
        '[[volumes]]\nname = "head"\nct = "ct.nii.gz"\nmr = "mr.nii.gz"\n'
        'transform = "truth.tfm"\npatient = "p1"\n'
    )
    settings = read_benchmark_settings(tmp_path / "mine.toml")
    assert settings.volumes == (
        Volume(
            "head", tmp_path / "ct.nii.gz", tmp_path / "mr.nii.gz", "p1", tmp_path / "truth.tfm"
        ),
    )
    of_files = find_cases(settings)[0].load()
    of_phantom = find_cases(BenchmarkSettings(phantoms=(7,), phantom_spacing_mm=3.0))[0].load()
    np.testing.assert_allclose(of_files.ct, of_phantom.ct, atol=1e-5)
    np.testing.assert_allclose(of_files.mr, of_phantom.mr, atol=1e-4)


def test_volumes_of_two_patients_need_acceptance(tmp_path: Path) -> None:
    ct, mr = write_phantom(make_phantom(7, spacing_mm=6.0), tmp_path)
    change_all(mr, put("PatientID", "another"))
    volume = Volume("head", ct, mr)
    with pytest.raises(InputError, match=r"'head' are of different patients .* accept_patients"):
        find_cases(BenchmarkSettings(volumes=(volume,)))
    accepted = replace(volume, accept_patients=True)
    assert [case.name for case in find_cases(BenchmarkSettings(volumes=(accepted,)))] == ["head"]


def test_acceptance_of_patients_resumes_a_folder(tmp_path: Path) -> None:
    """Volumes had no such setting before; the digests of a folder do not depend on it."""
    ct, mr = write_phantom(make_phantom(7, spacing_mm=6.0), tmp_path / "head")
    volume = Volume("head", ct, mr)
    plans = [
        make_plan(BenchmarkSettings(volumes=(one,), methods=("average",)), tmp_path / "out")
        for one in (volume, replace(volume, accept_patients=True))
    ]
    assert plans[0].digests() == plans[1].digests()


def test_nothing_measured_is_said_in_a_line(settings: BenchmarkSettings, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    plan = carried_out(replace(settings, methods=(str(broken),)), tmp_path / "out")
    with pytest.raises(NoImageError, match=r"nothing could be measured; failures\.csv says"):
        collect_results(plan)


def test_an_unknown_setting_or_profile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('profiles = ["song"]\n')
    with pytest.raises(InputError, match="no profile 'song'"):
        read_benchmark_settings(path)
    path.write_text('method = ["average"]\n')
    with pytest.raises(InputError, match=r"mine\.toml: unknown settings \['method'\]; known are"):
        read_benchmark_settings(path)


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_every_shipped_benchmark_finds_its_cases_and_methods(shared: Path, path: Path) -> None:
    settings = read_benchmark_settings(path)
    names = {method.name for method in find_methods(settings)}
    cases = {case.name for case in find_cases(settings)}
    assert settings.reference in names
    assert set(settings.shown_cases or ()) <= cases


def test_options_go_to_the_methods_that_declare_them(pairs: Path, tmp_path: Path) -> None:
    settings = BenchmarkSettings(
        pairs=(pairs,), methods=("bone_over_mr", "copy_mr"), options={"bone_level": 1},
        external=(ExternalMethod("low", "bone_over_mr", options={"bone_level": 0.1}),),
        profiles=("mfinet2024",),
    )  # fmt: skip
    plan = carried_out(settings, tmp_path / "out")
    fused = {one.name: read_fused(plan.fused(one.name) / "1001.png") for one in plan.methods}
    np.testing.assert_array_equal(fused["bone_over_mr"], fused["copy_mr"])
    assert (fused["low"] != fused["copy_mr"]).any()
    with pytest.raises(InputError, match="no method here has an option bone"):
        find_methods(replace(settings, options={"bone": 1}))


def test_the_methods_of_the_catalogue_say_whom_they_have_seen() -> None:
    of = {one.name: one.info for one in find_methods(BenchmarkSettings(methods=tuple(METHODS)))}
    assert of["maximum"].development_patients == set()
    assert of["bone_blend"].development_patients == set(HARVARD_PATIENTS)
    assert of["res2fusion"].development_patients == set(HARVARD_PATIENTS) - {"harvard:16"}
    assert of["res2fusion"].note == "validated on patient harvard:16"
