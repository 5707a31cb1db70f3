"""The command line: what it prints, where, and with which exit status."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from cli_kit import run
from click.testing import Result
from PIL import Image

from radfuse.arrays import image_on
from radfuse.cli import COMMANDS
from radfuse.methods.catalogue import METHODS, fast_graph, shipped_graph
from radfuse.phantom.head import Phantom
from radfuse.record import digest
from radfuse.registration.transforms import read_transform, write_transform

SIMPLE = ("--method", "average")
"""For tests whose point is not the method: a network takes seconds to compile."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)
    paths = folder / "ct.png", folder / "mr.png"
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (32, 40), np.uint8)).save(path)
    return paths


@pytest.fixture
def truth(phantom: Phantom, tmp_path: Path) -> Path:
    write_transform(tmp_path / "truth.tfm", phantom.mr_from_ct)
    return tmp_path / "truth.tfm"


def refused(result: Result, *words: str) -> None:
    """Exit status 2 and one line on stderr with these words; no traceback."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    lines = result.stderr.splitlines()
    message = lines[next(i for i, line in enumerate(lines) if line.startswith("radfuse: ")) :]
    for word in words:
        assert word in "\n".join(message)
    assert all(line.startswith("  ") for line in message[1:]), message  # a list may follow


def test_help_lists_every_command_and_the_exit_statuses() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name, (_, summary) in COMMANDS.items():
        assert name in result.output
        assert summary in result.output
    assert "3 registration QA failed" in " ".join(result.output.split())
    assert "Not a medical device" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, radfuse.cli\n"
        "try: radfuse.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'SimpleITK', 'pydicom', 'openvino', 'torch', 'pydantic'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").output.startswith("radfuse 0.")


def test_an_unknown_command_is_usage_not_a_bug() -> None:
    result = run("fues")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_methods_lists_the_catalogue() -> None:
    text, facts = run("methods").output, json.loads(run("methods", "--json").output)
    assert facts.keys() == METHODS.keys()
    assert all(name in text for name in METHODS)
    assert facts["res2fusion"]["model_card"]["intended_use"].startswith("Research use only")


def test_two_2d_images_are_fused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    result = run("fuse", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "f.png")
    assert result.exit_code == 0, result.output
    assert str(tmp_path / "f.png") in result.stdout
    assert "Not a medical device" in result.stdout
    assert "fusing" in result.stderr


def test_quiet_prints_nothing_and_json_is_one_object(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    result = run(
        "fuse", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "f.png", "--quiet", "--json",
        "--method", "average",
    )  # fmt: skip
    assert result.stderr == ""
    facts = json.loads(result.stdout)
    assert facts["written"] == str(tmp_path / "f.png")
    assert facts["recipe"]["method"] == "average"


def test_options_of_the_method_are_set_and_recorded(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ("fuse", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "f.png", "--json")
    result = run(*words, "--method", "dwt", "--option", "levels=2", "--option", "wavelet=haar")
    facts = json.loads(result.stdout)
    assert facts["recipe"]["options"] == {"levels": 2, "wavelet": "haar"}
    assert facts["method"]["options"] == {"wavelet": "haar", "levels": 2}
    result = run(*words, "--overwrite", "--method", "res2fusion", "--precision", "bf16")
    options = {"precision": "bf16", "graph": "full"}
    assert json.loads(result.stdout)["method"]["options"] == options
    result = run(*words, "--overwrite", "--method", "dwt", "--option", "level=2")
    assert result.exit_code == 2
    assert "no option level; the options are wavelet, levels" in result.stderr


def test_a_fast_graph_is_recorded_with_its_sha256(pair: tuple[Path, Path], tmp_path: Path) -> None:
    words = ("fuse", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "f.png", "--json", "--fast")
    facts = json.loads(run(*words, "--method", "res2fusion").stdout)
    graph = fast_graph(shipped_graph("res2fusion"))
    assert facts["recipe"]["options"] == {"graph": "fast"}
    assert facts["method"]["weights"] == graph.name
    assert facts["method"]["sha256"] == digest([graph])


def test_fast_names_methods_with_such_a_graph_in_one_line(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ("fuse", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "f.png", "--fast")
    result = run(*words, "--method", "mfinet")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "radfuse: method 'mfinet' on cpu: no fast graph; methods with one, on --device cpu: "
        "res2fusion; leave out --fast"
    )


def test_volumes_are_fused_with_a_given_transform(
    coarse_folders: tuple[Path, Path], coarse_phantom: Phantom, tmp_path: Path
) -> None:
    ct, mr = coarse_folders
    write_transform(tmp_path / "t.tfm", coarse_phantom.mr_from_ct)
    result = run(
        "fuse", "--ct", ct, "--mr", mr, "-o", tmp_path / "out", "--transform", tmp_path / "t.tfm",
        "--method", "bone_blend", "--window", 2000, 300, "--accept-registration",
        "--outputs", "fused",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["recipe"]["window"] == [2000, 300]
    assert (tmp_path / "out" / "FUSED_bone_blend").is_dir()


def test_a_region_is_judged_and_recorded_without_its_name(
    phantom: Phantom, phantom_folders: tuple[Path, Path], truth: Path, tmp_path: Path
) -> None:
    mask = image_on(phantom.ct.image, np.ones(phantom.ct.image.GetSize()[::-1], np.uint8))
    sitk.WriteImage(mask, str(tmp_path / "of_a_patient.nii.gz"))
    ct, mr = phantom_folders
    words = (
        "fuse", "--ct", ct, "--mr", mr, "-o", tmp_path / "out", "--transform", truth,
        "--outputs", "fused", "--method", "average",
    )  # fmt: skip
    result = run(*words, "--roi", tmp_path / "of_a_patient.nii.gz")
    assert result.exit_code == 0, result.output
    assert "warning: registered and judged on a region only, a mask of " in result.stderr
    written = (tmp_path / "out" / "record.json").read_text()
    record = json.loads(written)
    assert record["recipe"]["roi"].startswith("sha256:")
    assert record["registration"]["quality"]["region"].startswith("mask of ")
    sheet = (tmp_path / "out" / "qa.html").read_text()
    assert "Region that was registered</th><td>mask of " in sheet
    assert "of_a_patient" not in written + sheet
    comment = str(pydicom.dcmread(next((tmp_path / "out/FUSED_average").iterdir())).ImageComments)
    assert "registration QA of a region passed" in comment


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--roi", "1,2,3"], "--roi 1,2,3: a box is six numbers, x0,x1,y0,y1,z0,z1 (LPS, mm)"),
        (["--roi", "0,nan,0,1,0,1"], "a box is six numbers"),
        (["--roi", "60,-60,0,1,0,1"], "roi: x from 60 to -60 mm; give the lower first"),
        (["--roi", "0,5,0,5,0,5"], "has 0.22 cm3 inside the CT (x -102 to 102"),
        (["--roi", "none.nii"], "none.nii: no such mask file"),
        (["--metric-mask", "none.nii"], "none.nii: no such mask file"),
        (["--metric-mask", "a.nii", "--no-register"], "metric_mask is for a search"),
    ],
)
def test_a_region_that_cannot_be_used_is_a_line(
    phantom_folders: tuple[Path, Path], tmp_path: Path, given: list[str], words: str
) -> None:
    ct, mr = phantom_folders
    refused(run("fuse", "--ct", ct, "--mr", mr, "-o", tmp_path / "out", *given), words)
    assert not (tmp_path / "out").exists()


def test_a_mask_of_a_region_is_never_replaced(
    coarse_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    ct, mr = coarse_folders
    mask = tmp_path / "mask.nii.gz"
    mask.write_bytes(b"a mask")
    for option in ("--roi", "--metric-mask"):
        words = ("fuse", "--ct", ct, "--mr", mr, "-o", mask, "--overwrite", option, mask)
        result = run(*words)
        assert result.exit_code != 0
        assert "overlaps with the input" in result.stderr
        assert mask.read_bytes() == b"a mask"


def register_from_nearby(
    phantom: Phantom, folders: tuple[Path, Path], folder: Path, name: str
) -> Path:
    """The file of a deterministic registration that starts 16 mm from the truth."""
    near = sitk.Euler3DTransform(phantom.mr_from_ct)
    near.SetTranslation(np.add(near.GetTranslation(), (9.0, -12.0, 6.0)).tolist())
    write_transform(folder / "near.tfm", near)
    result = run(
        "register", "--ct", folders[0], "--mr", folders[1], "-o", folder / name, "--deterministic",
        "--json", "--accept-registration", "--initial-transform", folder / "near.tfm",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "quality" in json.loads(result.stdout)
    return folder / name


def test_register_writes_the_transform_of_ct_to_mr(
    phantom: Phantom, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    path = register_from_nearby(phantom, phantom_folders, tmp_path, "a.tfm")
    point = (20.0, 10.0, 5.0)
    found = read_transform(path).TransformPoint(point)
    assert np.linalg.norm(np.subtract(found, phantom.mr_from_ct.TransformPoint(point))) < 1
    ct, mr = phantom_folders
    refused(run("register", "--ct", ct, "--mr", mr, "-o", path), "exists", "--overwrite")


@pytest.mark.slow
def test_deterministic_register_repeats_bit_for_bit(
    phantom: Phantom, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = (
        register_from_nearby(phantom, phantom_folders, tmp_path, name)
        for name in ("a.tfm", "b.tfm")
    )
    assert first.read_bytes() == second.read_bytes()


def test_failed_registration_exits_3_with_remedies(
    phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    ct, mr = phantom_folders
    result = run("fuse", "--ct", ct, "--mr", mr, "-o", tmp_path / "out", "--no-register")
    assert result.exit_code == 3
    assert "--initial-transform" in result.stderr
    assert "landmarks" in result.stderr
    assert not (tmp_path / "out").exists()


def test_info_names_series_sizes_and_problems(
    phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    study = tmp_path / "study"
    shutil.copytree(phantom_folders[0], study / "a")
    shutil.copytree(phantom_folders[1], study / "b")
    sorted((study / "a").iterdir())[7].unlink()
    result = run("info", study)
    assert result.exit_code == 0
    assert "problem: " in result.stdout
    assert "oblique" in result.stdout
    assert "\nfuse --study: refused: " in result.stdout
    facts = json.loads(run("info", study, "--json").stdout)
    assert facts["study"].splitlines()[-1].endswith("export the series again")
    chosen = run("info", phantom_folders[0].parent).stdout
    assert "\nfuse --study: chosen: CT 'CT head, phantom', 42 images, UID" in chosen
    assert "fuse --study" not in run("info", phantom_folders[0]).stdout
    assert {image["kind"] for image in facts["images"]} == {"CT", "MR"}
    refused(run("info", tmp_path / "nowhere"), "nowhere", "no such file")


# Each row of bad input: a clear line, exit status 2, nothing written.


def test_a_missing_path(pair: tuple[Path, Path], tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    refused(run("fuse", "--ct", nowhere, "--mr", pair[1], "-o", tmp_path / "o.png"), str(nowhere))


def test_a_folder_without_images(coarse_folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(
        run("fuse", "--ct", tmp_path / "empty", "--mr", coarse_folders[1], "-o", tmp_path / "o"),
        "no DICOM images",
    )


def test_two_mr_as_ct(
    coarse_folders: tuple[Path, Path], coarse_phantom: Phantom, tmp_path: Path
) -> None:
    mr = coarse_folders[1]
    refused(run("fuse", "--ct", mr, "--mr", mr, "-o", tmp_path / "o"), "no CT series", "MR")
    sitk.WriteImage(coarse_phantom.mr.image, str(tmp_path / "mr.nii.gz"))
    refused(
        run("fuse", "--ct", tmp_path / "mr.nii.gz", "--mr", mr, "-o", tmp_path / "o"),
        "not CT in HU",
    )


def test_a_ct_without_the_region_of_the_mr(
    phantom: Phantom, phantom_folders: tuple[Path, Path], truth: Path, tmp_path: Path
) -> None:
    sitk.WriteImage(phantom.ct.image[:, :, :6], str(tmp_path / "jaw.nii.gz"))
    result = run(
        "fuse", "--ct", tmp_path / "jaw.nii.gz", "--mr", phantom_folders[1], "-o", tmp_path / "o",
        "--initial-transform", truth, *SIMPLE,
    )  # fmt: skip
    assert result.exit_code in {2, 3}
    assert result.stderr.strip().splitlines()[-1].startswith("radfuse: ")
    assert not (tmp_path / "o").exists()


def test_2d_images_of_different_sizes(pair: tuple[Path, Path], tmp_path: Path) -> None:
    Image.new("L", (30, 30), 7).save(tmp_path / "small.png")
    pixels = np.arange(900, dtype=np.uint8).reshape(30, 30)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    refused(
        run("fuse", "--ct", pair[0], "--mr", tmp_path / "small.png", "-o", tmp_path / "o.png"),
        "40x32",
        "30x30",
    )


def test_a_volume_with_a_2d_image(
    pair: tuple[Path, Path], coarse_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    refused(
        run("fuse", "--ct", coarse_folders[0], "--mr", pair[1], "-o", tmp_path / "o"),
        "3-D volume",
        "2-D image",
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda a: sitk.JoinSeries([sitk.GetImageFromArray(a)] * 2), "4-D"),
        (lambda a: sitk.GetImageFromArray(np.stack([a] * 3, -1), isVector=True), "3 values"),
        (lambda a: sitk.GetImageFromArray(np.where(a > 0, np.nan, a)), "NaN"),
        (lambda a: sitk.GetImageFromArray(a * 0 - 1000), "every value is -1000"),
    ],
)
def test_a_volume_of_more_dimensions_colours_nan_or_constant(
    make: object, words: str, coarse_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    values = np.random.default_rng(1).normal(0, 500, (5, 6, 7)).astype(np.float32)
    path = tmp_path / "ct.mha"
    sitk.WriteImage(make(values), str(path))
    refused(run("fuse", "--ct", path, "--mr", coarse_folders[1], "-o", tmp_path / "o"), words)


def test_an_absurd_spacing(coarse_folders: tuple[Path, Path], tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(1).normal(0, 500, (5, 6, 7)))
    image.SetSpacing((1e-6, 1, 1))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    refused(
        run("fuse", "--ct", tmp_path / "ct.nrrd", "--mr", coarse_folders[1], "-o", tmp_path / "o"),
        "1e-06 x 1 x 1 mm",
    )


def test_a_truncated_last_slice(coarse_folders: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(coarse_folders[0], tmp_path / "CT")
    last = max((tmp_path / "CT").iterdir())
    last.write_bytes(last.read_bytes()[:-500])
    refused(
        run("fuse", "--ct", tmp_path / "CT", "--mr", coarse_folders[1], "-o", tmp_path / "o"),
        last.name,
        "truncated",
    )


def test_several_series_are_listed_to_choose_from(
    coarse_phantom: Phantom, coarse_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.copytree(coarse_folders[0], tmp_path / "CT" / "one")
    shutil.copytree(coarse_folders[0], tmp_path / "CT" / "two")
    for path in (tmp_path / "CT" / "two").iterdir():
        other = pydicom.dcmread(path)
        other.SeriesInstanceUID += ".1"
        other.save_as(path)
    options = ("--mr", coarse_folders[1], "-o", tmp_path / "o", "--method", "average")
    result = run("fuse", "--ct", tmp_path / "CT", *options)
    refused(result, "2 CT series", "--ct-series UID")
    uid = result.stderr.split("UID ")[-1].split()[0]
    write_transform(tmp_path / "t.tfm", coarse_phantom.mr_from_ct)
    chosen = run(
        "fuse", "--ct", tmp_path / "CT", *options, "--ct-series", uid,
        "--transform", tmp_path / "t.tfm", "--accept-registration", "--outputs", "fused",
    )  # fmt: skip
    assert chosen.exit_code == 0, chosen.output


def test_an_existing_output(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "o.png").write_text("mine")
    arguments = ("fuse", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "o.png", *SIMPLE)
    refused(run(*arguments), "exists", "--overwrite")
    assert (tmp_path / "o.png").read_text() == "mine"
    assert run(*arguments, "--overwrite").exit_code == 0


def test_an_output_where_nothing_can_be_written(pair: tuple[Path, Path]) -> None:
    refused(
        run("fuse", "--ct", pair[0], "--mr", pair[1], "-o", "/proc/nothing/o.png", *SIMPLE), "/proc"
    )


def test_a_full_disk_leaves_nothing(pair: tuple[Path, Path], tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a tiny disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        refused(
            run("fuse", "--ct", pair[0], "--mr", pair[1], "-o", disk / "o.png", *SIMPLE),
            "No space left",
            "nothing was changed",
        )
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_an_unknown_method(pair: tuple[Path, Path], tmp_path: Path) -> None:
    refused(
        run("fuse", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "o.png", "--method", "dtw"),
        "dwt",
    )


def test_options_that_contradict_each_other(pair: tuple[Path, Path], tmp_path: Path) -> None:
    options = ("--no-register", "--transform", tmp_path / "t.tfm")
    refused(run("fuse", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "o.png", *options), "")


def test_register_refuses_pictures_and_odd_names(pair: tuple[Path, Path], tmp_path: Path) -> None:
    refused(run("register", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "t.tfm"), "picture")
    refused(run("register", "--ct", pair[0], "--mr", pair[1], "-o", tmp_path / "t.doc"), ".tfm")


def test_ctrl_c_ends_with_one_line_and_nothing_written(
    phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    ct, mr = phantom_folders
    command = [sys.executable, "-m", "radfuse", "fuse", "--ct", ct, "--mr", mr]
    process = subprocess.Popen(
        [*command, "-o", tmp_path / "out", "--deterministic", "--quiet"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    loaded = Path(f"/proc/{process.pid}/maps")
    while process.poll() is None and "_SimpleITK" not in loaded.read_text():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip() == "radfuse: interrupted; the result was not completed"
    assert list(tmp_path.iterdir()) == []
