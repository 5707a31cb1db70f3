"""Who the patient is by the headers, and how to print a path or a sentence without saying it."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydicom import Dataset
from pydicom.filereader import read_partial

from radfuse.dicom.read.safe_read import is_dicom
from radfuse.series import Series

HIDDEN = "***"
"""Replaces an identifier."""

SHORTEST = 3
"""Letters of a name or characters of an ID that are searched for inside other words."""

SHORTEST_IDEOGRAPHIC = 2
"""The same for names outside the Latin, Greek and Cyrillic scripts, whose words are short."""

LAST_ALPHABET = "\u04ff"
"""The last letter of the scripts with words of several letters, in the order of Unicode."""

MOST_FILES = 5000
"""Files that are opened below a path, so that a wrong path does not cost minutes."""

PATIENT_GROUP = 0x0010
"""The group of the attributes about the patient; nothing after it is read to know a name."""

NAMES = ("PatientName", "PatientBirthName", "OtherPatientNames")
"""Attributes with a name of the patient."""

NUMBERS = ("PatientID", "OtherPatientIDs")
"""Attributes with an identifier of the patient."""

PATH = re.compile(r"[^\s'\"(),;]*[/\\][^\s'\"(),;]*")
"""A path in a sentence, up to the next space."""

PART = re.compile(r"[^/\\]+")
"""A component of a path."""


@dataclass(frozen=True)
class Identifiers:
    """Words that say who the patient is."""

    names: frozenset[str] = frozenset()
    """Parts of names as they are written, long enough to mean somebody."""

    numbers: frozenset[str] = frozenset()
    """Patient IDs as they are written."""

    def __or__(self, other: "Identifiers") -> "Identifiers":
        """Those of both."""
        return Identifiers(self.names | other.names, self.numbers | other.numbers)

    def hide_in_path(self, path: Path | str) -> str:
        """The path with each component hidden that has an ID or a part of a name in it.

        Case, accents and separators are ignored; an ID shorter than `SHORTEST` must be a whole
        word of the component.
        """
        return PART.sub(self._component, str(path))

    def hide(self, text: str, paths: Iterable[Path | str] = ()) -> str:
        """The text without IDs and names: in paths as `hide_in_path`, elsewhere as whole words.

        `paths` are paths that the text may have in it, with spaces maybe. A name in prose is one
        only with a capital, so that a patient called May leaves verbs alone.
        """
        for path in sorted({str(path) for path in paths}, key=len, reverse=True):
            text = text.replace(path, self.hide_in_path(path))
        text = PATH.sub(lambda found: self.hide_in_path(found[0]), text)
        words = {name for name in self.names if name[0].upper() != name[0].lower()}
        written = {form for name in words for form in (name, name.upper(), name.title())}
        written -= {name.lower() for name in words}
        for word in sorted(written | (self.names - words) | self.numbers, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", HIDDEN, text)
        return text

    def _component(self, found: re.Match[str]) -> str:
        words = {_folded(word) for word in re.split(r"[\W_]+", found[0])}
        joined = _folded(found[0])
        for identifier in self.names | self.numbers:
            folded = _folded(identifier)
            if folded and (folded in words or (len(folded) >= _least(folded) and folded in joined)):
                return HIDDEN
        return found[0]


def identifiers_of(*headers: Dataset) -> Identifiers:
    """Names and IDs of the patients of some headers."""
    names, numbers = set[str](), set[str]()
    for header in headers:
        for keyword in NAMES:
            for word in re.split(r"[\W_\d]+", _text(header, keyword)):
                if len(word) >= _least(word):
                    names.add(word)
        numbers |= {
            number.strip()
            for keyword in NUMBERS
            for number in _text(header, keyword).split("\\")
            if number.strip()
        }
    return Identifiers(frozenset(names), frozenset(numbers))


def identifiers_in(*series: Series) -> Identifiers:
    """Names and IDs of the patients of some series, by their first headers."""
    return identifiers_of(*(header for one in series for header in one.headers[:1]))


def identifiers_below(*paths: Path) -> Identifiers:
    """Names and IDs of the patients of the first `MOST_FILES` files at each of some paths.

    Folders are searched to their ends. Only the beginning of a file is read; one that is no DICOM
    or cannot be read names nobody.
    """
    headers = {}
    for file in (file for path in paths for file in islice(_files(path), MOST_FILES)):
        header = patient_of(file)
        headers["\n".join(_text(header, keyword) for keyword in NAMES + NUMBERS)] = header
    return identifiers_of(*headers.values())


def patient_of(file: Path) -> Dataset:
    """The header of a DICOM file up to the patient's group; empty for any other file."""
    try:
        if not (file.is_file() and is_dicom(file)):
            return Dataset()
        with file.open("rb") as stream:
            return read_partial(
                stream, stop_when=lambda tag, _vr, _length: tag.group > PATIENT_GROUP
            )
    except Exception:  # a damaged header makes the parser raise whatever it likes
        return Dataset()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for parent, _, names in os.walk(path):  # passes over what may not be read
        yield from (Path(parent, name) for name in names)


def _text(header: Dataset, keyword: str) -> str:
    """The value as text, several separated by backslashes; empty if unreadable."""
    try:
        value = header.get(keyword)
    except Exception:  # a damaged value, likewise
        return ""
    several = value if isinstance(value, list) or hasattr(value, "append") else [value]
    return "\\".join(str(one) for one in several if one is not None)


def _folded(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def _least(word: str) -> int:
    return SHORTEST if word[:1] <= LAST_ALPHABET else SHORTEST_IDEOGRAPHIC
