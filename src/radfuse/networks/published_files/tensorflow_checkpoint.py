"""Checkpoints of TensorFlow, formats V1 and V2, read without TensorFlow.

V2 is a table (PREFIX.index) of positions in PREFIX.data-00000-of-00001; V1 is one file, a table of
arrays. Messages are those of tensorflow/core/protobuf/tensor_bundle.proto and
tensorflow/core/util/saved_tensor_slice.proto; only the fields below are read.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfuse.networks.published_files.leveldb_table import check, entries, read_range, varint

Arrays = dict[str, NDArray[Any]]

INDEX, DATA, GRAPH = ".index", ".data-00000-of-00001", ".meta"
"""Suffixes of V2's files; the last one is not read."""

DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 2: np.dtype("<f8")}
"""Types of arrays that are read: real numbers. Counters and strings are skipped."""

V1_VALUES = {1: 5, 2: 6}
"""Field of a V1 array's values, by type."""

Message = dict[int, list[Any]]
"""Fields of a message by number, each with all its values."""


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of a checkpoint given by one of them or by their common prefix."""
    prefix = path
    for suffix in (INDEX, DATA, GRAPH):
        prefix = Path(str(prefix).removesuffix(suffix))
    index, data = (Path(f"{prefix}{suffix}") for suffix in (INDEX, DATA))
    return (prefix,) if prefix.exists() and not index.exists() else (index, data)


def read_v2(index: Path, data: Path) -> Arrays:
    """The arrays of a checkpoint in two files; `ValueError` for inconsistent content."""
    arrays, remaining = {}, data.stat().st_size
    for key, value in entries(index):
        facts = _message(value)
        if not key:
            _check_header(facts)
            continue
        if (remaining := remaining - _number(facts, 5)) < 0:
            raise ValueError(f"its arrays are larger than {data.name}")
        values = read_range(data, _number(facts, 4), _number(facts, 5))
        if (dtype := DTYPES.get(_number(facts, 1))) is not None:
            arrays[key.decode()] = _checked(values, facts, dtype)
    return arrays


def read_v1(path: Path) -> Arrays:
    """The arrays of a checkpoint in one file; `ValueError` for inconsistent content."""
    dtypes: dict[bytes, tuple[int, tuple[int, ...]]] = {}
    arrays = {}
    for key, value in entries(path):
        content = _message(value)
        if not key:
            for item in _message(_bytes(content, 1)).get(1, []):
                facts = _message(item)
                dtypes[_bytes(facts, 1)] = _number(facts, 3), _shape(_bytes(facts, 2))
            continue
        facts = _message(_bytes(content, 2))
        name = _bytes(facts, 1)
        dtype, shape = dtypes.get(name, (0, ()))
        if dtype in DTYPES:
            values = _bytes(_message(_bytes(facts, 3)), V1_VALUES[dtype])
            arrays[name.decode()] = _shaped(values, DTYPES[dtype], shape)
    return arrays


def _check_header(header: Message) -> None:
    if (shards := _number(header, 1)) != 1:
        raise ValueError(f"its arrays are in {shards} files; one is supported")
    if _number(header, 2):
        raise ValueError("big-endian numbers are not supported")


def _checked(values: bytes, facts: Message, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The array with shape and checksum in V2's index."""
    if facts.get(7):
        raise ValueError("partitioned arrays are not supported")
    check(values, *struct.unpack("<I", _bytes(facts, 6)))
    return _shaped(values, dtype, _shape(_bytes(facts, 2)))


def _shaped(values: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if len(values) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(values)} bytes for an array of shape {shape}")
    return np.frombuffer(values, dtype).reshape(shape)


def _shape(message: bytes) -> tuple[int, ...]:
    return tuple(_number(_message(axis), 1) for axis in _message(message).get(2, []))


def _number(message: Message, field: int) -> int:
    """The last value of a field; 0 for a missing field."""
    value = message.get(field, [0])[-1]
    if not isinstance(value, int):
        raise ValueError("a number is expected")
    return value


def _bytes(message: Message, field: int) -> bytes:
    value = message.get(field, [b""])[-1]
    if not isinstance(value, bytes):
        raise ValueError("bytes are expected")
    return value


def _message(data: bytes) -> Message:
    """The fields of a message in the wire format of protocol buffers."""
    fields: Message = {}
    for number, value in _fields(data):
        fields.setdefault(number, []).append(value)
    return fields


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        key, position = varint(data, position)
        wire = key & 7
        if wire == 0:
            value, position = varint(data, position)
            yield key >> 3, value
            continue
        if wire not in {1, 2, 5}:
            raise ValueError("not a protocol buffer message")
        size, position = varint(data, position) if wire == 2 else ({1: 8, 5: 4}[wire], position)
        if position + size > len(data):
            raise ValueError("a message ends early")
        yield key >> 3, data[position : position + size]
        position += size
