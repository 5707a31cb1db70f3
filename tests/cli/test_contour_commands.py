"""`radfuse contour` from end to end on the phantom."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from cli_kit import refused_in_a_line, run

from dicom_kit import change, put
from ladder_kit import make_context, matrix
from radfuse.dicom.rtstruct.write import write_structure_set
from radfuse.dicom.write.spatial_registration import write_registration
from radfuse.io.volumes import write_volume
from radfuse.phantom.head import Label, Phantom
from radfuse.pipeline.read import read
from radfuse.record import NOTICE
from radfuse.registration.transforms import write_transform
from radfuse.structures.label_maps import Structure

NAMES = ("--name", "14=GTVp", "--name", "10=Ventricles", "--name", "4=Skull")
Folders = tuple[Path, Path]


@pytest.fixture(scope="module")
def on_ct(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("on_ct") / "labels.nii.gz"
    write_volume(path, phantom.labels)
    return path


@pytest.fixture(scope="module")
def on_mr(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("on_mr") / "labels.nrrd"
    write_volume(path, phantom.labels_mr)
    return path


@pytest.fixture(scope="module")
def truth(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "truth.tfm"
    write_transform(path, phantom.mr_from_ct)
    return path


@pytest.fixture(scope="module")
def written(
    on_ct: Path, phantom_folders: Folders, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("written") / "rt.dcm"
    result = run(
        "contour", "write", "--ct", phantom_folders[0], "--mask", on_ct, "-o", path, *NAMES
    )
    assert result.exit_code == 0, result.output
    return path


def labels_of(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.mark.parametrize(
    "holes", [["keyhole", "--smooth"], pytest.param(["xor"], marks=pytest.mark.slow)]
)
def test_label_map_to_rtstruct_and_back_is_identical(
    holes: list[str], on_ct: Path, phantom: Phantom, phantom_folders: Folders, tmp_path: Path
) -> None:
    rt, back = tmp_path / "sub" / "rt.dcm", tmp_path / "back.nii.gz"
    result = run("contour", "write", "--ct", phantom_folders[0], "--mask", on_ct, "-o", rt,
                 "--holes", *holes, "--algorithm", "manual", *NAMES, "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert NOTICE in result.output
    assert "GTVp  " in result.output
    assert "note: labels without a name were left out: 1, 2," in result.output
    result = run("contour", "read", "--structures", rt, "--image", phantom_folders[0], "-o", back,
                 "--json", "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [part["name"] for part in told["structures"]] == ["GTVp", "Ventricles", "Skull"]
    assert told["notes"] == []
    assert told["notice"] == NOTICE
    truth, found = sitk.GetArrayFromImage(phantom.labels), labels_of(back)
    for label, tissue in ((1, Label.TUMOUR), (2, Label.VENTRICLE), (3, Label.SKULL)):
        np.testing.assert_array_equal(found == label, truth == tissue)
    again = run("contour", "write", "--ct", phantom_folders[0], "--mask", back, "-o",
                tmp_path / "again.dcm", "--json", "--quiet")  # fmt: skip
    told = json.loads(again.stdout)
    assert [part["name"] for part in told["structures"]] == ["GTVp", "Ventricles", "Skull"]


def test_overlapping_structures_need_a_folder_not_a_label_map(
    phantom: Phantom, phantom_folders: Folders, tmp_path: Path
) -> None:
    ct = read(phantom_folders[0], "CT")
    values = sitk.GetArrayFromImage(phantom.labels)
    rt, out = tmp_path / "rt.dcm", tmp_path / "out"
    parts = []
    for name, tissues in (("GTVp", [14, 15]), ("CTVp", [14, 15, 16])):
        mask = sitk.GetImageFromArray(np.isin(values, tissues).astype(np.uint8))
        mask.CopyInformation(ct.image)
        parts.append(Structure(name, mask, (1, 2, 3)))
    write_structure_set(rt, ct, parts)
    command = ("contour", "read", "--structures", rt, "--image", phantom_folders[0], "--quiet")
    refused = run(*command, "-o", tmp_path / "labels.nrrd")
    refused_in_a_line(refused, "'GTVp' and 'CTVp'")
    refused_in_a_line(refused, "cm3; give a folder as --output")
    assert run(*command, "-o", out).exit_code == 0
    assert {path.name for path in out.iterdir()} == {
        "01_GTVp.nii.gz", "02_CTVp.nii.gz", "structures.json",
    }  # fmt: skip
    refused_in_a_line(run(*command, "-o", out), "out exists; pass --overwrite")
    assert run(*command, "-o", out, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    "kind", ["label map", pytest.param("structure set", marks=pytest.mark.slow)]
)
def test_a_tumour_drawn_on_the_mr_lands_on_the_tumour_of_the_ct(
    kind: str, on_mr: Path, truth: Path, phantom: Phantom, phantom_folders: Folders, tmp_path: Path
) -> None:
    ct, mr = phantom_folders
    structures, names = on_mr, ["--name", "16=Oedema", "--name", "10=Ventricles"]
    if kind == "structure set":
        series = read(mr, "MR")
        structures, names = tmp_path / "mr.dcm", []
        parts = [
            Structure(name, phantom.labels_mr == label, (1, 2, 3))
            for name, label in (("Oedema", Label.OEDEMA), ("Ventricles", Label.VENTRICLE))
        ]
        write_structure_set(structures, series, parts)
    rt, back = tmp_path / "rt.dcm", tmp_path / "back"
    result = run("contour", "transfer", "--structures", structures, "--ct", ct, "--mr", mr,
                 "--transform", truth, "-o", rt, *names, "--json", "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    for part in json.loads(result.stdout)["structures"]:
        assert part["volume_cm3"] == pytest.approx(part["drawn_cm3"], rel=0.1)
    header = pydicom.dcmread(rt)
    assert header.FrameOfReferenceUID == read(ct, "CT").frame_of_reference_uid
    assert (
        header.SeriesDescription == "STRUCTURES transferred from MR - RESEARCH, NOT FOR DOSE CALC"
    )
    assert {roi.ROIGenerationAlgorithm for roi in header.StructureSetROISequence} == {
        "SEMIAUTOMATIC"
    }
    read_back = run("contour", "read", "--structures", rt, "--image", ct, "-o", back)
    assert read_back.exit_code == 0, read_back.output
    wanted = sitk.GetArrayFromImage(phantom.labels)
    for name, tissue in (("01_Oedema", Label.OEDEMA), ("02_Ventricles", Label.VENTRICLE)):
        found = labels_of(back / f"{name}.nii.gz")
        apart = np.argwhere(found).mean(0) - np.argwhere(wanted == tissue).mean(0)
        np.testing.assert_allclose(apart * (3.6, 3, 3), 0, atol=1.0)


def test_a_structure_beyond_the_ct_is_told(
    on_mr: Path, phantom: Phantom, phantom_folders: Folders, tmp_path: Path
) -> None:
    far = sitk.Euler3DTransform(phantom.mr_from_ct)
    far.SetTranslation((np.array(far.GetTranslation()) - (0, 0, 70)).tolist())
    write_transform(tmp_path / "far.tfm", far)
    result = run("contour", "transfer", "--structures", on_mr, "--ct", phantom_folders[0], "--mr",
                 phantom_folders[1], "--transform", tmp_path / "far.tfm", "-o",
                 tmp_path / "rt.dcm", "--name", "8=Grey")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "% of it is outside the CT" in result.output


def test_results_are_replaced_only_when_asked(
    written: Path, on_ct: Path, phantom_folders: Folders
) -> None:
    command = ("contour", "write", "--ct", phantom_folders[0], "--mask", on_ct, "-o", written,
               *NAMES, "--quiet")  # fmt: skip
    refused_in_a_line(run(*command), "rt.dcm exists; pass --overwrite")
    assert run(*command, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-o", "{tmp}/rt.nii"), "give a file name that ends in .dcm for a structure set"),
        (("-o", "{ct}/rt.dcm"), "overlaps with the input"),
        (("-o", "{tmp}/folder.dcm"), "is a folder; give another --output"),
        (("-o", "{tmp}/rt.dcm", "--name", "GTVp"), "--name GTVp: give LABEL=NAME"),
        (("-o", "{tmp}/rt.dcm", "--name", "0=GTVp"), "--name 0=GTVp: give LABEL=NAME"),
        (("-o", "{tmp}/rt.dcm", "--name", "²=GTVp"), "give LABEL=NAME"),
        (("-o", "{tmp}/rt.dcm", "--name", "4="), "give LABEL=NAME"),
        (
            ("-o", "{tmp}/rt.dcm", "--name", "4=a", "--name", "4=b"),
            "label 4 already has the name a",
        ),
        (("-o", "{tmp}/rt.dcm", "--name", "4=a", "--name", "5=a"), "two structures are named 'a'"),
        (("-o", "{tmp}/rt.dcm", "--name", "4=a", "--name", "5=a "), "two structures are named 'a'"),
        (("-o", "{tmp}/rt.dcm", "--name", "99=a"), "no voxel has the label 99 of 'a'"),
        (("-o", "{tmp}/rt.dcm", "--mask", "{mr}"), "labels.nrrd: a label map of"),
        (("-o", "{tmp}/rt.dcm", "--mask", "{tmp}/none.nrrd"), "none.nrrd: no such file"),
        (("-o", "{tmp}/rt.dcm", "--mask", "{tmp}/folder.dcm"), "folder.dcm: no such file"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_line(
    options: tuple[str, ...],
    words: str,
    on_ct: Path,
    on_mr: Path,
    phantom_folders: Folders,
    tmp_path: Path,
) -> None:
    (tmp_path / "folder.dcm").mkdir()
    ct = phantom_folders[0]
    filled = [option.format(tmp=tmp_path, ct=ct, mr=on_mr) for option in options]
    result = run("contour", "write", "--ct", ct, "--mask", on_ct, *filled, "--quiet")
    refused_in_a_line(result, words)
    assert {path.name for path in tmp_path.iterdir()} == {"folder.dcm"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--structures", "{rt}", "--image", "{mr}"), "is in frame of reference"),
        (("--structures", "{labels}", "--image", "{ct}"), "not an RT Structure Set"),
        (("--structures", "{rt}", "--image", "{ct}", "--modality", "MR"), "no MR series"),
        (("--structures", "{rt}", "--image", "{tmp}"), "no DICOM images"),
        (("--structures", "{rt}", "--image", "{ct}", "--series", "1.2"), "no CT series has UID"),
    ],
)
def test_what_cannot_be_read_is_refused(
    options: tuple[str, ...],
    words: str,
    written: Path,
    on_ct: Path,
    phantom_folders: Folders,
    tmp_path: Path,
) -> None:
    ct, mr = phantom_folders
    filled = [
        option.format(tmp=tmp_path / "empty", ct=ct, mr=mr, rt=written, labels=on_ct)
        for option in options
    ]
    (tmp_path / "empty").mkdir()
    result = run("contour", "read", *filled, "-o", tmp_path / "out.nrrd", "--quiet")
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"empty"}


def test_what_cannot_be_transferred_is_refused(
    written: Path, on_mr: Path, truth: Path, phantom_folders: Folders, tmp_path: Path
) -> None:
    ct, mr = phantom_folders
    command = ("contour", "transfer", "--ct", ct, "--mr", mr, "--quiet")
    good = ("--transform", truth, "-o", tmp_path / "rt.dcm")
    refused_in_a_line(run(*command, "--structures", written, *good), "is in frame of reference")
    refused_in_a_line(
        run(*command, "--structures", written, *good, "--name", "1=a"), "--name is for label maps"
    )
    refused_in_a_line(run(*command, "--structures", tmp_path / "no", *good), "no: no such file")
    refused_in_a_line(
        run(*command, "--structures", on_mr, *good[2:], "--transform", tmp_path / "no.tfm"),
        "no transform file",
    )
    refused_in_a_line(
        run(*command, "--structures", written, *good[:2], "-o", written, "--overwrite"),
        "overlaps with the input",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_registration_of_another_patient_is_not_used(
    on_mr: Path, phantom: Phantom, phantom_folders: Folders, tmp_path: Path
) -> None:
    ct, mr = phantom_folders
    context = make_context((read(ct, "CT"), read(mr, "MR")))
    reg = write_registration(
        tmp_path / "reg", context, matrix(context.moving_from_fixed.GetInverse())
    )
    change(reg, put("PatientID", "another"))
    write_volume(tmp_path / "fused.nii.gz", phantom.ct.image + 1100)
    pair = ("--ct", ct, "--mr", mr, "--transform", reg)
    transfer = ("contour", "transfer", "--structures", on_mr, *pair, "-o", tmp_path / "rt.dcm")
    evaluate = ("evaluate", "--profile", "radfuse1", "--fused", tmp_path / "fused.nii.gz", *pair,
                "--window-preset", "bone", "--white", "1")  # fmt: skip
    for command in (transfer, evaluate):
        refused_in_a_line(run(*command, "--quiet"), "the registration of another patient")
    assert {path.name for path in tmp_path.iterdir()} == {"reg", "fused.nii.gz"}
