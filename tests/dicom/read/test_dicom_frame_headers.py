"""Compressed frames say how large they are, or are refused before a decoder sees them."""

import io
import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from jpeg_ls import encode
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from test_dicom_safe_read import refusal

from dicom_kit import change, slices, write
from radfuse.dicom.read.frame_headers import (
    check_frame,
    check_frames,
    frame_size,
    jpeg_2000_size,
    jpeg_size,
    rle_segments,
)
from radfuse.dicom.read.safe_read import begins_like_dicom, open_dataset

LEVELS = np.random.default_rng(2).integers(0, 256, (13, 29)).astype(np.uint8)
"""13 rows, 29 columns."""


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """The first slice of a series."""
    return slices(write(tmp_path / "in"))[0]


def compressed(kind: str, **options: object) -> bytes:
    """A frame of 13 rows and 29 columns, by Pillow."""
    stream = io.BytesIO()
    Image.fromarray(LEVELS).save(stream, kind, **options)
    return stream.getvalue()


JP2 = compressed("JPEG2000")
CODESTREAMS = {
    "baseline": (compressed("JPEG", quality=90), JPEGBaseline8Bit),
    "progressive": (compressed("JPEG", progressive=True), JPEGBaseline8Bit),
    "filled": (compressed("JPEG").replace(b"\xff\xc0", b"\xff\xff\xff\xc0", 1), JPEGBaseline8Bit),
    "JPEG-LS": (bytes(encode(LEVELS)), JPEGLSLossless),
    "JPEG 2000": (compressed("JPEG2000", no_jp2=True), JPEG2000Lossless),
    "JP2": (JP2, JPEG2000Lossless),
    "JP2 to the end": (
        JP2.replace(JP2[(at := JP2.index(b"jp2c")) - 4 : at], bytes(4)), JPEG2000Lossless),
    "JP2 with a long box": (
        JP2[: at - 4] + b"\0\0\0\1jp2c" + struct.pack(">Q", len(JP2) - at + 12) + JP2[at + 4 :],
        JPEG2000Lossless),
    "HTJ2K": (compressed("JPEG2000", no_jp2=True), HTJ2K),
}  # fmt: skip
"""What other programs write, with the transfer syntax that it belongs to."""


@pytest.mark.parametrize("name", CODESTREAMS)
def test_a_codestream_says_its_size(name: str) -> None:
    frame, syntax = CODESTREAMS[name]
    check_frame(frame, 13, 29, 1, syntax, Path("a.dcm"))
    for wrong in ((13, 28, 1), (65535, 29, 1), (13, 29, 3)):
        message = refusal(lambda: check_frame(frame, *wrong, syntax, Path("a.dcm")), Path("a.dcm"))  # noqa: B023
        assert message == (
            "a compressed frame has 13 x 29 pixels of 1, its header says "
            f"{wrong[0]} x {wrong[1]} pixels of {wrong[2]}; export it again"
        )


@pytest.mark.parametrize("name", CODESTREAMS)
def test_no_codestream_that_is_cut_or_hurt_breaks_a_parser(name: str) -> None:
    frame = CODESTREAMS[name][0]
    rng = np.random.default_rng(4)
    for read in (jpeg_size, jpeg_2000_size):
        for keep in range(min(len(frame), 300)):
            assert frame_size(frame[:keep], read) in {None, (13, 29, 1)}
        for _ in range(300):
            hurt = bytearray(frame)
            hurt[rng.integers(min(len(frame), 200))] = rng.integers(256)
            frame_size(bytes(hurt), read)


def test_colour_has_three_values_a_pixel() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.stack([LEVELS] * 3, -1)).save(stream, "JPEG")
    assert jpeg_size(stream.getvalue()) == (13, 29, 3)


@pytest.mark.parametrize(
    ("frame", "syntax", "found"),
    [
        (b"\xff\xd8\xff\xda", JPEGBaseline8Bit, "no readable header"),
        (b"\xff\xd8\xff\xd0\xff\x01\xff\xd9", JPEGLosslessSV1, "no readable header"),
        (b"\xff\xd8\0\0", JPEGBaseline8Bit, "no readable header"),
        (b"\xff\x4f\xff\x51" + bytes(60), JPEG2000Lossless, "no readable header"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60), JPEG2000Lossless, "no readable header"),
        (CODESTREAMS["JPEG 2000"][0], JPEGBaseline8Bit, "no readable header"),
        (bytes(70), RLELossless, "no readable RLE segments"),
        (b"", RLELossless, "no readable RLE segments"),
        (bytes(2 << 20), JPEGBaseline8Bit, "2097152 bytes"),
    ],
)
def test_a_frame_without_a_size_is_refused(frame: bytes, syntax: UID, found: str) -> None:
    path = Path("a.dcm")
    message = refusal(lambda: check_frame(frame, 13, 29, 1, syntax, path), path)
    assert message.startswith(f"a compressed frame has {found}, its header says 13 x 29 pixels")


def test_plain_frames_pass_and_unknown_ones_do_not() -> None:
    path = Path("a.dcm")
    check_frame(b"", 13, 29, 1, ExplicitVRLittleEndian, path)
    message = refusal(lambda: check_frame(b"", 13, 29, 1, "1.2.840.10008.1.2.4.100", path), path)
    assert message == "transfer syntax 1.2.840.10008.1.2.4.100 is not read; convert it first"


@pytest.mark.parametrize("offsets", [[64, 64], [64, 63], [0, 80], [64, 1 << 31], [65, 80]])
def test_wild_offsets_of_run_lengths_are_refused(offsets: list[int]) -> None:
    frame = struct.pack("<16I", 2, *offsets, *[0] * 13) + bytes(40)
    assert rle_segments(frame) is None


def test_run_lengths_have_a_segment_for_each_byte(one: Path) -> None:
    change(one, lambda header: header.compress(RLELossless))
    (frame,) = generate_frames(pydicom.dcmread(one).PixelData, number_of_frames=1)
    assert rle_segments(frame) == 2
    check_frame(frame, 9, 7, 1, RLELossless, one)
    assert "has 2 RLE segments" in refusal(
        lambda: check_frame(frame, 9, 7, 3, RLELossless, one), one
    )


def test_real_frames_of_all_codecs_pass(odd: Path) -> None:
    seen = set()
    for path in sorted(odd.rglob("*.dcm")):
        if begins_like_dicom(path) and "truncated" not in path.name:
            header = open_dataset(path, pixels=True)
            check_frames(header, path)
            if "PixelData" in header:
                seen.add(header.file_meta.get("TransferSyntaxUID"))
    assert {RLELossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, JPEG2000} <= seen
