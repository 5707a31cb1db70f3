"""What a PACS sends, written below one folder under names of our own."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.config import disable_value_validation

from radfuse.dicom.network.pacs import MOST_OBJECTS, Pacs, Wanted
from radfuse.errors import NoImageError, OutputError, PeerError
from radfuse.io.staging import staging

KEYWORDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality")
"""What is looked at in a received object."""

MODALITY_LENGTH = 16
"""Characters of a DICOM CS value."""


@dataclass(frozen=True)
class Received:
    """The objects of one series."""

    folder: Path
    modality: str
    files: int


def fetch(pacs: Pacs, wanted: Wanted, output: Path) -> tuple[Received, ...]:
    """Fetch a study or a series, all of it or nothing, into a folder with a folder a series.

    Folders and files have running numbers for names, for what a PACS sends may name any path.
    The files are as they came: no pixel and no attribute differs.

    Raises
    ------
    OutputError
        The folder has files already, or cannot be written to.
    NoImageError
        The PACS has no such study or series.
    PeerError
        The PACS cannot be reached, or sends too little, too much or something else.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output} exists; choose another --output")
    with staging(output.parent) as stage:
        inbox = _Inbox(stage.path_of(output), wanted)
        expected = pacs.get(wanted, inbox.take)
        inbox.check(expected)
    return tuple(
        Received(output / folder, modality, files)
        for folder, modality, files in inbox.series.values()
    )


class _Inbox:
    def __init__(self, draft: Path, wanted: Wanted) -> None:
        draft.mkdir()
        self._draft, self._wanted = draft, wanted
        self._uids: set[str] = set()
        self._count = 0
        self.series: dict[str, tuple[str, str, int]] = {}

    def take(self, content: bytes) -> None:
        """Write an object of what was asked for."""
        if self._count == MOST_OBJECTS:
            raise PeerError(f"more than {MOST_OBJECTS} objects; fetch series by series")
        study, series, instance, modality = _identity(content)
        if study != self._wanted.study or self._wanted.series not in (None, series):
            raise PeerError("it sent an object of another study or series; nothing was kept")
        new = (f"series-{len(self.series) + 1:03d}", modality, 0)
        folder, first_modality, files = self.series.get(series, new)
        self.series[series] = (folder, first_modality, files + 1)
        place = self._draft / folder
        place.mkdir(exist_ok=True)
        (place / f"{files + 1:05d}.dcm").write_bytes(content)
        self._uids.add(instance)
        self._count += 1

    def check(self, expected: frozenset[str]) -> None:
        """Raise for an empty study, or one that did not arrive as a whole."""
        if not expected and not self._count:
            raise NoImageError(
                "the PACS has nothing under this UID; `radfuse dicom find` lists what it has"
            )
        missing = len(expected - self._uids)
        if missing:
            raise PeerError(
                f"{missing} of {len(expected)} objects did not come; nothing was kept; "
                "fetch again, or series by series"
            )


def _identity(content: bytes) -> tuple[str, str, str, str]:
    """Study, series, instance and modality of an object."""
    try:
        with disable_value_validation():
            header = pydicom.dcmread(
                BytesIO(content), stop_before_pixels=True, specific_tags=list(KEYWORDS)
            )
            study, series, instance, modality = (str(header.get(word, "")) for word in KEYWORDS)
    except Exception as error:  # damaged bytes make the parser raise whatever it likes
        raise PeerError("it sent what is no DICOM object; nothing was kept") from error
    known = modality.isascii() and modality.isalnum() and len(modality) <= MODALITY_LENGTH
    return study, series, instance, modality if known else "?"
