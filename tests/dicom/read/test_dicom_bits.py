"""Stored values are BitsStored bits up to HighBit, in every transfer syntax."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGExtended12Bit

from dicom_kit import change_all, put, slices, write
from radfuse.dicom.read.pixel_data.decode import stored_values
from radfuse.errors import InputError
from radfuse.pipeline.read import read

GDCM = {"native": None, "RLE": "--rle", "JPEG lossless": "--jpeg", "JPEG-LS": "--jpegls",
        "JPEG 2000": "--j2k"}  # fmt: skip
"""Options of gdcmconv by transfer syntax."""

SIZE = (2, 40, 36)


def hu_of(values: np.ndarray) -> np.ndarray:
    """What a slope of 1 and an intercept of -1024 make of stored values."""
    return values.astype(np.float32) - 1024


def series(folder: Path) -> Path:
    """A CT of random values, large enough for the wavelets of JPEG 2000."""
    values = np.random.default_rng(1).integers(-1024, 3000, SIZE)
    return write(folder, sitk.GetImageFromArray(values.astype(np.float32)))


def run(*command: object) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def packed(folder: Path, option: str | None) -> None:
    """Compress all 16 bits, whatever the header says later: as a scanner or PACS would."""
    if option is None:
        return
    for path in slices(folder):
        run("gdcmconv", option, path, path)


@pytest.mark.skipif(not shutil.which("gdcmconv"), reason="gdcmconv is not installed")
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("layout", ["left-justified", "overlay", "overlay above and below"])
@pytest.mark.parametrize("syntax", GDCM)
def test_bits_outside_the_stored_ones_are_ignored(
    tmp_path: Path, syntax: str, layout: str, signed: int
) -> None:
    stored, high = {"left-justified": (12, 15), "overlay": (12, 11)}.get(layout, (12, 13))
    rng = np.random.default_rng(3)
    values = rng.integers(0, 1 << 12, SIZE) - (signed << 11)
    values[0, 0, :2] = values.min(), values.max()
    words = (values & 0xFFF) << (high + 1 - stored)
    if "overlay" in layout:
        words |= rng.integers(0, 2, SIZE) << (high + 1)
    if "below" in layout:
        words |= rng.integers(0, 2, SIZE) << (high - stored)
    folder = series(tmp_path / "in")
    planes = iter(words.astype("<u2"))
    change_all(folder, lambda header: setattr(header, "PixelData", next(planes).tobytes()))
    packed(folder, GDCM[syntax])

    def state(header: Dataset) -> None:
        header.BitsStored, header.HighBit, header.PixelRepresentation = stored, high, signed

    change_all(folder, state)
    found = sitk.GetArrayFromImage(read(folder, "CT").image)
    np.testing.assert_array_equal(found, hu_of(values))


@given(
    allocated=st.sampled_from([8, 16, 32]), stored=st.integers(1, 32), high=st.integers(0, 31),
    signed=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_bits_are_honoured_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    allocated: int, stored: int, high: int, signed: bool, seed: int,
) -> None:  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "bits.dcm"
    words = np.random.default_rng(seed).integers(0, 1 << allocated, (3, 4), np.uint64)
    header = Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows, header.Columns = words.shape
    header.BitsAllocated, header.BitsStored, header.HighBit = allocated, stored, high
    header.PixelRepresentation = int(signed)
    header.PixelData = words.astype(f"<u{allocated // 8}").tobytes()
    header["PixelData"].VR = "OW"
    pydicom.dcmwrite(path, header, enforce_file_format=False)
    if not stored <= high + 1 <= allocated:
        with pytest.raises(InputError, match="contradict each other"):
            next(stored_values(path, [None]))
        return
    wanted = (words >> np.uint64(high + 1 - stored)).astype(np.int64) & ((1 << stored) - 1)
    if signed:
        wanted -= (wanted >> (stored - 1)) << stored
    np.testing.assert_array_equal(next(stored_values(path, [None])), wanted)


needs_dcmtk = pytest.mark.skipif(not shutil.which("dcmcjpeg"), reason="dcmcjpeg is not installed")


@needs_dcmtk
def test_high_bit_outside_a_compressed_frame_is_refused(tmp_path: Path) -> None:
    folder = series(tmp_path / "in")

    def twelve(header: Dataset) -> None:
        header.PixelData = (header.pixel_array & 0xFFF).tobytes()
        header.BitsStored, header.HighBit = 12, 11

    change_all(folder, twelve)
    for path in slices(folder):
        run("dcmcjpeg", "+ee", path, path)
    change_all(folder, put("HighBit", 15))
    with pytest.raises(InputError, match=r"0001.dcm: HighBit is 15, a compressed frame has 12"):
        read(folder, "CT")


@needs_dcmtk
@pytest.mark.parametrize("bits", [8, 12])
def test_jpeg_extended_is_decoded_as_by_dcmtk(
    tmp_path: Path, bits: int, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = series(tmp_path / "in")
    ramp = np.add.outer(np.arange(SIZE[1]) * 40, np.arange(SIZE[2]) * 60) + 100
    ramp >>= 12 - bits

    def smooth(header: Dataset) -> None:
        header.PixelData = ramp.astype("<u2" if bits == 12 else "u1").tobytes()
        header.BitsAllocated = 16 if bits == 12 else 8
        header.BitsStored, header.HighBit = bits, bits - 1

    change_all(folder, smooth)
    decoded = []
    for path in slices(folder):
        run("dcmcjpeg", "+ee", path, path)
        run("dcmdjpeg", path, tmp_path / "plain")
        plain = pydicom.dcmread(tmp_path / "plain")
        decoded.append(plain.pixel_array * plain.RescaleSlope + plain.RescaleIntercept)
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == JPEGExtended12Bit
    capfd.readouterr()
    found = read(folder, "CT")
    assert capfd.readouterr().err == ""
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(found.image), np.array(decoded, np.float32), atol=0.01
    )
    assert "lossy compression (LossyImageCompression 01) has changed values" in (found.notes)
