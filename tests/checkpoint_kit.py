"""Checkpoints of TensorFlow, written by the test."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from radfuse.networks.published_files.leveldb_table import MAGIC, masked_crc32c


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def write_table(
    path: Path, items: list[tuple[bytes, bytes]], *, compression: int = 0, restarts: int = 1
) -> None:
    """A table of one block; every key whole."""

    def block(entries: list[tuple[bytes, bytes]]) -> bytes:
        body = b"".join(
            varint(0) + varint(len(key)) + varint(len(value)) + key + value
            for key, value in entries
        ) + struct.pack("<II", 0, restarts)
        body += bytes([compression])
        return body + struct.pack("<I", masked_crc32c(body))

    data = block(items)
    handle = varint(0) + varint(len(data) - 5)
    compression = 0
    index = block([(b"\xff", handle)])
    footer = varint(0) + varint(0) + varint(len(data)) + varint(len(index) - 5)
    path.write_bytes(data + index + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC))


def checksum(values: bytes) -> bytes:
    """The field of an entry with the checksum of its array."""
    return varint(6 << 3 | 5) + struct.pack("<I", masked_crc32c(values))


def write_checkpoint(prefix: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """A V2 checkpoint of arrays of float32: PREFIX.index and PREFIX.data-00000-of-00001."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    entries, data = [(b"", field(1, 1))], b""
    for name, array in sorted(arrays.items()):
        values = array.astype("<f4").tobytes()
        shape = b"".join(field(2, field(1, axis)) for axis in array.shape)
        entry = field(1, 1) + field(2, shape) + field(4, len(data)) + field(5, len(values))
        entries.append((name.encode(), entry + checksum(values)))
        data += values
    write_table(Path(f"{prefix}.index"), entries)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)
