"""Headers as the bytes of DICOM files, and parts that many files share, encoded once."""

import struct
from collections.abc import Iterable, Mapping, MutableSequence
from functools import lru_cache
from io import BytesIO

from pydicom import Dataset, dcmwrite
from pydicom.charset import default_encoding
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_data_element, write_dataset, write_sequence_item
from pydicom.tag import BaseTag
from pydicom.uid import UID, ExplicitVRLittleEndian

from radfuse.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from radfuse.dicom.write.valid_values import make_valid

PREAMBLE = bytes(128)
"""Precedes the letters DICM; empty, since that of a source file may contain anything."""

PIXEL_DATA, SOP_INSTANCE, MEDIA_STORAGE_SOP_INSTANCE = 0x7FE00010, 0x00080018, 0x00020003
"""Tags of elements that differ between the files of a series."""

ENCODING = (False, True)
"""Whether value representations are implicit, and whether numbers are little-endian."""


Elements = Mapping[int, bytes]
"""Encoded elements, by tag."""


def encoded(header: Dataset) -> Dataset:
    """A copy with valid values, see `make_valid`, that pydicom writes without encoding them again.

    For what many slices of a series have in common. Explicit VR, little endian.
    """
    copied = _valid_copy(header)
    buffer = _buffer()
    write_dataset(buffer, copied)
    return read_dataset(BytesIO(buffer.getvalue()), *ENCODING)


def encoded_item(item: Dataset) -> bytes:
    """An item of a sequence with valid values, for `encoded_sequence`; texts in ASCII."""
    buffer = _buffer()
    write_sequence_item(buffer, _valid_copy(item), ["iso8859"])
    return buffer.getvalue()


def encoded_sequence(keyword: str, items: Iterable[bytes]) -> RawDataElement:
    """A sequence of `encoded_item`, which pydicom writes without encoding it again."""
    value = b"".join(items)
    tag = BaseTag(tag_for_keyword(keyword) or 0)
    return RawDataElement(tag, "SQ", len(value), value, 0, *ENCODING)


def encoded_elements(header: Dataset, character_set: str | MutableSequence[str]) -> Elements:
    """The elements of a header whose values are valid, each as the bytes of a file with them.

    `character_set` has the terms of SpecificCharacterSet.
    """
    terms = [character_set] if isinstance(character_set, str) else list(character_set)
    elements = {}
    for tag in list(header.keys()):
        buffer = _buffer()
        write_data_element(buffer, header.get_item(tag), terms)
        elements[int(tag)] = buffer.getvalue()
    return elements


def encoded_pixels(value: bytes, vr: str) -> Elements:
    """The element of stored values, which are long: they are copied once. PS3.5 table 7.1-1."""
    length = len(value) + len(value) % 2
    head = struct.pack("<HH2sHL", *_group_and_element(PIXEL_DATA), vr.encode(), 0, length)
    return {PIXEL_DATA: head + value.ljust(length, b"\0")}


def joined(elements: Elements, sop_class: str, sop_instance: str) -> bytes:
    """The bytes of a DICOM file with these elements, as `valid_file_bytes` of their header.

    SOPInstanceUID is added.
    """
    meta = _meta_elements(sop_class) | _encoded_uid(MEDIA_STORAGE_SOP_INSTANCE, sop_instance)
    meta_bytes = b"".join(meta[tag] for tag in sorted(meta))
    group_length = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta_bytes))
    body = {**elements, **_encoded_uid(SOP_INSTANCE, sop_instance)}
    parts = (body[tag] for tag in sorted(body))
    return b"".join((PREAMBLE, b"DICM", group_length, meta_bytes, *parts))


@lru_cache(maxsize=8)
def _meta_elements(sop_class: str) -> dict[int, bytes]:
    """The file meta information but its length and the instance."""
    meta = _file_meta(ExplicitVRLittleEndian)
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(sop_class)
    return dict(encoded_elements(meta, default_encoding))


def _encoded_uid(tag: int, uid: str) -> dict[int, bytes]:
    """The element of a UID, PS3.5 table 7.1-2."""
    value = uid.encode() + b"\0" * (len(uid) % 2)
    return {tag: struct.pack("<HH2sH", *_group_and_element(tag), b"UI", len(value)) + value}


def _group_and_element(tag: int) -> tuple[int, int]:
    return tag >> 16, tag & 0xFFFF


def file_bytes(header: Dataset, transfer_syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """The bytes of a DICOM file with these attributes and new file meta information.

    Values that the standard does not allow are corrected in the header, see `make_valid`.
    """
    make_valid(header)
    return valid_file_bytes(header, transfer_syntax)


def valid_file_bytes(header: Dataset, transfer_syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """As `file_bytes`, of a header whose values are valid."""
    header.file_meta = _file_meta(transfer_syntax)
    header.preamble = PREAMBLE
    buffer = BytesIO()  # a full disk is then reported as such, not as an element that failed
    dcmwrite(buffer, header, enforce_file_format=True)
    return buffer.getvalue()


def _file_meta(transfer_syntax: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = transfer_syntax
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    return meta


def _valid_copy(header: Dataset) -> Dataset:
    copied = Dataset()
    copied.update(header)  # shares its elements: what differs is replaced, not changed
    make_valid(copied)
    return copied


def _buffer() -> DicomBytesIO:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = ENCODING
    return buffer
