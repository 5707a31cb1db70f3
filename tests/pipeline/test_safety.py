"""What must not happen to a patient or to somebody's files."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

import radfuse
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.fused import FULL_SCALE, fused_series
from radfuse.errors import InputError, OutputError, RegistrationError
from radfuse.modality import CT
from radfuse.phantom.head import Phantom
from radfuse.recipe import Recipe, make_recipe
from radfuse.record import SHORT_NOTICE
from radfuse.registration.transforms import write_transform
from radfuse.series import Series
from radfuse.verdict import Verdict

QUICK = {"method": "average", "accept_registration": True, "outputs": ("fused",)}


@pytest.fixture(scope="module")
def phantom(coarse_phantom: Phantom) -> Phantom:
    return coarse_phantom


@pytest.fixture(scope="module")
def phantom_folders(coarse_folders: tuple[Path, Path]) -> tuple[Path, Path]:
    return coarse_folders


@pytest.fixture
def given(phantom: Phantom, tmp_path: Path) -> Recipe:
    write_transform(tmp_path / "truth.tfm", phantom.mr_from_ct)
    return Recipe(transform=tmp_path / "truth.tfm", **QUICK)


def renamed(folder: Path, target: Path, **values: str) -> Path:
    shutil.copytree(folder, target)
    for path in target.iterdir():
        header = pydicom.dcmread(path)
        for keyword, value in values.items():
            setattr(header, keyword, value)
        header.save_as(path)
    return target


def test_two_patients_are_refused_unless_accepted(
    phantom_folders: tuple[Path, Path], given: Recipe, tmp_path: Path
) -> None:
    ct = phantom_folders[0]
    mr = renamed(phantom_folders[1], tmp_path / "MR", PatientID="SOMEBODY-ELSE")
    with pytest.raises(InputError, match=r"different patient IDs.*--accept-patients"):
        radfuse.fuse(ct, mr, recipe=given)
    recipe = given.model_copy(update={"accept_patients": True})
    radfuse.fuse(ct, mr, tmp_path / "out", recipe=recipe)
    assert "DIFFERENT PATIENT IN THE MR" in (tmp_path / "out" / "qa.html").read_text()


def test_without_ids_two_names_are_refused(
    phantom_folders: tuple[Path, Path], given: Recipe, tmp_path: Path
) -> None:
    ct = renamed(phantom_folders[0], tmp_path / "CT", PatientID="", PatientName="DOE")
    mr = renamed(phantom_folders[1], tmp_path / "MR", PatientID="", PatientName="ROE")
    with pytest.raises(InputError, match="different patient names or dates of birth") as caught:
        radfuse.fuse(ct, mr, recipe=given)
    assert "OE" not in str(caught.value).replace(str(tmp_path), "")


def test_headers_of_different_frames_are_not_used(phantom_folders: tuple[Path, Path]) -> None:
    with pytest.raises(RegistrationError, match="different frames of reference"):
        radfuse.fuse(*phantom_folders, recipe=Recipe(register_rigidly=False, method="average"))


def context(phantom: Phantom, **changes: object) -> DerivationContext:
    facts = {
        "fixed": phantom.ct, "moving": phantom.mr, "moving_from_fixed": phantom.mr_from_ct,
        "method": "average", "weights_sha256": None, "verdict": Verdict("pass", 1.5),
        "registration_id": "abc",
        "in_fov": np.ones(phantom.ct.image.GetSize()[2], np.bool_), "window": "width 1, level 2",
        "alignment_source": "file", "moving_range": (0.0, 1.0),
    }  # fmt: skip
    return DerivationContext(**{**facts, **changes})


def first(folder: Path, phantom: Phantom, **changes: object) -> pydicom.Dataset:
    stored = sitk.Cast(phantom.ct.image * 0 + FULL_SCALE, sitk.sitkUInt16)
    made = context(phantom, **changes)
    return pydicom.dcmread(made.write(fused_series(folder, stored, made))[0])


@pytest.mark.parametrize("method", [r"C:\nets\jdoe\mine.onnx", "/home/jdoe/nets/mine.onnx"])
def test_the_series_description_keeps_its_warning_and_no_path(
    phantom: Phantom, tmp_path: Path, method: str
) -> None:
    header = first(tmp_path / "f", phantom, method=method)
    assert header.SeriesDescription == "FUSED CT+MR mine.onnx - RESEARCH, NOT FOR DOSE CALC"
    assert "jdoe" not in str(header)


@pytest.mark.parametrize(
    ("verdict", "mark", "result"),
    [
        (Verdict("refuse", 3.4), "QA FAILED", "FAILED"),
        (Verdict("inspect", 2.68), "INSPECT", "INSPECT: registration error up to 2.7 mm"),
    ],
)
def test_the_verdict_is_in_series_list_and_comments(
    phantom: Phantom, tmp_path: Path, verdict: Verdict, mark: str, result: str
) -> None:
    header = first(tmp_path / "f", phantom, verdict=verdict, method="a" * 80)
    assert header.SeriesDescription.startswith(f"{mark} FUSED CT+MR aaa")
    assert header.SeriesDescription.endswith("a - RESEARCH, NOT FOR DOSE CALC")
    assert len(header.SeriesDescription) == 64
    assert f"abc unreviewed; registration QA {result}. " in header.ImageComments


def test_slice_outside_the_mr_field_of_view_is_marked(phantom: Phantom, tmp_path: Path) -> None:
    in_fov = np.ones(phantom.ct.image.GetSize()[2], np.bool_)
    in_fov[0] = False
    assert first(tmp_path / "f", phantom, in_fov=in_fov).ImageComments.startswith(
        "CT only: outside the MR field of view"
    )


def test_lossy_compression_of_a_source_is_recorded(
    phantom_folders: tuple[Path, Path], given: Recipe, tmp_path: Path
) -> None:
    mr = renamed(phantom_folders[1], tmp_path / "MR", LossyImageCompression="01")
    result = radfuse.fuse(phantom_folders[0], mr, tmp_path / "out", recipe=given)
    assert pydicom.dcmread(min(result.written.iterdir())).LossyImageCompression == "01"


def test_results_never_overwrite_inputs(
    phantom_folders: tuple[Path, Path], phantom: Phantom, given: Recipe, tmp_path: Path
) -> None:
    ct = tmp_path / "ct.nii.gz"
    sitk.WriteImage(phantom.ct.image, str(ct))
    before = ct.read_bytes()
    for source, output in ((ct, ct), (phantom_folders[0], phantom_folders[0] / "out.nii.gz")):
        with pytest.raises(OutputError, match="overlaps with the input"):
            radfuse.fuse(source, phantom.mr, output, recipe=given, overwrite=True)
    assert ct.read_bytes() == before


def test_a_result_folder_with_other_files_is_kept(
    phantom: Phantom, given: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    radfuse.fuse(phantom.ct, phantom.mr, out, recipe=given)
    (out / "contours.dcm").write_text("drawn by hand")
    with pytest.raises(OutputError, match=r"contours\.dcm"):
        radfuse.fuse(phantom.ct, phantom.mr, out, recipe=given, overwrite=True)
    assert (out / "contours.dcm").read_text() == "drawn by hand"


def test_a_folder_with_another_record_is_kept(
    phantom: Phantom, given: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "record.json").write_text("{}")
    with pytest.raises(OutputError, match="has files that radfuse did not write"):
        radfuse.fuse(phantom.ct, phantom.mr, out, recipe=given, overwrite=True)


def test_a_slab_too_thin_to_register_is_refused(phantom: Phantom) -> None:
    slab = Series(phantom.ct.image[:, :, 10:13], CT, Path("slab"))
    with pytest.raises((InputError, RegistrationError)):
        radfuse.fuse(slab, phantom.mr)


def test_every_image_has_the_research_use_notice(
    phantom: Phantom, given: Recipe, tmp_path: Path
) -> None:
    radfuse.fuse(phantom.ct, phantom.mr, tmp_path / "f.mha", recipe=given)
    assert SHORT_NOTICE.encode() in (tmp_path / "f.mha").read_bytes()
    levels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    radfuse.fuse(tmp_path / "a.png", tmp_path / "a.png", tmp_path / "p.png",
                 recipe=Recipe(method="average"))  # fmt: skip
    assert Image.open(tmp_path / "p.png").text["Comment"] == SHORT_NOTICE


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"transform": "a", "initial_transform": "b"}, "not both"),
        ({"register_rigidly": False, "transform": "a"}, "a transform file needs"),
    ],
)
def test_contradictory_settings_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_recipe(**settings)
    with pytest.raises(ValueError, match=words):
        Recipe(**settings)


def test_2d_images_are_not_registered(tmp_path: Path) -> None:
    levels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="not registered"):
        radfuse.fuse(tmp_path / "a.png", tmp_path / "a.png", recipe=Recipe(register_rigidly=False))
