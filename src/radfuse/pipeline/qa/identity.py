"""The patient on the QA sheet, and what the images are: as fields, only where they are wanted."""

from collections.abc import Mapping
from datetime import datetime

from radfuse.series import Series

PATIENT_OMITTED = "identity omitted; pass --show-identifiers to print it"
"""Patient on the sheet without `--show-identifiers`."""

NOT_STATED = "not stated"
"""Value of a field that the header does not have."""

FIELDS = {
    "Patient": "PatientName", "Patient ID": "PatientID", "Birth date": "PatientBirthDate",
    "Sex": "PatientSex",
}  # fmt: skip
"""Fields of the patient, and their attributes."""


def patient_facts(images: Mapping[str, Series], *, shown: bool) -> dict[str, str]:
    """The patient of the first of some images by their labels, and the different ones of others.

    Without `shown` they are not named.
    """
    first, *others = images.items()
    facts = _fields(first[1]) if shown else {"Patient": PATIENT_OMITTED}
    for label, series in others:
        if series.patient.differs_from(first[1].patient):
            named = "; ".join(f"{key}: {value}" for key, value in _fields(series).items())
            facts[f"DIFFERENT PATIENT IN THE {label}"] = named if shown else "identity omitted"
    return facts


def image_facts(label: str, series: Series, *, shown: bool) -> dict[str, str]:
    """Description and date of a DICOM series, which may identify; none without `shown`."""
    if not (shown and series.headers):
        return {}
    description = _value(series, "SeriesDescription", "ProtocolName")
    date = _date(_value(series, "AcquisitionDate", "SeriesDate", "StudyDate"))
    facts = {"series": description, "date": date}
    return {f"{label}, {key}": value or NOT_STATED for key, value in facts.items()}


def _fields(series: Series) -> dict[str, str]:
    values = {key: _value(series, keyword) for key, keyword in FIELDS.items()}
    values["Birth date"] = _date(values["Birth date"])
    return {key: value or NOT_STATED for key, value in values.items()}


def _value(series: Series, *keywords: str) -> str:
    """The first attribute that the header states; empty without a header."""
    headers = series.headers[:1]
    texts = (str(header.get(one) or "").strip() for header in headers for one in keywords)
    return next(filter(None, texts), "")


def _date(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y%m%d").date().isoformat()
    except ValueError:
        return text
