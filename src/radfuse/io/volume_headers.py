"""Checks of NRRD and MetaImage files that ITK lacks: a known geometry and undamaged voxels.

ITK takes zero for a number that it cannot read and an unnamed space for the patient's, and it
fills compressed voxels that it cannot decompress with uninitialised memory.
"""

import zlib
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np

from radfuse.errors import GeometryError, InputError

BLOCK_BYTES = 1 << 16
"""Compressed voxels are tested in pieces of this size: one may unpack to a thousand times that."""

GZIP_MAGIC = b"\x1f\x8b"
"""First bytes of a gzip stream."""

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

NRRD_SPACES = ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior",
               "lps", "ras", "las")  # fmt: skip
"""Spaces of an NRRD file whose axes are the patient's."""


def check_header(named: Path, path: Path) -> None:
    """Check an NRRD or MetaImage file that ITK can read; messages call it `path`.

    Raises `GeometryError` for a geometry that is missing or not numeric, `InputError` for damaged
    compressed voxels.
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


def check_data_file(named: Path, path: Path) -> None:
    """Raise `InputError` for voxels in several files, or in one outside the header's folder."""
    with named.open("rb") as stream:
        fields = _fields(stream)
    for key in DATA_KEYS:
        voxels = fields.get(key, "LOCAL")
        parts = PurePath(voxels.replace("\\", "/")).parts
        if voxels.split(" ")[0] == "LIST" or "%" in voxels or len(parts) != 1 or parts[0] == "..":
            raise InputError(
                f"{path}: {key} is {voxels!r}, not one file beside the header; save it as one file"
            )


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
    while line := stream.readline().strip():
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
