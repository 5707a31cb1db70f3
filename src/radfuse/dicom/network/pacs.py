"""Requests to a PACS, independent of the protocol."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.multival import MultiValue

from radfuse.dicom.network.outgoing import OutgoingFile, SendFailure
from radfuse.dicom.uids import MAX_UID_LENGTH, is_uid
from radfuse.errors import InputError
from radfuse.progress import ProgressCallback

Level = Literal["patient", "study", "series"]
"""The level of a query, PS3.4 section C.6."""

COLUMNS: Mapping[Level, Mapping[str, str]] = {
    "patient": {
        "PatientName": "name", "PatientID": "ID", "PatientBirthDate": "born", "PatientSex": "sex",
    },
    "study": {
        "PatientName": "name", "PatientID": "ID", "StudyDate": "date",
        "StudyDescription": "description", "AccessionNumber": "accession",
        "ModalitiesInStudy": "modalities", "NumberOfStudyRelatedInstances": "objects",
        "StudyInstanceUID": "study UID",
    },
    "series": {
        "Modality": "modality", "SeriesNumber": "number", "SeriesDescription": "description",
        "NumberOfSeriesRelatedInstances": "objects", "SeriesInstanceUID": "series UID",
        "StudyInstanceUID": "study UID",
    },
}  # fmt: skip
"""Attributes that a query returns, in the order of their display, and their headings."""

MAX_OBJECTS = 100_000
"""Objects in one retrieval, and matches of one query; the largest 4-D studies have some ten
thousand."""

UNREADABLE = "?"
"""Replaces unreadable values and unprintable characters."""

LOGGERS = ("pynetdicom", "dicomweb_client", "retrying", "urllib3")
"""Libraries that log requests and responses, with the names of patients."""


@dataclass(frozen=True)
class Query:
    """A query."""

    level: Level
    keys: Mapping[str, str] = field(default_factory=dict)
    """DICOM keywords and the values to match; * and ? are wildcards."""

    def __post_init__(self) -> None:
        if self.level == "series" and not self.keys.get("StudyInstanceUID"):
            raise InputError("a query at series level needs a study; give --study-uid")


@dataclass(frozen=True)
class RetrieveRequest:
    """The study, or the one series of it, to retrieve."""

    study_uid: str
    series_uid: str | None = None

    def __post_init__(self) -> None:
        for uid in (self.study_uid, self.series_uid):
            if uid is not None and not is_uid(uid):
                raise InputError(
                    f"{uid!r} is not a UID; give digits and dots, at most {MAX_UID_LENGTH}"
                )


Receive = Callable[[bytes], None]
"""Called with each object, as the bytes of a DICOM file; raises `RadfuseError` to stop."""


@dataclass(frozen=True)
class Pacs:
    """The requests to a PACS; each call makes the connections that it needs.

    All raise `PeerError` if the PACS cannot be reached, refuses or responds incorrectly.
    """

    echo: Callable[[], None]
    """Verify that it responds."""

    send: Callable[[Sequence[OutgoingFile], ProgressCallback], tuple[SendFailure, ...]]
    """Send files unchanged; return those that were not stored, and why."""

    find: Callable[[Query], list[Dataset]]
    """Query; a match has the attributes of `COLUMNS` that the PACS supports."""

    get: Callable[[RetrieveRequest, Receive], frozenset[str]]
    """Retrieve object by object; return the SOP instance UIDs that the PACS lists."""


def silence_libraries() -> None:
    """Keep requests and responses, which name patients, out of every log."""
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def table_rows(matches: Iterable[Dataset], level: Level) -> list[dict[str, str]]:
    """The distinct matches of a query as texts by keyword, in the order of `COLUMNS`."""
    with disable_value_validation():
        all_rows = [
            {keyword: _text(match, keyword) for keyword in COLUMNS[level]} for match in matches
        ]
    return list({tuple(row.values()): row for row in all_rows}.values())


def _text(match: Dataset, keyword: str) -> str:
    """A value on one line, without control characters that a terminal would execute."""
    try:
        value = match.get(keyword)
    except Exception:  # pydicom raises any type for a damaged value
        return UNREADABLE
    parts = value if isinstance(value, MultiValue) else [value]
    text = ", ".join("" if part is None else str(part) for part in parts)
    return "".join(letter if letter.isprintable() else UNREADABLE for letter in text)
