"""Open DICOM files: pydicom kept quiet, truncation detected, and one error for all damage."""

import io
import stat
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement, RawDataElement
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

from radfuse.errors import InputError

PREAMBLE_BYTES = 128
"""Before the letters DICM."""

TAG_BYTES = 8
"""Tag and length, with which every element and item begins."""

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Length of an element that ends with a delimiter."""

MAX_REASON_LENGTH = 160
"""Characters of a library's message that an error repeats."""

MAX_SHARED_BYTES = 1024
"""Longer elements are not shared between files."""

MAX_META_BYTES = 1 << 16
"""File meta information is in the first bytes; it has some hundred."""

NO_DECODER = "Unable to decode as exceptions were raised by all available plugins:"
"""How pydicom begins its list of the errors of decoders."""

PIXEL_TAGS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
"""Float, double and integer pixel data."""

META_GROUP, FIRST_GROUP = 0x0002, 0x0008
"""Groups of the file meta information and of the first elements of a data set."""

COMPRESSED = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes,
              RLELossless}  # fmt: skip
"""Transfer syntaxes of compressed frames that are read."""


class DamageError(Exception):
    """Damage of a file; its readers raise `InputError` from it."""


@dataclass
class _Silence:
    """Warning filters belong to the process, so threads that want silence share one."""

    lock: threading.Lock
    wanted: int = 0
    kept: "warnings.catch_warnings[None] | None" = None

    def enter(self) -> None:
        """Silence warnings until as many have left as entered."""
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
    """Silence the warnings of pydicom; may be nested and used by several threads."""
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()


Decoded = dict[tuple[object, ...], DataElement]
"""Decoded elements by what they are decoded from."""


def open_dataset(
    path: Path,
    *,
    pixels: bool,
    specific_tags: Sequence[str] | None = None,
    decoded: Decoded | None = None,
) -> FileDataset:
    """Read a DICOM file and decode all its values; without pixels it is read up to them.

    `specific_tags` are the keywords to keep; all by default. A file without preamble is read if it
    begins with file meta information or with an element of group 0008. A value that contradicts
    its value representation becomes its bytes. Files that are opened with one `decoded` share their
    equal elements, which must not be changed. Raises `InputError`, one line with the path, for
    anything that is not a regular file, not DICOM, damaged or truncated.
    """
    try:
        with regular_file(path) as (file, size), silenced():
            dataset = _parsed(file, size, path, pixels=pixels, specific_tags=specific_tags)
            _decode(dataset.file_meta)
            _decode(dataset, decoded)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read") from error
    except Exception as error:  # pydicom raises errors of many types at a damaged file
        raise InputError(
            f"{path}: damaged: {reason_of(error)}; replace it or move it away"
        ) from error
    dataset.buffer, dataset.filename = None, str(path)
    return dataset


def is_dicom(path: Path) -> bool:
    """Whether a file starts like DICOM: with the preamble, or with a first element without it.

    Raises `InputError` for a file that is not regular, `OSError` for one that cannot be read.
    """
    with regular_file(path) as (file, size):
        return _start(file, size) is not None


@contextmanager
def regular_file(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file and give its size; a pipe or a device would block or never end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: not a regular file; move it away")
    with path.open("rb") as file:
        yield file, status.st_size


def _start(file: BinaryIO, size: int) -> int | None:
    """Seek the first element and give its offset; None if the file is not DICOM."""
    file.seek(0)
    if file.read(PREAMBLE_BYTES + 4)[PREAMBLE_BYTES:] == b"DICM":
        return file.tell()
    file.seek(0)
    head = file.read(TAG_BYTES)
    file.seek(0)
    return 0 if _plausible(head, size) else None


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
    file: BinaryIO, size: int, path: Path, *, pixels: bool, specific_tags: Sequence[str] | None
) -> FileDataset:
    """The data set of a file, complete up to where reading was to stop."""
    if _start(file, size) is None:
        raise InputError(f"{path}: not a DICOM file")
    tags: list[BaseTag | int] | None = None
    if specific_tags is not None:
        tags = [Tag(keyword) for keyword in specific_tags]
    meta = _meta_if_deflated(file)
    if meta is not None:
        inflated = _inflated(file.read())
        file, size, stop = io.BytesIO(inflated), len(inflated), None if pixels else _at_pixels
        inner = read_dataset(file, False, True, stop_when=stop, specific_tags=tags)
        dataset = FileDataset(file, inner, None, meta, False, True)
        dataset.set_original_encoding(False, True, inner.original_character_set)
    else:
        file.seek(0)
        dataset = dcmread(
            file, stop_before_pixels=not pixels, force=True, specific_tags=cast("list[int]", tags)
        )
    _check_end(file, size, pixels=pixels)
    return dataset


