"""Read published parameters of any supported file format to arrays by name."""

import math
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat

from radfuse.errors import InputError
from radfuse.networks.published_files.leveldb_table import read_range
from radfuse.networks.published_files.pytorch_state_dict import read_state_dict
from radfuse.networks.published_files.tensorflow_checkpoint import files_of, read_v1, read_v2

PYTORCH = {".pth", ".pt", ".pkl", ".model"}
"""Suffixes of PyTorch files. Files with other suffixes than these, `.npz` and `.mat` are
TensorFlow's."""

ZIP = b"PK"
"""First bytes of a zip archive."""

MAX_BYTES = 2**30
"""Maximum unpacked size: a hundred times that of the largest network."""


@dataclass(frozen=True)
class Published:
    """The arrays of several files together."""

    files: tuple[Path, ...]
    arrays: dict[str, NDArray[Any]] = field(repr=False)
    """By name, with dots for slashes; those in `differing` by the name of the file without suffix,
    a dot and their name."""

    differing: frozenset[str] = frozenset()
    """Names with different arrays in different files, such as those of optimisers."""

    def __str__(self) -> str:
        return ", ".join(str(file) for file in self.files)


def read_published(paths: Sequence[Path]) -> Published:
    """The arrays of NumPy archives, MATLAB files, PyTorch's state dicts, TensorFlow's checkpoints.

    A checkpoint is given by any of its files or their common prefix. Raises `InputError` for a file
    that is missing, damaged, or that cannot be read without running code.
    """
    sources = dict.fromkeys(_files_of(path) for path in paths)
    contents = [(files[0].stem, _read(files)) for files in sources]
    arrays: dict[str, NDArray[Any]] = {}
    differing = set()
    for _, found in contents:
        for name, array in found.items():
            known = arrays.setdefault(name, array)
            if not np.array_equal(known, array, equal_nan=True):
                differing.add(name)
    alike = {name: array for name, array in arrays.items() if name not in differing}
    for stem, found in contents:
        alike |= {f"{stem}.{name}": found[name] for name in found.keys() & differing}
    return Published(
        tuple(file for files in sources for file in files), alike, frozenset(differing)
    )


def _files_of(path: Path) -> tuple[Path, ...]:
    return (path,) if path.suffix in {".npz", ".mat", *PYTORCH} else files_of(path)


def _read(files: tuple[Path, ...]) -> dict[str, NDArray[Any]]:
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: no such file")
    first = files[0]
    try:
        if len(files) > 1:
            arrays = read_v2(*files)
        elif first.suffix == ".npz":
            arrays = _read_npz(first)
        elif first.suffix == ".mat":
            arrays = _read_mat(first)
        elif first.suffix in PYTORCH:
            _check_unpacked_size(first)
            arrays = read_state_dict(first)
        else:
            arrays = read_v1(first)
    except (ValueError, OverflowError, OSError, struct.error) as error:
        raise InputError(f"{first}: not readable as published parameters: {error}") from error
    if not arrays:
        raise InputError(f"{first}: has no arrays of real numbers")
    return {name.replace("/", "."): array for name, array in arrays.items()}


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    _check_unpacked_size(path)
    try:
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
            return {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    except Exception as error:  # NumPy, zipfile and zlib raise many types for damaged files
        raise ValueError("damaged, or not an archive of plain arrays") from error


def _read_mat(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of floating-point numbers of a MATLAB file before version 7.3."""
    try:
        shapes = [shape for _, shape, _ in whosmat(path)]
        if (unpacked := sum(8 * math.prod(shape) for shape in shapes)) <= MAX_BYTES:
            content = loadmat(path)
            arrays = ((name, array) for name, array in content.items() if name[:2] != "__")
            return {name: array for name, array in arrays if array.dtype.kind == "f"}
    except Exception as error:  # SciPy and zlib raise many types for damaged files
        raise ValueError("damaged, or not a MATLAB file before version 7.3") from error
    raise ValueError(f"unpacks to {unpacked} bytes, more than {MAX_BYTES}")


def _check_unpacked_size(path: Path) -> None:
    """Raise `ValueError` for an archive that unpacks to more than `MAX_BYTES`."""
    if read_range(path, 0, len(ZIP)) != ZIP:
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
    except Exception as error:  # zipfile raises many types for damaged files
        raise ValueError("damaged archive") from error
    if unpacked > MAX_BYTES:
        raise ValueError(f"unpacks to {unpacked} bytes, more than {MAX_BYTES}")
