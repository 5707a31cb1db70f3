"""What every PACS can be asked, whichever way it speaks."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.multival import MultiValue

from radfuse.dicom.network.outgoing import Failure, Outgoing
from radfuse.dicom.uids import MAX_UID_LENGTH, is_uid
from radfuse.errors import InputError, PeerError

Level = Literal["patient", "study", "series"]
"""What one answer of a search stands for."""

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
"""Attributes that a search asks for, in the order in which they are shown, and their headings."""

MOST_OBJECTS = 100_000
"""Objects that one fetch may bring, and answers that one search may find; the largest 4-D studies
have some ten thousand."""

LARGEST_OBJECT_BYTES = 2 * 2**30
"""An object passes through memory; a multi-frame series of a head has a tenth of this."""

UNREADABLE = "?"
"""Stands for what cannot be shown."""

LOUD = ("pynetdicom", "dicomweb_client", "retrying", "urllib3")
"""Libraries that write requests and answers, with the names of patients, into their logs."""

Progress = Callable[[int, int], None]
"""Told how many objects are done, of how many."""


@dataclass(frozen=True)
class Query:
    """A search."""

    level: Level
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keyword of DICOM and what its value must match; * and ? are wildcards."""

    def __post_init__(self) -> None:
        if self.level == "series" and not self.keys.get("StudyInstanceUID"):
            raise InputError("a search for series is one within a study; give --study-uid")


@dataclass(frozen=True)
class Wanted:
    """What to fetch: a study, or one series of it."""

    study: str
    series: str | None = None

    def __post_init__(self) -> None:
        for uid in (self.study, self.series):
            if uid is not None and not is_uid(uid):
                raise InputError(
                    f"{uid!r}: no UID; it has digits and dots, at most {MAX_UID_LENGTH}"
                )


Receive = Callable[[bytes], None]
"""Takes one object, as the bytes of a DICOM file; raises `RadfuseError` to stop the fetch."""


@dataclass(frozen=True)
class Pacs:
    """A PACS, ready to be asked; each call makes the connections that it needs.

    All raise `PeerError` where the PACS cannot be reached, refuses or answers wrongly.
    """

    echo: Callable[[], None]
    """Return if it is there and speaks the expected language."""

    send: Callable[[Sequence[Outgoing], Progress], tuple[Failure, ...]]
    """Send files as they are stored; what it did not take, and why."""

    find: Callable[[Query], list[Dataset]]
    """Search; an answer has the attributes of `COLUMNS` that the PACS knows."""

    get: Callable[[Wanted, Receive], frozenset[str]]
    """Fetch, object by object; the SOP instance UIDs that the PACS says there are."""


class Allowance:
    """How many bytes may still come in before the next object is complete."""

    def __init__(self) -> None:
        self._left = LARGEST_OBJECT_BYTES

    def spend(self, count: int) -> None:
        """Raise `PeerError` for more bytes than an object can have."""
        self._left -= count
        if self._left < 0:
            raise PeerError(f"an answer of more than {LARGEST_OBJECT_BYTES} bytes was refused")

    def refill(self) -> None:
        """An object is complete."""
        self._left = LARGEST_OBJECT_BYTES


def keep_quiet() -> None:
    """Keep requests and answers, which name patients, out of every log."""
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def rows(answers: Iterable[Dataset], level: Level) -> list[dict[str, str]]:
    """Answers of a search as texts by keyword, in the order of `COLUMNS`, none twice."""
    with disable_value_validation():
        found = [
            {keyword: _text(answer, keyword) for keyword in COLUMNS[level]} for answer in answers
        ]
    return list({tuple(row.values()): row for row in found}.values())


def _text(answer: Dataset, keyword: str) -> str:
    """A value on one line; whatever else it holds cannot steer a terminal."""
    try:
        value = answer.get(keyword)
    except Exception:  # a damaged value makes the parser raise whatever it likes
        return UNREADABLE
    parts = value if isinstance(value, MultiValue) else [value]
    text = ", ".join("" if part is None else str(part) for part in parts)
    return "".join(letter if letter.isprintable() else UNREADABLE for letter in text)
