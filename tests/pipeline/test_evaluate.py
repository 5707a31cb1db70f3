"""Measuring fused images from files: what is matched with what, scaled how, refused why."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner, Result
from PIL import Image

import radfuse
from radfuse.arrays import UInt8Array
from radfuse.cli import main
from radfuse.intensity import BONE_HU, WINDOWS, grey_levels
from radfuse.io.volumes import write_volume
from radfuse.metrics.measure import measure, measure_volume
from radfuse.metrics.profiles import columns_of
from radfuse.metrics.qabf import labf
from radfuse.metrics.region_fidelity import bone_fidelity
from radfuse.phantom.head import Phantom
from radfuse.pipeline.result import Result as Fusion
from radfuse.pipeline.volume import ScaledPair, scale_volumes
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform

PROFILE = "mfinet2024"
SIDE = 48

PUBLISHED = {
    "csf_swap": "2.732 18.314 0.368 0.345",
    "densefuse_tf_1e2_addition_notranspose": "3.362 18.526 0.404 0.329",
    "pmgi_irvis_swap": "2.656 17.577 0.389 0.304",
    "sdnet_irvis_swap": "2.562 26.746 0.357 0.480",
    "stdfusionnet_LT_swap_ep29": "3.254 25.969 0.479 0.458",
    "u2fusion_swap": "2.585 23.313 0.337 0.458",
}
"""Rows of Table 1 of Song et al. 2024 that the authors' own networks reproduce: MI SF VIF Qabf."""


def run(*arguments: object) -> Result:
    words = ["evaluate", "--profile", PROFILE, *(str(argument) for argument in arguments)]
    return CliRunner().invoke(main, words)


def noise(seed: int, shape: tuple[int, int] = (SIDE, SIDE)) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path: Path, levels: UInt8Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """Options that name folders with two cases."""
    for number, kind in enumerate(("fused", "ct", "mr")):
        for case in (0, 1):
            save(tmp_path / kind / f"case{case}.png", noise(10 * number + case))
    return [f"--{kind}={tmp_path / kind}" for kind in ("fused", "ct", "mr")]


