"""SPECT volumes in one NM file: where each frame is; other NM images are refused by name."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset

from dicom_kit import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Angles, assert_same_image, change, put
from nuclear_kit import counts, spect
from radfuse.dicom.validate.dciodvfy import errors_of
from radfuse.errors import InputError, NoImageError
from radfuse.modality import NM
from radfuse.pipeline.read import read

COLUMN, ROW, FRAME = 3, 5, 4
"""The hot voxel in a file of 7 columns, 9 rows and 6 frames of 2 x 3 x 4 mm."""

PLANES = {
    "axial": ((1, 0, 0, 0, 1, 0), (0, 0, 1)),
    "axial, feet first": ((-1, 0, 0, 0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0, 0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, 1, 0, 0, 0, -1), (-1, 0, 0)),
    "oblique": ((0.8, 0.6, 0, 0, 0, -1), (-0.6, 0.8, 0)),
}
"""ImageOrientationPatient, and the normal: the cross product of row and column."""


def hot_file(folder: Path, cosines: tuple[float, ...], step_mm: float) -> Path:
    values = np.zeros((6, 9, 7), np.float32)
    values[FRAME, ROW, COLUMN] = 100
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((2.0, 3.0, 4.0))
    path = spect(folder, image, SpacingBetweenSlices=str(step_mm))

    def place(header: Dataset) -> None:
        (detector,) = header.DetectorInformationSequence
        detector.ImagePositionPatient = ["-10", "20", "-300"]
        detector.ImageOrientationPatient = [str(part) for part in cosines]

    change(path, place)
    return path


@pytest.mark.parametrize("step_mm", [4.0, -4.0])
@pytest.mark.parametrize("plane", PLANES)
def test_a_hot_voxel_is_where_the_header_says(tmp_path: Path, plane: str, step_mm: float) -> None:
    cosines, normal = PLANES[plane]
    image = read(hot_file(tmp_path / "nm", cosines, step_mm), NM).image
    world = (
        np.array([-10, 20, -300])
        + COLUMN * 2.0 * np.array(cosines[:3])
        + ROW * 3.0 * np.array(cosines[3:])
        + FRAME * step_mm * np.array(normal)
    )
    index = image.TransformPhysicalPointToContinuousIndex(world.tolist())
    np.testing.assert_allclose(index, np.rint(index), atol=1e-6)
    assert image[tuple(round(part) for part in index)] == 100
    assert np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) > 0


def test_the_position_is_the_hand_computed_one(tmp_path: Path) -> None:
    image = read(hot_file(tmp_path / "nm", PLANES["axial"][0], -4.0), NM).image
    assert image[image.TransformPhysicalPointToIndex((-4.0, 35.0, -316.0))] == 100


@pytest.mark.parametrize("angles", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
def test_a_written_volume_is_read_back(tmp_path: Path, angles: Angles) -> None:
    series = read(spect(tmp_path / "nm", counts(angles)), NM)
    assert_same_image(series.image, counts(angles))
    assert series.notes == ()
    assert [one.SliceVector for one in series.headers] == [1, 2, 3, 4, 5, 6]
    assert [one.ReferencedFrameNumber for one in series.headers] == [1, 2, 3, 4, 5, 6]


def test_another_program_finds_no_error(tmp_path: Path) -> None:
    assert list(errors_of(spect(tmp_path / "nm"))) == []


def test_frames_in_another_order_are_sorted(tmp_path: Path) -> None:
    path = spect(tmp_path / "nm")
    wanted = read(path, NM).image

    def reverse(header: Dataset) -> None:
        header.PixelData = header.pixel_array[::-1].tobytes()
        header.SliceVector = [6, 5, 4, 3, 2, 1]

    change(path, reverse)
    assert_same_image(read(path, NM).image, wanted)


def test_two_energy_windows_are_not_mixed(tmp_path: Path) -> None:
    path = spect(tmp_path / "nm")

    def double(header: Dataset) -> None:
        header.PixelData = header.PixelData * 2
        header.NumberOfFrames = 12
        header.SliceVector = [1, 2, 3, 4, 5, 6] * 2
        header.EnergyWindowVector = [1] * 6 + [2] * 6

    change(path, double)
    with pytest.raises(InputError, match=r"2 volumes; choose one with --spect-series"):
        read(path, NM)


def test_a_missing_spacing_is_the_thickness(tmp_path: Path) -> None:
    path = spect(tmp_path / "nm")
    wanted = read(path, NM)
    change(path, put("SpacingBetweenSlices", None))
    series = read(path, NM)
    assert_same_image(series.image, wanted.image)
    (note,) = series.notes
    assert note.startswith("SpacingBetweenSlices (0018,0088) is missing; SliceThickness")


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["TOMO", "EMISSION"], r"raw projections of a SPECT \(value 3 of ImageType is TOMO, not"),
        (["GATED TOMO"], "raw projections of a gated SPECT"),
        (["RECON GATED TOMO"], "a gated SPECT"),
        (["STATIC"], "a planar image"),
        (["WHOLE BODY"], "planar images of the whole body"),
        (["DYNAMIC"], "a planar time series"),
        (["GATED"], "gated planar images"),
        (["ODD"], "not a SPECT volume"),
        ([], r"not a SPECT volume \(value 3 of ImageType is missing"),
        (["RECON TOMO", "TRANSMISSION"], "a map of the attenuation"),
    ],
)
def test_images_that_are_no_volume_are_refused(
    tmp_path: Path, values: list[str], problem: str
) -> None:
    path = spect(tmp_path / "nm", ImageType=["ORIGINAL", "PRIMARY", *values])
    with pytest.raises(NoImageError, match=rf"{path}: {problem}"):
        read(path, NM)


def test_a_volume_is_read_beside_its_projections(tmp_path: Path) -> None:
    spect(tmp_path / "raw", name="raw", ImageType=["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"])
    spect(tmp_path / "volume", name="volume")
    assert read(tmp_path, NM).headers[0].SeriesDescription == "volume"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"DetectorInformationSequence": None}, "a volume without a position in the patient"),
        ({"SpacingBetweenSlices": "0", "SliceThickness": None}, "without a slice spacing"),
    ],
)
def test_a_volume_without_geometry_is_refused(
    tmp_path: Path, values: dict[str, object], problem: str
) -> None:
    path = spect(tmp_path / "nm")
    for keyword, value in values.items():
        change(path, put(keyword, value))
    with pytest.raises(InputError, match=problem):
        read(path, NM)


@pytest.mark.parametrize("keyword", ["SliceVector", "EnergyWindowVector"])
def test_a_short_vector_is_refused(tmp_path: Path, keyword: str) -> None:
    path = spect(tmp_path / "nm")
    change(path, put(keyword, [1, 1, 1]))
    with pytest.raises(InputError, match=f"damaged: 6 frames, 3 values of {keyword}"):
        read(path, NM)


@pytest.mark.parametrize(
    ("numbers", "count", "problem"),
    [
        ([0, 1, 2, 3, 4, 5], 6, "has 6 numbers from 0 to 5, expected each from 1 to .*Slices, 6"),
        ([0, 1, 2, 3, 4, 5], None, "has 6 numbers from 0 to 5"),
        ([2, 3, 4, 5, 6, 7], 6, "has 6 numbers from 2 to 7"),
        ([2, 3, 4, 5, 6, 7], None, "has 6 numbers from 2 to 7"),
        ([1, 2, 3, 3, 5, 6], 6, "has 5 numbers from 1 to 6"),
        ([1, 2, 3, 4, 5, 6], 5, "has 6 numbers from 1 to 6, expected each .*, 5"),
        (None, 3, "6 frames of 3 slices without SliceVector"),
    ],
)
def test_other_slice_numbers_are_refused(
    tmp_path: Path, numbers: list[int] | None, count: int | None, problem: str
) -> None:
    path = spect(tmp_path / "nm")
    change(path, put("SliceVector", numbers))
    change(path, put("NumberOfSlices", count))
    with pytest.raises(InputError, match=problem) as caught:
        read(path, NM)
    assert "\n" not in str(caught.value)


def test_frames_without_a_slice_vector_are_in_order(tmp_path: Path) -> None:
    path = spect(tmp_path / "nm")
    wanted = read(path, NM)
    change(path, put("SliceVector", None))
    assert_same_image(read(path, NM).image, wanted.image)
