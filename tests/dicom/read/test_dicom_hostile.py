"""Malicious and malformed files: one clear line each; the rest of the series is still read."""

import io
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from jpeg_ls import encode
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from test_dicom_safe_read import refusal, refused, saved

from dicom_kit import change, change_all, put, put_raw, slices, write
from radfuse.dicom.read.pixel_data.decode import _check_frames
from radfuse.dicom.read.pixel_data.extent import missing_bytes
from radfuse.dicom.read.safe_read import check_size, is_dicom, open_dataset, silenced
from radfuse.dicom.read.scan import scan_folder
from radfuse.dicom.write.series import write_series
from radfuse.errors import InputError
from radfuse.pipeline.read import read

SEQUENCE = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF)
"""Opens a sequence without a length."""

OPEN_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
"""Opens an item without a length."""

EMPTY_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
END_OF_SEQUENCE = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)

META = 132
"""Bytes before the file meta information."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "in")


@pytest.fixture
def one(folder: Path) -> Path:
    """A slice in the middle of a series."""
    return slices(folder)[3]


def inserted(path: Path, elements: bytes) -> Path:
    """A file with elements put before its pixels."""
    whole = path.read_bytes()
    at = whole.index(b"\xe0\x7f\x10\0OW")
    path.write_bytes(whole[:at] + elements + whole[at:])
    return path


@pytest.mark.parametrize("side", [65535, 0])
def test_pixels_missing_for_the_stated_size_are_counted(one: Path, side: int) -> None:
    change(one, lambda header: header.update({"Rows": side, "Columns": side}))
    header = open_dataset(one, pixels=False)
    if not side:
        assert "0 rows, 0 columns and 1 frames" in refusal(lambda: check_size(header, one), one)
    assert missing_bytes(one, header) == max(0, side * side * 2 - 9 * 7 * 2)


@pytest.mark.parametrize("frames", ["-1", "0.5", "x", "2000000000"])
def test_invalid_number_of_frames_is_refused(one: Path, frames: str) -> None:
    change(one, put_raw("NumberOfFrames", frames.encode()))
    header = open_dataset(one, pixels=False)
    assert refusal(lambda: check_size(header, one), one)
    with suppress(InputError):
        assert missing_bytes(one, header) >= 0


@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x7FFFFFFF, 5000])
@pytest.mark.parametrize("tags", [None, ("Rows", "Columns")])
@pytest.mark.parametrize("pixels", [True, False])
def test_length_beyond_the_file_is_refused(
    one: Path, length: int, tags: tuple[str, ...] | None, pixels: bool
) -> None:
    inserted(one, struct.pack("<HH2sHI", 0x7FDF, 0x0010, b"OB", 0, length) + bytes(8))
    message = refusal(lambda: open_dataset(one, pixels=pixels, specific_tags=tags), one)
    assert message.startswith("damaged: ")


def test_value_without_delimiter_is_refused(one: Path) -> None:
    inserted(one, struct.pack("<HH2sHI", 0x7FDF, 0x0010, b"OB", 0, 0xFFFFFFFF) + bytes(8))
    assert "has no end" in refused(one)


@pytest.mark.parametrize("depth", [15, 5000])
def test_deeply_nested_sequences_are_read_or_refused(one: Path, depth: int) -> None:
    inside = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside
        inside = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, len(item)) + item
    inserted(one, inside)
    if depth == 15:
        assert open_dataset(one, pixels=True).ReferencedImageSequence
    else:
        assert "damaged" in refused(one)


def packed(path: Path, frame: bytes, syntax: UID) -> Path:
    """A slice whose only frame is compressed."""

    def edit(header: Dataset) -> None:
        header.PixelData = encapsulate([frame])
        header.file_meta.TransferSyntaxUID = syntax

    change(path, edit)
    return path


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put("NumberOfFrames", 3), "1 compressed frames, NumberOfFrames is 3"),
        (put("PixelData", b"\xfe\xff\x00\xe0\0\0\0\0junkjunk"), "damaged: "),
        (lambda header: setattr(header.file_meta, "TransferSyntaxUID", "1.2.3"),
         "transfer syntax 1.2.3 is not supported; convert it to Explicit VR Little Endian"),
    ],
)  # fmt: skip
def test_frames_that_contradict_the_header_are_refused(
    one: Path, edit: Callable[[Dataset], object], message: str
) -> None:
    change(one, lambda header: header.compress(RLELossless))
    header = open_dataset(one, pixels=True)
    _check_frames(header, one, 0)
    edit(header)
    assert message in refusal(lambda: _check_frames(header, one, 0), one)


def test_native_and_missing_pixel_data_pass_the_frame_check(one: Path) -> None:
    header = open_dataset(one, pixels=True)
    _check_frames(header, one, 0)
    del header.PixelData
    _check_frames(header, one, 0)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_frame_of_another_size_than_the_header_is_refused(one: Path, syntax: UID) -> None:
    pixels = pydicom.dcmread(one).pixel_array.astype("u2")
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG2000", no_jp2=True)
    packed(one, bytes(encode(pixels)) if syntax == JPEGLSLossless else stream.getvalue(), syntax)
    _check_frames(open_dataset(one, pixels=True), one, 0)
    change(one, lambda header: header.update({"Rows": 7, "Columns": 9}))
    message = refusal(lambda: _check_frames(open_dataset(one, pixels=True), one, 0), one)
    assert message.startswith(
        "a compressed frame has 9 rows and 7 columns, the header says 7 and 9"
    )


def test_pixel_items_beyond_the_file_are_missing_bytes(one: Path) -> None:
    packed(one, bytes(encode(pydicom.dcmread(one).pixel_array.astype("u2"))), JPEGLSLossless)
    whole = one.read_bytes()
    at = whole.rindex(b"\xfe\xff\x00\xe0") + 4
    one.write_bytes(whole[:at] + struct.pack("<I", 0xFFFFFFF0) + whole[at + 4 :])
    header = open_dataset(one, pixels=False)
    assert missing_bytes(one, header) > 4 << 30 - 10
    one.write_bytes(whole[: at - 4] + b"junk" + whole[at:])
    assert "of its pixel data begins no item" in refusal(lambda: missing_bytes(one, header), one)


TRICKS = ["../../../../tmp/evil", "/etc/passwd", "1.2\0../evil", "$(touch evil)"]


@pytest.mark.parametrize("trick", TRICKS)
def test_identifiers_are_never_paths(tmp_path: Path, folder: Path, trick: str) -> None:
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID"):
        change_all(folder, put_raw(keyword, trick.encode()))
    header = open_dataset(slices(folder)[0], pixels=False)
    image = read(folder, "CT").image
    before = set(tmp_path.rglob("*"))
    with silenced():
        write_series(tmp_path / "out", image, header)
    assert all(
        path.is_relative_to(tmp_path / "out") and path.name.removesuffix(".dcm").isalnum()
        for path in {*tmp_path.rglob("*")} - before
    )


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "not a regular file; move it away"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file; move it away"),
    "a folder": (lambda path: path.mkdir(), "not a regular file; move it away"),
    "a link to itself": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to(path / "x"), "Too many levels|No such"),
    "a link to its folder": (lambda path: path.symlink_to(path.parent), "not a regular file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_irregular_file_is_refused_and_the_rest_read(folder: Path, name: str) -> None:
    make, message = HOSTILE[name]
    path = folder / "0000"
    make(path)
    with pytest.raises(Exception, match=message) as caught:
        open_dataset(path, pixels=False)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises((InputError, OSError)):
        is_dicom(path)
    assert len(scan_folder(folder).series[0].files) == 6
    assert read(folder, "CT").image.GetSize() == (7, 9, 6)


@pytest.mark.parametrize(
    ("old", "new", "keyword", "value"),
    [
        (b"\x28\0\x10\0US", b"\x28\0\x10\0ZZ", "Rows", b"\t\0"),
        (b"\x28\0\x10\0US\2\0\t\0", b"\x28\0\x10\0US\3\0\t\0x", "Rows", None),
        (b"\x28\0\x53\x10DS", b"\x28\0\x53\x10FD", "RescaleSlope", None),
    ],
)
def test_value_with_a_wrong_vr_can_be_accessed(
    one: Path, old: bytes, new: bytes, keyword: str, value: object
) -> None:
    whole = one.read_bytes()
    assert whole.count(old) == 1
    one.write_bytes(whole.replace(old, new))
    header = open_dataset(one, pixels=False)
    assert value in {None, header.get(keyword)}
    if keyword == "Rows":
        assert "Rows is missing or not an integer" in refusal(lambda: check_size(header, one), one)


def test_unknown_tag_is_read_as_bytes(one: Path) -> None:
    saved(one, ImplicitVRLittleEndian)
    whole = one.read_bytes()
    at = whole.index(struct.pack("<HHI", 0x7FE0, 0x0010, 126))
    one.write_bytes(whole[:at] + struct.pack("<HHI2s", 0x3732, 2, 2, b"ab") + whole[at:])
    assert open_dataset(one, pixels=True)[0x3732, 2].value == b"ab"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("tag", [(0x0008, 0x0000), (0x0019, 0x1001), (0x0028, 0x1101)])
def test_invalid_value_of_a_known_tag_is_read_as_bytes(
    one: Path, syntax: UID, tag: tuple[int, int]
) -> None:
    saved(one, syntax)
    implicit = syntax == ImplicitVRLittleEndian
    form = "<HHI2s" if implicit else "<HH2sHI2s"
    kind = () if implicit else (b"UN", 0)
    whole = one.read_bytes()
    at = whole.index(struct.pack("<HHI", 0x7FE0, 0x0010, 126) if implicit else b"\xe0\x7f\x10\0OW")
    one.write_bytes(whole[:at] + struct.pack(form, *tag, *kind, 2, b"ab") + whole[at:])
    assert open_dataset(one, pixels=True)[tag].value in {b"ab", 0x6261}


def test_slice_without_size_of_unknown_class_is_left_out(folder: Path) -> None:
    def edit(header: Dataset) -> None:
        del header.Rows
        header.SOPClassUID = "1.2.3"

    change(slices(folder)[5], edit)
    assert read(folder, "CT").image.GetSize() == (7, 9, 5)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (b"ST", b"  ", None),
        (b"LO", b"x ", "x"),
        (b"US", bytes(4), "[0, 0]"),
        (b"DS", b"1e99", "1e99"),
    ],
)
def test_invalid_padding_is_refused_and_empty_is_none(
    one: Path, kind: bytes, value: bytes, shown: str | None
) -> None:
    element = struct.pack("<HH2sH", 0x0028, 0x0120, kind, len(value)) + value
    inserted(one, element)
    if shown is None:
        assert read(one.parent, "CT").image.GetSize() == (7, 9, 6)
    else:
        with pytest.raises(InputError) as caught:
            read(one.parent, "CT")
        assert f"{one}: PixelPaddingValue {shown} is not a stored value; export" in str(
            caught.value
        )
