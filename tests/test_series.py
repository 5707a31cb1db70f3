"""Who an image is of: by ID, and where one is missing, by name and date of birth."""

import pytest
from pydicom import Dataset

from radfuse.series import Patient


def patient(identifier: str = "", name: str = "", birth_date: str = "") -> Patient:
    header = Dataset()
    header.PatientID, header.PatientName, header.PatientBirthDate = identifier, name, birth_date
    return Patient.of(header)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("1", "DOE"), ("1", "ROE")),
        (("1",), ()),
        ((), ()),
        (("", "DOE^JANE"), ("", "Doe^Jane^^")),
        (("7", "DOE^JANE"), ("", "doe, jane")),
        (("", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"), ("", "YAMADA^TAROU")),
        (("", "DOE"), ("", "")),
        (("", "DOE", "19700101"), ("", "DOE", "")),
        ((" 1 ",), ("1",)),
    ],
)
def test_one_patient_may_be_stated_in_several_ways(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert not patient(*one).differs_from(patient(*other))
    assert not patient(*other).differs_from(patient(*one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("1", "DOE"), ("2", "DOE")),
        (("", "DOE"), ("", "ROE")),
        (("1", "DOE"), ("", "ROE")),
        (("", "DOE^JANE"), ("", "DOE^JOHN")),
        (("", "DOE", "19700101"), ("", "DOE", "19700102")),
        (("", "", "19700101"), ("1", "", "19700102")),
    ],
)
def test_two_patients_are_told_apart(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert patient(*one).differs_from(patient(*other))
    assert patient(*other).differs_from(patient(*one))


def test_a_header_without_a_patient_differs_from_none() -> None:
    assert Patient.of(Dataset()) == Patient()
    assert not Patient().differs_from(patient("1", "DOE", "19700101"))
