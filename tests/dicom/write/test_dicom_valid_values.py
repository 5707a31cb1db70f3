"""What is written is valid DICOM, whatever values a source has."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import Tag
from pydicom.uid import MRImageStorage

from radfuse.dicom.uids import derive_uid
from radfuse.dicom.validate.attributes import check_values
from radfuse.dicom.validate.problem import Instance
from radfuse.dicom.write.encoding import file_bytes

KEYWORDS = {
    "PixelSpacing": "DS", "SliceThickness": "DS", "InstanceNumber": "IS", "PatientSex": "CS",
    "StudyDate": "DA", "StudyTime": "TM", "PatientAge": "AS", "StudyID": "SH", "PatientID": "LO",
    "PatientName": "PN", "FrameOfReferenceUID": "UI", "ImageComments": "LT",
}  # fmt: skip


def raw_element(keyword: str, vr: str, value: bytes) -> RawDataElement:
    tag = Tag(keyword)
    value += b" " * (len(value) % 2)
    return RawDataElement(tag, vr, len(value), value, 0, False, True)


def header_with(keyword: str, value: bytes, vr: str | None = None) -> Dataset:
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = MRImageStorage, derive_uid("a slice")
    header._dict[Tag(keyword)] = raw_element(keyword, vr or KEYWORDS[keyword], value)
    return header


def written(header: Dataset) -> Dataset:
    """The header as it is read back; pydicom complains of nothing on the way."""
    made = file_bytes(header)
    content = pydicom.dcmread(BytesIO(made))
    assert list(check_values(Instance(Path("x.dcm"), content, len(made)))) == []
    return content


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("PixelSpacing", b"3.0000000000000000001\\0.97656250000000001", [3.0, 0.9765625]),
        ("SliceThickness", b"3.6000000000000000888", 3.6),
        ("SliceThickness", b"1e-3x", None),
        ("InstanceNumber", b"7.0", 7),
        ("PatientSex", b"m", "M"),
        ("PatientSex", b"male", ""),
        ("StudyID", b"a\\b\\c", "a"),
        ("StudyDate", b"31.02.2026", ""),
        ("StudyTime", b"25:00", ""),
        ("PatientAge", b"57", ""),
        ("StudyID", b"x" * 40, "x" * 16),
        ("PatientID", b"id\x07one", "id_one"),
        ("FrameOfReferenceUID", b"1.2.03", derive_uid("1.2.03")),
        ("FrameOfReferenceUID", b"1.2.3", "1.2.3"),
        ("PatientName", b"A" * 70 + b"^B", "A" * 64),
    ],
)
def test_an_invalid_value_becomes_the_nearest_valid_one(
    keyword: str, value: bytes, expected: object
) -> None:
    assert written(header_with(keyword, value)).get(keyword) == expected


def test_value_of_another_representation_gets_its_own() -> None:
    spacing = written(header_with("PixelSpacing", b"3.0000\\3.5000 ", "UT"))["PixelSpacing"]
    assert (spacing.VR, list(spacing.value)) == ("DS", [3.0, 3.5])


def test_items_of_sequences_are_corrected_too() -> None:
    header = header_with("PatientID", b"one")
    header.SourceImageSequence = [header_with("FrameOfReferenceUID", b"1.02")]
    item = written(header).SourceImageSequence[0]
    assert item.FrameOfReferenceUID == derive_uid("1.02")


def test_an_unknown_character_set_becomes_utf_8() -> None:
    header = header_with("PatientName", b"Yamada")
    header["SpecificCharacterSet"] = DataElement("SpecificCharacterSet", "CS", "ISO_IR 1OO")
    content = written(header)
    assert (content.SpecificCharacterSet, content.PatientName) == ("ISO_IR 192", "Yamada")


def test_valid_values_stay_digit_for_digit() -> None:
    header = header_with("PixelSpacing", b"0.48828125\\0.48828125")
    assert written(header)["PixelSpacing"].value[0].original_string == "0.48828125"


@given(keyword=st.sampled_from(sorted(KEYWORDS)), value=st.binary(max_size=90))
def test_any_bytes_of_a_source_become_valid(keyword: str, value: bytes) -> None:
    written(header_with(keyword, value))
