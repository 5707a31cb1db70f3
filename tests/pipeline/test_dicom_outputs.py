"""The objects that a fusion is written as: which, where, valid, and true to the registration."""

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from click.testing import Result as CliResult

import radfuse
from dicom_kit import change_all, move, put
from radfuse.cli import main
from radfuse.errors import InputError, OutputError
from radfuse.intensity import window_named
from radfuse.io.volumes import write_volume
from radfuse.modality import CT, MR
from radfuse.phantom.head import Label, Phantom
from radfuse.pipeline.align import RegistrationQAError, align
from radfuse.pipeline.evaluate_volume import VolumeOptions
from radfuse.pipeline.outputs import check_output, write_result
from radfuse.pipeline.result import Result
from radfuse.pipeline.structures import transfer_contours
from radfuse.pipeline.volume import scale_volumes
from radfuse.progress import no_progress
from radfuse.recipe import Recipe, make_recipe
from radfuse.record import Record, digest
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series

ALWAYS = {"record.json", "qa.html", "from-MR_to-CT_mode-image_xfm.tfm", "desc-fov_mask.nii.gz"}
SERIES = {
    "fused": "FUSED_bone_blend", "mr": "MR_on_CT", "colour": "COLOUR_CT_MR", "registration": "REG",
}  # fmt: skip


def folder_of(result: Result) -> Path:
    assert result.written is not None
    return result.written.parent


def write(result: Result, output: Path, *outputs: str, overwrite: bool = False) -> Result:
    """Write a fusion again; to register it again would take seconds."""
    recipe = result.record.recipe.model_copy(update={"outputs": outputs or None})
    record = result.record.model_copy(update={"recipe": recipe})
    target = check_output(output, result.ct, result.mr, recipe, overwrite=overwrite)
    assert target is not None
    return write_result(target, dataclasses.replace(result, record=record))


@pytest.fixture(scope="module")
def bare(ladder: Result, phantom: Phantom) -> Result:
    """The same of volumes without headers."""
    return dataclasses.replace(ladder, ct=phantom.ct, mr=phantom.mr)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_gets_every_object_and_the_record_lists_them(ladder: Result) -> None:
    out = folder_of(ladder)
    assert names(out) == ALWAYS | set(SERIES.values())
    record = Record.model_validate_json((out / "record.json").read_text())
    assert record == ladder.record
    listed = {output.role: output for output in record.outputs}
    assert {role: listed[role].path for role in SERIES} == SERIES
    for name in SERIES.values():
        (found,) = (output for output in record.outputs if output.path == name)
        assert found.sha256 == digest(sorted((out / name).iterdir()))
    assert record.left_out == ()


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not installed")
@pytest.mark.parametrize("kind", SERIES)
def test_the_validator_finds_no_error_in_any_file(ladder: Result, kind: str) -> None:
    for path in sorted((folder_of(ladder) / SERIES[kind]).iterdir()):
        done = subprocess.run(
            ["dciodvfy", "-new", path], capture_output=True, text=True, check=False
        )
        lines = (done.stdout + done.stderr).splitlines()
        assert [line for line in lines if "Error" in line] == [], path.name


def test_dicom_outputs_share_study_frame_and_registration(ladder: Result) -> None:
    headers = [
        pydicom.dcmread(min((folder_of(ladder) / name).iterdir())) for name in SERIES.values()
    ]
    ct = ladder.ct.headers[0]
    assert ladder.alignment is not None
    for header in headers:
        assert header.StudyInstanceUID == ct.StudyInstanceUID
        assert header.FrameOfReferenceUID == ct.FrameOfReferenceUID
        (maker,) = header.ContributingEquipmentSequence
        comment = header.get("ImageComments", maker.ContributionDescription)
        assert f"Registration {ladder.alignment.identifier} unreviewed" in comment
    assert len({header.SeriesInstanceUID for header in headers}) == len(headers)


def test_mr_on_ct_is_the_mr_and_zero_outside_the_fov(ladder: Result) -> None:
    assert ladder.alignment is not None
    found = radfuse.read(folder_of(ladder) / "MR_on_CT", "MR").image
    ct, mr = ladder.ct.image, ladder.mr.image
    wanted = sitk.Resample(mr, ct, ladder.alignment.mr_from_ct, sitk.sitkLinear, 0.0)
    assert found.GetOrigin() == pytest.approx(ct.GetOrigin(), abs=1e-6)
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted), rtol=0, atol=0.5
    )


