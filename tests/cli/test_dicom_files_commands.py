"""`radfuse dicom check` and `radfuse dicom deidentify`."""

import json
import shutil
from pathlib import Path

import pydicom
import pytest
from cli_kit import refused_in_a_line, run


@pytest.fixture
def folder(phantom_folders: tuple[Path, Path], tmp_path: Path) -> Path:
    place = tmp_path / "phantom" / "ct"
    place.mkdir(parents=True)
    for path in sorted(phantom_folders[0].iterdir())[:4]:
        shutil.copy(path, place)
    return place


def spoil(path: Path) -> None:
    header = pydicom.dcmread(path)
    del header.KVP
    header.save_as(path)


def test_check_is_content_with_a_good_folder(folder: Path) -> None:
    result = run("dicom", "check", folder, "--no-dciodvfy")
    assert result.exit_code == 0, result.output
    assert result.stdout == "4 DICOM files, 0 other files; by radfuse: 0 errors, 0 warnings\n"
    assert "checking files" in result.stderr


def test_check_puts_files_with_the_same_problems_together(folder: Path) -> None:
    for path in sorted(folder.iterdir())[1:3]:
        spoil(path)
    result = run("dicom", "check", folder, "--no-dciodvfy", "--quiet")
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        "0002.dcm and 1 more files",
        "    error: KVP: missing (type 2 of module ct-image)",
        "4 DICOM files, 0 other files; by radfuse: 2 errors, 0 warnings",
    ]
    assert result.stderr == ""


def test_check_of_one_file_names_it(folder: Path) -> None:
    spoil(folder / "0001.dcm")
    result = run("dicom", "check", folder / "0001.dcm", "--no-dciodvfy", "--quiet")
    assert result.stdout.startswith(str(folder / "0001.dcm"))


def test_check_gives_json(folder: Path) -> None:
    spoil(folder / "0001.dcm")
    result = run("dicom", "check", folder, "--no-dciodvfy", "--quiet", "--json")
    facts = json.loads(result.stdout)
    assert result.exit_code == 2
    assert (facts["files"], facts["errors"], facts["validators"]) == (4, 1, ["radfuse"])
    (problem,) = facts["problems"]
    assert problem["file"].endswith("/ct/0001.dcm")
    assert (problem["severity"], problem["attribute"]) == ("error", "KVP")


def test_unreadable_file_is_reported_without_attribute(folder: Path) -> None:
    (folder / "0001.dcm").write_bytes(b"junk")
    result = run("dicom", "check", folder, "--no-dciodvfy", "--quiet")
    assert "    error: not a DICOM file: the letters DICM are missing" in result.stdout


def test_check_refuses_a_path_that_is_not_there(tmp_path: Path) -> None:
    refused_in_a_line(run("dicom", "check", tmp_path / "none", "--quiet"), "no such file")


def test_deidentify_copies_and_warns_of_pixels(folder: Path, tmp_path: Path) -> None:
    result = run("dicom", "deidentify", folder, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "4 files de-identified, 0 other files skipped" in result.stdout
    assert "warning: pixels are not changed" in result.stdout
    assert len(list((tmp_path / "out" / "series01").iterdir())) == 4
    assert b"antom" not in (tmp_path / "out" / "series01" / "0001.dcm").read_bytes()


def test_deidentify_with_a_key_repeats(folder: Path, tmp_path: Path) -> None:
    for name, key in (("a", "secret"), ("b", "secret"), ("c", "another")):
        run("dicom", "deidentify", folder, "-o", tmp_path / name, "--key", key, "--quiet")
    first, again, other = (
        (tmp_path / name / "series01" / "0001.dcm").read_bytes() for name in "abc"
    )
    assert first == again != other


def test_deidentify_gives_json(folder: Path, tmp_path: Path) -> None:
    result = run("dicom", "deidentify", folder, "-o", tmp_path / "out", "--json", "--quiet")
    facts = json.loads(result.stdout)
    assert (facts["files"], facts["other_files"]) == (4, 0)
    assert "burned" in facts["warning"]


def test_deidentify_refuses_burned_in_text(folder: Path, tmp_path: Path) -> None:
    header = pydicom.dcmread(folder / "0001.dcm")
    header.BurnedInAnnotation = "YES"
    header.save_as(folder / "0001.dcm")
    words = ["dicom", "deidentify", folder, "-o", tmp_path / "out", "--quiet"]
    result = run(*words)
    refused_in_a_line(result, f"{folder / '0001.dcm'}: BurnedInAnnotation is YES")
    assert not (tmp_path / "out").exists()
    assert run(*words, "--accept-burned-in").exit_code == 0
