"""What ITK lets pass, or breaks down at, in NRRD and MetaImage files.

That is sizes without measure, an unknown place, damaged compressed voxels.

ITK takes zero for a number that it cannot read and an unnamed space for the patient's, and it
fills compressed voxels that it cannot unpack with whatever lies in memory.
"""

import math
import re
import zlib
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np

from radfuse.errors import GeometryError, InputError

LINE_BYTES = 1 << 16
"""A longer line is no header."""

BLOCK_BYTES = 1 << 16
"""Compressed voxels are tested in pieces of this size: one may unpack to a thousand times that."""

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of a gzip stream."""

AXES_LIMIT = 8
"""Axes of an image, at most; NIfTI has 7."""

VOXELS_LIMIT = 1 << 30
"""Voxels of a volume, at most: 4 GiB as float32; a head CT of 1,000 slices has a quarter."""

EXTENTS = (("NDims", "DimSize"), ("dimension", "sizes"))
"""Keys of the number of axes and of their sizes, in MetaImage and in NRRD files."""

DATA_KEYS = ("ElementDataFile", "data file", "datafile")
"""Keys of the file that holds the voxels."""

META_SPACING = ("ElementSpacing", "ElementSize")
"""Keys of a MetaImage's voxel size; the first one that is there counts."""

META_AXES = ("TransformMatrix", "Rotation", "Orientation")
"""Keys of MetaImage headers that say how the axes lie."""

META_PLACE = ("Offset", "Position", "Origin")
"""Keys of MetaImage headers that say where the first voxel lies."""

META_NUMBERS = (*META_SPACING, "TransformMatrix", "Rotation", "Orientation", "Offset", "Position",
                "Origin")  # fmt: skip
"""Keys of a MetaImage whose numbers place it."""

NRRD_NUMBERS = ("space directions", "space origin", "spacings")
"""Keys of an NRRD file whose numbers place it."""

FARTHEST_MM = 1e6
"""No voxel lies farther from the scanner, nor is larger."""

NRRD_SPACES = ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior",
               "lps", "ras", "las")  # fmt: skip
"""Spaces of an NRRD file whose axes are the patient's."""


def check_extent(named: Path, path: Path) -> None:
    """Check axes, voxels and distances that an NRRD or MetaImage file claims, before ITK does.

    ITK breaks down at some numbers of axes, asks for all memory that a header asks for and never
    returns from some matrices. Raises `InputError`, `GeometryError` for distances.
    """
    with named.open("rb") as stream:
        fields = _fields(stream)
    axes_key, sizes_key = next((keys for keys in EXTENTS if keys[0] in fields), EXTENTS[0])
    axes, sizes = fields.get(axes_key, ""), fields.get(sizes_key, "").split()
    if not all(word.isdecimal() for word in [axes, *sizes]) or int(axes) != len(sizes):
        raise InputError(
            f"{path}: damaged: {axes_key} '{axes}' and {sizes_key} '{' '.join(sizes)}' disagree or "
            "are no numbers; copy it again"
        )
    check_count(tuple(map(int, sizes)), path)
    _check_data_files(fields, path)
    for key in (*META_NUMBERS, *NRRD_NUMBERS):
        numbers = _numbers(re.sub("[(),]|none", " ", fields.get(key, "")))
        if any(abs(number) > FARTHEST_MM for number in numbers):
            raise GeometryError(f"{path}: {key} is {fields[key]}, no place of a head; mend it")


def _check_data_files(fields: dict[str, str], path: Path) -> None:
    """Raise `InputError` for voxels in several files, or in one that is not beside the header.

    ITK takes a sign of per cent for a pattern of names and breaks down at most of them.
    """
    for key in DATA_KEYS:
        named = fields.get(key, "beside")
        parts = PurePath(named.replace("\\", "/")).parts
        plain = named.isprintable() and "%" not in named and named.split(" ")[0] != "LIST"
        if not plain or not parts or ".." in parts or parts[0].endswith(("/", ":")):
            shown = "".join(sign if sign.isprintable() else "?" for sign in named)[:80]
            raise InputError(
                f"{path}: its voxels are in '{shown}', not in itself or one file beside it; "
                "save it as one file"
            )


