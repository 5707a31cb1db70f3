"""The one door through which DICOM files come in: bounded, quiet, and one error for all damage.

pydicom believes what a header says and decoders allocate it. Here sizes are compared before
anything is decoded; whatever is wrong with a file is one `InputError`.
"""

import io
import math
import stat
import struct
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_has_tag
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)
from pydicom.valuerep import VR

from radfuse.dicom.read.limits import (
    TAG_BYTES,
    UNDEFINED,
    BoundedStream,
    DamageError,
    check_elements,
    inflated,
)
from radfuse.errors import InputError

PREAMBLE_BYTES = 128
"""Before the letters DICM."""

FILE_LIMIT_BYTES = 2 << 30
"""A larger file is no slice and no multi-frame image that fits the limits of its pixels."""

HEADER_LIMIT_BYTES = 64 << 20
"""Of everything before the pixels; a multi-frame header of 10,000 frames has about 20 MB."""

HEAD_BYTES = 1 << 16
"""Read at once; most headers are shorter."""

WHOLE_BITS = 64
"""Of a number of rows, frames, ...; more is no number that anybody meant."""

SIDE_LIMIT = 8192
"""Rows and columns of an image; CT and MR have at most 2048."""

FRAMES_LIMIT = 20_000
"""Frames in one file; dynamic series have some thousands."""

PIXELS_LIMIT_BYTES = 4 << 30
"""Of all frames of a file, at 2 bytes a pixel."""

BYTES_A_PIXEL = 2
"""Of CT and MR."""

REASON_SHOWN = 160
"""Characters of what a library says of a damage, at most."""

PIXEL_TAGS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
"""Float, double and whole-number pixels."""

PIXEL_VRS = {b"OB", b"OW", b"OF", b"OD", b"UN"}
"""How explicit files mark the kind of pixels."""

ITEM, DELIMITER = 0xFFFEE000, 0xFFFEE0DD
"""Tags that begin an item and end a sequence."""

META_GROUP, FIRST_GROUP = 0x0002, 0x0008
"""Groups of the file meta information and of the first elements of a data set."""

COMPRESSED = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes,
              RLELossless}  # fmt: skip
"""Transfer syntaxes of compressed frames that are read."""


@dataclass
class _Silence:
    """Filters of warnings belong to the process, so that threads that want silence share one."""

    lock: threading.Lock
    wanted: int = 0
    kept: "warnings.catch_warnings[None] | None" = None

    def enter(self) -> None:
        """Be silent until as many have left as entered."""
        with self.lock:
            self.wanted += 1
            if self.kept is None:
                self.kept = warnings.catch_warnings()
                self.kept.__enter__()
                warnings.simplefilter("ignore")

    def leave(self) -> None:
        """Restore the filters after the last one."""
        with self.lock:
            self.wanted -= 1
            if self.kept is not None and not self.wanted:
                self.kept.__exit__(None, None, None)
                self.kept = None


_SILENCE = _Silence(threading.Lock())
"""Of this process."""


@contextmanager
def silenced() -> Iterator[None]:
    """Keep pydicom from warning of what it mends; several threads may, and one in another."""
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()


def open_dataset(
    path: Path, *, pixels: bool, specific_tags: Sequence[str] | None = None
) -> FileDataset:
    """A DICOM file, checked so that no value fails; without pixels it is read up to them.

    `specific_tags`, keywords, are all that is kept. A file without preamble is read where it
    begins with file meta information or with an element of group 0008. Raises `InputError`, one
    line with the path, for anything that is no regular file, no DICOM, damaged, cut short or
    larger than the limits of the readers.
    """
    try:
        with _regular(path) as (file, size), silenced():
            more = 2 * size if pixels else 0  # some of it is read twice
            stream = BoundedStream(file, size, HEADER_LIMIT_BYTES + more, str(path))
            dataset = _parsed(stream, pixels=pixels, specific_tags=specific_tags)
            check_elements(dataset.file_meta)
            check_elements(dataset)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read") from error
    except RecursionError as error:
        raise InputError(f"{path}: damaged: its sequences nest too deep; move it away") from error
    except Exception as error:  # a damaged header makes the parser raise whatever it likes
        raise InputError(
            f"{path}: damaged: {reason_of(error)}; replace it or move it away"
        ) from error
    dataset.buffer, dataset.filename = None, str(path)
    return dataset


