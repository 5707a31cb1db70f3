"""Files made to harm: one clear line each, in bounded time and memory; the rest is still read."""

import os
import resource
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from jpeg_ls import encode
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)
from test_dicom_frame_headers import CODESTREAMS
from test_dicom_safe_read import refusal, refused, saved

from dicom_kit import change, change_all, put, put_raw, slices, write
from radfuse.dicom.read.frame_headers import check_frames
from radfuse.dicom.read.limits import ELEMENTS_LIMIT, ITEMS_LIMIT, LEVELS_LIMIT
from radfuse.dicom.read.safe_read import (
    FILE_LIMIT_BYTES,
    begins_like_dicom,
    check_size,
    missing_bytes,
    open_dataset,
    silenced,
)
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


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """No test takes 5 s of a core or more than 1 GiB."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20
    assert time.thread_time() - start < 5


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
def test_a_size_that_no_scanner_makes_is_refused(one: Path, side: int) -> None:
    change(one, lambda header: header.update({"Rows": side, "Columns": side}))
    header = open_dataset(one, pixels=False)
    assert f"{side} rows, {side} columns and 1 frames" in refusal(
        lambda: check_size(header, one), one
    )
    assert missing_bytes(one, header) == max(0, side * side * 2 - 9 * 7 * 2)


@pytest.mark.parametrize("frames", ["2000000000", "-1", "1e9", "9" * 20, "9" * 400])
def test_a_number_of_frames_that_lies_is_refused(one: Path, frames: str) -> None:
    change(one, put_raw("NumberOfFrames", frames.encode()))
    header = open_dataset(one, pixels=False)
    assert refusal(lambda: check_size(header, one), one)
    with suppress(InputError):
        assert missing_bytes(one, header) >= 0


@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x7FFFFFFF, 5000])
@pytest.mark.parametrize("tags", [None, ("Rows", "Columns")])
@pytest.mark.parametrize("pixels", [True, False])
def test_a_length_that_lies_is_refused(
    one: Path, length: int, tags: tuple[str, ...] | None, pixels: bool
) -> None:
    inserted(one, struct.pack("<HH2sHI", 0x7FDF, 0x0010, b"OB", 0, length) + bytes(8))
    message = refusal(lambda: open_dataset(one, pixels=pixels, specific_tags=tags), one)
    assert message.startswith("damaged: ")


def test_a_value_without_an_end_is_refused(one: Path) -> None:
    inserted(one, struct.pack("<HH2sHI", 0x7FDF, 0x0010, b"OB", 0, 0xFFFFFFFF) + bytes(8))
    assert "has no end" in refused(one)


@pytest.mark.parametrize("depth", [LEVELS_LIMIT + 1, 60, 5000])
def test_sequences_without_lengths_that_nest_deep_are_refused(one: Path, depth: int) -> None:
    inserted(one, (SEQUENCE + OPEN_ITEM) * depth)
    assert "damaged" in refused(one)


@pytest.mark.parametrize("depth", [LEVELS_LIMIT - 1, LEVELS_LIMIT + 1, 5000])
def test_sequences_with_lengths_that_nest_deep_are_refused(one: Path, depth: int) -> None:
    inside = b""
    for _ in range(depth):
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inside)) + inside
        inside = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, len(item)) + item
    inserted(one, inside)
    if depth < LEVELS_LIMIT:
        assert open_dataset(one, pixels=True).ReferencedImageSequence
    else:
        assert f"sequences nest deeper than {LEVELS_LIMIT} levels" in refused(one)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 8 * (ITEMS_LIMIT + 1)])
def test_more_items_than_memory_is_worth_are_refused(one: Path, length: int) -> None:
    head = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, length)
    end = END_OF_SEQUENCE if length == 0xFFFFFFFF else b""
    inserted(one, head + EMPTY_ITEM * (ITEMS_LIMIT + 1) + end)
    said = refused(one)
    assert f"more than {ITEMS_LIMIT} items" in said or "No tag to read" in said


def test_a_header_larger_than_any_is_refused(one: Path) -> None:
    size = 65 << 20
    inserted(one, struct.pack("<HH2sHI", 0x7FDF, 0x0010, b"OB", 0, size) + bytes(size))
    assert "makes the header larger than allowed" in refused(one)


def test_a_file_larger_than_any_is_refused(one: Path) -> None:
    os.truncate(one, FILE_LIMIT_BYTES + 1)
    assert (
        refused(one, pixels=True) == f"{FILE_LIMIT_BYTES + 1} bytes, more than 2 GiB; no CT or MR"
    )


def zeros(gigabytes: int) -> bytes:
    """Deflated, to a thousandth: one piece that may follow itself."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = pack.compress(bytes(64 << 20)) + pack.flush(zlib.Z_FULL_FLUSH)
    return piece * (16 * gigabytes)


