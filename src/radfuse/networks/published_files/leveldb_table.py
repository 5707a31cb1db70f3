"""Sorted tables: the file format of TensorFlow's checkpoints, LevelDB's with another magic.

https://github.com/google/leveldb/blob/main/doc/table_format.md. Inconsistent
content is a `ValueError`. Reads never exceed the size of the file.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

MAGIC = 0xDB4775248B80FB57
"""Last eight bytes of a table, little-endian."""

FOOTER_BYTES = 48
"""Two handles, padding, the magic."""

TRAILER_BYTES = 5
"""After a block: its kind of compression and its checksum."""

MAX_KEY_BYTES = 512
"""Names of arrays are far shorter; keys that share prefixes could fill the memory."""

CASTAGNOLI = 0x82F63B78
"""Polynomial of CRC-32C, its bits reversed."""

MASK = 0xA282EAD8
"""Added to a stored checksum, so that it is not the checksum of its container."""


def entries(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table, in order of the keys."""
    left = path.stat().st_size
    footer = stretch(path, max(left - FOOTER_BYTES, 0), FOOTER_BYTES)
    if struct.unpack("<Q", footer[-8:]) != (MAGIC,):
        raise ValueError("no footer of a TensorFlow checkpoint")
    _, _, position = _handle(footer, 0)
    for _, handle in _block(path, *_handle(footer, position)[:2]):
        offset, length, _ = _handle(handle, 0)
        if (left := left - length) < 0:
            raise ValueError("its blocks overlap")
        yield from _block(path, offset, length)


def stretch(path: Path, offset: int, length: int) -> bytes:
    """Bytes of a file from an offset."""
    if offset + length > path.stat().st_size:
        raise ValueError(f"the file ends before byte {offset + length}")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A number, seven bits per byte, lowest first, and the position after it."""
    value = 0
    for count, byte in enumerate(data[position : position + 10]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, position + count + 1
    raise ValueError("a number has more than 10 bytes")


def check(data: bytes, stored: int) -> None:
    """Compare the checksum of data with the stored one."""
    if masked_crc32c(data) != stored:
        raise ValueError("a checksum differs")


def masked_crc32c(data: bytes) -> int:
    """CRC-32C, rotated and masked as tables store it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _REMAINDERS[crc & 0xFF ^ byte]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF


def _remainder(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ CASTAGNOLI * (value & 1)
    return value


_REMAINDERS = [_remainder(byte) for byte in range(256)]


def _handle(data: bytes, position: int) -> tuple[int, int, int]:
    """Offset and length of a block, and the position after them."""
    offset, position = varint(data, position)
    length, position = varint(data, position)
    return offset, length, position


def _block(path: Path, offset: int, length: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key is stored as its difference from the previous one."""
    data = stretch(path, offset, length + TRAILER_BYTES)
    compression, stored = struct.unpack("<BI", data[length:])
    if compression:
        raise ValueError("a block is compressed, unlike in TensorFlow checkpoints")
    check(data[: length + 1], stored)
    (restarts,) = struct.unpack("<I", data[length - 4 : length])
    end, position, key = length - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise ValueError("a block has no room for its entries")
    while position < end:
        shared, position = varint(data, position)
        more, position = varint(data, position)
        size, position = varint(data, position)
        if shared > len(key) or shared + more > MAX_KEY_BYTES or position + more + size > end:
            raise ValueError("an entry is longer than its block")
        key = key[:shared] + data[position : position + more]
        position += more + size
        yield key, data[position - size : position]
