"""Checkpoints of TensorFlow, both formats, read without it.

V2 is a table (PREFIX.index) of offsets in PREFIX.data-00000-of-00001, V1 one file, a table of
arrays. Messages are those of tensorflow/core/protobuf/tensor_bundle.proto and
tensorflow/core/util/saved_tensor_slice.proto, of which only the fields below are read.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfuse.networks.published_files.table import check, entries, stretch, varint

Arrays = dict[str, NDArray[Any]]

INDEX, DATA, GRAPH = ".index", ".data-00000-of-00001", ".meta"
"""Suffixes of V2's files; the last one is not read."""

KINDS: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 2: np.dtype("<f8")}
"""Types that are read: parameters are real numbers. Counters and texts are skipped."""

V1_VALUES = {1: 5, 2: 6}
"""Field of a V1 array's values, by kind."""

Message = dict[int, list[Any]]
"""Fields of a message by number, with repetitions."""


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of the checkpoint that one of them, or their common prefix, names."""
    prefix = path
    for suffix in (INDEX, DATA, GRAPH):
        prefix = Path(str(prefix).removesuffix(suffix))
    index, data = (Path(f"{prefix}{suffix}") for suffix in (INDEX, DATA))
    return (prefix,) if prefix.exists() and not index.exists() else (index, data)


def read_v2(index: Path, data: Path) -> Arrays:
    """The arrays of a checkpoint in two files; `ValueError` for inconsistent content."""
    arrays, left = {}, data.stat().st_size
    for key, value in entries(index):
        facts = _message(value)
        if not key:
            _refuse_foreign(facts)
            continue
        if (left := left - _number(facts, 5)) < 0:
            raise ValueError(f"the arrays are larger than {data.name}")
        values = stretch(data, _number(facts, 4), _number(facts, 5))
        if (kind := KINDS.get(_number(facts, 1))) is not None:
            arrays[key.decode()] = _checked(values, facts, kind)
    return arrays


def read_v1(path: Path) -> Arrays:
    """The arrays of a checkpoint in one file; `ValueError` for inconsistent content."""
    kinds: dict[bytes, tuple[int, tuple[int, ...]]] = {}
    arrays = {}
    for key, value in entries(path):
        content = _message(value)
        if not key:
            for item in _message(_bytes(content, 1)).get(1, []):
                facts = _message(item)
                kinds[_bytes(facts, 1)] = _number(facts, 3), _shape(_bytes(facts, 2))
            continue
        facts = _message(_bytes(content, 2))
        name = _bytes(facts, 1)
        kind, shape = kinds.get(name, (0, ()))
        if kind in KINDS:
            values = _bytes(_message(_bytes(facts, 3)), V1_VALUES[kind])
            arrays[name.decode()] = _shaped(values, KINDS[kind], shape)
    return arrays


def _refuse_foreign(header: Message) -> None:
    if (shards := _number(header, 1)) != 1:
        raise ValueError(f"{shards} data files; only checkpoints with one are supported")
    if _number(header, 2):
        raise ValueError("big-endian numbers are not supported")


def _checked(values: bytes, facts: Message, kind: np.dtype[Any]) -> NDArray[Any]:
    """The array of which V2's index gives shape and checksum."""
    if facts.get(7):
        raise ValueError("a partitioned array is not supported")
    check(values, *struct.unpack("<I", _bytes(facts, 6)))
    return _shaped(values, kind, _shape(_bytes(facts, 2)))


def _shaped(values: bytes, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if len(values) != math.prod(shape) * kind.itemsize:
        raise ValueError(f"{len(values)} bytes for an array of shape {shape}")
    return np.frombuffer(values, kind).reshape(shape)


def _shape(message: bytes) -> tuple[int, ...]:
    return tuple(_number(_message(axis), 1) for axis in _message(message).get(2, []))


def _number(message: Message, field: int) -> int:
    """The last value of a field, as the format defines; 0 if absent."""
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
