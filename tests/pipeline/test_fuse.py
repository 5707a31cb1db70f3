"""The main job on a phantom whose truth is known: what comes out, and where it lies."""

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from PIL import Image, ImageChops

import radfuse
from radfuse.cli import main
from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.errors import InputError, OutputError, RegistrationError
from radfuse.intensity import WINDOWS, both_windows
from radfuse.methods.catalogue import METHODS
from radfuse.modality import CT, MR
from radfuse.phantom.head import DEFAULT_SPACING_MM, Label, Phantom, make_phantom
from radfuse.pipeline.result import Result
from radfuse.pipeline.volume import scale_volumes
from radfuse.recipe import Recipe, make_recipe
from radfuse.record import NOTICE, Record, digest
from radfuse.registration.transforms import read_transform, write_transform
from radfuse.series import Series


@pytest.fixture(scope="module")
def alone(given: Recipe) -> Recipe:
    """Writes the fused series and no other object."""
    return given.model_copy(update={"outputs": ("fused",)})


@pytest.fixture(scope="module")
def coarse(
    coarse_phantom: Phantom, alone: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Recipe:
    """The same for the coarse phantom."""
    path = tmp_path_factory.mktemp("coarse") / "truth.tfm"
    write_transform(path, coarse_phantom.mr_from_ct)
    return alone.model_copy(update={"transform": path})


@pytest.fixture(scope="module")
def fused(phantom: Phantom, given: Recipe) -> Result:
    return radfuse.fuse(phantom.ct, phantom.mr, recipe=given)


@pytest.mark.parametrize(
    "spacing_mm", [4.0, pytest.param(DEFAULT_SPACING_MM, marks=pytest.mark.slow)]
)
def test_demo_finds_the_pose_within_a_millimetre(spacing_mm: float, tmp_path: Path) -> None:
    demo = ["demo", "-o", str(tmp_path / "demo"), "--method", "bone_blend", "--quiet"]
    demo += ["--spacing", str(spacing_mm)]
    done = CliRunner().invoke(main, [*demo, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["registration"]["quality"]["passed"]
    for name in ("CT", "MR", "fused", told["written"]):
        assert any((tmp_path / "demo" / name).iterdir())
    again = CliRunner().invoke(main, demo)
    assert again.exit_code == 2
    assert "exists; pass --overwrite" in again.stderr
    phantom = make_phantom(spacing_mm=spacing_mm)
    corners = [(x, y, z) for x in (-60, 60) for y in (-70, 70) for z in (-40, 60)]
    (path,) = (tmp_path / "demo" / "fused").glob("*.tfm")
    found, true = read_transform(path), phantom.mr_from_ct
    errors_mm = [
        np.linalg.norm(np.subtract(found.TransformPoint(point), true.TransformPoint(point)))
        for point in corners
    ]
    assert np.mean(errors_mm) <= 1.0
    if spacing_mm == DEFAULT_SPACING_MM:  # in coarser voxels the skulls of the truth differ, too
        assert _skull_dice(phantom, found) >= 0.95


def _skull_dice(phantom: Phantom, found: sitk.Transform) -> float:
    """Dice of the CT's skull and the MR's, moved, where both scanners look."""
    skull = phantom.labels_mr == int(Label.SKULL)
    moved = sitk.Resample(sitk.Cast(skull, sitk.sitkFloat32), phantom.ct.image, found)
    in_fov = sitk.GetArrayFromImage(_fov_mask_image(phantom, found)) > 0
    first = (sitk.GetArrayFromImage(moved) > 0.5) & in_fov
    second = (sitk.GetArrayFromImage(phantom.labels) == Label.SKULL) & in_fov
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def _fov_mask_image(phantom: Phantom, mr_from_ct: sitk.Transform) -> sitk.Image:
    everywhere = sitk.Image(phantom.mr.image.GetSize(), sitk.sitkUInt8) + 1
    everywhere.CopyInformation(phantom.mr.image)
    return sitk.Resample(everywhere, phantom.ct.image, mr_from_ct, sitk.sitkNearestNeighbor, 0)


def test_the_fused_volume_has_the_grid_of_the_ct(phantom: Phantom, fused: Result) -> None:
    for geometry in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(fused.image, geometry)() == getattr(phantom.ct.image, geometry)()
    assert fused.image.GetPixelID() == sitk.sitkUInt16


def test_outside_the_mr_field_of_view_is_the_ct_alone(phantom: Phantom, fused: Result) -> None:
    assert fused.region is not None
    outside = np.ones(phantom.ct.image.GetSize()[::-1], np.bool_)
    outside[fused.region.box] = ~fused.region.fov_mask
    ct = both_windows(sitk.GetArrayFromImage(phantom.ct.image))
    stored = sitk.GetArrayFromImage(fused.image)
    assert outside.any()
    np.testing.assert_array_equal(stored[outside], np.rint(ct[outside] * 4095))


def test_bone_is_white_and_brain_follows_the_mr(phantom: Phantom, fused: Result) -> None:
    labels = sitk.GetArrayFromImage(phantom.labels)[fused.region.box]
    hu = sitk.GetArrayFromImage(phantom.ct.image)[fused.region.box]
    values = sitk.GetArrayFromImage(fused.image)[fused.region.box] / FULL_SCALE
    mr = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"]).mr
    dense = fused.region.fov_mask & (hu > 900)
    brain = fused.region.fov_mask & (labels == Label.WHITE)
    assert values[dense].mean() > 0.85
    assert np.corrcoef(values[brain], mr[brain])[0, 1] > 0.95


def test_head_is_inside_its_box_smaller_than_the_scan(phantom: Phantom, fused: Result) -> None:
    labels = sitk.GetArrayFromImage(phantom.labels)
    in_fov = sitk.GetArrayFromImage(_fov_mask_image(phantom, phantom.mr_from_ct)) > 0
    brain = (labels == Label.GREY) & in_fov
    kept = np.zeros_like(brain)
    kept[fused.region.box] = True
    assert not (brain & ~kept).any()
    assert kept.mean() < 1


def test_a_distant_transform_fails_qa_and_writes_nothing(phantom: Phantom, tmp_path: Path) -> None:
    shifted = sitk.Euler3DTransform(phantom.mr_from_ct)
    shifted.SetTranslation(np.add(shifted.GetTranslation(), (0.0, 15.0, 0.0)).tolist())
    write_transform(tmp_path / "off.tfm", shifted)
    recipe = Recipe(transform=tmp_path / "off.tfm", method="average")
    with pytest.raises(RegistrationError, match="--initial-transform"):
        radfuse.fuse(phantom.ct, phantom.mr, tmp_path / "out", recipe=recipe)
    assert not (tmp_path / "out").exists()


def test_qa_fails_for_the_headers_of_two_scanners(phantom: Phantom) -> None:
    recipe = Recipe(register_rigidly=False, method="average")
    with pytest.raises(RegistrationError, match="registration QA FAILED: "):
        radfuse.fuse(phantom.ct, phantom.mr, recipe=recipe)


def test_what_is_to_be_inspected_is_fused_with_a_warning(phantom: Phantom, tmp_path: Path) -> None:
    """1.5 mm off: neither good nor bad."""
    off = sitk.Euler3DTransform(phantom.mr_from_ct)
    off.SetTranslation(np.add(off.GetTranslation(), (0.0, 1.5, 0.0)).tolist())
    write_transform(tmp_path / "off.tfm", off)
    recipe = Recipe(transform=tmp_path / "off.tfm", method="average")
    result = radfuse.fuse(phantom.ct, phantom.mr, tmp_path / "x.mha", recipe=recipe)
    sheet = (tmp_path / "x_qa.html").read_text()
    assert "registration QA INSPECT: registration error up to 2" in sheet
    assert result.record.registration["quality"]["grade"] == "inspect"
    assert result.record.warnings == (result.alignment.quality.sentence(),)
    assert sheet.count("mm below the top, fused</figcaption>") >= 5
    for region, (residual_mm, count) in result.alignment.quality.residuals.items():
        assert f"<th>{region}</th><td>{residual_mm:+.1f} mm ({count} patches)</td>" in sheet
    strict = recipe.model_copy(update={"require_pass": True})
    with pytest.raises(RegistrationError, match="registration QA INSPECT"):
        radfuse.fuse(phantom.ct, phantom.mr, recipe=strict)


def test_accepted_registration_is_marked_on_sheet_and_record(
    phantom: Phantom, tmp_path: Path
) -> None:
    recipe = Recipe(register_rigidly=False, accept_registration=True, method="average")
    result = radfuse.fuse(phantom.ct, phantom.mr, tmp_path / "x.mha", recipe=recipe)
    assert "registration QA FAILED: estimated error" in (tmp_path / "x_qa.html").read_text()
    assert result.record.registration["quality"]["passed"] is False
    assert result.record.registration["origin"] == "headers"


def test_a_ct_without_the_region_of_the_mr_is_refused(phantom: Phantom, given: Recipe) -> None:
    lower = Series(phantom.ct.image[:, :, :12], CT, Path("lower"))
    far = sitk.Image(phantom.mr.image)
    far.SetOrigin(np.add(far.GetOrigin(), (0.0, 0.0, 4000.0)).tolist())
    with pytest.raises((InputError, RegistrationError)):
        radfuse.fuse(lower, Series(far, MR, Path("far")), recipe=given)


SLOW = [pytest.param(suffix, marks=pytest.mark.slow) for suffix in (".nii", ".mha")]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", *SLOW])
def test_every_volume_format_is_read_back(
    coarse_phantom: Phantom, coarse: Recipe, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"sub-01_fused{suffix}"
    written = radfuse.fuse(coarse_phantom.ct, coarse_phantom.mr, path, recipe=coarse)
    assert written.written == path
    found = sitk.ReadImage(str(path))
    np.testing.assert_allclose(found.GetOrigin(), coarse_phantom.ct.image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(
        found.GetDirection(), coarse_phantom.ct.image.GetDirection(), atol=1e-6
    )
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(written.image)
    )
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names == {
        f"sub-01_fused{suffix}",
        "sub-01_fused.json",
        "sub-01_fused_qa.html",
        "sub-01_fused_from-MR_to-CT_mode-image_xfm.tfm",
        "sub-01_fused_desc-fov_mask.nii.gz",
    }


def test_record_transform_and_mask_describe_the_fusion(
    phantom: Phantom, given: Recipe, tmp_path: Path
) -> None:
    result = radfuse.fuse(phantom.ct, phantom.mr, tmp_path / "f.nii.gz", recipe=given)
    record = Record.model_validate_json((tmp_path / "f.json").read_text())
    assert record == result.record
    assert record.notice == NOTICE
    for output in record.outputs:
        assert output.sha256 == digest([tmp_path / output.path])
    transform = read_transform(tmp_path / "f_from-MR_to-CT_mode-image_xfm.tfm")
    point = (10.0, -20.0, 30.0)
    np.testing.assert_allclose(
        transform.TransformPoint(point), phantom.mr_from_ct.TransformPoint(point), atol=1e-6
    )
    mask = sitk.ReadImage(str(tmp_path / "f_desc-fov_mask.nii.gz"))
    in_fov = sitk.GetArrayFromImage(_fov_mask_image(phantom, phantom.mr_from_ct))
    found = sitk.GetArrayFromImage(mask)
    assert found.max() == 1
    assert not (found & ~in_fov.astype(np.uint8)).any()


def test_a_dicom_result_belongs_to_the_study_and_frame_of_the_ct(
    coarse_folders: tuple[Path, Path], coarse: Recipe, tmp_path: Path
) -> None:
    ct, mr = coarse_folders
    result = radfuse.fuse(ct, mr, tmp_path / "out", recipe=coarse)
    files = sorted(result.written.iterdir())
    sources = {str(h.SOPInstanceUID) for h in (*result.ct.headers, *result.mr.headers)}
    assert len(files) == len(result.ct.files)
    for path, header in zip(files, result.ct.headers, strict=True):
        fused = pydicom.dcmread(path)
        for keyword in (
            "StudyInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient",
            "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "PatientID",
        ):  # fmt: skip
            assert fused[keyword].value == header[keyword].value, keyword
        assert fused.SOPClassUID == pydicom.uid.MRImageStorage
        assert fused.Modality == "MR"
        assert list(fused.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
        assert fused.SeriesInstanceUID != header.SeriesInstanceUID
        assert fused.SeriesNumber > 300
        assert fused.SeriesDescription.endswith("RESEARCH, NOT FOR DOSE CALC")
        assert NOTICE in fused.ImageComments
        assert "unreviewed" in fused.ImageComments
        referenced = {item.ReferencedSOPInstanceUID for item in fused.SourceImageSequence}
        assert referenced <= sources
        assert str(header.SOPInstanceUID) in referenced
    again = radfuse.read(result.written, "MR")
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(again.image), sitk.GetArrayFromImage(result.image)
    )


def test_volumes_without_headers_become_unnamed_dicom(
    coarse_phantom: Phantom, coarse: Recipe, tmp_path: Path
) -> None:
    result = radfuse.fuse(coarse_phantom.ct, coarse_phantom.mr, tmp_path / "out", recipe=coarse)
    header = pydicom.dcmread(min(result.written.iterdir()))
    assert header.PatientID in ("", None)
    assert "SourceImageSequence" not in header


def test_earlier_results_are_kept_without_overwrite(
    coarse_phantom: Phantom, coarse: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    radfuse.fuse(coarse_phantom.ct, coarse_phantom.mr, out, recipe=coarse)
    before = (out / "record.json").read_bytes()
    with pytest.raises(OutputError, match="--overwrite"):
        radfuse.fuse(coarse_phantom.ct, coarse_phantom.mr, out, recipe=coarse)
    assert (out / "record.json").read_bytes() == before
    radfuse.fuse(coarse_phantom.ct, coarse_phantom.mr, out, recipe=coarse, overwrite=True)
    assert (out / "record.json").read_bytes() != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_other_files_is_never_replaced(
    phantom: Phantom, given: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="has files that radfuse did not write"):
        radfuse.fuse(phantom.ct, phantom.mr, tmp_path, recipe=given, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["out.png", "out.dcm", "out.tiff"])
def test_a_volume_is_not_written_to_a_2d_image(
    phantom: Phantom, given: Recipe, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match=r"\.nii\.gz"):
        radfuse.fuse(phantom.ct, phantom.mr, tmp_path / name, recipe=given)


def test_an_existing_folder_or_file_is_refused(
    phantom: Phantom, given: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "x.nii.gz").mkdir()
    (tmp_path / "file").write_text("")
    for name, words in (("x.nii.gz", "is a folder"), ("file", "is a file")):
        with pytest.raises(OutputError, match=words):
            radfuse.fuse(phantom.ct, phantom.mr, tmp_path / name, recipe=given)


def pictures(folder: Path, shape: tuple[int, int] = (40, 48)) -> tuple[Path, Path]:
    rng = np.random.default_rng(3)
    paths = folder / "ct.png", folder / "mr.png"
    for path in paths:
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path)
    return paths


@pytest.mark.parametrize(("bits", "kind"), [(8, np.uint8), (16, np.uint16)])
def test_two_2d_images_are_fused_with_the_given_bits(tmp_path: Path, bits: int, kind: type) -> None:
    ct, mr = pictures(tmp_path)
    recipe = make_recipe(method="maximum", bits=bits)
    radfuse.fuse(ct, mr, tmp_path / "fused.png", recipe=recipe)
    found = np.asarray(Image.open(tmp_path / "fused.png"))
    wanted = np.maximum(np.asarray(Image.open(ct)), np.asarray(Image.open(mr))).astype(np.float64)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, np.rint(wanted / 255 * (2**bits - 1)))
    record = json.loads((tmp_path / "fused.json").read_text())
    assert record["registration"] is None
    assert (tmp_path / "fused_qa.html").is_file()


def test_2d_images_are_written_to_a_folder(tmp_path: Path) -> None:
    ct, mr = pictures(tmp_path)
    radfuse.fuse(ct, mr, tmp_path / "out", recipe=Recipe(method="average"))
    names = {entry.name for entry in (tmp_path / "out").iterdir()}
    assert names == {"fused.png", "record.json", "qa.html"}


def test_2d_images_that_do_not_match_are_fused_with_a_warning(tmp_path: Path) -> None:
    levels = np.random.default_rng(4).integers(0, 256, (12, 12), np.uint8)
    ct = Image.fromarray(levels).resize((96, 96), Image.Resampling.BICUBIC)
    ct.save(tmp_path / "ct.png")
    ImageChops.offset(ct, 4, -8).save(tmp_path / "mr.png")
    arguments = ["--ct", tmp_path / "ct.png", "--mr", tmp_path / "mr.png", "--method", "average"]
    shown = CliRunner().invoke(main, ["fuse", *map(str, arguments), "-o", str(tmp_path / "x.png")])
    warning = "when it is moved by -4 pixels to the right and +8 down and rotated by +0 degrees"
    assert "warning: CT and MR may not be aligned: " in shown.stderr
    (recorded,) = json.loads((tmp_path / "x.json").read_text())["warnings"]
    assert warning in recorded
    assert recorded in shown.stderr
    assert recorded in (tmp_path / "x_qa.html").read_text()


def test_images_of_two_sizes_or_with_a_volume_are_refused(phantom: Phantom, tmp_path: Path) -> None:
    ct, _ = pictures(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, mr = pictures(other, (40, 50))
    with pytest.raises(InputError, match="48x40 and MR 50x40"):
        radfuse.fuse(ct, mr)
    with pytest.raises(InputError, match="3-D volume"):
        radfuse.fuse(phantom.ct, mr)


@pytest.mark.parametrize("side", [64, pytest.param(256, marks=pytest.mark.slow)])
def test_a_harvard_pair_is_fused_by_every_rule_and_by_networks(
    shared: Path, tmp_path: Path, side: int
) -> None:
    """A part of it by one rule of each family and one network."""
    first, last = 128 - side // 2, 128 + side // 2
    for name in ("CT", "MRI"):
        image = Image.open(shared / "data" / "harvard" / "test" / name / "16009.png")
        image.crop((first, first, last, last)).save(tmp_path / f"{name}.png")
    on_mfinet = {"signed_detail", "learned_detail"}  # one of them is enough, and mfinet in it
    rules = [name for name, entry in METHODS.items() if not entry.weights and name not in on_mfinet]
    networks = ["signed_detail", "res2fusion"]
    if side < 256:
        rules = list({METHODS[name].family: name for name in reversed(rules)}.values())
        networks = networks[1:]
    assert len(rules) > 3
    for name in (*sorted(rules), *networks):
        result = radfuse.fuse(tmp_path / "CT.png", tmp_path / "MRI.png", recipe=Recipe(method=name))
        fused = sitk.GetArrayFromImage(result.image)
        assert fused.shape == (side, side)
        assert 0 <= fused.min() < fused.max() <= 1
        graph = {"signed_detail": "mfinet.onnx", "res2fusion": "res2fusion.onnx"}.get(name)
        assert result.record.method.get("weights") == graph


def test_unknown_names_are_refused_before_the_fusion(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing"
    with pytest.raises(InputError, match="nearest: bone_blend"):
        radfuse.fuse(nowhere, nowhere, recipe=Recipe(method="bone_blent"))
    with pytest.raises(InputError, match="no window 'bones'"):
        radfuse.fuse(nowhere, nowhere, recipe=Recipe(window="bones"))


def test_unavailable_cuda_is_refused_in_one_line(tmp_path: Path) -> None:
    ct, mr = pictures(tmp_path)
    with pytest.raises(InputError, match="no network"):
        radfuse.fuse(ct, mr, recipe=Recipe(method="average", device="cuda"))
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA device"):
            radfuse.fuse(ct, mr, recipe=Recipe(method="mfinet", device="cuda"))
