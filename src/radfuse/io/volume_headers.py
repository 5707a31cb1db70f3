"""Checks of NRRD and MetaImage files that ITK lacks: a known geometry and undamaged voxels.

ITK takes zero for a number that it cannot read and an unnamed space for the patient's, and it
fills compressed voxels that it cannot decompress with uninitialised memory.
"""

import math
import re
import zlib
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np

from radfuse.errors import GeometryError, InputError

BLOCK_BYTES = 1 << 16
"""Compressed voxels are checked in blocks of this size; each may inflate a thousandfold."""

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of a gzip stream."""

DATA_KEYS = ("ElementDataFile", "data file", "datafile")
"""Keys of the file that holds the voxels."""

SUPPORTED = {
    "ObjectType": "Image",
    "NDims": "[2-4]",
    "BinaryData": "[TF01].*",
    "ElementNumberOfChannels": r"\d{1,4}",
    "CompressedDataSize": r"\d{1,15}",
    "ElementType": "MET_U?(CHAR|SHORT|INT|LONG|LONG_LONG)|MET_FLOAT|MET_DOUBLE",
    "encoding": "raw|txt|text|ascii|hex|gz|gzip",
    "type": "(?!block).*",
}
"""Values of MetaImage and NRRD headers that are read, as regular expressions."""

META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a voxel by the ElementType of a MetaImage, without MET_ and U."""

MAX_NAME_BYTES = 255
"""Longest name of a file that a file system takes."""

MAX_SHOWN = 40
"""Characters of a header's value in a message."""

META_SPACING = ("ElementSpacing", "ElementSize")
"""Keys of the voxel spacing of a MetaImage; the first that exists counts."""

META_AXES = ("TransformMatrix", "Rotation", "Orientation")
"""Keys of the axes of a MetaImage."""

NO_KEY = ""
"""Key of a line without = and :, which a MetaImage may not have."""

META_SUFFIXES = {".mha", ".mhd"}
"""Suffixes of a MetaImage."""

META_REQUIRED = ("DimSize", "ElementType", "ElementDataFile")
"""Keys without which a MetaImage cannot be read, besides NDims."""

SIDES = ("RL", "AP", "IS")
"""The sides that the patient's axes come from, and go to."""

MIN_AGREEMENT = 0.3
"""Cosine of an axis with the side that AnatomicalOrientation names for it; ITK: 0.37 or more."""

META_ORIGIN = ("Offset", "Position", "Origin")
"""Keys of the position of the first voxel of a MetaImage."""

META_NUMBERS = (*META_SPACING, "TransformMatrix", "Rotation", "Orientation", "Offset", "Position",
                "Origin")  # fmt: skip
"""Keys of the geometry of a MetaImage."""

MAX_GEOMETRY = 1e9
"""Largest number of a header's geometry; ITK hangs where a square overflows."""

META_VECTORS = {*META_NUMBERS, "DimSize", "CenterOfRotation"}
"""Keys of a MetaImage with a number for each dimension, after NDims."""

NRRD_NUMBERS = ("space directions", "space origin")
"""Keys of the geometry of an NRRD file."""

NRRD_SPACES = ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior",
               "lps", "ras", "las")  # fmt: skip
"""Values of `space` of an NRRD file with anatomical axes."""


def check_itk_header(named: Path, path: Path) -> None:
    """Check an NRRD or MetaImage file that ITK can read; messages call it `path`.

    Raises `GeometryError` for a geometry that is missing or not numeric, `InputError` for damaged
    compressed voxels.
    """
    with named.open("rb") as stream:
        fields = _fields(stream)
        if "ElementDataFile" in fields:
            _check_meta_geometry(fields, path)
            is_compressed = _is_true(fields, "CompressedData")
            voxels = fields["ElementDataFile"]
        else:
            _check_nrrd_geometry(fields, path)
            is_compressed = fields.get("encoding", "") in {"gz", "gzip"}
            voxels = fields.get("data file", fields.get("datafile", "LOCAL"))
        sizes = None
        if is_compressed and voxels.upper() == "LOCAL":
            sizes = check_compressed(stream, path)
    beside = path.parent / voxels
    if is_compressed and beside.is_file():
        with beside.open("rb") as stream:
            sizes = check_compressed(stream, beside)
    if sizes and "ElementDataFile" in fields:
        _check_inflated(fields, path, *sizes)


