"""Series that are refused: the message names the files, the values and the way out."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_kit import (
    OBLIQUE,
    change,
    change_all,
    move,
    put,
    put_raw,
    slices,
    volume,
    write,
)
from pydicom import Dataset
from pydicom.uid import RLELossless

from radfuse.errors import GeometryError, InputError
from radfuse.io.read import read


def refusal(folder: Path, kind: type[InputError] = GeometryError) -> str:
    """The one line that refuses a folder."""
    with pytest.raises(kind) as caught:
        read(folder, "CT")
    assert type(caught.value) is kind
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("degrees", [-18.0, 3.0, 25.0])
def test_gantry_tilt_is_refused_with_its_angle(tmp_path: Path, degrees: float) -> None:
    folder = write(tmp_path / "in")
    for index, path in enumerate(slices(folder)):
        move(path, (0, 2.5 * index * np.tan(np.radians(degrees)), 0))
    message = refusal(folder)
    assert f"a gantry tilt of {abs(degrees):.1f} degrees; rectify the series first" in message
    assert str(folder) in message


def test_a_drift_within_rounding_is_no_tilt(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for index, path in enumerate(slices(folder)):
        move(path, (0, 0.03 * index, 0))
    assert read(folder, "CT").image.GetSize() == (7, 9, 6)


def test_a_slice_beside_the_others_is_named_and_not_called_tilt(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    move(slices(folder)[2], (3.0, 0, 0))
    message = refusal(folder)
    assert message.startswith(f"{folder / '0003.dcm'}: this slice lies 3.0 mm beside")
    assert "tilt" not in message


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), OBLIQUE])
@pytest.mark.parametrize("missing", [1, 3, 4])
def test_a_missing_slice_is_refused_with_its_neighbours(
    tmp_path: Path, missing: int, angles: tuple[float, float, float]
) -> None:
    folder = write(tmp_path / "in", volume(angles=angles))
    paths = slices(folder)
    paths[missing].unlink()
    message = refusal(folder)
    assert "2.5 to 5 mm apart, mostly 2.5; the step is 5 between" in message
    assert f"{paths[missing - 1]}, {paths[missing + 1]}: a slice is missing" in message


def test_uneven_steps_are_refused_with_their_values(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path, up in zip(slices(folder), (0, 0, 0, 1.0, 3.0, 3.0), strict=True):
        move(path, (0, 0, up))
    assert "2.5 to 4.5 mm apart, mostly 2.5; the step is 4.5" in refusal(folder)


def test_two_slices_at_one_position_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    paths = slices(folder)
    (folder / "copy.dcm").write_bytes(paths[2].read_bytes())
    message = refusal(folder)
    assert f"{paths[2]}, {folder / 'copy.dcm'}: two slices at the same position; move" in message


@pytest.mark.parametrize("odd", [[0], [5], [1, 3]])
def test_slices_of_another_orientation_are_named(tmp_path: Path, odd: list[int]) -> None:
    folder = write(tmp_path / "in")
    for index in odd:
        change(slices(folder)[index], put("ImageOrientationPatient", [1, 0, 0, 0, 0, -1]))
    message = refusal(folder)
    assert "with orientation (1, 0, 0, 0, 1, 0), but (1, 0, 0, 0, 0, -1) in" in message
    assert message.endswith(
        f"{', '.join(str(slices(folder)[index]) for index in odd)}; move these away"
    )


def test_half_of_a_series_turned_is_refused_with_real_values(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder)[3:]:
        change(path, put("ImageOrientationPatient", [0, 1, 0, 0, 0, -1]))
    assert re.search(r"\(1, 0, 0, 0, 1, 0\)|\(0, 1, 0, 0, 0, -1\)", refusal(folder))


def test_a_long_list_of_files_is_cut(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume(count=12))
    for path in slices(folder)[:5]:
        change(path, put("ImageOrientationPatient", [1, 0, 0, 0, 0, -1]))
    assert "0003.dcm and 2 more; move these away" in refusal(folder)


def test_slices_of_another_size_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")

    def halve(header: Dataset) -> None:
        header.PixelData = header.pixel_array[:, :4].tobytes()
        header.Columns = 4

    change(slices(folder)[4], halve)
    assert f"with size (9, 7), but (9, 4) in {slices(folder)[4]}" in refusal(folder)


def test_slices_of_another_pixel_spacing_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[0], put("PixelSpacing", [1.1, 0.95]))
    message = refusal(folder)
    assert f"pixel spacing (1.1, 0.9), but (1.1, 0.95) in {slices(folder)[0]}" in message


def test_slices_of_another_frame_of_reference_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[1], put("FrameOfReferenceUID", "1.2.3"))
    assert f"{slices(folder)[1]}: another frame of reference" in refusal(folder)


def test_no_frame_of_reference_at_all_is_accepted(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, lambda header: header.__delattr__("FrameOfReferenceUID"))
    assert read(folder, "CT").frame_of_reference_uid is None


def test_one_slice_is_no_volume_and_two_are(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder)[2:]:
        path.unlink()
    assert read(folder, "CT").image.GetSize() == (7, 9, 2)
    slices(folder)[1].unlink()
    assert refusal(folder).endswith(
        "0001.dcm: one slice only; give the folder with 2 or more of its series"
    )


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
@pytest.mark.parametrize("every", [True, False])
def test_a_place_that_is_no_number_is_refused_with_its_files(
    tmp_path: Path, keyword: str, bad: bytes, every: bool
) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder) if every else slices(folder)[3:4]:
        change(path, put_raw(keyword, bad))
    message = refusal(folder)
    assert f"no {keyword} of" in message
    assert "0001.dcm" in message if every else message.startswith(str(slices(folder)[3]))


@pytest.mark.parametrize("spacing", [[0, 1], [-1, 1]])
def test_pixels_without_a_size_are_refused(tmp_path: Path, spacing: list[float]) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("PixelSpacing", spacing))
    assert f"PixelSpacing {spacing[0]} x 1 mm; export the series again" in refusal(folder)


def test_pixels_of_an_absurd_size_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("PixelSpacing", [900, 900]))
    assert "voxels of 900 x 900 x 2.5 mm; expected 0.05 to 25 mm" in refusal(folder)


@pytest.mark.parametrize("cosines", [[0] * 6, [1, 0, 0, 0.3, 1, 0], [2, 0, 0, 0, 1, 0]])
def test_axes_that_are_no_right_angle_are_refused(tmp_path: Path, cosines: list[float]) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("ImageOrientationPatient", cosines))
    assert "is no right angle of unit vectors; export" in refusal(folder)


def test_several_frames_a_file_are_refused_even_without_positions(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("NumberOfFrames", 2))
    change_all(folder, lambda header: header.__delattr__("ImagePositionPatient"))
    assert "multi-frame; convert to one image a file first" in refusal(folder, InputError)


def test_one_frame_a_file_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, put("NumberOfFrames", 1))
    assert read(folder, "CT").image.GetSize() == (7, 9, 6)


def test_colour_is_refused_even_without_positions(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")

    def colour(header: Dataset) -> None:
        header.SamplesPerPixel = 3
        header.PhotometricInterpretation = "RGB"
        del header.PixelSpacing

    change(slices(folder)[2], colour)
    assert f"{slices(folder)[2]}: a colour image" in refusal(folder, InputError)


@pytest.mark.parametrize("suffix", [".dcm", ".IMA", ""])
@pytest.mark.parametrize("share", [0.25, 0.3, 0.4, 0.6, 0.9, 0.999])
def test_a_truncated_slice_is_named_wherever_it_ends(
    tmp_path: Path, share: float, suffix: str
) -> None:
    folder = write(tmp_path / "in", volume(count=3))
    last = slices(folder)[-1].rename(folder / f"last{suffix}")
    whole = last.read_bytes()
    last.write_bytes(whole[: int(len(whole) * share)])
    message = refusal(folder, InputError)
    assert message.startswith(f"{last}: ")
    assert "damaged" in message


def test_every_length_of_a_slice_but_the_whole_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume(count=2))
    last = slices(folder)[-1]
    whole = last.read_bytes()
    for keep in range(0, len(whole), 29):
        last.write_bytes(whole[:keep])
        with pytest.raises(InputError, match=r"0002\.dcm"):
            read(folder, "CT")


def test_a_truncated_compressed_slice_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, lambda header: header.compress(RLELossless))
    last = slices(folder)[-1]
    last.write_bytes(last.read_bytes()[:-20])
    assert refusal(folder, InputError).startswith(f"{last}: pixels damaged or truncated: ")


def test_several_damaged_files_are_counted(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder)[3:]:
        path.write_bytes(path.read_bytes()[:200])
    message = refusal(folder, InputError)
    assert f"{slices(folder)[3]} and 2 more: damaged, or no DICOM file; replace it" in message


@pytest.mark.parametrize(
    "edit",
    [put_raw("NumberOfFrames", b"x"), put_raw("Rows", b""), put_raw("SeriesInstanceUID", b"")],
)
def test_a_damaged_header_is_named(tmp_path: Path, edit: Callable[[Dataset], None]) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[2], edit)
    assert refusal(folder, InputError).startswith(f"{slices(folder)[2]}: damaged")


@pytest.mark.parametrize(
    ("keyword", "bad"),
    [("RescaleSlope", b"0"), ("RescaleSlope", b"x"), ("RescaleIntercept", b"nan"),
     ("RescaleSlope", b"1\\2")],
)  # fmt: skip
def test_a_rescale_that_makes_no_values_is_named(tmp_path: Path, keyword: str, bad: bytes) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[5], put_raw(keyword, bad))
    message = refusal(folder, InputError)
    assert message.startswith(f"{slices(folder)[5]}: RescaleSlope")
    assert "make no values; export the series again" in message


def test_a_constant_series_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, lambda header: setattr(header, "PixelData", bytes(len(header.PixelData))))
    assert "every value is -1024; this is an empty image" in refusal(folder, InputError)


@pytest.mark.parametrize("kept", [0, 100])
def test_a_slice_without_extension_that_was_cut_to_nothing_is_named(
    tmp_path: Path, kept: int
) -> None:
    folder = write(tmp_path / "in", volume())
    for path in slices(folder):
        path.rename(path.with_suffix(""))
    last = max(folder.iterdir())
    last.write_bytes(last.read_bytes()[:kept])
    with pytest.raises(InputError, match=f"{last.name}: damaged"):
        read(folder, "CT")


def test_a_series_of_another_modality_cannot_be_chosen(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume())
    uid = str(pydicom.dcmread(min(folder.iterdir())).SeriesInstanceUID)
    with pytest.raises(InputError, match="no MR series with UID"):
        read(folder, "MR", series_uid=uid)


def test_a_palette_is_not_taken_for_values(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume())
    for path in slices(folder):
        header = pydicom.dcmread(path)
        header.PhotometricInterpretation = "PALETTE COLOR"
        header.save_as(path)
    with pytest.raises(InputError, match="no grey image"):
        read(folder, "CT")