def begins_like_dicom(path: Path) -> bool:
    """Whether `open_dataset` would try a file: a preamble, or a first element without one.

    Raises `InputError` for what is no regular file or may not be read.
    """
    try:
        with _regular(path) as (file, size):
            return _start(BoundedStream(file, size, HEADER_LIMIT_BYTES, str(path))) is not None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


@contextmanager
def _regular(path: Path) -> Iterator[tuple["io.BufferedReader[io.FileIO]", int]]:
    """A regular file, opened, and its size; a pipe or a device would block or never end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: no regular file; move it away")
    if status.st_size > FILE_LIMIT_BYTES:
        raise InputError(
            f"{path}: {status.st_size} bytes, more than {FILE_LIMIT_BYTES >> 30} GiB; no CT or MR"
        )
    with io.BufferedReader(io.FileIO(path), HEAD_BYTES) as file:
        yield file, status.st_size


def _start(stream: BoundedStream) -> int | None:
    """Where the first element begins, left there; None for what is no DICOM."""
    stream.seek(0)
    if stream.read(PREAMBLE_BYTES + 4)[PREAMBLE_BYTES:] == b"DICM":
        return stream.tell()
    stream.seek(0)
    head = stream.read(TAG_BYTES)
    stream.seek(0)
    return 0 if _plausible(head, stream.size) else None


def _plausible(head: bytes, size: int) -> bool:
    """Whether the first 8 bytes are an element that a file without preamble begins with."""
    if len(head) < TAG_BYTES:
        return False
    explicit = head[4:6].decode("latin-1") in VR.__members__
    little = (int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little"))
    big = (int.from_bytes(head[:2], "big"), int.from_bytes(head[2:4], "big"))
    for group, element in (little, big) if explicit else (little,):
        known = dictionary_has_tag(Tag(group, element)) or element == 0
        if group in {META_GROUP, FIRST_GROUP} and known:
            return explicit or int.from_bytes(head[4:], "little") <= size
    return False


def _parsed(
    stream: BoundedStream, *, pixels: bool, specific_tags: Sequence[str] | None
) -> FileDataset:
    """The data set of a file, whole up to where it was to be read."""
    start = _start(stream)
    if start is None:
        raise InputError(f"{stream.name}: no DICOM file")
    tags: list[BaseTag | int] | None = None
    if specific_tags is not None:
        tags = [Tag(keyword) for keyword in specific_tags]
    file = cast("BinaryIO", stream)
    meta = FileMetaDataset(read_dataset(file, False, True, stop_when=_after_meta))
    if str(meta.get("TransferSyntaxUID", "")) == DeflatedExplicitVRLittleEndian:
        plain = inflated(stream.read())
        stream = BoundedStream(io.BytesIO(plain), len(plain), 2 * len(plain), stream.name)
        file, stop = cast("BinaryIO", stream), None if pixels else _at_pixels
        inner = read_dataset(file, False, True, stop_when=stop, specific_tags=tags)
        dataset = FileDataset(file, inner, None, meta, False, True)
        dataset.set_original_encoding(False, True, inner.original_character_set)
    else:
        stream.seek(0)
        dataset = dcmread(
            file, stop_before_pixels=not pixels, force=True, specific_tags=cast("list[int]", tags)
        )
    _check_end(stream, pixels=pixels)
    return dataset


def _after_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != META_GROUP


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in PIXEL_TAGS


def _check_end(stream: BoundedStream, *, pixels: bool) -> None:
    """Refuse what pydicom stopped reading before its end, and says nothing of."""
    if stream.left < TAG_BYTES:
        return
    head = stream.read(4)
    tags = {int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:], order)
            for order in ("little", "big")}  # fmt: skip
    if pixels or not tags & PIXEL_TAGS:
        raise DamageError(f"an element at byte {stream.tell() - 4} has no end")


def check_size(header: Dataset, path: Path) -> None:
    """Refuse an image that no scanner makes, before memory for it is asked for.

    Raises `InputError` where rows, columns or frames are missing, no number, zero or above the
    limits, and where all frames together are.
    """
    rows, columns = (whole_number(header, keyword, path) for keyword in ("Rows", "Columns"))
    frames = whole_number(header, "NumberOfFrames", path, absent=1)
    if not (1 <= rows <= SIDE_LIMIT and 1 <= columns <= SIDE_LIMIT and 1 <= frames <= FRAMES_LIMIT):
        raise InputError(
            f"{path}: {rows} rows, {columns} columns and {frames} frames; expected 1 to "
            f"{SIDE_LIMIT} and at most {FRAMES_LIMIT} frames; export it again"
        )
    needed = rows * columns * frames * BYTES_A_PIXEL
    if needed > PIXELS_LIMIT_BYTES:
        raise InputError(
            f"{path}: {frames} frames of {rows} x {columns} need {needed >> 20} MiB, more than "
            f"{PIXELS_LIMIT_BYTES >> 30} GiB; export a part of it"
        )


def whole_number(header: Dataset, keyword: str, path: Path, absent: int | None = None) -> int:
    """A whole number of a header; `InputError` for what is none."""
    value = header.get(keyword)
    if value in (None, "") and absent is not None:
        return absent
    if not isinstance(value, int) or value.bit_length() > WHOLE_BITS:
        raise InputError(f"{path}: {keyword} is missing or no number; export it again")
    return int(value)


def missing_bytes(path: Path, header: Dataset) -> int:
    """Bytes of the pixels that a file lacks, without reading them; 0 for a whole one.

    Plain pixels lack what their length, or rows, columns, samples, bits and frames ask for beyond
    what is there; compressed ones what lies beyond the end, and the delimiter.
    Raises `InputError` for a header without these numbers or a file that cannot be read.
    """
    numbers = [
        whole_number(header, keyword, path) for keyword in ("Rows", "Columns", "BitsAllocated")
    ]
    numbers += [whole_number(header, key, path, 1) for key in ("SamplesPerPixel", "NumberOfFrames")]
    needed = -(-math.prod(numbers) // 8)
    syntax = str(header.file_meta.get("TransferSyntaxUID") or "")
    if syntax == DeflatedExplicitVRLittleEndian:
        return max(0, needed - len(open_dataset(path, pixels=True).get("PixelData") or b""))
    try:
        with _regular(path) as (file, size), silenced():
            stream = BoundedStream(file, size, HEADER_LIMIT_BYTES, str(path))
            length = _seek_pixels(stream)
            if length == UNDEFINED:
                return _missing_items(stream)
            if syntax in COMPRESSED:
                raise DamageError(f"{length} bytes of pixels are not packed as {syntax} asks for")
            return max(length, needed) - min(length, stream.left)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except DamageError as error:
        raise InputError(f"{path}: damaged: {error}; replace it or move it away") from error


def _seek_pixels(stream: BoundedStream) -> int:
    """Go where the pixels begin; return what the file says is their length, 0 without pixels."""
    _start(stream)
    stream.seek(0)
    file = cast("BinaryIO", stream)
    dcmread(file, stop_before_pixels=True, force=True, specific_tags=["SpecificCharacterSet"])
    if stream.left < TAG_BYTES:
        return 0
    head = stream.read(TAG_BYTES)
    order: Literal["little", "big"] = "little" if head.startswith(b"\xe0\x7f") else "big"
    is_explicit = head[4:6] in PIXEL_VRS  # all odd as a number, which no length is
    length = stream.read(4) if is_explicit else head[4:]
    return int.from_bytes(length, order)


def _missing_items(stream: BoundedStream) -> int:
    """Bytes that compressed pixels lack: of an item that is cut, and of the delimiter."""
    while stream.left >= TAG_BYTES:
        group, element, length = struct.unpack("<HHI", stream.read(TAG_BYTES))
        lacking: int = length - stream.left
        if (group << 16 | element) == DELIMITER:
            return 0
        if (group << 16 | element) != ITEM:
            raise DamageError(f"no item of pixels at byte {stream.tell() - TAG_BYTES}")
        if lacking > 0:
            return lacking + TAG_BYTES
        stream.seek(length, io.SEEK_CUR)
    return TAG_BYTES - stream.left


def reason_of(error: Exception) -> str:
    """What a library says, as a part of one line."""
    text = getattr(error, "strerror", None) or str(error)
    said = (text.splitlines() or [""])[0] or type(error).__name__
    return "".join(sign if sign.isprintable() else "?" for sign in said)[:REASON_SHOWN]