@pytest.mark.parametrize("pixels", [True, False])
def test_a_deflated_bomb_is_refused(one: Path, pixels: bool) -> None:
    saved(one, DeflatedExplicitVRLittleEndian)
    whole = one.read_bytes()
    start = META + 12 + int.from_bytes(whole[META + 8 : META + 12], "little")
    one.write_bytes(whole[:start] + zeros(10))
    assert one.stat().st_size < 12 << 20
    assert "it inflates to more than 256 MiB" in refused(one, pixels=pixels)


def packed(path: Path, frame: bytes, syntax: UID) -> Path:
    """A slice whose only frame is compressed."""

    def edit(header: Dataset) -> None:
        header.PixelData = encapsulate([frame])
        header.file_meta.TransferSyntaxUID = syntax

    change(path, edit)
    return path


HUGE = struct.pack(">HH", 65535, 65535)
LARGE_FRAMES = {
    "JPEG": (
        CODESTREAMS["baseline"][0].replace(struct.pack(">HH", 13, 29), HUGE), JPEGBaseline8Bit),
    "JPEG-LS": (
        CODESTREAMS["JPEG-LS"][0].replace(struct.pack(">HH", 13, 29), HUGE), JPEGLSLossless),
    "JPEG 2000": (
        CODESTREAMS["JPEG 2000"][0].replace(
            struct.pack(">II", 29, 13), struct.pack(">II", 65535, 65535), 1), JPEG2000Lossless),
    "RLE": (struct.pack("<16I", 2, 64, 1 << 30, *[0] * 13) + bytes(40), RLELossless),
}  # fmt: skip
"""Frames that ask a decoder for gigabytes."""


@pytest.mark.parametrize("name", LARGE_FRAMES)
def test_a_frame_that_asks_for_gigabytes_is_refused(one: Path, name: str) -> None:
    frame, syntax = LARGE_FRAMES[name]
    packed(one, frame, syntax)
    header = open_dataset(one, pixels=True)
    message = refusal(lambda: check_frames(header, one), one)
    assert message.startswith("a compressed frame has ")
    assert "its header says 9 x 7 pixels of 1; export it again" in message


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda header: header.__delattr__("Rows"), "Rows is missing or no number"),
        (put("NumberOfFrames", 3), "damaged: "),
        (put("PixelData", b"\xfe\xff\x00\xe0\0\0\0\0junkjunk"), "damaged: "),
        (lambda header: setattr(header.file_meta, "TransferSyntaxUID", "1.2.3"),
         "transfer syntax 1.2.3 is not read; convert it first"),
    ],
)  # fmt: skip
def test_pixels_that_are_no_frames_are_refused(
    one: Path, edit: Callable[[Dataset], object], message: str
) -> None:
    change(one, lambda header: header.compress(RLELossless))
    header = open_dataset(one, pixels=True)
    check_frames(header, one)
    edit(header)
    assert message in refusal(lambda: check_frames(header, one), one)


def test_plain_pixels_and_none_have_no_frames_to_check(one: Path) -> None:
    header = open_dataset(one, pixels=True)
    check_frames(header, one)
    del header.PixelData
    check_frames(header, one)