def check_data_file(named: Path, path: Path) -> None:
    """Raise `InputError` for voxels that are no numbers, too few, or not in one file here."""
    with named.open("rb") as stream:
        fields = _fields(stream)
        at = stream.tell()
    _check_supported(fields, path)
    is_meta = named.suffix.lower() in META_SUFFIXES
    if is_meta:
        _check_meta_header(fields, path)
    for key in DATA_KEYS:
        voxels = fields.get(key, "LOCAL")
        parts = PurePath(voxels.replace("\\", "/")).parts
        is_name = len(parts) == 1 and parts[0] != ".." and len(voxels.encode()) <= MAX_NAME_BYTES
        if voxels.split(" ")[0] == "LIST" or "%" in voxels or not is_name:
            raise InputError(
                f"{path}: {key} is {voxels[:MAX_SHOWN]!r}, not one file beside the header; save it "
                "as one file"
            )
        if voxels.upper() == "LOCAL" or (named.parent / voxels).is_file():
            if is_meta and key in fields:
                beside = named.parent / voxels
                _check_stored(fields, path, *((beside, 0) if beside.is_file() else (named, at)))
            continue
        if (path.parent / voxels).is_file():
            raise InputError(f"{path}: a header with {voxels!r}; name it .mhd or .nhdr")
        raise InputError(
            f"{path}: its voxel data file {voxels!r} is missing; copy it to the header"
        )


def _check_meta_header(fields: dict[str, str], path: Path) -> None:
    """Raise `InputError` for what MetaIO would report on stderr, each with its reason."""
    if NO_KEY in fields:
        raise InputError(
            f"{path}: its header has {fields[NO_KEY][:MAX_SHOWN]!r} without = and a value, so that "
            "ITK ignores the next line; correct the header"
        )
    first = next((key for key in fields if key in {"NDims", *META_VECTORS}), "no NDims")
    if first != "NDims":
        raise InputError(f"{path}: its header has {first}, expected NDims before; correct it")
    is_sized = fields.get("ElementDataFile") == "LOCAL" and _is_true(fields, "CompressedData")
    for key in (*META_REQUIRED, *(("CompressedDataSize",) if is_sized else ())):
        if key not in fields:
            raise InputError(f"{path}: its header has no {key}; it may be truncated: copy it again")
    sizes = fields["DimSize"].split()
    if len(sizes) != int(fields["NDims"]) or not all(size.isdecimal() for size in sizes):
        raise InputError(
            f"{path}: DimSize is {fields['DimSize'][:MAX_SHOWN]!r}, expected {fields['NDims']} "
            "whole numbers; correct the header"
        )
    for key in META_NUMBERS:
        if not all(abs(number) <= MAX_GEOMETRY for number in _numbers(fields.get(key, "0"))):
            raise GeometryError(
                f"{path}: {key} is {fields[key]!r}, not numbers; correct the header"
            )


def _meta_values(fields: dict[str, str]) -> int:
    """Numbers in the voxels of a MetaImage."""
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    return channels * math.prod(map(int, fields["DimSize"].split()))


def _check_stored(fields: dict[str, str], path: Path, voxels: Path, start: int) -> None:
    """Raise `InputError` for fewer voxels, from a byte of a file on, than the header requires.

    Voxels that are text are separated by spaces.
    """
    required = _meta_values(fields)
    if _is_true(fields, "CompressedData"):
        unit, stored = "compressed bytes", voxels.stat().st_size - start
        required = int(fields.get("CompressedDataSize", 0))
    elif _is_true(fields, "BinaryData", "True"):
        unit, stored = "bytes", voxels.stat().st_size - start
        required *= _element_bytes(fields)
    else:
        unit, stored = "numbers", len(voxels.read_bytes()[start:].split())
    if stored < required:
        raise InputError(
            f"{path}: {stored} {unit} of voxels, but the header requires {required}; copy it again"
        )


def _check_inflated(fields: dict[str, str], path: Path, stored: int, inflated: int) -> None:
    """Raise `InputError` for compressed voxels of other sizes than the header states.

    MetaIO leaves voxels that it cannot decompress uninitialised, without an error.
    """
    required = _meta_values(fields) * _element_bytes(fields)
    stated = int(fields.get("CompressedDataSize", stored))
    if stated < stored or inflated != required:
        raise InputError(
            f"{path}: {stored} compressed bytes hold {inflated} bytes of voxels, but the header "
            f"states {stated} and requires {required}; correct the header"
        )


def _element_bytes(fields: dict[str, str]) -> int:
    return META_BYTES[re.sub("^MET_U?", "", fields["ElementType"].upper())]


def _is_true(fields: dict[str, str], key: str, default: str = "False") -> bool:
    """Whether a key is true for MetaIO."""
    return fields.get(key, default)[:1] in {"T", "t", "1"}


def _check_supported(fields: dict[str, str], path: Path) -> None:
    """Raise `InputError` for header values that ITK cannot read; some make it crash."""
    for key, pattern in SUPPORTED.items():
        value = fields.get(key)
        if value is not None and not re.fullmatch(pattern, value, re.IGNORECASE):
            raise InputError(
                f"{path}: {key} is {value[:MAX_SHOWN]!r}, which is not supported; save it as "
                "another format"
            )


