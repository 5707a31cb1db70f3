"""Multi-frame objects are read as the equivalent single-frame files."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from highdicom.legacy import LegacyConvertedEnhancedCTImage, LegacyConvertedEnhancedMRImage
from pydicom import Dataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, RLELossless, generate_uid

from dicom_kit import OBLIQUE, assert_same_image, change_all, put, slices, volume, write
from radfuse.dicom.uids import derive_uid
from radfuse.errors import GeometryError, InputError
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


def enhanced(
    path: Path,
    brightness: list[float],
    indices: list[list[int]],
    lift_mm: float = 0.0,
    **values: list[object],
) -> None:
    """An enhanced MR of 6 slices for each brightness; each dynamic has attributes of its own."""
    folder = write(path.parent / f"{path.name}-single", volume("MR"), "MR")
    singles = [pydicom.dcmread(one) for one in slices(folder)]
    shutil.rmtree(folder)
    pixels = np.stack([one.pixel_array for one in singles])
    many = singles[0]
    many.SOPClassUID = many.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    many.SOPInstanceUID = many.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    many.PerFrameFunctionalGroupsSequence = [
        frame_groups(one, index, lift_mm, {name: texts[number] for name, texts in values.items()})
        for number, of_dynamic in enumerate(np.split(np.array(indices), len(brightness)))
        for one, index in zip(singles, of_dynamic.tolist(), strict=True)
    ]
    many.NumberOfFrames = 6 * len(brightness)
    many.PixelData = (
        np.concatenate([pixels * factor for factor in brightness]).astype("u2").tobytes()
    )
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del many[keyword]
    many.save_as(path)


def frame_groups(
    single: Dataset, index: list[int], lift_mm: float, values: dict[str, object]
) -> Dataset:
    """Position, orientation, spacing and dimension indices of a frame, and other attributes."""
    groups = {
        "FrameContentSequence": {"DimensionIndexValues": index, **values},
        "PlanePositionSequence": {
            "ImagePositionPatient": list(np.add(single.ImagePositionPatient, [0, 0, lift_mm]))
        },
        "PlaneOrientationSequence": {"ImageOrientationPatient": single.ImageOrientationPatient},
        "PixelMeasuresSequence": {"PixelSpacing": single.PixelSpacing},
    }
    frame = Dataset()
    for name, attributes in groups.items():
        item = Dataset()
        for keyword, value in attributes.items():
            setattr(item, keyword, value)
        setattr(frame, name, [item])
    return frame


TWO_DYNAMICS = [[1, position, time] for time in (1, 2) for position in range(1, 7)]
"""Indices of stack, position and time."""


@pytest.mark.parametrize(
    ("indices", "values", "difference"),
    [
        (TWO_DYNAMICS, {}, "DimensionIndexValues[2] is 1, not 2"),
        ([[1, 1]] * 12, {"FrameComments": ["early", "late"]}, "FrameComments is early, not late"),
        ([[1, 1]] * 12, {"NominalCardiacTriggerDelayTime": [0.0, 40.0]}, "Time is 0.0, not 40.0"),
        ([[1, 1]] * 12, {"ConvolutionKernel": ["H30", "H60"]}, "ConvolutionKernel is H30, not H60"),
    ],
)  # fmt: skip
def test_dynamics_of_one_file_are_offered_as_volumes(
    tmp_path: Path, indices: list[list[int]], values: dict[str, list[object]], difference: str
) -> None:
    enhanced(tmp_path / "many", [1, 2], indices, **values)
    with pytest.raises(GeometryError, match="of 12 images contains 2 volumes") as caught:
        read(tmp_path / "many", "MR")
    assert difference in str(caught.value)
    uid = derive_uid("test", "MR", "head")
    images = [read(tmp_path / "many", "MR", series_uid=f"{uid}#{number}") for number in (1, 2)]
    images.sort(key=lambda series: float(sitk.GetArrayFromImage(series.image).max()))
    assert_same_image(images[0].image, volume("MR"))
    assert_same_image(images[1].image, volume("MR") * 2)


def test_indistinct_frames_of_one_file_have_a_remedy(tmp_path: Path) -> None:
    enhanced(tmp_path / "many", [1, 2], [[1, 1]] * 12)
    with pytest.raises(GeometryError, match="same position; export the acquisitions of this file"):
        read(tmp_path / "many", "MR")


ONE_TIME = [[1, position, 1] for position in range(1, 7)]


def test_parts_in_several_files_are_joined(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    enhanced(folder / "low", [1], ONE_TIME)
    enhanced(folder / "high", [2], ONE_TIME, lift_mm=15.0)
    series = read(folder, "MR")
    values = sitk.GetArrayFromImage(series.image)
    single = sitk.GetArrayFromImage(volume("MR"))
    np.testing.assert_array_equal(values, np.concatenate([single, 2 * single]))
    assert series.image.GetSpacing()[2] == pytest.approx(2.5)


def test_times_in_several_files_are_split(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    enhanced(folder / "early", [1], ONE_TIME)
    enhanced(folder / "late", [2], ONE_TIME)
    with pytest.raises(GeometryError, match="of 12 images contains 2 volumes"):
        read(folder, "MR")
    uid = derive_uid("test", "MR", "head")
    images = [read(folder, "MR", series_uid=f"{uid}#{number}").image for number in (1, 2)]
    images.sort(key=lambda image: float(sitk.GetArrayFromImage(image).max()))
    assert_same_image(images[0], volume("MR"))
    assert_same_image(images[1], volume("MR") * 2)
