"""Sorted tables: how TensorFlow's checkpoints lie in a file, those of LevelDB with another magic.

https://github.com/google/leveldb/blob/main/doc/table_format.md. Whatever does not add up is a
`ValueError`. Nothing is read beyond a file's end, nor more than the file has.
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

LONGEST_KEY = 512
"""Bytes; names of arrays are far shorter. Keys that share their beginnings could fill a memory."""

CASTAGNOLI = 0x82F63B78
"""Polynomial of CRC-32C, its bits reversed."""

MASK = 0xA282EAD8
"""Added to a stored checksum, so that none is the checksum of what holds it."""


def entries(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table, in order of the keys."""
    left = path.stat().st_size
    footer = stretch(path, max(left - FOOTER_BYTES, 0), FOOTER_BYTES)
    if struct.unpack("<Q", footer[-8:]) != (MAGIC,):
        raise ValueError("it does not end as a checkpoint of TensorFlow does")
    _, _, place = _handle(footer, 0)
    for _, handle in _block(path, *_handle(footer, place)[:2]):
        offset, length, _ = _handle(handle, 0)
        if (left := left - length) < 0:
            raise ValueError("its blocks overlap")
        yield from _block(path, offset, length)


def stretch(path: Path, offset: int, length: int) -> bytes:
    """So many bytes of a file from an offset on."""
    if offset + length > path.stat().st_size:
        raise ValueError(f"it ends before the {length} bytes from byte {offset} on")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def varint(data: bytes, place: int) -> tuple[int, int]:
    """A number, seven bits a byte and the lowest first, and the place after it."""
    value = 0
    for count, byte in enumerate(data[place : place + 10]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, place + count + 1
    raise ValueError("a number has no end")


def check(data: bytes, stored: int) -> None:
    """Compare the checksum of data with the one that is stored."""
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


def _handle(data: bytes, place: int) -> tuple[int, int, int]:
    """Offset and length of a block, and the place after them."""
    offset, place = varint(data, place)
    length, place = varint(data, place)
    return offset, length, place


def _block(path: Path, offset: int, length: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; of a key only what differs from the one before is stored."""
    data = stretch(path, offset, length + TRAILER_BYTES)
    compression, stored = struct.unpack("<BI", data[length:])
    if compression:
        raise ValueError("it is compressed, which no checkpoint of TensorFlow is")
    check(data[: length + 1], stored)
    (restarts,) = struct.unpack("<I", data[length - 4 : length])
    end, place, key = length - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise ValueError("a block has no room for its entries")
    while place < end:
        shared, place = varint(data, place)
        more, place = varint(data, place)
        size, place = varint(data, place)
        if shared > len(key) or shared + more > LONGEST_KEY or place + more + size > end:
            raise ValueError("an entry is longer than its block")
        key = key[:shared] + data[place : place + more]
        place += more + size
        yield key, data[place - size : place]
