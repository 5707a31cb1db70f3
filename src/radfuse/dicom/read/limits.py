"""Limits between a file and pydicom, which believes what lengths say."""

import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pydicom import Dataset, config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag
from pydicom.valuerep import VR, validate_value

ELEMENTS_LIMIT = 250_000
"""Elements and items in a file; each costs some 20 microseconds and 500 bytes of memory."""

ITEMS_LIMIT = 60_000
"""Items of sequences in a file; a multi-frame header has about 10 a frame."""

LEVELS_LIMIT = 16
"""Sequences within sequences; multi-frame headers and reports nest about 6."""

INFLATED_LIMIT_BYTES = 256 << 20
"""Of a data set in the deflated transfer syntax, once inflated."""

TAG_BYTES = 8
"""Every element and item begins with so many: tag and length."""

ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""The tag that begins an item, in little and in big endian."""

WIDTHS = {"US": 2, "SS": 2, "OW": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4, "AT": 4,
          "FD": 8, "OD": 8, "SV": 8, "UV": 8, "OV": 8}  # fmt: skip
"""Bytes of one number of a kind; a value holds a whole number of them."""

TEXTS = {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI",
         "UR", "UT"}  # fmt: skip
"""Kinds of value that are text, which pydicom may complain of."""

WITH_BACKSLASH = {"LT", "ST", "UR", "UT"}
"""Kinds of text in which a backslash does not part values."""

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


def check_elements(dataset: Dataset, level: int = 0, spent: _Spent | None = None) -> None:
    """Make sure that asking for a value of a data set fails nowhere and warns of nothing.

    Sequences and odd texts are decoded in place, the rest when it is asked for. A value
    that is none of its kind becomes its bytes. Raises `DamageError` for an element that is cut
    short and for sequences that are damaged, nest too deep or have too many items.
    """
    if level > LEVELS_LIMIT:
        raise DamageError(f"sequences nest deeper than {LEVELS_LIMIT} levels")
    spent = spent or _Spent()
    for tag in [*dataset.keys()]:
        raw = dataset.get_item(tag)
        spent.elements += 1
        if isinstance(raw, RawDataElement):
            _check_raw(raw, spent)
            if not _is_sound(raw):
                dataset[tag] = DataElement(tag, VR.UN, raw.value)
                continue
        for item in _items(dataset, tag):
            spent.items += 1
            check_elements(item, level + 1, spent)


def _check_raw(raw: RawDataElement, spent: _Spent) -> None:
    """Refuse what is cut short, and more items than are allowed before they are decoded."""
    if isinstance(raw.value, bytes):
        if raw.length not in {UNDEFINED, len(raw.value)}:
            raise DamageError(f"{raw.tag} has {len(raw.value)} of {raw.length} bytes")
        inside = sum(map(raw.value.count, ITEMS)) if raw.value.startswith(ITEMS) else 0
        _Spent(spent.elements, spent.items + inside).check()


def _kind(raw: RawDataElement) -> str:
    """The kind of a value, by the dictionary where the file does not say; '' for none known."""
    if raw.VR is not None or raw.tag.is_private or raw.tag.element == 0:
        return raw.VR or VR.UN
    try:
        return dictionary_VR(raw.tag)
    except KeyError:
        return ""


def _is_sound(raw: RawDataElement) -> bool:
    """Whether the kind of a value is known and its length is one of its kind."""
    kinds = _kind(raw).split(" or ")
    length = len(raw.value or b"")
    return kinds[0] in VR.__members__ and length % WIDTHS.get(kinds[0], 1) == 0


def _warns(kind: str, value: bytes) -> bool:
    """Whether pydicom would complain of a text when it is decoded."""
    if not value.isascii():
        return True
    text = value.decode("ascii").rstrip(" \0")
    try:
        for part in [text] if kind in WITH_BACKSLASH else text.split("\\"):
            validate_value(kind, part, config.RAISE)
    except ValueError:
        return True
    return False


def _decode(dataset: Dataset, raw: RawDataElement) -> None:
    """Decode a value in place now, its letters too; what cannot be decoded is its bytes."""
    try:
        element = dataset[raw.tag]
        if element.VR == VR.PN:
            str(element.value)
    except Exception:  # pydicom raises whatever it likes at a value that is none
        dataset[raw.tag] = DataElement(raw.tag, VR.UN, raw.value)


def _items(dataset: Dataset, tag: BaseTag) -> list[Dataset]:
    """The items of a sequence; a text with foreign letters is decoded, too."""
    raw = dataset.get_item(tag)
    if isinstance(raw, RawDataElement):
        kind, value = _kind(raw), raw.value or b""
        holds_items = kind == VR.SQ or (kind == VR.UN and value.startswith(ITEMS))
        if not holds_items:
            if kind == VR.UN or (kind in TEXTS and _warns(kind, value)):
                _decode(dataset, raw)  # pydicom knows a kind for some that the file does not
            return []
    elif raw.VR != VR.SQ:
        return []
    try:
        element = dataset[tag]
        return [*element.value] if element.VR == VR.SQ else []
    except (RecursionError, MemoryError):
        raise
    except Exception as error:  # pydicom raises whatever it likes at an item that is none
        raise DamageError(f"the sequence {raw.tag} is damaged") from error