def check_count(shape: tuple[int, ...], path: Path) -> None:
    """Raise `InputError` for more axes or voxels than any volume of a patient has."""
    if len(shape) > AXES_LIMIT or math.prod(shape) > VOXELS_LIMIT:
        listed = " x ".join(map(str, shape[:AXES_LIMIT]))
        raise InputError(
            f"{path}: a {len(shape)}-D image of {listed} voxels, more than {AXES_LIMIT} axes or "
            f"{VOXELS_LIMIT} voxels; mend the header or cut it"
        )


def check_header(named: Path, path: Path) -> None:
    """Check an NRRD or MetaImage file that ITK can read; messages call it `path`.

    Raises `GeometryError` for a place that is missing or no number, `InputError` for compressed
    voxels that are damaged.
    """
    with named.open("rb") as stream:
        fields = _fields(stream)
        if "ElementDataFile" in fields:
            _check_meta_place(fields, path)
            packed = fields.get("CompressedData", "").lower() == "true"
            voxels = fields["ElementDataFile"]
        else:
            _check_nrrd_place(fields, path)
            packed = fields.get("encoding", "") in {"gz", "gzip"}
            voxels = fields.get("data file", fields.get("datafile", "LOCAL"))
        if packed and voxels.upper() == "LOCAL":
            check_packed(stream, path)
    beside = path.parent / voxels
    if packed and beside.is_file():
        with beside.open("rb") as stream:
            check_packed(stream, beside)


def check_packed(stream: BinaryIO, path: Path) -> None:
    """Raise `InputError` unless a zlib or gzip stream is whole and its checksum is right."""
    rest = stream.read(BLOCK_BYTES)
    try:
        while True:
            unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
            while rest and not unpack.eof:
                unpack.decompress(rest)
                rest = unpack.unused_data or stream.read(BLOCK_BYTES)
            if not unpack.eof:
                raise InputError(f"{path}: truncated; copy it again")
            if not rest.startswith(GZIP_MAGIC):  # gzip streams may follow one another
                return
    except zlib.error as error:
        raise InputError(f"{path}: damaged ({error}); copy it again") from error


def data_files(path: Path) -> tuple[Path, ...]:
    """The files that a volume's voxels lie in: itself, and what its header points to."""
    if path.suffix.lower() == ".hdr":
        images = (path.with_suffix(".img"), path.with_suffix(".img.gz"))
        return (path, *(image for image in images if image.is_file()))
    if path.suffix.lower() not in {".mhd", ".nhdr"}:
        return (path,)
    with path.open("rb") as stream:
        fields = _fields(stream)
    named = fields.get("ElementDataFile") or fields.get("data file") or ""
    data = path.parent / named
    return (path, data) if named and data.is_file() else (path,)


def _fields(stream: BinaryIO) -> dict[str, str]:
    """Keys and values up to where the voxels start."""
    fields: dict[str, str] = {}
    while line := stream.readline(LINE_BYTES).strip():
        text = line.decode("latin-1")
        key, _, value = text.partition("=" if " = " in text else ":")
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            break
    return fields


def _check_meta_place(fields: dict[str, str], path: Path) -> None:
    spacing = next((fields[key] for key in META_SPACING if key in fields), None)
    if spacing is None:
        raise GeometryError(f"{path}: its header has no voxel spacing; add it")
    for keys in (META_AXES, META_PLACE):
        if not any(key in fields for key in keys):
            raise GeometryError(f"{path}: no {keys[0]}, so its place is unknown; add it")
    for key in META_NUMBERS:
        if not np.isfinite(_numbers(fields.get(key, "0"))).all():
            raise GeometryError(f"{path}: {key} is {fields[key]}, no numbers; mend the header")
    if min(_numbers(spacing)) <= 0:
        raise GeometryError(f"{path}: voxel spacing {spacing} mm; mend the header")


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        return [np.nan]


def _check_nrrd_place(fields: dict[str, str], path: Path) -> None:
    if "space directions" not in fields and "spacings" not in fields:
        raise GeometryError(f"{path}: its header has no voxel spacing; add it")
    if "space directions" not in fields or fields.get("space", "").lower() not in NRRD_SPACES:
        raise GeometryError(
            f"{path}: no 'space' of the patient with 'space directions', so its orientation is "
            "unknown; add them"
        )
