"""Sorted tables of LevelDB, the container of TensorFlow checkpoints (with another magic number).

https://github.com/google/leveldb/blob/main/doc/table_format.md. Inconsistent content raises
`ValueError`. No more bytes are read than the file has.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

MAGIC = 0xDB4775248B80FB57
"""Last eight bytes of a table, little-endian."""

FOOTER_BYTES = 48
"""Two handles, padding, the magic."""

TRAILER_BYTES = 5
"""After a block: compression type and checksum."""

MAX_KEY_BYTES = 512
"""Names of arrays are far shorter; malformed prefix compression could exhaust the memory."""

CASTAGNOLI = 0x82F63B78
"""Polynomial of CRC-32C, bits reversed."""

MASK = 0xA282EAD8
"""Added to stored checksums, as the format prescribes."""


def entries(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a table, sorted by key."""
    remaining = path.stat().st_size
    footer = read_range(path, max(remaining - FOOTER_BYTES, 0), FOOTER_BYTES)
    if struct.unpack("<Q", footer[-8:]) != (MAGIC,):
        raise ValueError("not a TensorFlow checkpoint: wrong magic number")
    _, _, position = _handle(footer, 0)
    for _, handle in _block(path, *_handle(footer, position)[:2]):
        offset, length, _ = _handle(handle, 0)
        if (remaining := remaining - length) < 0:
            raise ValueError("its blocks overlap")
        yield from _block(path, offset, length)


def read_range(path: Path, offset: int, length: int) -> bytes:
    """`length` bytes of a file from `offset` on."""
    if offset + length > path.stat().st_size:
        raise ValueError(f"truncated: {length} bytes expected from byte {offset} on")
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and the position after it."""
    value = 0
    for count, byte in enumerate(data[position : position + 10]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, position + count + 1
    raise ValueError("a number is not terminated")


def check(data: bytes, stored: int) -> None:
    """Raise `ValueError` where the checksum of data differs from the stored one."""
    if masked_crc32c(data) != stored:
        raise ValueError("wrong checksum: the file is damaged")


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
    """Keys and values of a block; keys are stored without the prefix shared with the one before."""
    data = read_range(path, offset, length + TRAILER_BYTES)
    compression, stored = struct.unpack("<BI", data[length:])
    if compression:
        raise ValueError("compressed blocks are not supported")
    check(data[: length + 1], stored)
    (restarts,) = struct.unpack("<I", data[length - 4 : length])
    end, position, key = length - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise ValueError("a block is too short for its entries")
    while position < end:
        shared, position = varint(data, position)
        more, position = varint(data, position)
        size, position = varint(data, position)
        if shared > len(key) or shared + more > MAX_KEY_BYTES or position + more + size > end:
            raise ValueError("an entry is longer than its block")
        key = key[:shared] + data[position : position + more]
        position += more + size
        yield key, data[position - size : position]
