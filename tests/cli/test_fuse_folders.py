"""Two folders of 2-D images: pairs of one name, resumed, and nothing left out without a word."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_kit import refused_in_a_line, run
from filelock import FileLock
from PIL import Image

from radfuse.io.lock import LOCK
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Phantom
from radfuse.pipeline.images.folders import is_image_folder

NAMES = ("2004", "2005", "16009")


def save(path: Path, seed: int, shape: tuple[int, ...] = (40, 50)) -> None:
    path.parent.mkdir(exist_ok=True)
    levels = np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8)
    Image.fromarray(levels).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for index, name in enumerate(NAMES):
        save(tmp_path / "CT" / f"{name}.png", index)
        save(tmp_path / "MRI" / f"{name}.png", 10 + index)
    return tmp_path / "CT", tmp_path / "MRI"


def fuse(
    folders: tuple[Path, Path], output: Path, *options: object, first: str = "--ct"
) -> dict[str, Any]:
    result = run(
        "fuse", first, folders[0], "--mr", folders[1], "-o", output, "--method", "average",
        "--quiet", "--json", *options,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_every_pair_is_fused_as_by_itself(folders: tuple[Path, Path], tmp_path: Path) -> None:
    facts = fuse(folders, tmp_path / "out")
    assert sorted(facts["fused"]) == sorted(NAMES)
    single = tmp_path / "single.png"
    pair = ("--ct", folders[0] / "2005.png", "--mr", folders[1] / "2005.png")
    run("fuse", *pair, "-o", single, "--method", "average")
    fused = np.asarray(Image.open(tmp_path / "out" / "2005.png"))
    np.testing.assert_array_equal(fused, np.asarray(Image.open(single)))


def test_what_is_finished_is_not_done_again(folders: tuple[Path, Path], tmp_path: Path) -> None:
    fuse(folders, tmp_path / "out")
    (tmp_path / "out" / "2005.png").unlink()
    for path in (tmp_path / "out").glob("2005*"):
        path.unlink()
    facts = fuse(folders, tmp_path / "out")
    assert facts["fused"] == ["2005"]
    assert sorted(facts["finished_before"]) == ["16009", "2004"]


def killed_halfway(arguments: tuple[object, ...], output: Path, count: int) -> None:
    """Run the command, and kill it when it has written as many images."""
    program = [sys.executable, "-m", "radfuse", *map(str, arguments)]
    with subprocess.Popen(program, start_new_session=True) as process:
        while process.poll() is None and len(list(output.glob("*.png"))) < count:
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_a_killed_run_resumes_to_the_same_images(tmp_path: Path) -> None:
    names = [f"{number}" for number in range(12)]
    for index, name in enumerate(names):
        save(tmp_path / "PET" / f"{name}.png", index, (64, 64))
        save(tmp_path / "MRI" / f"{name}.png", 50 + index, (64, 64))
    out, whole = tmp_path / "out", tmp_path / "whole"
    inputs = ("fuse", "--pet", tmp_path / "PET", "--mr", tmp_path / "MRI", "--quiet")
    killed_halfway((*inputs, "-o", out), out, 6)
    first = {path.stem for path in out.glob("*.json")}
    assert 5 <= len(first) < 12
    times = {name: (out / f"{name}.png").stat().st_mtime_ns for name in first}
    result = run(*inputs, "-o", out, "--json")
    facts = json.loads(result.stdout)
    assert set(facts["finished_before"]) == first
    assert set(facts["fused"]) == set(names) - first
    assert times == {name: (out / f"{name}.png").stat().st_mtime_ns for name in first}
    assert run(*inputs, "-o", whole).exit_code == 0
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}
    for path in whole.glob("*.png"):
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_what_a_kill_left_is_replaced(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    fuse(folders, out)
    wanted = (out / "2004.png").read_bytes()
    (out / "2004.json").unlink()
    (out / ".radfuse-killed").mkdir()
    (out / ".radfuse-killed" / "2004.json").write_text('{"half')
    assert fuse(folders, out)["fused"] == ["2004"]
    assert (out / "2004.png").read_bytes() == wanted
    assert not (out / ".radfuse-killed").exists()


def test_an_image_of_another_program_is_kept(folders: tuple[Path, Path], tmp_path: Path) -> None:
    save(tmp_path / "out" / "2004.png", 7)
    before = (tmp_path / "out" / "2004.png").read_bytes()
    arguments = ("fuse", "--ct", folders[0], "--mr", folders[1], "-o", tmp_path / "out")
    result = run(*arguments, "--method", "average", "--quiet")
    assert result.exit_code == 2
    assert "2004.png exists; pass --overwrite" in result.stderr
    assert (tmp_path / "out" / "2004.png").read_bytes() == before


def test_two_runs_do_not_share_an_output(folders: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / LOCK):
        result = run("fuse", "--ct", folders[0], "--mr", folders[1], "-o", out, "--quiet")
    refused_in_a_line(result, "in use by another run; wait, or give another --output")


def test_a_changed_input_is_not_taken_for_finished(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    fuse(folders, tmp_path / "out")
    save(folders[0] / "2004.png", 99)
    arguments = ("fuse", "--ct", folders[0], "--mr", folders[1], "-o", tmp_path / "out")
    result = run(*arguments, "--method", "average", "--quiet")
    assert result.exit_code == 2
    assert "1 pairs were not fused; 2004: " in result.stderr
    assert fuse(folders, tmp_path / "out", "--overwrite")["fused"] == ["2004"]


def test_images_without_a_partner_are_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    save(folders[1] / "41012.png", 5)
    result = run("fuse", "--ct", folders[0], "--mr", folders[1], "-o", tmp_path / "out", "--quiet")
    refused_in_a_line(result, "images without a partner: 1 (41012.png)")
    assert not (tmp_path / "out").exists()
    facts = fuse(folders, tmp_path / "out", "--skip-unmatched")
    assert facts["unmatched"] == ["41012.png"]
    assert len(facts["fused"]) == 3


def test_one_bad_pair_leaves_the_others(folders: tuple[Path, Path], tmp_path: Path) -> None:
    save(folders[1] / "2004.png", 5, (41, 50))
    arguments = ("fuse", "--ct", folders[0], "--mr", folders[1], "-o", tmp_path / "out")
    result = run(*arguments, "--method", "average", "--quiet")
    assert result.exit_code == 2
    assert "2004: CT has 50x40 and MR 50x41 pixels" in result.stderr
    written = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert written == {"2005", "16009"}


def test_a_folder_of_pet_is_fused_in_colour(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pet = tmp_path / "PET"
    for index, name in enumerate(NAMES):
        save(pet / f"{name}.png", 20 + index, (40, 50, 3))
    facts = fuse((pet, folders[1]), tmp_path / "out", first="--pet")
    assert len(facts["fused"]) == 3
    assert np.asarray(Image.open(tmp_path / "out" / "2004.png")).shape == (40, 50, 3)


def test_nothing_in_common_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    save(other / "7.png", 1)
    result = run("fuse", "--ct", folders[0], "--mr", other, "-o", tmp_path / "out", "--quiet")
    refused_in_a_line(result, "have no images of one name")


def test_a_file_as_output_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    result = run(
        "fuse", "--ct", folders[0], "--mr", folders[1], "-o", tmp_path / "x.png", "--quiet"
    )
    assert result.exit_code != 0
    assert "two folders are fused into a folder" in result.stderr


@pytest.mark.parametrize(
    "given", [("--pet",), ("--pet", "--spect", "--mr"), ("--pet", "--spect", "--ct")]
)
def test_a_functional_image_needs_one_anatomical_one(
    folders: tuple[Path, Path], tmp_path: Path, given: tuple[str, ...]
) -> None:
    images = [part for option in given for part in (option, folders[0] / "2004.png")]
    result = run("fuse", *images, "-o", tmp_path / "x.png", "--quiet")
    refused_in_a_line(result, "give one of --pet and --spect, with one of --mr and --ct")


def test_dicom_with_a_preview_is_no_folder_of_images(
    tmp_path: Path, coarse_phantom: Phantom
) -> None:
    ct, mr = write_phantom(coarse_phantom, tmp_path)
    for folder in (ct, mr):
        assert not is_image_folder(folder)
        save(folder / "preview.png", 1)
        assert not is_image_folder(folder)
    nested = tmp_path / "study"
    save(nested / "preview.png", 1)
    assert is_image_folder(nested)
    shutil.move(ct, nested / "series")
    assert not is_image_folder(nested)


def test_an_output_below_a_file_is_refused_in_a_line(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    result = run("fuse", "--ct", folders[0], "--mr", folders[1], "-o", file / "out", "--quiet")
    refused_in_a_line(result, "cannot be written to")