def test_colours_are_of_the_pair_and_ct_alone_outside_the_fov(ladder: Result) -> None:
    assert ladder.alignment is not None
    window = window_named(ladder.record.recipe.window)
    scaled = scale_volumes(ladder.ct, ladder.mr, ladder.alignment.mr_from_ct, window)
    slices = [
        pydicom.dcmread(path).pixel_array
        for path in sorted((folder_of(ladder) / "COLOUR_CT_MR").iterdir())
    ]
    found = np.array(slices)[scaled.box].astype(np.float64) / 255
    np.testing.assert_allclose(
        found[..., 0],
        np.where(
            scaled.fov_mask, 0.5 * scaled.ct + 0.5 * np.clip(scaled.mr * 8 / 3, 0, 1), scaled.ct
        ),
        atol=0.6 / 255,
    )
    np.testing.assert_array_equal(found[~scaled.fov_mask][:, 0], found[~scaled.fov_mask][:, 2])


@pytest.mark.parametrize(
    "outputs",
    [pytest.param(("mr",), marks=pytest.mark.slow), ("colour", "registration"), ("fused", "mr")],
)
def test_only_chosen_outputs_are_written(
    ladder: Result, tmp_path: Path, outputs: tuple[str, ...]
) -> None:
    out = tmp_path / "out"
    result = write(ladder, out, *outputs)
    assert names(out) == ALWAYS | {SERIES[name] for name in outputs}
    assert result.written == (out / SERIES["fused"] if "fused" in outputs else out)
    with pytest.raises(OutputError, match="--overwrite"):
        write(ladder, out, "mr")
    write(ladder, out, "registration", overwrite=True)
    assert names(out) == ALWAYS | {"REG"}


def test_the_mr_is_written_next_to_a_fused_file(bare: Result, tmp_path: Path) -> None:
    write(bare, tmp_path / "s1_fused.nii.gz", "fused", "mr")
    found = sitk.ReadImage(str(tmp_path / "s1_fused_space-CT_desc-resampled_MR.nii.gz"))
    assert bare.alignment is not None
    wanted = sitk.Resample(
        bare.mr.image, bare.ct.image, bare.alignment.mr_from_ct, sitk.sitkLinear, 0.0
    )
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted))
    with pytest.raises(OutputError, match="resampled_MR"):
        write(bare, tmp_path / "s1_fused.nii.gz", "fused", "mr")
    write(bare, tmp_path / "s2.mha")
    assert not list(tmp_path.glob("s2*resampled*"))


