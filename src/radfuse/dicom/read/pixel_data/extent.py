"""Whether a file has all its pixel data, found without decoding them."""

import io
import math
import os
import struct
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from radfuse.dicom.read.safe_read import (
    COMPRESSED,
    TAG_BYTES,
    UNDEFINED_LENGTH,
    DamageError,
    integer_of,
    open_dataset,
    regular_file,
    silenced,
)
from radfuse.errors import InputError

PIXEL_DATA = bytes((0xE0, 0x7F, 0x10, 0x00))
"""Tag of integer pixel data, little endian."""

PIXEL_VRS = {b"OB", b"OW", b"OF", b"OD", b"UN"}
"""Value representations of pixel data in explicit files."""

ITEM, DELIMITER = 0xFFFEE000, 0xFFFEE0DD
"""Tags that begin an item and end a sequence."""


def missing_bytes(path: Path, header: Dataset) -> int:
    """Bytes of the pixel data that a file lacks, without reading them; 0 for a complete one.

    Native pixel data are compared with their stated length and with rows, columns, samples, bits
    and frames; encapsulated pixel data with their items and the delimiter. Raises `InputError`
    for a header without these numbers or a file that cannot be read.
    """
    numbers = [
        integer_of(header, keyword, path) for keyword in ("Rows", "Columns", "BitsAllocated")
    ]
    numbers += [integer_of(header, key, path, 1) for key in ("SamplesPerPixel", "NumberOfFrames")]
    needed = -(-math.prod(numbers) // 8)
    syntax = str(header.file_meta.get("TransferSyntaxUID") or "")
    if syntax == DeflatedExplicitVRLittleEndian:
        return max(0, needed - len(open_dataset(path, pixels=True).get("PixelData") or b""))
    try:
        with regular_file(path) as (file, size), silenced():
            if seek_last_pixels(file, syntax, needed):
                return 0
            length = _seek_pixels(file, size)
            if length == UNDEFINED_LENGTH:
                return _missing_items(file, size)
            if syntax in COMPRESSED:
                raise DamageError(f"{length} bytes of pixel data are not encapsulated as {syntax}")
            return max(length, needed) - min(length, size - file.tell())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except DamageError as error:
        raise InputError(f"{path}: damaged: {error}; replace it or move it away") from error


def seek_last_pixels(file: BinaryIO, syntax: str, length: int) -> bool:
    """Seek native pixel data of a length that are the last element of a file; False for others.

    The tag and the length, at that distance from the end, must be what the header requires: a file
    that was parsed once need not be parsed again.
    """
    if syntax not in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        return False
    even = length + length % 2
    if not 0 < even < UNDEFINED_LENGTH:
        return False
    is_implicit = syntax == ImplicitVRLittleEndian
    vrs = (b"",) if is_implicit else (b"OW\0\0", b"OB\0\0")
    starts = [PIXEL_DATA + vr + even.to_bytes(4, "little") for vr in vrs]
    if file.seek(0, os.SEEK_END) < even + len(starts[0]):
        return False
    file.seek(-even - len(starts[0]), os.SEEK_END)
    return file.read(len(starts[0])) in starts


def _seek_pixels(file: BinaryIO, size: int) -> int:
    """Seek the pixel data and give their stated length, 0 without any."""
    file.seek(0)
    dcmread(file, stop_before_pixels=True, force=True, specific_tags=["SpecificCharacterSet"])
    if size - file.tell() < TAG_BYTES:
        return 0
    head = file.read(TAG_BYTES)
    order: Literal["little", "big"] = "little" if head.startswith(b"\xe0\x7f") else "big"
    is_explicit = head[4:6] in PIXEL_VRS  # all odd as a number, which no length is
    length = file.read(4) if is_explicit else head[4:]
    return int.from_bytes(length, order)


def _missing_items(file: BinaryIO, size: int) -> int:
    """Bytes that encapsulated pixel data lack: of a truncated item, and of the delimiter."""
    while size - file.tell() >= TAG_BYTES:
        group, element, length = struct.unpack("<HHI", file.read(TAG_BYTES))
        lacking: int = length - (size - file.tell())
        if (group << 16 | element) == DELIMITER:
            return 0
        if (group << 16 | element) != ITEM:
            raise DamageError(f"byte {file.tell() - TAG_BYTES} of its pixel data begins no item")
        if lacking > 0:
            return lacking + TAG_BYTES
        file.seek(length, io.SEEK_CUR)
    return TAG_BYTES - (size - file.tell())
