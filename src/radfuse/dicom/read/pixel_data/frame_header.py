"""The size and bits that a compressed frame states; decoders follow the DICOM header instead."""

import struct
from typing import NamedTuple

JPEG_START = b"\xff\xd8"
"""First bytes of JPEG and JPEG-LS."""

JPEG_FRAMES = {*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), 0xF7}
"""Markers of a frame header: SOF 0-3, 5-7, 9-11 of ITU-T T.81, SOF 55 of T.87 (JPEG-LS)."""

JPEG_2000_START = b"\xff\x4f\xff\x51"
"""First markers of a JPEG 2000 or HTJ2K codestream, SOC and SIZ; ITU-T T.800 A.4, A.5.1."""


class FrameHeader(NamedTuple):
    """Of a codestream."""

    rows: int
    columns: int
    bits: int
    """Per sample."""


def frame_header(frame: bytes) -> FrameHeader | None:
    """The header of a JPEG, JPEG-LS or JPEG 2000 codestream; None without."""
    try:
        if frame.startswith(JPEG_2000_START):
            right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
            return FrameHeader(bottom - top, right - left, (frame[42] & 0x7F) + 1)
        return _jpeg_header(frame) if frame.startswith(JPEG_START) else None
    except (struct.error, IndexError):
        return None


def _jpeg_header(frame: bytes) -> FrameHeader | None:
    at = len(JPEG_START)
    while frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length: int = struct.unpack_from(">H", frame, at + 2)[0]
        if marker in JPEG_FRAMES:
            bits, rows, columns = struct.unpack_from(">BHH", frame, at + 4)
            return FrameHeader(rows, columns, bits)
        at += 2 + length
    return None