def test_items_of_pixels_that_lie_are_missing_bytes(one: Path) -> None:
    packed(one, bytes(encode(pydicom.dcmread(one).pixel_array.astype("u2"))), JPEGLSLossless)
    whole = one.read_bytes()
    at = whole.rindex(b"\xfe\xff\x00\xe0") + 4
    one.write_bytes(whole[:at] + struct.pack("<I", 0xFFFFFFF0) + whole[at + 4 :])
    header = open_dataset(one, pixels=False)
    assert missing_bytes(one, header) > 4 << 30 - 10
    one.write_bytes(whole[: at - 4] + b"junk" + whole[at:])
    assert "no item of pixels at byte" in refusal(lambda: missing_bytes(one, header), one)


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
    "a pipe": (os.mkfifo, "no regular file; move it away"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "no regular file; move it away"),
    "a folder": (lambda path: path.mkdir(), "no regular file; move it away"),
    "a link to itself": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to(path / "x"), "Too many levels|No such"),
    "a link to its folder": (lambda path: path.symlink_to(path.parent), "no regular file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_regular_file_is_told_and_the_rest_read(folder: Path, name: str) -> None:
    make, message = HOSTILE[name]
    path = folder / "0000"
    make(path)
    with pytest.raises(Exception, match=message) as caught:
        open_dataset(path, pixels=False)
    assert str(caught.value).startswith(f"{path}: ")
    refusal(lambda: begins_like_dicom(path), path)
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
def test_asking_for_a_value_of_another_kind_never_fails(
    one: Path, old: bytes, new: bytes, keyword: str, value: object
) -> None:
    whole = one.read_bytes()
    assert whole.count(old) == 1
    one.write_bytes(whole.replace(old, new))
    header = open_dataset(one, pixels=False)
    assert value in {None, header.get(keyword)}
    if keyword == "Rows":
        assert "Rows is missing or no number" in refusal(lambda: check_size(header, one), one)


def test_an_unknown_tag_of_an_unknown_kind_is_bytes(one: Path) -> None:
    saved(one, ImplicitVRLittleEndian)
    whole = one.read_bytes()
    at = whole.index(struct.pack("<HHI", 0x7FE0, 0x0010, 126))
    one.write_bytes(whole[:at] + struct.pack("<HHI2s", 0x3732, 2, 2, b"ab") + whole[at:])
    assert open_dataset(one, pixels=True)[0x3732, 2].value == b"ab"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("tag", [(0x0008, 0x0000), (0x0019, 0x1001), (0x0028, 0x1101)])
def test_a_kind_that_only_pydicom_knows_fails_nowhere(
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
    ("kind", "value", "said"),
    [
        (b"ST", b"  ", None),
        (b"LO", b"x ", "x"),
        (b"US", bytes(4), "[0, 0]"),
        (b"DS", b"1e99", "1e99"),
    ],
)
def test_padding_that_is_no_number_is_refused_and_none_is_none(
    one: Path, kind: bytes, value: bytes, said: str | None
) -> None:
    element = struct.pack("<HH2sH", 0x0028, 0x0120, kind, len(value)) + value
    inserted(one, element)
    if said is None:
        assert read(one.parent, "CT").image.GetSize() == (7, 9, 6)
    else:
        with pytest.raises(InputError) as caught:
            read(one.parent, "CT")
        assert f"{one}: PixelPaddingValue {said} is no number; export" in str(caught.value)


def test_a_huge_header_is_left_raw_where_it_is_not_asked_for(one: Path) -> None:
    private = b"".join(
        struct.pack("<HH2sH", 0x0029 + 2 * (n >> 16), n & 0xFFFF, b"US", 2) + b"\1\0"
        for n in range(70_000)
    )
    inserted(one, private)
    header = open_dataset(one, pixels=True)
    assert header[0x002B, 0x0005].value == 1
    assert header.Rows == 9


def test_more_elements_than_memory_is_worth_are_refused(one: Path) -> None:
    inserted(one, struct.pack("<HH2sH", 0x0029, 0x1001, b"US", 0) * (ELEMENTS_LIMIT + 1))
    assert f"or {ELEMENTS_LIMIT} elements" in refused(one)