@pytest.mark.parametrize(
    ("output", "outputs", "words"),
    [
        ("x.nii.gz", ("fused", "colour"), "no output colour: a .nii.gz file has one image; give a"),
        ("x.mha", ("registration",), "no output registration: a .mha file has one image; give a"),
        ("x.nrrd", ("mr",), "a .nrrd file has the fused image, which --outputs leaves out; add"),
        ("out", ("registration",), "the CT and the MR lack a frame of reference UID"),
    ],
)
def test_unwritable_output_is_refused_before_the_fusion(
    bare: Result, tmp_path: Path, output: str, outputs: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        write(bare, tmp_path / output, *outputs)
    assert names(tmp_path) == set()


def test_2d_images_have_no_other_outputs(tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.eye(16, dtype=np.float32))
    ct, mr = (Series(image, kind, tmp_path / kind.code) for kind in (CT, MR))
    recipe = make_recipe(method="average", outputs=["mr"])
    with pytest.raises(InputError, match="2-D images have only the fused output"):
        radfuse.fuse(ct, mr, tmp_path / "x.png", recipe=recipe)


def test_volumes_without_frames_get_all_but_the_registration(bare: Result, tmp_path: Path) -> None:
    result = write(bare, tmp_path / "out")
    assert names(tmp_path / "out") == ALWAYS | set(SERIES.values()) - {"REG"}
    (reason,) = result.record.left_out
    assert "no registration object: the CT and the MR lack a frame of reference UID" in reason
    headers = [
        pydicom.dcmread(min((tmp_path / "out" / name).iterdir()))
        for name in SERIES.values()
        if name != "REG"
    ]
    assert len({header.StudyInstanceUID for header in headers}) == 1
    assert len({header.FrameOfReferenceUID for header in headers}) == 1
    assert write(bare, tmp_path / "few", "fused", "mr").record.left_out == ()


def test_the_registration_object_replaces_a_search(
    pair: tuple[Series, Series], ladder: Result, given: Recipe
) -> None:
    reg = min((folder_of(ladder) / "REG").iterdir())
    again = radfuse.fuse(*pair, recipe=given.model_copy(update={"transform": reg}))
    for point in ((0.0, 0.0, 0.0), (80.0, -70.0, 60.0)):
        np.testing.assert_allclose(
            again.alignment.mr_from_ct.TransformPoint(point),
            ladder.alignment.mr_from_ct.TransformPoint(point),
            atol=1e-6,
        )


def another_of_the_session(header: pydicom.Dataset) -> None:
    """Another series of the scanner session: other images in the same frame of reference."""
    header.SeriesInstanceUID = "1.2.826.0.1.77"
    header.SOPInstanceUID = f"1.2.826.0.1.77.{header.InstanceNumber}"
    header.PixelData = np.sqrt(1000.0 * header.pixel_array).astype("<u2").tobytes()


def test_one_registration_is_of_all_mr_of_a_session(
    phantom_folders: tuple[Path, Path], ladder: Result, tmp_path: Path
) -> None:
    reg = min((folder_of(ladder) / "REG").iterdir())
    folder = shutil.copytree(phantom_folders[1], tmp_path / "second")
    change_all(folder, another_of_the_session)
    second = radfuse.read(folder, "MR")
    alignment = align(ladder.ct, second, Recipe(transform=reg), no_progress)
    np.testing.assert_allclose(
        matrix_of(alignment.mr_from_ct), matrix_of(ladder.alignment.mr_from_ct), atol=1e-6
    )
    assert alignment.origin == "file"
    assert alignment.quality.grade == "pass"  # estimated for this MR, too
    assert alignment.identifier != ladder.alignment.identifier
    for path in folder.iterdir():
        move(path, (5.0, 0.0, 0.0))
    with pytest.raises(RegistrationQAError, match="registration QA FAILED"):  # the patient moved
        align(ladder.ct, radfuse.read(folder, "MR"), Recipe(transform=reg), no_progress)
    change_all(folder, put("FrameOfReferenceUID", "1.2.826.0.1.78"))
    with pytest.raises(InputError, match="pass the registration of these series"):
        align(ladder.ct, radfuse.read(folder, "MR"), Recipe(transform=reg), no_progress)


def test_a_full_disk_leaves_nothing(
    ladder: Result, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    with full_disk(15000), pytest.raises(OutputError, match="nothing was changed"):
        write(ladder, tmp_path / "out", "fused", "colour")
    assert names(tmp_path) == set()


BLOB_MM = 8.0
"""Standard deviation: wide enough that a grid of 3 mm finds its centre."""


def with_blob(mr: Series, centre_mm: np.ndarray) -> Series:
    """The MR with a bright ball of soft edges about a point, LPS."""
    blob = sitk.GaussianSource(
        sitk.sitkFloat32, mr.image.GetSize(), [BLOB_MM] * 3,
        np.array(mr.image.GetDirection()).reshape(3, 3).T @ (centre_mm - mr.image.GetOrigin()),
        20000.0, (0, 0, 0), mr.image.GetSpacing(),
    )  # fmt: skip
    blob.CopyInformation(mr.image)
    return dataclasses.replace(mr, image=sitk.Round(mr.image + blob))


@pytest.mark.parametrize(
    "centre_mm", [(3.3, -7.7, 11.2), pytest.param((-21.4, 10.9, -8.6), marks=pytest.mark.slow)]
)
def test_written_matrix_moves_mr_point_to_the_resampled_mr(
    ladder: Result, tmp_path: Path, centre_mm: tuple[float, float, float]
) -> None:
    marked = dataclasses.replace(ladder, mr=with_blob(ladder.mr, np.array(centre_mm)))
    write(marked, tmp_path / "out", "mr", "registration")
    with_it, without = (
        sitk.Cast(radfuse.read(folder / "MR_on_CT", "MR").image, sitk.sitkFloat64)
        for folder in (tmp_path / "out", folder_of(ladder))
    )
    weights = sitk.GetArrayFromImage(with_it - without)
    index = [float((weights * axis).sum() / weights.sum()) for axis in np.indices(weights.shape)]
    shown = with_it.TransformContinuousIndexToPhysicalPoint(index[::-1])
    reg = pydicom.dcmread(min((tmp_path / "out" / "REG").iterdir()))
    part = reg.RegistrationSequence[1].MatrixRegistrationSequence[0].MatrixSequence[0]
    matrix = np.reshape(part.FrameOfReferenceTransformationMatrix, (4, 4)).astype(np.float64)
    moved = (matrix @ (*centre_mm, 1))[:3]
    assert np.linalg.norm(np.subtract(moved, shown)) < 0.01


def test_resampled_ct_gives_its_grid_but_no_source_slice(ladder: Result, tmp_path: Path) -> None:
    straight, fused = sitk.Image(ladder.ct.image), sitk.Image(ladder.image)
    straight.SetOrigin((-100.0, -110.0, -90.0))
    fused.CopyInformation(straight)
    ct = dataclasses.replace(ladder.ct, image=straight, regridded=True)
    write(dataclasses.replace(ladder, ct=ct, image=fused), tmp_path / "out")
    for kind in ("fused", "mr", "colour"):
        header = pydicom.dcmread(min((tmp_path / "out" / SERIES[kind]).iterdir()))
        assert list(header.ImagePositionPatient) == [-100.0, -110.0, -90.0]
        assert {item.SpatialLocationsPreserved for item in header.SourceImageSequence} == {"NO"}


def test_registrations_of_another_patient_are_not_used(
    phantom: Phantom, phantom_folders: tuple[Path, Path], ladder: Result, tmp_path: Path
) -> None:
    assert ladder.written is not None
    (reg,) = (ladder.written.parent / "REG").iterdir()
    mask = tmp_path / "mask.nii.gz"
    write_volume(mask, phantom.labels_mr == int(Label.OEDEMA))
    result = transfer_contours(mask, *phantom_folders, reg, tmp_path / "right.dcm")
    assert result.structures[0]["volume_cm3"] == pytest.approx(
        result.structures[0]["drawn_cm3"], rel=0.1
    )
    ct, mr = (shutil.copytree(folder, tmp_path / folder.name) for folder in phantom_folders)
    for folder in (ct, mr):
        change_all(folder, put("PatientID", "SOMEBODY-ELSE"))
    with pytest.raises(InputError, match="the registration of another patient"):
        transfer_contours(mask, ct, mr, reg, tmp_path / "wrong.dcm")
    assert not (tmp_path / "wrong.dcm").exists()
    with pytest.raises(InputError, match="the registration of another patient"):
        radfuse.evaluate(ladder.written, ct, mr, volume=VolumeOptions(transform=reg))


def test_two_patients_are_measured_only_if_accepted(
    phantom_folders: tuple[Path, Path], ladder: Result, tmp_path: Path
) -> None:
    assert ladder.written is not None
    ct, mr = phantom_folders
    other = shutil.copytree(mr, tmp_path / "mr")
    change_all(other, put("PatientID", "SOMEBODY-ELSE"))
    output = shutil.copytree(ladder.written.parent, tmp_path / "out")
    words = ["evaluate", "--fused", output / ladder.written.name, "--ct", ct, "--every", 9,
             "--metric", "SF", "--json", "--quiet", "--mr"]  # fmt: skip

    def evaluated(*more: object) -> CliResult:
        return CliRunner().invoke(main, [str(word) for word in (*words, *more)])

    right, refused = evaluated(mr), evaluated(other)
    assert (right.exit_code, refused.exit_code) == (0, 2)
    assert "pass --accept-patients" in refused.output
    assert "SOMEBODY" not in refused.output
    assert evaluated(other, "--accept-patients").stdout == right.stdout
    record = output / "record.json"
    facts = json.loads(record.read_text())
    facts["recipe"]["accept_patients"] = True
    record.write_text(json.dumps(facts))
    assert evaluated(other).stdout == right.stdout
