"""Benchmarks of PET-MR and SPECT-MR pairs: grey, Y and colour, and patients as they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from radfuse.benchmark.functional.fuse import read_fused_in_colour
from radfuse.benchmark.functional.measure import check_profile, luma
from radfuse.benchmark.load_cases import find_cases
from radfuse.benchmark.report.functional_notes import copy_of_mr
from radfuse.benchmark.report.sections import report_sections
from radfuse.benchmark.results import Results
from radfuse.benchmark.run.collect import collect_results
from radfuse.benchmark.run.methods import find_methods
from radfuse.benchmark.run.plan import make_plan
from radfuse.benchmark.run.runner import run
from radfuse.benchmark.settings import (
    BenchmarkSettings,
    ExternalMethod,
    FunctionalPairs,
    read_benchmark_settings,
)
from radfuse.benchmark.statistics.analysis import analyse
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.errors import InputError, OutputError
from radfuse.io.images import read_grey
from radfuse.metrics.measure import measure

CONFIGS = Path(__file__).parents[2] / "configs"
SIDE = 48
PROFILES = ("mfinet2024-grey", "mfinet2024-y", "colour1")
PAIRS = FunctionalPairs("PET", "atlas-pet")

ANCHORS = {
    ("PET", "average"): (4.291, 18.80, 0.710, 0.430),
    ("PET", "maximum"): (5.218, 34.06, 0.857, 0.745),
    ("PET", "copy_functional"): (3.479, 13.20, 1.019, 0.243),
    ("PET", "copy_mr"): (5.018, 34.53, 1.048, 0.795),
    ("SPECT", "average"): (3.862, 11.71, 0.540, 0.389),
    ("SPECT", "maximum"): (5.083, 19.72, 0.679, 0.660),
    ("SPECT", "copy_functional"): (4.235, 7.21, 1.027, 0.253),
    ("SPECT", "copy_mr"): (4.631, 22.10, 1.042, 0.772),
}
"""MI, SF, VIF and Qabf of grey by Pillow's luma, over the 24 test pairs; of another program."""


def silent(stage: str, share: float | None) -> None:
    """Report nothing."""


