"""Native pixel data are read as an array: the same values as pydicom decodes, without copies."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_kit import change_all, put, slices, write
from radfuse.arrays import writable_image
from radfuse.dicom.read import scan
from radfuse.dicom.read.pixel_data.decode import _is_native, native_values, stored_values
from radfuse.dicom.read.scan import scan_folder
from radfuse.modality import CT
from radfuse.pipeline.read import read


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return slices(write(tmp_path_factory.mktemp("native")))[0]


@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.sampled_from([8, 16]), st.booleans(), st.integers(1, 3), st.integers(0, 15), st.integers(0)
)
def test_native_frames_are_those_of_pydicom(
    path: Path, bits: int, is_signed: bool, frames: int, unused: int, seed: int
) -> None:
    header = pydicom.dcmread(path)
    shape = frames, 5, 3
    header.Rows, header.Columns, header.NumberOfFrames = shape[1], shape[2], frames
    header.BitsAllocated, header.PixelRepresentation = bits, int(is_signed)
    header.BitsStored = max(1, bits - unused)
    header.HighBit = header.BitsStored - 1
    content = np.random.default_rng(seed).bytes(np.prod(shape) * bits // 8)
    header.PixelData = content + b"\0" * (len(content) % 2)
    header["PixelData"].VR = "OW"
    assert _is_native(header)
    made = path.parent / "made"
    header.save_as(made)
    for index in range(frames):
        raw = pixel_array(header, index=index if frames > 1 else None, correct_unused_bits=False)
        free = bits - header.BitsStored
        (found,) = stored_values(made, [index if frames > 1 else None])
        assert_array_equal(found, (raw.copy() << free) >> free)
        assert found.dtype == raw.dtype
    by_header = native_values(made, header)
    assert (by_header is None) == (frames > 1)
    if by_header is not None:
        assert_array_equal(by_header, found)
        assert by_header.dtype == found.dtype


@pytest.mark.parametrize("is_implicit", [False, True])
@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_native_values_need_no_second_parsing(path: Path, is_implicit: bool, vr: str) -> None:
    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = (
        ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
    )
    header["PixelData"].VR = vr
    made = path.parent / "made"
    header.save_as(made, implicit_vr=is_implicit, little_endian=True)
    (wanted,) = stored_values(made, [None])
    values = native_values(made, header)
    assert values is not None
    assert_array_equal(values, wanted)


@pytest.mark.parametrize(("first", "last", "after"), [
    (0, -1, b""), (0, None, b"\0\0"), (0, None, b"\xfc\xff\xfc\xffOB\0\0\2\0\0\0\0\0"),
    (-100, None, b""),
])  # fmt: skip
def test_files_with_another_end_are_parsed(
    path: Path, first: int, last: int | None, after: bytes
) -> None:
    made = path.parent / "made"
    made.write_bytes(path.read_bytes()[first:last] + after)
    assert native_values(path, pydicom.dcmread(path)) is not None
    assert native_values(made, pydicom.dcmread(path)) is None


@pytest.mark.parametrize(("keyword", "value"), [("Rows", 8), ("BitsAllocated", 8)])
def test_files_that_contradict_the_header_are_parsed(path: Path, keyword: str, value: int) -> None:
    header = pydicom.dcmread(path)
    setattr(header, keyword, value)
    assert native_values(path, header) is None


@pytest.mark.parametrize(("keyword", "value"), [
    ("SamplesPerPixel", 3), ("PhotometricInterpretation", "PALETTE COLOR"), ("Rows", 8),
    ("Columns", 9), ("BitsAllocated", 12), ("PixelRepresentation", 2), ("NumberOfFrames", 2),
])  # fmt: skip
def test_other_pixel_data_are_left_to_pydicom(path: Path, keyword: str, value: object) -> None:
    header = pydicom.dcmread(path)
    assert _is_native(header)
    setattr(header, keyword, value)
    assert not _is_native(header)


def test_slices_share_equal_elements_and_no_others(tmp_path: Path) -> None:
    (series,) = scan_folder(write(tmp_path)).series
    first, second = series.headers[:2]
    assert first["PatientName"] is second["PatientName"]
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.ImagePositionPatient != second.ImagePositionPatient


@pytest.mark.parametrize("max_waiting", [-1.0, 1e9])
def test_series_are_the_same_with_and_without_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_waiting: float
) -> None:
    folder = write(tmp_path)
    (wanted,) = scan_folder(folder).series
    monkeypatch.setattr(scan, "TRIED_FILES", 2)
    monkeypatch.setattr(scan, "MAX_WAITING", max_waiting)
    (found,) = scan_folder(folder).series
    assert found.files == wanted.files
    assert found.headers == wanted.headers


def test_names_of_two_character_sets_are_not_shared(tmp_path: Path) -> None:
    """The same byte is another letter."""
    for charset, name in (("ISO_IR 100", "M\xfcller"), ("ISO_IR 144", "M\u045cller")):
        folder = write(tmp_path / charset, name=charset)
        change_all(folder, put("SpecificCharacterSet", charset))
        change_all(folder, put("PatientName", name))
    names = {str(one.headers[0].PatientName) for one in scan_folder(tmp_path).series}
    assert names == {"M\xfcller", "M\u045cller"}


def test_a_filled_image_keeps_its_values() -> None:
    image, voxels = writable_image((2, 3, 4), np.float32)
    voxels[:] = np.arange(24).reshape(4, 3, 2)
    image.SetSpacing((1, 2, 3))
    assert image.GetPixel(1, 2, 3) == 23
    assert image.GetPixel(0, 1, 0) == 2


def test_values_with_a_slope_are_rounded_as_before(tmp_path: Path) -> None:
    folder = write(tmp_path)
    plain = read(folder, CT, check_units=False)
    change_all(folder, put("RescaleIntercept", "-1023.5"))
    shifted = read(folder, CT, check_units=False)
    difference = shifted.image - sitk.Cast(plain.image, sitk.sitkFloat32)
    assert float(np.ptp(np.asarray(difference[0, 0, 0]))) == 0
    assert shifted.image[3, 3, 3] == plain.image[3, 3, 3] + 0.5