def _meta_if_deflated(file: BinaryIO) -> FileMetaDataset | None:
    """The file meta information of a deflated file, which is at its data set then; else None.

    Most files do not have the UID anywhere in their first bytes, and are parsed only once.
    """
    start = file.tell()
    is_possible = DeflatedExplicitVRLittleEndian.encode() in file.read(MAX_META_BYTES)
    file.seek(start)
    if not is_possible:
        return None
    meta = FileMetaDataset(read_dataset(file, False, True, stop_when=_after_meta))
    is_deflated = str(meta.get("TransferSyntaxUID", "")) == DeflatedExplicitVRLittleEndian
    return meta if is_deflated else None


def _inflated(deflated: bytes) -> bytes:
    """The data set of the deflated transfer syntax; `DamageError` if it is truncated."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflate.decompress(deflated)
    if not inflate.eof:
        raise DamageError("the deflated data end too early")
    return plain


def _after_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != META_GROUP


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in PIXEL_TAGS


def _check_end(file: BinaryIO, size: int, *, pixels: bool) -> None:
    """Refuse a file that pydicom silently stopped reading before or after its end."""
    if file.tell() > size:
        raise DamageError(f"the file ends {file.tell() - size} bytes too early")
    if size - file.tell() < TAG_BYTES:
        return
    head = file.read(4)
    tags = {int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:], order)
            for order in ("little", "big")}  # fmt: skip
    if pixels or not tags & PIXEL_TAGS:
        raise DamageError(f"the element at byte {file.tell() - 4} has no end")


def _decode(dataset: Dataset, decoded: Decoded | None = None) -> None:
    """Decode every value, so that asking for one later neither fails nor warns.

    A value that cannot be decoded becomes its bytes. Raises `DamageError` for a truncated element
    and a damaged sequence.
    """
    charset = None if decoded is None else str(dataset.get("SpecificCharacterSet"))
    for tag in [*dataset.keys()]:
        raw = dataset.get_item(tag)
        stated = raw.length if isinstance(raw, RawDataElement) else UNDEFINED_LENGTH
        if isinstance(raw.value, bytes) and stated not in {UNDEFINED_LENGTH, len(raw.value)}:
            raise DamageError(f"{tag} has {len(raw.value)} of {stated} bytes")
        key = None if decoded is None else _key_of(raw, charset)
        if decoded is not None and key in decoded:
            dataset[tag] = decoded[key]
            continue
        try:
            element = dataset[tag]
            if element.VR == VR.PN:
                str(element.value)
        except Exception as error:  # pydicom raises errors of many types
            if raw.VR == VR.SQ:
                raise DamageError(f"the sequence {tag} is damaged") from error
            dataset[tag] = DataElement(tag, VR.UN, raw.value)
            continue
        if element.VR == VR.SQ:
            for item in element.value:
                _decode(item)
        elif decoded is not None and key is not None:
            decoded[key] = element


def _key_of(raw: DataElement | RawDataElement, charset: str | None) -> tuple[object, ...] | None:
    """What the value of a short element is decoded from; None where that is more than itself."""
    if not isinstance(raw, RawDataElement) or raw.VR == VR.SQ or raw.tag.is_private:
        return None
    if raw.value is None or len(raw.value) > MAX_SHARED_BYTES:
        return None
    return raw.tag, raw.VR, raw.value, raw.is_implicit_VR, raw.is_little_endian, charset


def check_size(header: Dataset, path: Path) -> None:
    """Raise `InputError` where rows, columns or frames are missing, not integers or impossible."""
    rows, columns = (integer_of(header, keyword, path) for keyword in ("Rows", "Columns"))
    frames = integer_of(header, "NumberOfFrames", path, default=1)
    if min(rows, columns, frames) < 1:
        raise InputError(
            f"{path}: {rows} rows, {columns} columns and {frames} frames; expected 1 or more of "
            "each; export it again"
        )
    if frames > (size := path.stat().st_size):
        raise InputError(f"{path}: {frames} frames in a file of {size} bytes; export it again")


def integer_of(header: Dataset, keyword: str, path: Path, default: int | None = None) -> int:
    """An integer attribute of a header; raises `InputError` if it is missing or not an integer."""
    value = header.get(keyword)
    if value in (None, "") and default is not None:
        return default
    if not isinstance(value, int):
        raise InputError(f"{path}: {keyword} is missing or not an integer; export it again")
    return int(value)


def reason_of(error: Exception) -> str:
    """A library's message in one line, printable and shortened; of pydicom's decoders their own."""
    text = getattr(error, "strerror", None) or str(error)
    text = text.removeprefix(NO_DECODER)
    line = " ".join(text.split()) or type(error).__name__
    return "".join(sign if sign.isprintable() else "?" for sign in line)[:MAX_REASON_LENGTH]
