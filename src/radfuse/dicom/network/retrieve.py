"""Retrieve a study or series from a PACS into a folder, with file names of our own."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.config import disable_value_validation

from radfuse.dicom.network.pacs import MAX_OBJECTS, Pacs, RetrieveRequest
from radfuse.errors import NoImageError, PeerError
from radfuse.io.staging import refuse_nonempty, staging

KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality")
"""Attributes that are read from a received object."""

MAX_MODALITY_LENGTH = 16
"""Characters of a DICOM CS value."""


@dataclass(frozen=True)
class ReceivedSeries:
    """The objects of one series."""

    folder: Path
    modality: str
    files: int


def _do_not_count() -> None:
    """For those who do not report progress."""


def retrieve(
    pacs: Pacs, request: RetrieveRequest, output: Path, count: Callable[[], None] = _do_not_count
) -> tuple[ReceivedSeries, ...]:
    """Retrieve a complete study or series, or nothing, into a folder with a folder per series.

    Folders and files are named by consecutive numbers, since received values may contain any
    path. The files are unchanged: all pixels and attributes as sent. `count` is called after each.

    Raises `OutputError` for a folder that is not empty or cannot be written to, `NoImageError` for
    an unknown study or series, and `PeerError` where the PACS cannot be reached, or sends too few,
    too many or other objects.
    """
    refuse_nonempty(output)
    with staging(output.parent) as stage:
        receiver = _Receiver(stage.path_of(output), request)

        def receive(content: bytes) -> None:
            receiver.write(content)
            count()

        receiver.check(pacs.get(request, receive))
    return tuple(
        ReceivedSeries(output / folder, modality, files)
        for folder, modality, files in receiver.series.values()
    )


class _Receiver:
    def __init__(self, draft: Path, request: RetrieveRequest) -> None:
        draft.mkdir()
        self._draft, self._request = draft, request
        self._uids: set[str] = set()
        self._count = 0
        self.series: dict[str, tuple[str, str, int]] = {}

    def write(self, content: bytes) -> None:
        """Write an object that belongs to the request."""
        if self._count == MAX_OBJECTS:
            raise PeerError(f"more than {MAX_OBJECTS} objects; retrieve single series")
        study, series, instance, modality = _identity(content)
        if study != self._request.study_uid or self._request.series_uid not in (None, series):
            raise PeerError("the PACS sent an object of another study or series; nothing was kept")
        new = (f"series-{len(self.series) + 1:03d}", modality, 0)
        folder, first_modality, files = self.series.get(series, new)
        self.series[series] = (folder, first_modality, files + 1)
        target = self._draft / folder
        target.mkdir(exist_ok=True)
        (target / f"{files + 1:05d}.dcm").write_bytes(content)
        self._uids.add(instance)
        self._count += 1

    def check(self, expected: frozenset[str]) -> None:
        """Raise for an empty study, or one that is incomplete."""
        if not expected and not self._count:
            raise NoImageError(
                "the PACS has no objects of this UID; list its studies with `radfuse dicom find`"
            )
        missing = len(expected - self._uids)
        if missing:
            raise PeerError(
                f"{missing} of {len(expected)} objects were not received; nothing was kept; "
                "retrieve again, or single series"
            )


def _identity(content: bytes) -> tuple[str, str, str, str]:
    """Study, series, instance and modality of an object."""
    try:
        with disable_value_validation():
            header = pydicom.dcmread(
                BytesIO(content), stop_before_pixels=True, specific_tags=list(KEYWORDS)
            )
            study, series, instance, modality = (str(header.get(word, "")) for word in KEYWORDS)
    except Exception as error:  # pydicom raises any type for damaged bytes
        raise PeerError(
            "the PACS sent data that are not a DICOM object; nothing was kept"
        ) from error
    valid = modality.isascii() and modality.isalnum() and len(modality) <= MAX_MODALITY_LENGTH
    return study, series, instance, modality if valid else "?"
