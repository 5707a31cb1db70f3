"""Names and IDs of a patient: found in headers and in free text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from radfuse.dicom.deidentify.identifiers import contains_identifier, identifiers_of

SMITH = frozenset({"Smith", "John", "AB-123"})


def header(name: str = "", number: str = "") -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = name, number
    return dataset


def test_long_parts_of_names_and_ids_identify() -> None:
    assert identifiers_of(header("Smith^John^J^Dr", " AB-123 ")) == SMITH
    assert identifiers_of(header("van der Berg=山田^太郎", "12")) == {
        "van", "der", "Berg", "山田", "太郎",
    }  # fmt: skip


def test_other_ids_and_names_count() -> None:
    dataset = header()
    dataset.OtherPatientIDs = ["OLD1", "OLD2"]
    dataset.PatientBirthName = "Miller"
    dataset.OtherPatientNames = ["Jones^A", "Baker^B"]
    assert identifiers_of(dataset) == {"OLD1", "OLD2", "Miller", "Jones", "Baker"}


@pytest.mark.parametrize(
    "text", ["SMITH_JOHN_123/ct", "j.o.h.n", "head of ab123", "x_AB 12 3-ct", "smithy"]
)
def test_case_and_separators_do_not_matter(text: str) -> None:
    assert contains_identifier(text, SMITH)


@pytest.mark.parametrize("text", ["", "jon", "AB 12", "T1 axial", "3.1 mm"])
def test_other_text_has_no_identifier(text: str) -> None:
    assert not contains_identifier(text, SMITH)


def test_accents_do_not_matter() -> None:
    assert contains_identifier("MULLER", identifiers_of(header("Müller^Zoë")))


def test_id_of_separators_is_found_as_it_is_written() -> None:
    assert contains_identifier("scan 1-2", identifiers_of(header("", "1-2")))
    assert not contains_identifier("scan 12", identifiers_of(header("", "---")))


@given(st.text(max_size=60))
def test_without_identifiers_no_text_has_one(text: str) -> None:
    assert not contains_identifier(text, ())


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=3), st.text())
def test_every_id_is_found_in_text_around_it(number: str, around: str) -> None:
    assert contains_identifier(f"{around} {number} {around}", identifiers_of(header("", number)))
