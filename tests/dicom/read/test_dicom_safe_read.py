"""Opening DICOM files: what is read, what is refused, and which bytes are missing."""

import struct
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from dicom_kit import as_nobody, change, put, put_raw, slices, write
from radfuse.dicom.read.pixel_data.extent import missing_bytes
from radfuse.dicom.read.safe_read import check_size, is_dicom, open_dataset, silenced
from radfuse.errors import InputError


def refusal(call: Callable[[], object], path: Path) -> str:
    """The one line that refuses a file."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path}: ")


def refused(path: Path, *, pixels: bool = False) -> str:
    return refusal(lambda: open_dataset(path, pixels=pixels), path)


def saved(path: Path, syntax: UID, *, meta: bool = True) -> Path:
    """The same slice in another transfer syntax without compression."""
    header, plain = pydicom.dcmread(path), Dataset()
    plain.update({element.tag: element for element in header})  # decoded: the order may change
    little = syntax != ExplicitVRBigEndian
    if not little:
        plain.PixelData = np.frombuffer(header.PixelData, "<u2").byteswap().tobytes()
    if meta:
        plain.file_meta = header.file_meta
        plain.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, plain, implicit_vr=syntax == ImplicitVRLittleEndian,
                     little_endian=little, enforce_file_format=meta)  # fmt: skip
    return path


def deflate(path: Path) -> None:
    """Deflate the data set of a file."""
    whole, old, new = path.read_bytes(), ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian
    start = 144 + int.from_bytes(whole[140:144], "little")
    meta = whole[:start].replace(
        struct.pack("<H20s", 20, old.encode()), struct.pack("<H22s", 22, new.encode())
    )
    pack = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(meta + pack.compress(whole[start:]) + pack.flush())


PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """The first slice of a series."""
    return slices(write(tmp_path / "in"))[0]


@pytest.mark.parametrize("syntax", [*PLAIN, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("pixels", [True, False])
def test_opened_data_set_equals_that_of_pydicom(one: Path, syntax: UID, pixels: bool) -> None:
    before = one.read_bytes()
    saved(one, syntax)
    header = open_dataset(one, pixels=pixels)
    assert header == pydicom.dcmread(one, stop_before_pixels=not pixels)
    assert ("PixelData" in header) is pixels
    assert header.file_meta.TransferSyntaxUID == syntax
    assert missing_bytes(one, header) == 0
    if pixels and syntax != ExplicitVRBigEndian:
        one.write_bytes(before)
        np.testing.assert_array_equal(header.pixel_array, pydicom.dcmread(one).pixel_array)


def test_only_specific_tags_are_kept(one: Path) -> None:
    header = open_dataset(one, pixels=False, specific_tags=("Rows", "PixelSpacing"))
    assert {element.keyword for element in header} == {
        "Rows", "PixelSpacing", "SpecificCharacterSet"
    }  # fmt: skip


@pytest.mark.parametrize("syntax", PLAIN)
def test_file_without_preamble_opens(one: Path, syntax: UID) -> None:
    whole = open_dataset(one, pixels=False)
    saved(one, syntax, meta=False)
    assert one.read_bytes()[128:132] != b"DICM"
    assert is_dicom(one)
    assert open_dataset(one, pixels=False).SOPInstanceUID == whole.SOPInstanceUID


def test_file_meta_without_preamble_opens(one: Path) -> None:
    whole = one.read_bytes()
    one.write_bytes(whole[132:])
    assert is_dicom(one)
    header = open_dataset(one, pixels=True)
    one.write_bytes(whole)
    np.testing.assert_array_equal(header.pixel_array, pydicom.dcmread(one).pixel_array)


@pytest.mark.parametrize(
    "junk",
    [b"", b"\x08", b"hello, world", bytes(200), b"\x89PNG\r\n\x1a\n" + bytes(200),
     b"NRRD0004\n" * 9, b"{" * 300, struct.pack("<HHI", 8, 5, 1 << 30),
     struct.pack("<HHI", 8, 0x7777, 4)],
)  # fmt: skip
def test_other_files_are_not_dicom(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(junk)
    assert not is_dicom(path)
    assert refused(path) == "not a DICOM file"


def test_incomplete_real_files_are_read_or_refused(odd: Path) -> None:
    folder = odd / "pydicom"
    for name in ("ExplVR_BigEndNoMeta", "ExplVR_LitEndNoMeta", "meta_missing_tsyntax",
                 "no_meta_group_length", "UN_sequence", "badVR"):  # fmt: skip
        assert open_dataset(folder / f"{name}.dcm", pixels=True)
    assert refused(folder / "no_meta.dcm") == "not a DICOM file"  # a stray byte before its start
    assert "(7FE0,0010) has 8130 of 8192" in refused(folder / "MR_truncated.dcm", pixels=True)
    assert "(300A,00B0) has 711 of 976 bytes" in refused(folder / "rtplan_truncated.dcm")


def test_real_files_lack_no_bytes(odd: Path, heads: Path) -> None:
    paths = [path for path in odd.rglob("*.dcm") if path.is_file()]
    paths += [min(folder.iterdir()) for folder in heads.rglob("*") if [*folder.glob("*.dcm")]]
    lacking = {}
    for path in paths:
        if is_dicom(path):
            header = open_dataset(path, pixels=False) if "rtplan" not in path.name else Dataset()
            if "Rows" in header and path.name != "badVR.dcm":
                check_size(header, path)
                lacking[path.name] = missing_bytes(path, header)
    assert {name: count for name, count in lacking.items() if count} == {"MR_truncated.dcm": 62}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_warnings_of_pydicom_are_silenced(one: Path, syntax: UID) -> None:
    change(one, put("SpecificCharacterSet", "ISO_IR 100"))
    change(one, put_raw("StudyDate", b"not a date"))
    change(one, put_raw("SeriesInstanceUID", b"1.2.x.."))
    one.write_bytes(one.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999"))
    if syntax == DeflatedExplicitVRLittleEndian:
        deflate(one)
    header = open_dataset(one, pixels=False)
    assert header.SeriesInstanceUID == "1.2.x.."
    assert str(header.PatientName) == "Test^Nobody"


def test_undecodable_letters_do_not_refuse_a_file(one: Path) -> None:
    change(one, put("PatientName", "M\u00fcller^J\u00fcrgen"))
    change(one, put("SeriesDescription", "Sch\u00e4del"))
    assert open_dataset(one, pixels=False).PatientName.family_name == "M\u00fcller"
    whole = one.read_bytes()
    one.write_bytes(
        whole.replace("\u00fc".encode(), b"\xff\xfe").replace("\u00e4".encode(), b"\xff(")
    )
    header = open_dataset(one, pixels=False)
    assert str(header.PatientName).startswith("M")
    assert header.SeriesDescription.startswith("Sch")


def test_many_threads_open_without_a_warning(one: Path) -> None:
    one.write_bytes(one.read_bytes().replace(b"ISO_IR 192", b"ISO_IR 999"))
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda _: open_dataset(one, pixels=True), range(60)))
    assert {header.Rows for header in opened} == {9}
    with pytest.warns(UserWarning, match="heard again"):
        warnings.warn("heard again", stacklevel=1)


def test_silencing_can_be_nested(one: Path) -> None:
    with silenced():
        assert open_dataset(one, pixels=False).Rows == 9
        warnings.warn("unheard", stacklevel=1)


def test_invalid_number_becomes_bytes(one: Path) -> None:
    change(one, put_raw("RescaleSlope", b"x"))
    header = open_dataset(one, pixels=False)
    assert header.RescaleSlope == "x"
    assert header.Rows == 9


def test_truncated_slice_is_detected_at_every_length(one: Path) -> None:
    whole = one.read_bytes()
    for keep in range(0, len(whole), 3):
        one.write_bytes(whole[:keep])
        try:
            header = open_dataset(one, pixels=True)
            assert missing_bytes(one, header) == 9 * 7 * 2
        except InputError:
            continue


@pytest.mark.parametrize("syntax", [*PLAIN, RLELossless])
def test_missing_pixels_are_counted(one: Path, syntax: UID) -> None:
    if syntax == RLELossless:
        change(one, lambda header: header.compress(RLELossless))
    else:
        saved(one, syntax)
    whole = one.read_bytes()
    header = open_dataset(one, pixels=False)
    assert missing_bytes(one, header) == 0
    for fewer in (1, 7, 8, 9, 60):
        one.write_bytes(whole[:-fewer])
        assert missing_bytes(one, header) == fewer


@pytest.mark.parametrize("frames", [2, 20_000])
def test_bytes_of_missing_frames_are_counted(one: Path, frames: int) -> None:
    change(one, put("NumberOfFrames", frames))
    header = open_dataset(one, pixels=False)
    assert missing_bytes(one, header) == (frames - 1) * 9 * 7 * 2


def test_bytes_of_missing_pixel_data_are_counted(one: Path) -> None:
    change(one, lambda header: header.__delattr__("PixelData"))
    assert missing_bytes(one, open_dataset(one, pixels=False)) == 9 * 7 * 2


def test_missing_bytes_of_deflated_data_are_counted(one: Path) -> None:
    change(one, put("Rows", 10))
    saved(one, DeflatedExplicitVRLittleEndian)
    assert missing_bytes(one, open_dataset(one, pixels=False)) == 7 * 2


def test_native_data_with_compressed_syntax_is_refused(one: Path) -> None:
    header = pydicom.dcmread(one)
    plain = one.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    one.write_bytes(plain)
    header.file_meta.TransferSyntaxUID = RLELossless
    assert "126 bytes of pixel data are not encapsulated as 1.2.840.10008.1.2.5" in refusal(
        lambda: missing_bytes(one, header), one
    )


def test_file_without_read_permission_is_refused(one: Path) -> None:
    one.chmod(0)
    with as_nobody(one.parent):
        assert refused(one) == "no permission to read"
        with pytest.raises(PermissionError):
            is_dicom(one)
        assert "Permission denied" in refusal(lambda: missing_bytes(one, whole_header()), one)


def whole_header() -> Dataset:
    """Of a single frame."""
    header = Dataset()
    header.Rows = header.Columns = 64
    header.BitsAllocated = 16
    header.file_meta = pydicom.dataset.FileMetaDataset()
    return header


@pytest.mark.parametrize(
    ("rows", "columns", "frames", "message"),
    [(64, 0, 1, "64 rows, 0 columns"), (64, 64, -3, "and -3 frames")],
)
def test_empty_image_is_refused(rows: int, columns: int, frames: int, message: str) -> None:
    header, path = Dataset(), Path("a.dcm")
    header.Rows, header.Columns, header.NumberOfFrames = rows, columns, frames
    assert message in refusal(lambda: check_size(header, path), path)


@pytest.mark.parametrize(
    "edit", [put_raw("Rows", b""), put_raw("NumberOfFrames", b"1A"), put_raw("Columns", b"1234")]
)
def test_sizes_that_are_not_integers_are_refused(
    one: Path, edit: Callable[[Dataset], None]
) -> None:
    change(one, edit)
    header = open_dataset(one, pixels=False)
    assert "is missing or not an integer; export it" in refusal(
        lambda: check_size(header, one), one
    )


def test_truncated_deflated_data_are_refused(one: Path) -> None:
    saved(one, DeflatedExplicitVRLittleEndian)
    one.write_bytes(one.read_bytes()[:-40])
    assert "the deflated data end too early" in refused(one)
    whole = one.read_bytes()
    at = whole.index(b"1.2.840.10008.1.2.1.99") + 40
    one.write_bytes(whole[: at + 60] + zlib.compress(bytes(90)))
    assert "damaged: " in refused(one)