@pytest.fixture(scope="module")
def fused_phantom(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fused volume, its record and transform, and the sources as volumes."""
    folder = tmp_path_factory.mktemp("volume")
    write_volume(folder / "ct.nii.gz", phantom.ct.image)
    write_volume(folder / "mr.nii.gz", phantom.mr.image)
    write_transform(folder / "truth.tfm", phantom.mr_from_ct)
    recipe = Recipe(
        method="maximum", transform=folder / "truth.tfm", window="bone", accept_registration=True
    )
    radfuse.fuse(folder / "ct.nii.gz", folder / "mr.nii.gz", folder / "f.nii.gz", recipe=recipe)
    return folder


def of_volume(folder: Path, *more: object, fused: str = "f.nii.gz") -> Result:
    sources = ["--ct", folder / "ct.nii.gz", "--mr", folder / "mr.nii.gz"]
    return run("--fused", folder / fused, *sources, "--every", 8, "--json", "--quiet", *more)


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(one, marks=() if one.startswith("densefuse") else pytest.mark.slow)
        for one in PUBLISHED
    ],
)
def test_published_table_row_is_reproduced_to_every_digit(shared: Path, folder: str) -> None:
    fused, sources = shared / "golden/nets" / folder / "png", shared / "data/harvard/test"
    result = run("--fused", fused, "--ct", sources / "CT", "--mr", sources / "MRI", "--json")
    means = json.loads(result.stdout)["mean"].values()
    assert " ".join(f"{value:.3f}" for value in means) == PUBLISHED[folder]


def test_three_pictures_give_the_values_of_the_profile(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{seed}.png", noise(seed)) for seed in (1, 2, 3)]
    result = run("--fused", paths[0], "--ct", paths[1], "--mr", paths[2], "--json", "--quiet")
    facts = json.loads(result.stdout)
    expected = measure(PROFILE, noise(1), noise(2), noise(3))
    assert facts["profile"] == PROFILE
    assert facts["images"] == {"1": expected}
    assert facts["mean"] == expected
    assert set(facts["standard_deviation"].values()) == {0.0}


def test_folders_are_matched_by_name_and_give_mean_and_deviation(folders: list[str]) -> None:
    facts = json.loads(run(*folders, "--json").stdout)
    rows = [measure(PROFILE, noise(case), noise(10 + case), noise(20 + case)) for case in (0, 1)]
    assert facts["images"] == dict(zip(("case0", "case1"), rows, strict=True))
    for name in columns_of(PROFILE):
        both = [row[name] for row in rows]
        np.testing.assert_allclose(facts["mean"][name], np.mean(both))
        np.testing.assert_allclose(facts["standard_deviation"][name], np.std(both, ddof=1))


@pytest.mark.parametrize("name", ["volume", "mean", "SD"])
def test_an_image_of_any_name_counts_in_the_mean(folders: list[str], name: str) -> None:
    before = json.loads(run(*folders, "--json").stdout)["mean"]
    for option in folders:
        image = Path(option.partition("=")[2], "case1.png")
        image.rename(image.with_stem(name))
    facts = json.loads(run(*folders, "--json").stdout)
    assert set(facts["images"]) == {"case0", name}
    assert facts["mean"] == pytest.approx(before)


def test_images_without_a_fused_image_are_named(folders: list[str]) -> None:
    Path(folders[0].partition("=")[2], "case1.png").unlink()
    refused = run(*folders, "--json")
    assert refused.exit_code == 2
    missing = [f"1 {role} image has no fused image: case1" for role in ("CT", "MR")]
    ways_out = "fuse them, or pass --skip-unmatched"
    assert refused.stderr.splitlines()[-1] == f"radfuse: {'; '.join((*missing, ways_out))}"
    facts = json.loads(run(*folders, "--skip-unmatched", "--json").stdout)
    assert list(facts["images"]) == ["case0"]
    assert facts["unmatched"] == {"ct": ["case1"], "mr": ["case1"]}
    lines = run(*folders, "--skip-unmatched", "--quiet").stdout.splitlines()
    assert lines[-2:] == [f"note: {one}" for one in missing]


def test_the_table_names_its_profile_and_where_better_lies(folders: list[str]) -> None:
    lines = run(*folders, "--quiet").stdout.splitlines()
    assert lines[0] == f"profile {PROFILE}"
    assert "MI ↑" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == ["case0", "case1", "mean", "SD"]


def test_chosen_metrics_go_into_a_table_in_a_file(folders: list[str], tmp_path: Path) -> None:
    out = tmp_path / "new" / "values.csv"
    assert run(*folders, "--metric", "SF", "--metric", "MI", "--csv", out).exit_code == 0
    head, first, second = out.read_text().splitlines()
    assert head == "profile,image,MI,SF"
    assert first.startswith(f"{PROFILE},case0,")
    assert float(second.split(",")[2]) == measure(PROFILE, noise(1), noise(11), noise(21))["MI"]
    again = run(*folders, "--csv", out)
    assert again.exit_code == 2
    assert "exists; pass --overwrite" in again.stderr
    assert run(*folders, "--csv", out, "--overwrite").exit_code == 0


def test_a_metric_without_a_column_is_measured_by_its_name(folders: list[str]) -> None:
    facts = json.loads(run(*folders, "--metric", "labf", "--metric", "MI", "--json").stdout)
    images = noise(0), noise(10), noise(20)
    assert facts["images"]["case0"] == {
        "MI": measure(PROFILE, *images)["MI"], "labf": labf(*images),
    }  # fmt: skip
    assert "labf ↓" in run(*folders, "--metric", "labf", "--quiet").stdout


def test_2d_images_are_matched_by_name_in_any_format(tmp_path: Path) -> None:
    for kind, suffix in (("fused", "png"), ("ct", "tif"), ("mr", "png")):
        save(tmp_path / kind / f"a.{suffix}", noise(4))
    result = run(*(f"--{kind}={tmp_path / kind}" for kind in ("fused", "ct", "mr")), "--json")
    assert list(json.loads(result.stdout)["images"]) == ["a"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda at: (at / "mr/case1.png").unlink(), "fused are missing: case1"),
        (lambda at: save(at / "ct/case0.tif", noise(3)), "have the same name; keep one of them"),
        (lambda at: save(at / "ct/case1.png", noise(3, (50, SIDE))), "case1.png is 48x50"),
        (lambda at: [p.unlink() for p in (at / "fused").iterdir()], "fused: no DICOM images"),
        (lambda at: (at / "ct/case0.png").write_bytes(b"no picture"), "not a readable PNG"),
    ],
)
def test_folders_that_do_not_match_are_refused_in_a_line(
    folders: list[str], tmp_path: Path, damage, message: str
) -> None:
    damage(tmp_path)
    result = run(*folders, "--quiet")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fused", "nowhere.png"], "nowhere.png: no such file or folder"),
        (["--metric", "MI", "--metric", "x"], f"'x' is neither a column of profile {PROFILE} (MI,"),
        (["--profile", "song"], "'song' is not one of"),
    ],
)
def test_a_wrong_option_is_refused_by_name(
    folders: list[str], options: list[str], message: str
) -> None:
    result = run(*folders, *options, "--quiet")
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_file_among_folders_is_refused(folders: list[str], tmp_path: Path) -> None:
    result = run(*folders[:2], "--mr", tmp_path / "mr/case0.png", "--quiet")
    assert "is a file, not a folder; give three files or three folders" in result.stderr


def test_images_too_small_for_profile_name_the_minimum_size(tmp_path: Path) -> None:
    small = save(tmp_path / "small.png", noise(1, (30, 30)))
    result = run("--fused", small, "--ct", small, "--mr", small, "--quiet")
    assert "41 pixels a side or more" in result.stderr


def scaled_as(result: Fusion) -> ScaledPair:
    """CT and MR as a fusion in the bone window scaled them."""
    assert result.alignment is not None
    return scale_volumes(result.ct, result.mr, result.alignment.mr_from_ct, WINDOWS["bone"])


def test_a_volume_is_measured_as_the_fusion_scaled_it(fused_phantom: Path) -> None:
    facts = json.loads(of_volume(fused_phantom).stdout)
    recipe = Recipe(
        method="maximum", transform=fused_phantom / "truth.tfm", window="bone",
        accept_registration=True,
    )  # fmt: skip
    again = radfuse.fuse(fused_phantom / "ct.nii.gz", fused_phantom / "mr.nii.gz", recipe=recipe)
    scaled = scaled_as(again)
    stored = sitk.GetArrayFromImage(again.image)[scaled.box] / np.float32(4095)
    levels = [
        np.asarray(grey_levels(values), np.uint8) for values in (stored, scaled.ct, scaled.mr)
    ]
    expected = measure_volume(PROFILE, *levels, fov_mask=scaled.fov_mask, every=8)
    first = scaled.box[0].start
    slices = {f"slice {first + index}": values for index, values in expected.slices.items()}
    assert facts["images"] == {**slices, "volume": expected.whole}


def test_a_volume_without_a_record_asks_for_what_it_needs(
    fused_phantom: Path, tmp_path: Path
) -> None:
    for name in ("f.nii.gz", "ct.nii.gz", "mr.nii.gz", "truth.tfm"):
        (tmp_path / name).write_bytes((fused_phantom / name).read_bytes())
    assert "pass the CT window, --window-preset" in of_volume(tmp_path).stderr
    window = ["--window-preset", "bone"]
    assert "pass --white" in of_volume(tmp_path, *window).stderr
    white = [*window, "--white", 4095]
    assert "pass --transform" in of_volume(tmp_path, *white).stderr
    found = of_volume(tmp_path, *white, "--transform", tmp_path / "truth.tfm")
    assert json.loads(found.stdout) == json.loads(of_volume(fused_phantom).stdout)


def test_white_below_the_values_is_refused(fused_phantom: Path) -> None:
    result = of_volume(fused_phantom, "--white", 1000)
    assert result.exit_code == 2
    assert "does not fit white = 1000; pass --white" in result.stderr


def test_a_fused_volume_on_another_grid_is_refused(fused_phantom: Path) -> None:
    result = of_volume(fused_phantom, fused="mr.nii.gz")
    assert result.exit_code == 2
    assert "resample the fused volume to the CT's grid" in result.stderr


def test_an_invalid_record_is_refused(fused_phantom: Path, tmp_path: Path) -> None:
    for path in fused_phantom.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "f.json").write_text("{}")
    assert "f.json: not a record of a fusion" in of_volume(tmp_path).stderr


def test_an_mr_on_the_grid_of_the_ct_needs_no_transform(
    fused_phantom: Path, phantom: Phantom, tmp_path: Path
) -> None:
    moved = sitk.Resample(phantom.mr.image, phantom.ct.image, phantom.mr_from_ct)
    write_volume(tmp_path / "mr.nii.gz", moved)
    for name in ("f.nii.gz", "ct.nii.gz"):
        (tmp_path / name).write_bytes((fused_phantom / name).read_bytes())
    result = of_volume(tmp_path, "--window-preset", "bone", "--white", 4095)
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("white", ["nan", "inf", "1e40"])
def test_white_far_above_the_values_is_refused(fused_phantom: Path, white: str) -> None:
    result = of_volume(fused_phantom, "--white", white)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert "--white" in result.stderr


def test_a_metric_for_volumes_alone_is_refused(folders: list[str]) -> None:
    result = run(
        *folders, "--profile", "radfuse1", "--metric", "flicker", "--metric", "MI", "--quiet"
    )
    assert result.exit_code == 2
    assert "flicker: needs a volume or a lesion mask" in result.stderr


def test_a_table_never_replaces_an_image_or_a_folder(folders: list[str], tmp_path: Path) -> None:
    image = tmp_path / "fused" / "case0.png"
    before = image.read_bytes()
    for path in (image, tmp_path / "fused" / "values.csv"):
        result = run(*folders, "--csv", path, "--overwrite", "--quiet")
        assert "would replace an image; give another file" in result.stderr
    assert "is a folder; give a file" in run(*folders, "--csv", tmp_path, "--quiet").stderr
    assert image.read_bytes() == before


def test_two_ct_windows_are_rejected(fused_phantom: Path) -> None:
    result = of_volume(fused_phantom, "--window", 80, 40, "--window-preset", "bone")
    assert "give --window or --window-preset, not both" in result.stderr


def test_the_mean_of_slices_excludes_the_whole_volume(fused_phantom: Path) -> None:
    facts = json.loads(of_volume(fused_phantom).stdout)
    slices = [row["MI"] for name, row in facts["images"].items() if name != "volume"]
    np.testing.assert_allclose(facts["mean"]["MI"], np.mean(slices))


def test_a_device_file_is_refused() -> None:
    result = run("--fused", "/dev/null", "--ct", "/dev/null", "--mr", "/dev/null", "--quiet")
    assert "/dev/null: no such file or folder" in result.stderr


def test_a_volume_with_dots_in_its_name_finds_its_record(
    fused_phantom: Path, tmp_path: Path
) -> None:
    for path in fused_phantom.iterdir():
        name = path.name.replace("f.", "pat.1.", 1) if path.name.startswith("f.") else path.name
        name = name.replace("f_", "pat.1_", 1) if name.startswith("f_") else name
        (tmp_path / name).write_bytes(path.read_bytes())
    result = of_volume(tmp_path, fused="pat.1.nii.gz")
    assert json.loads(result.stdout) == json.loads(of_volume(fused_phantom).stdout)


def test_bone_of_a_volume_is_what_its_window_shows_as_bone(
    fused_phantom: Path, phantom: Phantom
) -> None:
    facts = json.loads(of_volume(fused_phantom, "--profile", "radfuse1", "--metric", "bone").stdout)
    recipe = Recipe(
        method="maximum", transform=fused_phantom / "truth.tfm", window="bone",
        accept_registration=True,
    )  # fmt: skip
    again = radfuse.fuse(phantom.ct, phantom.mr, recipe=recipe)
    scaled = scaled_as(again)
    stored = sitk.GetArrayFromImage(again.image)[scaled.box] / np.float32(4095)
    index = len(scaled.ct) // 16 * 8
    levels = [
        np.asarray(grey_levels(values[index]), np.uint8)
        for values in (stored, scaled.ct, scaled.mr)
    ]
    found = facts["images"][f"slice {scaled.box[0].start + index}"]["bone"]
    level = WINDOWS["bone"].threshold(BONE_HU) * 255
    np.testing.assert_allclose(found, bone_fidelity(*levels, bone_level=level), atol=2e-3)
    assert abs(found - bone_fidelity(*levels)) > 1e-3
