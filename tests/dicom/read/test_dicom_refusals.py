"""Series that are refused: the message names the files, the values and what to do."""

from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import RLELossless

from dicom_kit import change, change_all, move, put, put_raw, slices, volume, write
from radfuse.errors import GeometryError, InputError
from radfuse.pipeline.read import read


def refusal(folder: Path, kind: type[InputError] = GeometryError) -> str:
    """The one line that refuses a folder."""
    with pytest.raises(kind) as caught:
        read(folder, "CT")
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_sideways_rounding_is_not_a_tilt(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for index, path in enumerate(slices(folder)):
        move(path, (0, 0.03 * index, 0))
    assert read(folder, "CT").image.GetSize() == (7, 9, 6)


@pytest.mark.parametrize("stray", range(6))
def test_slice_off_the_line_is_named_and_not_a_tilt(tmp_path: Path, stray: int) -> None:
    folder = write(tmp_path / "in")
    move(slices(folder)[stray], (3.0, 0, 0))
    message = refusal(folder)
    assert message.startswith(f"{slices(folder)[stray]}: the slice is 3.0 mm off the line")
    assert "tilt" not in message


def test_missing_frame_of_reference_is_accepted(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, lambda header: header.__delattr__("FrameOfReferenceUID"))
    assert read(folder, "CT").frame_of_reference_uid is None


def test_one_slice_is_refused_and_two_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder)[2:]:
        path.unlink()
    assert read(folder, "CT").image.GetSize() == (7, 9, 2)
    slices(folder)[1].unlink()
    assert refusal(folder).endswith(
        "0001.dcm: only one slice, a volume needs 2 or more; give the folder of the series"
    )


@pytest.mark.parametrize("more", [1, 3])
def test_gap_is_refused_with_the_slices_around_it(tmp_path: Path, more: int) -> None:
    folder = write(tmp_path / "in", volume(count=9))
    paths = slices(folder)
    for path in paths[3 : 4 + more]:
        path.unlink()
    message = refusal(folder)
    step = 2.5 * (2 + more)
    assert f"2.5 to {step:g} mm, median 2.5; it is {step:g} mm between" in message
    assert f"{paths[2]}, {paths[4 + more]}, a gap of {step - 2.5:g} mm without data" in message
    assert "(at most 3 are interpolated); a slice is missing" in message


def test_larger_angle_than_a_gantry_tilt_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for index, path in enumerate(slices(folder)):
        move(path, (0, 3.0 * index, 0))
    assert "as by a gantry tilt of 50.2 degrees, the maximum is 45" in refusal(folder)


def test_two_slices_at_one_position_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    paths = slices(folder)
    (folder / "other.dcm").write_bytes(paths[2].read_bytes())
    change(folder / "other.dcm", put("SOPInstanceUID", "1.2.3.4"))
    message = refusal(folder)
    assert f"{paths[2]}, {folder / 'other.dcm'}: two slices have the same position; move" in message


@pytest.mark.parametrize(
    ("keyword", "bad"),
    [
        ("ImagePositionPatient", b"1\\abc\\2"),
        ("ImagePositionPatient", b"1\\2"),
        ("ImagePositionPatient", b"nan\\1\\2"),
        ("ImagePositionPatient", b""),
        ("ImageOrientationPatient", b"1\\0\\0\\0\\1"),
        ("PixelSpacing", b"1"),
        ("PixelSpacing", b"nan\\1"),
    ],
)
def test_invalid_geometry_attributes_name_their_files(
    tmp_path: Path, keyword: str, bad: bytes
) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put_raw(keyword, bad))
    message = refusal(folder)
    assert f"{keyword} is missing or not" in message
    assert "0001.dcm" in message


def test_slice_without_a_position_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[3], put_raw("ImagePositionPatient", b""))
    assert refusal(folder).startswith(
        f"{slices(folder)[3]}: ImagePositionPatient is missing or not 3 numbers"
    )


@pytest.mark.parametrize("spacing", [[0, 1], [-1, 1]])
def test_pixel_spacing_of_zero_or_less_is_refused(tmp_path: Path, spacing: list[float]) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("PixelSpacing", spacing))
    assert f"PixelSpacing is {spacing[0]} x 1 mm, expected positive values; export" in refusal(
        folder
    )


def test_implausible_pixel_spacing_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("PixelSpacing", [900, 900]))
    assert "voxel spacing 900 x 900 x 2.5 mm, expected 0.05 to 25 mm" in refusal(folder)


@pytest.mark.parametrize("cosines", [[0] * 6, [1, 0, 0, 0.3, 1, 0], [2, 0, 0, 0, 1, 0]])
def test_axes_that_are_not_orthonormal_are_refused(tmp_path: Path, cosines: list[float]) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("ImageOrientationPatient", cosines))
    assert "not two perpendicular unit vectors; export" in refusal(folder)


def test_frames_without_positions_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("NumberOfFrames", 2))
    change_all(folder, lambda header: header.__delattr__("ImagePositionPatient"))
    assert "0001.dcm frame 1" in refusal(folder)
    assert "ImagePositionPatient is missing or not 3 numbers" in refusal(folder)


