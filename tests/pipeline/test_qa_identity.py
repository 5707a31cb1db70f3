"""The patient as fields of the QA sheet: all of them where asked for, none otherwise."""

from pathlib import Path

import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from radfuse.modality import CT, MR, Modality
from radfuse.pipeline.qa.identity import NOT_STATED, image_facts, patient_facts
from radfuse.series import Series

words = st.text("ABCDEFGH", min_size=6, max_size=9)


def series(modality: Modality, **values: str) -> Series:
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    return Series(sitk.Image(2, 2, 2, sitk.sitkUInt8), modality, Path("source"), (), (header,))


@given(words, words, words)
def test_nothing_is_shown_unless_asked(name: str, number: str, description: str) -> None:
    ct = series(CT, PatientName=name, PatientID=number, SeriesDescription=description)
    mr = series(MR, PatientName=number, PatientID=name, SeriesDescription=description)
    hidden = str(patient_facts({"CT": ct, "MR": mr}, shown=False)) + str(
        image_facts("CT", ct, shown=False)
    )
    shown = patient_facts({"CT": ct, "MR": mr}, shown=True)
    assert not any(one in hidden for one in (name, number, description))
    assert (shown["Patient"], shown["Patient ID"]) == (name, number)
    assert ("DIFFERENT PATIENT IN THE MR" in shown) == (name != number)
    assert image_facts("CT", ct, shown=True)["CT, series"] == description


def test_what_is_not_stated_says_so() -> None:
    plain = Series(sitk.Image(2, 2, 2, sitk.sitkUInt8), CT, Path("ct.nii"))
    assert set(patient_facts({"CT": plain}, shown=True).values()) == {NOT_STATED}
    assert image_facts("CT", plain, shown=True) == {}


def test_another_patient_is_named_by_all_fields() -> None:
    ct = series(CT, PatientID="1")
    mr = series(MR, PatientID="2", PatientName="B", PatientBirthDate="19700102", PatientSex="F")
    facts = patient_facts({"CT": ct, "MR": mr}, shown=True)
    named = "Patient: B; Patient ID: 2; Birth date: 1970-01-02; Sex: F"
    assert facts["DIFFERENT PATIENT IN THE MR"] == named
