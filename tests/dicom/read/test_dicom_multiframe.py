"""Multi-frame objects are read as the equivalent single-frame files."""

import shutil
from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk
from highdicom.legacy import LegacyConvertedEnhancedCTImage, LegacyConvertedEnhancedMRImage
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from dicom_kit import OBLIQUE, assert_same_image, change_all, put, slices, volume, write
from radfuse.dicom.read.dicomdir import missing_dicomdir_files
from radfuse.dicom.read.scan import list_files
from radfuse.errors import InputError, NoImageError
from radfuse.pipeline.read import read

STUDY = {
    "StudyID": "1", "StudyDate": "20200102", "StudyTime": "030405", "AccessionNumber": "7",
    "PatientBirthDate": "", "PatientSex": "", "ReferringPhysicianName": "", "Manufacturer": "x",
    "SeriesNumber": 1, "PatientPosition": "HFS", "PositionReferenceIndicator": "",
}  # fmt: skip
"""What a legacy conversion asks for."""


def converted(folder: Path, modality: str, syntax: str = ExplicitVRLittleEndian) -> Path:
    """The multi-frame file of a folder of single frames, by highdicom."""
    for keyword, value in STUDY.items():
        change_all(folder, put(keyword, value))
    change_all(folder, put("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"]))
    kind = {"CT": LegacyConvertedEnhancedCTImage, "MR": LegacyConvertedEnhancedMRImage}[modality]
    headers = [pydicom.dcmread(path) for path in slices(folder)[::-1]]
    many = kind(headers, generate_uid(), 5, generate_uid(), 1, transfer_syntax_uid=syntax)
    target = folder.parent / f"{modality}-many"
    many.save_as(target)
    return target


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_legacy_converted_series_equals_the_original(
    tmp_path: Path, modality: str, syntax: str
) -> None:
    folder = write(tmp_path / "in", volume(modality, OBLIQUE), modality)
    single = read(folder, modality)
    many = read(converted(folder, modality, syntax), modality)
    assert_same_image(many.image, single.image, atol=1e-6)
    assert len(many.files) == 1
    assert [header.ReferencedFrameNumber for header in many.headers] == [6, 5, 4, 3, 2, 1]
    places = [list(header.ImagePositionPatient) for header in single.headers]
    assert [list(header.ImagePositionPatient) for header in many.headers] == places


def test_multi_frame_file_is_found_in_a_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume("MR"), "MR")
    single = read(folder, "MR")
    (tmp_path / "enhanced").mkdir()
    converted(folder, "MR").rename(tmp_path / "enhanced/a")
    assert_same_image(read(tmp_path / "enhanced", "MR").image, single.image)


def test_too_few_frames_for_their_groups_are_refused(tmp_path: Path) -> None:
    path = converted(write(tmp_path / "in", volume("MR"), "MR"), "MR")
    header = pydicom.dcmread(path)
    header.NumberOfFrames = 5
    header.save_as(path)
    with pytest.raises(InputError, match=r"MR-many: damaged: 5 frames, 6 functional groups"):
        read(path, "MR")


@pytest.mark.parametrize("name", ["001", "001_implicit"])
def test_frames_of_enhanced_mr_have_their_own_numbers(odd: Path, name: str) -> None:
    """Their functional groups refer to a frame of another image."""
    series = read(odd / "dicom2nifti/philips_enhanced/anatomical" / name, "MR")
    numbers = [header.ReferencedFrameNumber for header in series.headers]
    assert sorted(numbers) == list(range(1, 9))


@pytest.mark.parametrize(
    ("name", "modality", "message"),
    [
        ("emri_small.dcm", "MR", "frame 1, .*ImageOrientationPatient is missing or not 6 numbers"),
        ("eCT_Supplemental.dcm", "CT", "values in perfusion, not in HU; give the CT itself"),
    ],
)
def test_multi_frame_files_without_a_volume_are_refused(
    odd: Path, tmp_path: Path, name: str, modality: str, message: str
) -> None:
    shutil.copy(odd / "pydicom-data" / name, tmp_path)
    with pytest.raises(InputError, match=message):
        read(tmp_path, modality)


def test_dicomdir_matches_file_names_of_any_case(heads: Path, tmp_path: Path) -> None:
    """A mounted CD shows its names in lower case."""
    (tmp_path / "dicom").mkdir()
    for number in range(304):
        (tmp_path / "dicom" / f"i{number}").touch()
    shutil.copy(heads / "ct_ge_mixed_series_jpegll_DICOMDIR", tmp_path / "dicomdir")
    existing = list_files(tmp_path)
    assert missing_dicomdir_files(tmp_path / "dicomdir", existing) == []


def test_dicomdir_without_its_files_is_refused(heads: Path) -> None:
    with pytest.raises(NoImageError, match="a DICOM directory, not an image; give its folder"):
        read(heads / "ct_ge_mixed_series_jpegll_DICOMDIR", "CT")


def test_dicomdir_reads_its_folder_and_names_missing_files(heads: Path, tmp_path: Path) -> None:
    write(tmp_path / "disk")
    shutil.copy(heads / "ct_ge_mixed_series_jpegll_DICOMDIR", tmp_path / "disk/DICOMDIR")
    series = read(tmp_path / "disk/DICOMDIR", "CT")
    assert sitk.GetArrayFromImage(series.image).shape == (6, 9, 7)
    (note,) = series.notes
    assert note.endswith("more: listed in DICOMDIR, but missing")
