"""Limits between a file and pydicom, which believes what lengths say."""

import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag
from pydicom.valuerep import VR

ELEMENTS_LIMIT = 250_000
"""Elements and items in a file; each costs some 20 microseconds and 500 bytes of memory."""

ITEMS_LIMIT = 60_000
"""Items of sequences in a file; a multi-frame header has about 10 a frame."""

DECODED_LIMIT = 50_000
"""Values that are decoded at once; the rest of a huge header is left to whoever asks for it."""

LEVELS_LIMIT = 16
"""Sequences within sequences; multi-frame headers and reports nest about 6."""

INFLATED_LIMIT_BYTES = 256 << 20
"""Of a data set in the deflated transfer syntax, once inflated."""

TAG_BYTES = 8
"""Every element and item begins with so many: tag and length."""

ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""The tag that begins an item, in little and in big endian."""

UNDEFINED = 0xFFFFFFFF
"""Length of what ends with a delimiter."""


class DamageError(Exception):
    """What is wrong with a file, as words of a message; never leaves the package's readers."""


@dataclass
class BoundedStream:
    """A file for pydicom: nothing lies beyond its end, and what is read of it has limits."""

    stream: BinaryIO
    size: int
    """Bytes that there are."""

    allowed: int
    """Bytes that may still be read."""

    name: str
    elements: int = 0
    items: int = 0

    def read(self, size: int = -1) -> bytes:
        """As `BinaryIO.read`; a length that lies is cut at the end of the file."""
        left = max(0, self.size - self.stream.tell())
        wanted = left if size < 0 else min(size, left)
        self.allowed -= wanted
        if self.allowed < 0:
            raise DamageError(f"an element of {size} bytes makes the header larger than allowed")
        block = self.stream.read(wanted)
        if size == TAG_BYTES:
            self.elements += 1
            self.items += block.startswith(ITEMS)
            if self.elements > ELEMENTS_LIMIT or self.items > ITEMS_LIMIT:
                raise DamageError(f"more than {ITEMS_LIMIT} items or {ELEMENTS_LIMIT} elements")
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        """As `BinaryIO.seek`; nothing is skipped that is not there."""
        place = self.stream.seek(offset, whence)
        if place > self.size:
            raise DamageError(f"it ends {place - self.size} bytes too early")
        return place

    def tell(self) -> int:
        """As `BinaryIO.tell`."""
        return self.stream.tell()

    @property
    def left(self) -> int:
        """Bytes up to the end."""
        return self.size - self.stream.tell()


def inflated(packed: bytes) -> bytes:
    """A data set of the deflated transfer syntax; `DamageError` beyond the limit or cut short."""
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = unpack.decompress(packed, INFLATED_LIMIT_BYTES)
    if unpack.unconsumed_tail:
        raise DamageError(f"it inflates to more than {INFLATED_LIMIT_BYTES >> 20} MiB")
    if not unpack.eof:
        raise DamageError("its deflated data end too early")
    return plain


@dataclass
class _Spent:
    """What decoding a data set has come to."""

    elements: int = 0
    items: int = 0

    def check(self) -> None:
        """Refuse what comes to more than the limits."""
        if self.elements > ELEMENTS_LIMIT or self.items > ITEMS_LIMIT:
            raise DamageError(f"more than {ITEMS_LIMIT} items or {ELEMENTS_LIMIT} elements")


def decode_all(dataset: Dataset, level: int = 0, spent: _Spent | None = None) -> None:
    """Decode the values in place, in sequences too.

    A value that is none of its kind becomes a text, as pydicom has it, or its bytes: asking for
    it never fails. Raises `DamageError` for an element that is cut short and for sequences that
    nest too deep or have too many items.
    """
    if level > LEVELS_LIMIT:
        raise DamageError(f"sequences nest deeper than {LEVELS_LIMIT} levels")
    spent = spent or _Spent()
    for tag in [*dataset.keys()]:
        raw = dataset.get_item(tag)
        spent.elements += 1
        if isinstance(raw, RawDataElement):
            _check_raw(raw, spent)
        for item in _decoded(dataset, tag, spent):
            spent.items += 1
            decode_all(item, level + 1, spent)


def _check_raw(raw: RawDataElement, spent: _Spent) -> None:
    """Refuse what would be cut short, or too much, before it is decoded."""
    value = raw.value
    if not isinstance(value, bytes):
        return
    if raw.length not in {UNDEFINED, len(value)}:
        raise DamageError(f"{raw.tag} has {len(value)} of {raw.length} bytes")
    inside = sum(map(value.count, ITEMS)) if value.startswith(ITEMS) else 0
    _Spent(spent.elements, spent.items + inside).check()


def _decoded(dataset: Dataset, tag: BaseTag, spent: _Spent) -> list[Dataset]:
    """Decode one value where that is possible; its items if it is a sequence."""
    raw = dataset.get_item(tag)
    holds_items = raw.VR == VR.SQ or (isinstance(raw.value, bytes) and raw.value.startswith(ITEMS))
    if spent.elements > DECODED_LIMIT and not holds_items:
        return []
    try:
        element = dataset[tag]
        return [*element.value] if element.VR == VR.SQ else []
    except (RecursionError, MemoryError):
        raise
    except Exception as error:  # pydicom raises whatever it likes at a value that is none
        if holds_items:
            raise DamageError(f"the sequence {raw.tag} is damaged") from error
        dataset[tag] = DataElement(tag, VR.UN, raw.value)
        return []