def check_compressed(
    stream: BinaryIO, path: Path, take: Callable[[bytes], None] = lambda _block: None
) -> tuple[int, int]:
    """Bytes of a zlib or gzip stream, and of what it holds, which `take` gets block by block.

    Raises `InputError` for one that is truncated or whose checksum is wrong.
    """
    start, inflated = stream.tell(), 0
    rest = stream.read(BLOCK_BYTES)
    try:
        while True:
            unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
            while rest and not unpack.eof:
                block = unpack.decompress(rest)
                take(block)
                inflated += len(block)
                rest = unpack.unused_data or stream.read(BLOCK_BYTES)
            if not unpack.eof:
                raise InputError(f"{path}: truncated; copy it again")
            if not rest.startswith(GZIP_MAGIC):  # gzip streams may follow one another
                return stream.tell() - len(rest) - start, inflated
    except zlib.error as error:
        raise InputError(f"{path}: damaged ({error}); copy it again") from error


def voxel_files(path: Path) -> tuple[Path, ...]:
    """The files of a volume: itself, and the voxel data file that its header names."""
    if path.suffix.lower() == ".hdr":
        images = (path.with_suffix(".img"), path.with_suffix(".img.gz"))
        return (path, *(image for image in images if image.is_file()))
    if path.suffix.lower() not in {".mhd", ".nhdr"}:
        return (path,)
    with path.open("rb") as stream:
        fields = _fields(stream)
    name = fields.get("ElementDataFile") or fields.get("data file") or ""
    data = path.parent / name
    return (path, data) if name and data.is_file() else (path,)


def _fields(stream: BinaryIO) -> dict[str, str]:
    """Keys and values of the header; a line without either has the key `NO_KEY`."""
    fields: dict[str, str] = {}
    is_nrrd = False
    for line in iter(stream.readline, b""):
        text = line.strip().decode("latin-1")
        is_nrrd = is_nrrd or text.startswith("NRRD")
        if not text and is_nrrd:
            break
        key, *value = re.split("[=:]", text, maxsplit=1)
        if text:
            fields[key.strip() if value else NO_KEY] = value[0].strip() if value else text
        if key.strip() == "ElementDataFile":
            break
    return fields


def _check_meta_geometry(fields: dict[str, str], path: Path) -> None:
    spacing = next((fields[key] for key in META_SPACING if key in fields), None)
    if spacing is None:
        raise GeometryError(f"{path}: the header has no voxel spacing; add it")
    for keys in (META_AXES, META_ORIGIN):
        if not any(key in fields for key in keys):
            raise GeometryError(
                f"{path}: the header has no {keys[0]}, so the geometry is unknown; add it"
            )
    _check_meta_orientation(fields, path)
    if min(_numbers(spacing)) <= 0:
        raise GeometryError(
            f"{path}: voxel spacing {spacing} mm, expected positive values; correct the header"
        )


def _check_meta_orientation(fields: dict[str, str], path: Path) -> None:
    """Raise `GeometryError` for an AnatomicalOrientation other than that of the axes.

    ITK writes, for each axis, the side that it comes from; "???" is unknown.
    """
    stated = fields.get("AnatomicalOrientation", "???").upper()
    axes = _numbers(next(fields[key] for key in META_AXES if key in fields))
    if "?" in stated or len(stated) != 3 or len(axes) != 9:
        return
    found = ""
    agreement = 1.0
    for side, axis in zip(stated, np.reshape(axes, (3, 3)), strict=True):
        main = int(np.abs(axis).argmax())
        found += SIDES[main][int(axis[main] < 0)]
        row = next((row for row, sides in enumerate(SIDES) if side in sides), main)
        agreement = min(agreement, axis[row] * (1 if side == SIDES[row][0] else -1))
    if not agreement >= MIN_AGREEMENT:  # ITK assigns each side once: not always to the main axis
        raise GeometryError(
            f"{path}: AnatomicalOrientation is {stated}, but the axes in TransformMatrix are "
            f"{found}; correct the wrong one"
        )


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        return [np.nan]


def _check_nrrd_geometry(fields: dict[str, str], path: Path) -> None:
    if "space directions" not in fields and "spacings" not in fields:
        raise GeometryError(f"{path}: the header has no voxel spacing; add it")
    if "space directions" not in fields or fields.get("space", "").lower() not in NRRD_SPACES:
        raise GeometryError(
            f"{path}: the header has no anatomical 'space' with 'space directions', so the "
            "orientation is unknown; add them"
        )
    if "space origin" not in fields:
        raise GeometryError(
            f"{path}: the header has no 'space origin', so the position is unknown; add it"
        )
    for key in NRRD_NUMBERS:
        numbers = _numbers(re.sub("none|[(),]", " ", fields.get(key, "")))
        if not all(abs(number) <= MAX_GEOMETRY for number in numbers):
            raise GeometryError(
                f"{path}: {key} is {fields[key]!r}, not numbers; correct the header"
            )
