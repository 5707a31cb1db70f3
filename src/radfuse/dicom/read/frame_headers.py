"""The size that a compressed frame says it has, read before any decoder allocates it."""

import struct
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
    UncompressedTransferSyntaxes,
)

from radfuse.dicom.read.limits import DamageError
from radfuse.dicom.read.safe_read import COMPRESSED, reason_of, whole_number
from radfuse.errors import InputError

Size = tuple[int, int, int]
"""Rows, columns, values a pixel."""

FRAME_SLACK_BYTES = 1 << 20
"""Room for colour profiles and comments in a compressed frame."""

WIDEST_SAMPLE_BYTES = 4
"""A compressed frame holds at most this for every value of a pixel, and the slack."""

JPEG_SYNTAXES = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes}
"""Compressed with JPEG or JPEG-LS."""

JPEG_START = b"\xff\xd8"
"""First bytes of JPEG and JPEG-LS."""

JPEG_FRAMES = {*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), 0xF7}
"""Markers of a frame header: SOF 0-3, 5-7, 9-11 of ITU-T T.81, SOF 55 of T.87 (JPEG-LS)."""

JPEG_BARE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a segment: TEM and RST."""

JPEG_SCAN = {0xD9, 0xDA}
"""Markers that come after the frame header: EOI, SOS."""

JPEG_2000_START = b"\xff\x4f\xff\x51"
"""SOC and SIZ, first markers of a JPEG 2000 codestream, HTJ2K too; ITU-T T.800 A.4, A.5.1."""

JPEG_2000_MOST = 16384
"""Components that the standard allows."""

JP2_START = b"\0\0\0\x0cjP  \r\n\x87\n"
"""First box of a JP2 file; ITU-T T.800 I.5.1."""

RLE_HEADER_BYTES = 64
"""Number of segments and 15 offsets, 4 bytes each; DICOM PS3.5 annex G.5."""

RLE_MOST = 15
"""Segments that the header has room for."""


def frame_size(frame: bytes, read: Callable[[bytes], Size | None]) -> Size | None:
    """What one of the readers of this module finds; None for what ends before it says so."""
    try:
        return read(frame)
    except (struct.error, IndexError):
        return None


def jpeg_size(frame: bytes) -> Size | None:
    """The size in the frame header of a JPEG or JPEG-LS stream; None where there is none."""
    if not frame.startswith(JPEG_START):
        return None
    at = len(JPEG_START)
    while frame[at] == 0xFF:
        while frame[at] == 0xFF:  # any number of these may fill the space before a marker
            at += 1
        marker = frame[at]
        at += 1
        if marker in JPEG_SCAN:
            return None
        if marker in JPEG_BARE:
            continue
        length: int = struct.unpack_from(">H", frame, at)[0]
        if marker in JPEG_FRAMES:
            rows, columns, samples = struct.unpack_from(">HHB", frame, at + 3)
            return rows, columns, samples
        at += length
    return None


def jpeg_2000_size(frame: bytes) -> Size | None:
    """The size in the SIZ marker of a JPEG 2000 stream, bare or in a JP2 file; None without one."""
    at = _codestream_start(frame) if frame.startswith(JP2_START) else 0
    if frame[at : at + 4] != JPEG_2000_START:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    samples: int = struct.unpack_from(">H", frame, at + 40)[0]
    if right <= left or bottom <= top or samples > JPEG_2000_MOST:
        return None
    return bottom - top, right - left, samples


def _codestream_start(frame: bytes) -> int:
    """Where the contiguous codestream box of a JP2 file has its content; the end if nowhere."""
    at = 0
    while at < len(frame):
        length, kind = struct.unpack_from(">I4s", frame, at)
        content = at + 8
        if length == 1:
            length = struct.unpack_from(">Q", frame, content)[0]
            content += 8
        if kind == b"jp2c":
            return content
        if length < content - at:  # 0 is a box up to the end
            break
        at += length
    return len(frame)


def rle_segments(frame: bytes) -> int | None:
    """Number of segments of a DICOM RLE frame; None where the offsets are no ascending places.

    There is one for each byte of a pixel; the header says nothing of rows and columns.
    """
    if len(frame) < RLE_HEADER_BYTES:
        return None
    count, *offsets = struct.unpack_from("<16I", frame)
    places = [*offsets[:count], len(frame)]
    ascending = all(low < high for low, high in pairwise(places))
    if not 1 <= count <= RLE_MOST or places[0] != RLE_HEADER_BYTES or not ascending:
        return None
    return int(count)


def check_frame(
    frame: bytes, rows: int, columns: int, samples: int, transfer_syntax: str, path: Path
) -> None:
    """Refuse a frame whose own header contradicts the file's, before a decoder believes it.

    Frames of a transfer syntax without compression pass. Raises `InputError` with both sizes, for
    a frame without a readable header, for one far too long, and for a syntax that is not read.
    """
    if transfer_syntax in UncompressedTransferSyntaxes:
        return
    if transfer_syntax not in COMPRESSED:
        raise InputError(f"{path}: transfer syntax {transfer_syntax} is not read; convert it first")
    longest = rows * columns * samples * WIDEST_SAMPLE_BYTES + FRAME_SLACK_BYTES
    if len(frame) > longest:
        _contradict(path, f"{len(frame)} bytes", rows, columns, samples)
    if transfer_syntax == RLELossless:
        segments = rle_segments(frame)
        if segments is None or segments not in {samples, 2 * samples, 4 * samples}:
            _contradict(path, f"{segments or 'no readable'} RLE segments", rows, columns, samples)
        return
    size = frame_size(frame, jpeg_size if transfer_syntax in JPEG_SYNTAXES else jpeg_2000_size)
    if size != (rows, columns, samples):
        found = "no readable header" if size is None else "{} x {} pixels of {}".format(*size)
        _contradict(path, found, rows, columns, samples)


def check_frames(dataset: Dataset, path: Path) -> None:
    """Refuse a file, read with its pixels, one of whose compressed frames contradicts its header.

    Plain pixels and a file without any pass. Raises `InputError` as `check_frame` does, and for a
    header without transfer syntax or sizes and for pixels that are no frames.
    """
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or ExplicitVRLittleEndian)
    if "PixelData" not in dataset or syntax in UncompressedTransferSyntaxes:
        return
    rows, columns = (whole_number(dataset, keyword, path) for keyword in ("Rows", "Columns"))
    samples, count = (
        whole_number(dataset, key, path, 1) for key in ("SamplesPerPixel", "NumberOfFrames")
    )
    try:
        found = 0
        for frame in generate_frames(dataset.PixelData, number_of_frames=count):
            check_frame(frame, rows, columns, samples, syntax, path)
            found += 1
        if found != count:
            raise DamageError(f"{found} compressed frames, its header says {count}")
    except InputError:
        raise
    except Exception as error:  # damaged items make the parser raise whatever it likes
        raise InputError(
            f"{path}: damaged: {reason_of(error)}; replace it or move it away"
        ) from error


def _contradict(path: Path, found: str, rows: int, columns: int, samples: int) -> NoReturn:
    raise InputError(
        f"{path}: a compressed frame has {found}, its header says {rows} x {columns} pixels of "
        f"{samples}; export it again"
    )