def rgb_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def write_pairs(folder: Path) -> Path:
    rng = np.random.default_rng(3)
    for kind in ("PET", "MRI"):
        (folder / kind).mkdir(parents=True)
    for name in ("25001", "25002", "30001"):
        uptake = np.clip(gaussian_filter(rng.random((SIDE, SIDE)), 4) * 8 - 3.5, 0, 1)
        mr = rng.integers(0, 255, (SIDE // 4, SIDE // 4), np.uint8).repeat(4, 0).repeat(4, 1)
        printed = np.rint(255 * COLOUR_MAPS["atlas-pet"].colours(uptake.astype(np.float32)))
        Image.fromarray(printed.astype(np.uint8)).save(folder / "PET" / f"{name}.png")
        Image.fromarray(mr).save(folder / "MRI" / f"{name}.png")
    return folder


def settings_of(pairs: Path) -> BenchmarkSettings:
    return BenchmarkSettings(
        pairs=(pairs,), functional=PAIRS, profiles=PROFILES, data_set="pet",
        methods=("average", "copy_mr", "uptake_over_mr"),
        external=(ExternalMethod("copy_functional", "copy_ct"),),
    )  # fmt: skip


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs")


@pytest.fixture
def settings(pairs: Path) -> BenchmarkSettings:
    return settings_of(pairs)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The metrics that a report compares, also of a network."""
    folder = tmp_path_factory.mktemp("measured")
    asked = settings_of(write_pairs(folder / "pairs"))
    results = carried_out(replace(asked, methods=(*asked.methods, "densefuse")), folder / "out")
    few = tuple(one for one in results.metrics if one.name in {"VIF", "Qabf", "error"})
    return replace(results, metrics=few)


def carried_out(settings: BenchmarkSettings, folder: Path) -> Results:
    plan = make_plan(settings, folder)
    run(plan, silent)
    return collect_results(plan)


def means(results: Results) -> dict[tuple[str, str, str], float]:
    keys = ["method", "profile", "metric"]
    return dict(results.rows.groupby(keys)["value"].mean())


def test_grey_is_fused_luma_and_y_that_of_the_image_in_colour(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    rows = carried_out(settings, tmp_path / "out").rows
    functional, mr = luma(rgb_of(pairs / "PET/25001.png")), read_grey(pairs / "MRI/25001.png")
    folder = tmp_path / "out/fused/average"
    grey = read_grey(folder / "25001.grey.png")
    np.testing.assert_allclose(grey, (functional / 2.0 + mr / 2.0), atol=0.51)
    stored = {"grey": grey, "y": luma(rgb_of(folder / "25001.png"))}
    for version, fused in stored.items():
        own = rows.query(
            f"profile == 'mfinet2024-{version}' and method == 'average' and case == '25001'"
        )
        wanted = measure("mfinet2024", fused, functional, mr)
        assert dict(zip(own["metric"], own["value"], strict=True)) == wanted


def test_copies_show_what_metrics_reward(settings: BenchmarkSettings, tmp_path: Path) -> None:
    values = means(carried_out(settings, tmp_path / "out"))
    assert values["copy_mr", "colour1", "error"] == 1
    assert values["copy_mr", "colour1", "correlation"] == 0
    assert values["copy_mr", "colour1", "MR edges"] > 0.9
    assert values["copy_functional", "colour1", "error"] < 0.01
    assert values["copy_functional", "colour1", "CIEDE2000"] < 0.3
    assert values["uptake_over_mr", "colour1", "error"] < values["average", "colour1", "error"]
    rgb = rgb_of(tmp_path / "out/fused/copy_mr/25001.png")
    assert np.ptp(rgb, axis=-1).max() == 0


def texts(results: Results) -> str:
    columns = analyse(results, "average", rng=np.random.default_rng(1))
    sections = report_sections(results, columns, "average", ())
    return " ".join(
        text
        for section in sections
        for block in section.blocks
        for text in (getattr(block, "text", ""), getattr(block, "caption", ""),
                     *getattr(block, "notes", ()))
    )  # fmt: skip


def test_patients_are_the_persons_of_the_settings(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    persons = {"25": "head", "30": "harvard:21"}
    plan = make_plan(replace(settings, functional=replace(PAIRS, persons=persons)), tmp_path / "o")
    assert [case.patient for case in plan.cases] == ["pet:head", "pet:head", "harvard:21"]


def test_development_patients_may_be_of_another_data_set(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    mine = ExternalMethod("mine", "average", development_patients=("25", "harvard:21"))
    plan = make_plan(replace(settings, external=(mine,)), tmp_path / "out")
    assert plan.methods[-1].info.development_patients == {"pet:25", "harvard:21"}


@pytest.mark.parametrize(
    ("data_set", "numbers", "persons"),
    [
        ("harvard-pet", ["25", "30"], {"25": "head", "30": "head"}),
        ("harvard-spect", ["3", "40"], {}),
        ("harvard-spect", ["21", "28"], {"21": "harvard:21", "28": "harvard:28"}),
        ("harvard", ["21", "28"], {}),
    ],
)
def test_uptake_over_mr_is_marked_on_patients_it_knows(
    pairs: Path, data_set: str, numbers: list[str], persons: dict[str, str]
) -> None:
    for path in [*pairs.glob("*/25*.png"), *pairs.glob("*/30*.png")]:
        number = numbers[path.name.startswith("30")]
        path.rename(path.with_name(f"{number}{path.name[2:]}"))
    how = replace(PAIRS, persons=persons)
    asked = replace(settings_of(pairs), data_set=data_set, functional=how)
    own, known = cases_and_patients(asked)
    assert own <= known


@pytest.mark.parametrize("images", ["PET", "SPECT"])
def test_uptake_over_mr_knows_every_harvard_patient(images: str, shared: Path) -> None:
    settings = read_benchmark_settings(CONFIGS / f"harvard-{images.lower()}.toml")
    train = shared / f"data/harvard_{images.lower()}/train"
    if not train.is_dir():
        pytest.skip(f"{train} is missing")
    for pairs in (*settings.pairs, train):
        own, known = cases_and_patients(replace(settings, pairs=(pairs,)))
        assert own <= known
    of_set = {one for one in known if one.startswith(settings.data_set + ":")}
    assert of_set <= own


def cases_and_patients(settings: BenchmarkSettings) -> tuple[set[str], frozenset[str]]:
    """Patients of a benchmark, and those that uptake_over_mr was developed on."""
    (method,) = find_methods(
        replace(settings, methods=("uptake_over_mr",), external=(), installed=())
    )
    return {case.patient for case in find_cases(settings)}, method.info.development_patients


def test_one_head_has_no_interval_test_or_rank(measured: Results) -> None:
    one_head = replace(
        measured,
        rows=measured.rows.assign(patient="head"),
        functional=replace(PAIRS, note="Slices of one volume."),
    )
    report = texts(one_head)
    assert "3 cases of 1 patient." in report
    assert "All cases are of one patient." in report
    assert "One patient: its slices are not independent" in report
    assert "Slices of one volume." in report
    for absent in ("interval of the mean", "differences to", "mean rank", "Comparisons"):
        assert absent not in report


def test_several_patients_have_intervals_over_patients(measured: Results) -> None:
    report = texts(measured)
    assert "[95 % interval of the mean] over 3 cases of 2 patients" in report
    assert "All cases are of one patient" not in report


def test_the_copy_of_the_mr_is_named_only_where_it_is_first(measured: Results) -> None:
    of_network = measured.rows["method"] == "densefuse"

    def note(**values: float) -> str:
        rows = measured.rows.copy()
        for name, value in values.items():
            rows.loc[of_network & (rows["metric"] == name), "value"] = value
        results = replace(measured, rows=rows)
        columns = analyse(results, "average", rng=np.random.default_rng(1))
        return " ".join(copy_of_mr(results, columns, "mfinet2024-grey"))

    both = note(VIF=0.5, Qabf=0.25)
    assert "The plain copy of the MR, copy_mr, is before every network here in VIF (" in both
    assert "the best network has 0.500 of densefuse) and Qabf (" in both
    assert "keeps no uptake: 1.00 of it is in error" in both
    assert "VIF" not in note(VIF=9, Qabf=0.25)
    assert note(VIF=9, Qabf=9) == ""


def test_a_finished_benchmark_is_not_fused_again(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    first = carried_out(settings, tmp_path / "out")
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/fused").rglob("*.png")}
    assert len(times) == 4 * 3 * 2
    again = carried_out(settings, tmp_path / "out")
    assert means(again) == means(first)
    assert times == {path: path.stat().st_mtime_ns for path in times}
    other = replace(settings, functional=replace(PAIRS, colour_space="hsv"))
    with pytest.raises(OutputError, match="begun with other cases"):
        make_plan(other, tmp_path / "out")


def test_images_by_others_are_measured_in_colour_or_grey(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    grey = tmp_path / "grey"
    grey.mkdir()
    for path in (pairs / "MRI").glob("*.png"):
        Image.open(path).save(grey / path.name)
    Image.new("L", (9, 9)).save(grey / "30001.png")
    methods = (str(pairs / "PET"), str(grey))
    others = replace(settings, methods=methods, external=())
    for _ in range(2):
        results = carried_out(others, tmp_path / "out")
        values = means(results)
        assert values["PET", "colour1", "error"] == 0
        assert values["grey", "colour1", "error"] == 1
        assert "(9, 9), but the case is (48, 48)" in results.failures["message"][0]
        assert len(results.failures) == 1


def test_grey_pet_gets_the_colours_of_the_map(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    uptake = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (SIDE, 1))
    for path in (pairs / "PET").glob("*.png"):
        Image.fromarray(uptake).save(path)
    values = means(carried_out(replace(settings, methods=("average",)), tmp_path / "out"))
    assert values["copy_functional", "colour1", "correlation"] > 0.999


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"profiles": ("radfuse1",)}, "no profile 'radfuse1' of PET and SPECT; there are colour1"),
        ({"profiles": ("song-y",)}, "no profile 'song-y' of PET"),
        ({"phantoms": (7,)}, "a benchmark of PET or SPECT has no phantoms"),
        ({"shown_cases": ("25001",)}, "a benchmark of PET or SPECT has no shown_cases"),
        ({"functional": replace(PAIRS, images="SPECT")}, "no SPECT/*.png; give a folder with"),
    ],
)
def test_what_is_of_ct_is_refused(
    settings: BenchmarkSettings, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        make_plan(replace(settings, **changes), tmp_path / "out")
    assert message in str(caught.value)


def test_profiles_of_pet_are_not_those_of_ct(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no profile 'colour1'"):
        check_profile("colour1", functional=False)
    path = tmp_path / "mine.toml"
    path.write_text('profiles = ["radfuse1"]\n[functional]\nimages = "PET"\ncolour_map = "hot"\n')
    with pytest.raises(InputError, match="no profile 'radfuse1' of PET and SPECT"):
        read_benchmark_settings(path)


def test_two_sizes_are_a_failure_of_the_case(
    settings: BenchmarkSettings, pairs: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (SIDE, SIDE - 1)).save(pairs / "PET/25002.png")
    failures = carried_out(settings, tmp_path / "out").failures
    assert set(failures["case"]) == {"25002"}
    assert "(47, 48) in PET/ and (48, 48) in MRI/" in failures["message"][0]


def test_stored_images_are_read_as_they_were_written(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    carried_out(replace(settings, methods=("maximum",)), tmp_path / "out")
    fused = read_fused_in_colour(tmp_path / "out/fused/maximum/25001.png")
    assert (fused.shape, fused.dtype) == ((1, SIDE, SIDE, 4), np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("images", ["PET", "SPECT"])
def test_harvard_pairs_have_the_values_of_another_program(
    images: str, shared: Path, tmp_path: Path
) -> None:
    settings = read_benchmark_settings(CONFIGS / f"harvard-{images.lower()}.toml")
    if not settings.pairs[0].is_dir():
        pytest.skip(f"{settings.pairs[0]} is missing")
    few = replace(
        settings, methods=("average", "maximum", "copy_mr"), installed=(),
        external=settings.external[:1], reference="", profiles=("mfinet2024-grey",),
    )  # fmt: skip
    values = means(carried_out(few, tmp_path / "out"))
    for (of, method), wanted in ANCHORS.items():
        if of == images:
            names = zip(("MI", "SF", "VIF", "Qabf"), wanted, (5e-4, 5e-3, 5e-4, 5e-4), strict=True)
            for name, value, tolerance in names:
                found = values[method, "mfinet2024-grey", name]
                np.testing.assert_allclose(found, value, rtol=0, atol=tolerance)
