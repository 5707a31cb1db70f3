"""`radfuse contour compare` on the phantom, from structure sets and from label maps."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cli_kit import refused_in_a_line, run

from radfuse.dicom.rtstruct.write import write_structure_set
from radfuse.io.volumes import write_volume
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Label, Phantom, make_phantom
from radfuse.pipeline.read import read
from radfuse.record import NOTICE
from radfuse.structures.label_maps import Structure

Folders = tuple[Path, Path]
RED = (255, 0, 0)
VOXEL = (3.6, 3.0, 3.0)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    """Its voxels are as large as the tolerance."""
    return make_phantom(7, spacing_mm=VOXEL[2])


@pytest.fixture(scope="module")
def phantom_folders(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return write_phantom(phantom, tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def folder(
    phantom: Phantom, phantom_folders: Folders, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """One delineation as a structure set and a label map, and one that is a voxel further left."""
    path = tmp_path_factory.mktemp("compare")
    ct = read(phantom_folders[0], "CT")
    write_volume(path / "a.nii.gz", phantom.labels)
    moved = np.roll(sitk.GetArrayFromImage(phantom.labels), 1, axis=2)
    shifted = sitk.GetImageFromArray(moved)
    shifted.CopyInformation(phantom.labels)
    write_volume(path / "b.nrrd", shifted)
    write_volume(path / "mr.nrrd", phantom.labels_mr)
    for name, labels in (("a.dcm", phantom.labels), ("b.dcm", shifted)):
        labels.CopyInformation(ct.image)
        parts = [
            Structure("GTVp", labels == int(Label.TUMOUR), RED),
            Structure("Ventricles", labels == int(Label.VENTRICLE), RED),
            Structure(f"Only_{name[0]}", labels == int(Label.EYE), RED),
        ]
        write_structure_set(path / name, ct, parts)
    for label, name in ((Label.TUMOUR, "tumour"), (Label.EYE, "eyes")):
        write_volume(path / f"{name}.nii.gz", phantom.labels == int(label))
    return path


NAMES = ("--name", f"{int(Label.TUMOUR)}=GTVp", "--name", f"{int(Label.VENTRICLE)}=Ventricles")


def compared(*arguments: object) -> dict[str, dict[str, float]]:
    result = run("contour", "compare", *arguments, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["notice"] == NOTICE
    return {one.pop("name"): one for one in told["structures"]}


def test_rtstruct_and_label_map_of_one_structure_compare_equal(
    folder: Path, phantom_folders: Folders
) -> None:
    sets = compared(folder / "a.dcm", folder / "b.dcm", "--image", phantom_folders[0])
    maps = compared(folder / "a.nii.gz", folder / "b.nrrd", *NAMES)
    mixed = compared(folder / "a.dcm", folder / "b.nrrd", "--image", phantom_folders[0], *NAMES)
    assert list(sets) == list(maps) == list(mixed) == ["GTVp", "Ventricles"]
    for name, values in maps.items():
        assert sets[name] == pytest.approx(values)
        assert mixed[name] == pytest.approx(values)
        assert values["hausdorff_mm"] == pytest.approx(3.0)
        assert 0 < values["dice"] < 1
        assert values["volume_difference_cm3"] == 0
        assert 0 < values["added_path_mm"] < values["reference_path_mm"]


def test_a_delineation_agrees_with_itself_within_no_tolerance(
    folder: Path, phantom_folders: Folders
) -> None:
    found = compared(
        folder / "a.dcm", folder / "a.nii.gz", "--image", phantom_folders[0], *NAMES,
        "--tolerance", 0,
    )  # fmt: skip
    for values in found.values():
        assert (values["dice"], values["surface_dice"], values["hausdorff_mm"]) == (1, 1, 0)
        assert values["added_path_mm"] == 0


def test_what_stands_alone_is_told_and_all_is_said_with_its_unit(
    folder: Path, phantom_folders: Folders
) -> None:
    result = run("contour", "compare", folder / "a.dcm", folder / "b.dcm", "--image",
                 phantom_folders[0], "--tolerance", 3, "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "GTVp\n  Dice                      0." in result.stdout
    assert "surface Dice at 3 mm      1.0000" in result.stdout
    assert "Hausdorff distance        3.00 mm" in result.stdout
    assert "difference +0.000 cm3" in result.stdout
    assert "note: only the first file has 'Only_a'" in result.stdout
    assert "note: only the reference file has 'Only_b'" in result.stdout
    assert result.stdout.endswith(f"{NOTICE}\n")


def test_two_single_masks_compare_whatever_their_names(folder: Path) -> None:
    found = compared(folder / "tumour.nii.gz", folder / "eyes.nii.gz")
    assert found["tumour / eyes"]["dice"] == 0
    assert found["tumour / eyes"]["hausdorff_mm"] > 30


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("suffix", [".dcm", ".nii.gz"])
def test_names_of_files_are_not_in_the_comparison(
    folder: Path, phantom_folders: Folders, tmp_path: Path, suffix: str, options: tuple[str, ...]
) -> None:
    """A file may be named like the patient; the notes say which of the two files they are on."""
    files = [tmp_path / f"Montgomery_{number}{suffix}" for number in (1, 2)]
    for path, name in zip(files, "ab", strict=True):
        source = folder / ("a.nii.gz" if suffix == ".nii.gz" else f"{name}.dcm")
        shutil.copyfile(source, path)
    arguments = ("--image", phantom_folders[0]) if suffix == ".dcm" else NAMES
    result = run("contour", "compare", *files, *arguments, *options)
    assert result.exit_code == 0, result.output
    assert "ontgomery" not in result.output
    note = "only the {} file has" if suffix == ".dcm" else "{}: labels without a name were left out"
    assert all(note.format(role) in result.stdout for role in ("first", "reference"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{f}/a.nii.gz", "{f}/mr.nrrd"), "mr.nrrd: a label map of"),
        (("{f}/a.nii.gz", "{f}/no.nrrd"), "no.nrrd: no such file"),
        (("{f}/a.nii.gz", "{f}/b.dcm"), "b.dcm: pass --image"),
        (("{f}/a.dcm", "{f}/b.dcm"), "a.dcm: pass --image"),
        (("{f}/a.dcm", "{f}/b.dcm", "--image", "{mr}"), "is in frame of reference"),
        (("{f}/mr.nrrd", "{f}/b.dcm", "--image", "{ct}"), "mr.nrrd: a label map of"),
        (("{f}/a.nii.gz", "{f}/b.nrrd", "--name", "14=x", "--name", "10=x"), "are named 'x'"),
        (("{f}/a.nii.gz", "{f}/tumour.nii.gz"), "no common name; rename one"),
        (("{f}/a.nii.gz", "{f}/b.nrrd", "--name", "1"), "--name 1: give LABEL=NAME"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(
    arguments: tuple[str, ...], words: str, folder: Path, phantom_folders: Folders
) -> None:
    ct, mr = phantom_folders
    filled = [argument.format(f=folder, ct=ct, mr=mr) for argument in arguments]
    refused_in_a_line(run("contour", "compare", *filled, "--quiet"), words)