def test_single_frame_files_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("NumberOfFrames", 1))
    assert read(folder, "CT").image.GetSize() == (7, 9, 6)


def test_truncated_compressed_slice_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, lambda header: header.compress(RLELossless))
    last = slices(folder)[-1]
    last.write_bytes(last.read_bytes()[:-20])
    assert refusal(folder, InputError).startswith(f"{last}: damaged: ")


def test_ct_in_colour_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")

    def colour(header: Dataset) -> None:
        header.SamplesPerPixel = 3
        header.PhotometricInterpretation = "RGB"

    change_all(folder, colour)
    assert f"{slices(folder)[0]}, " in refusal(folder, InputError)
    assert ": a colour image (SamplesPerPixel is not 1)" in refusal(folder, InputError)


@pytest.mark.parametrize(
    ("keyword", "value", "problem"),
    [("RescaleType", "ED", "values in ED, not in HU; give the CT itself"),
     ("RescaleType", "mg/cm3", "values in mg/cm3, not in HU; give the CT itself"),
     ("RescaleType", "HU_MOD", "values in HU_MOD, not in HU; give the CT itself"),
     ("ImageType", ["ORIGINAL", "PRIMARY", "MOSAIC"], "slices in one image (ImageType MOSAIC)"),
     ("ImageType", ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"], "values in perfusion, not in HU")],
)  # fmt: skip
def test_map_computed_from_a_ct_is_refused(
    tmp_path: Path, keyword: str, value: object, problem: str
) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put(keyword, value))
    assert problem in refusal(folder, InputError)


@pytest.mark.parametrize("share", [0.9, 0.95, 0.999])
def test_slice_with_truncated_pixels_is_named(tmp_path: Path, share: float) -> None:
    folder = write(tmp_path / "in", volume(count=3))
    last = slices(folder)[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[: int(len(whole) * share)])
    message = refusal(folder, InputError)
    assert message.startswith(f"{last}: damaged: (7FE0,0010) has ")


def test_truncated_slice_is_refused_at_every_length(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume(count=3))
    last = slices(folder)[-1]
    whole = last.read_bytes()
    for keep in range(0, len(whole), 29):
        last.write_bytes(whole[:keep])
        assert "0003.dcm" in refusal(folder, InputError)


@pytest.mark.parametrize(
    ("keyword", "bad"),
    [("RescaleSlope", b"0"), ("RescaleSlope", b"x"), ("RescaleIntercept", b"nan"),
     ("RescaleSlope", b"1\\2")],
)  # fmt: skip
def test_invalid_rescale_is_refused_with_its_file(tmp_path: Path, keyword: str, bad: bytes) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[5], put_raw(keyword, bad))
    message = refusal(folder, InputError)
    assert message.startswith(f"{slices(folder)[5]}: RescaleSlope")
    assert "are not usable numbers; export the series again" in message


def test_constant_series_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, lambda header: setattr(header, "PixelData", bytes(len(header.PixelData))))
    assert "every value is -1024; the image is empty" in refusal(folder, InputError)


def test_series_of_another_modality_cannot_be_chosen(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume())
    uid = str(pydicom.dcmread(min(folder.iterdir())).SeriesInstanceUID)
    with pytest.raises(InputError, match="no MR series has UID"):
        read(folder, "MR", series_uid=uid)


def test_palette_image_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume())
    for path in slices(folder):
        header = pydicom.dcmread(path)
        header.PhotometricInterpretation = "PALETTE COLOR"
        header.save_as(path)
    with pytest.raises(InputError, match="not a greyscale image"):
        read(folder, "CT")


@pytest.mark.parametrize("unit", ["HU", "US", "Houndsfield Unit", "Hounsfield units", ""])
def test_spellings_of_hu_are_accepted(tmp_path: Path, unit: str) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("RescaleType", unit))
    assert read(folder, "CT").image.GetSize() == (7, 9, 6)


@pytest.mark.parametrize("every", [True, False])
def test_ct_without_intercept_is_refused(tmp_path: Path, every: bool) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder) if every else slices(folder)[2:3]:
        change(path, lambda header: header.__delattr__("RescaleIntercept"))
        change(path, lambda header: header.add_new("PixelPaddingValue", "US", 0))
    assert "RescaleIntercept is missing, so the values of the CT are not in HU" in refusal(
        folder, InputError
    )


def test_inverted_mr_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume("MR"), "MR")
    change_all(folder, put("PhotometricInterpretation", "MONOCHROME1"))
    with pytest.raises(InputError, match=r"inverted values \(MONOCHROME1\); give the original"):
        read(folder, "MR")


def test_damaged_lookup_table_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[2], put("ModalityLUTSequence", [Dataset()]))
    message = refusal(folder, InputError)
    assert message.startswith(f"{slices(folder)[2]}: ModalityLUTSequence is damaged")


def test_slice_with_two_modalities_raises_no_type_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[2], put_raw("Modality", b"CT\\MR"))
    with pytest.raises(GeometryError, match=r"modality is \['CT', 'MR'\], not CT"):
        read(folder, "CT")
