"""Names and IDs of patients, and how to hide them in messages, paths and records.

The command line, the pipeline and the service all use this module.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydicom import Dataset
from pydicom.filereader import read_partial

from radfuse.dicom.read.safe_read import is_dicom
from radfuse.errors import RadfuseError
from radfuse.recipe import Recipe
from radfuse.record import Input, Record
from radfuse.series import Series

HIDDEN = "***"
"""Replaces an identifier."""

MIN_LENGTH = 3
"""Letters of a name, or characters of an ID, that are hidden inside other words."""

MIN_LENGTH_IDEOGRAPHIC = 2
"""The same for names in scripts other than Latin, Greek and Cyrillic, whose words are short."""

LAST_ALPHABETIC = "\u04ff"
"""The last Unicode letter of the Latin, Greek and Cyrillic scripts."""

MAX_FILES = 5000
"""Files that are opened below a path, so that a wrong path does not cost minutes."""

PATIENT_GROUP = 0x0010
"""The group of the patient's attributes; later groups are not read."""

NAME_KEYWORDS = ("PatientName", "PatientBirthName", "OtherPatientNames")
"""Attributes with a name of the patient."""

ID_KEYWORDS = ("PatientID", "OtherPatientIDs")
"""Attributes with an identifier of the patient."""

PATH = re.compile(r"[^\s'\"(),;]*[/\\][^\s'\"(),;]*")
"""A path in a sentence, up to the next space."""

COMPONENT = re.compile(r"[^/\\]+")
"""A component of a path."""

RenameUid = Callable[[str], str]
"""Maps a UID to that of the de-identified object."""


@dataclass(frozen=True)
class Identifiers:
    """Words that identify patients."""

    names: frozenset[str] = frozenset()
    """Parts of names as they are written, long enough to identify a person."""

    ids: frozenset[str] = frozenset()
    """Patient IDs as they are written."""

    def hide_in_path(self, path: Path | str) -> str:
        """The path with each component hidden that contains an ID or a part of a name.

        Case, accents and separators are ignored; an ID shorter than `MIN_LENGTH` must be a whole
        word of the component.
        """
        return COMPONENT.sub(self._hide_component, str(path))

    def hide(self, text: str, paths: Iterable[Path | str] = ()) -> str:
        """The text without IDs and names: in paths as `hide_in_path`, elsewhere as whole words.

        `paths` are paths that the text may contain, possibly with spaces. A name in prose must
        begin with a capital, so that a patient called May does not affect verbs.
        """
        for path in sorted({str(path) for path in paths}, key=len, reverse=True):
            text = text.replace(path, self.hide_in_path(path))
        text = PATH.sub(lambda match: self.hide_in_path(match[0]), text)
        cased = {name for name in self.names if name[0].upper() != name[0].lower()}
        written = {form for name in cased for form in (name, name.upper(), name.title())}
        written -= {name.lower() for name in cased}
        for word in sorted(written | (self.names - cased) | self.ids, key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", HIDDEN, text)
        return text

    def hide_in_record(self, record: Record, rename_uid: RenameUid | None) -> Record:
        """The record with names and IDs hidden in every path and note.

        After a de-identification, `rename_uid` maps the UIDs of the recipe, and the paths of the
        inputs are omitted.
        """
        inputs = tuple(
            source.model_copy(update=self._hide_in_input(source, omit_path=rename_uid is not None))
            for source in record.inputs
        )
        method = {**record.method, "name": self.hide_in_path(record.method["name"])}
        recipe = self._hide_in_recipe(record.recipe, rename_uid)
        return record.model_copy(update={"recipe": recipe, "inputs": inputs, "method": method})

    def _hide_in_input(self, source: Input, *, omit_path: bool) -> dict[str, object]:
        path, notes = source.source, source.notes
        if omit_path:
            below = re.compile(rf"{re.escape(path)}[^\s:;,]*")
            notes = tuple(below.sub(HIDDEN, note) for note in notes)
        return {
            "source": HIDDEN if omit_path else self.hide_in_path(path),
            "notes": tuple(self.hide(note, [path]) for note in notes),
        }

    def _hide_in_recipe(self, recipe: Recipe, rename_uid: RenameUid | None) -> Recipe:
        paths = {
            keyword: Path(self.hide_in_path(path))
            for keyword in ("transform", "initial_transform")
            if (path := getattr(recipe, keyword))
        }
        uids = {
            keyword: rename_uid(uid)
            for keyword in ("ct_series", "mr_series")
            if rename_uid and (uid := getattr(recipe, keyword))
        }
        method = self.hide_in_path(recipe.method)
        return recipe.model_copy(update={"method": method, **paths, **uids})

    def _hide_component(self, match: re.Match[str]) -> str:
        words = {_folded(word) for word in re.split(r"[\W_]+", match[0])}
        joined = _folded(match[0])
        for identifier in map(_folded, self.names | self.ids):
            is_part = len(identifier) >= _min_length(identifier) and identifier in joined
            if identifier and (identifier in words or is_part):
                return HIDDEN
        return match[0]


def hide_identifiers(text: str, *paths: Path) -> str:
    """The text without names and IDs of the patients in the files at some paths."""
    return identifiers_below(*paths).hide(text, paths)


@contextmanager
def errors_without_identifiers(*paths: Path) -> Iterator[None]:
    """Hide names and IDs of the patients in the files at some paths in errors of ours."""
    try:
        yield
    except RadfuseError as error:
        identifiers = identifiers_below(*paths)
        raise type(error)(*(identifiers.hide(str(part), paths) for part in error.args)) from error


def identifiers_of(*headers: Dataset) -> Identifiers:
    """Names and IDs of the patients in some headers."""
    names, ids = set[str](), set[str]()
    for header in headers:
        for keyword in NAME_KEYWORDS:
            for word in re.split(r"[\W_\d]+", _text(header, keyword)):
                if len(word) >= _min_length(word):
                    names.add(word)
        ids |= {
            identifier.strip()
            for keyword in ID_KEYWORDS
            for identifier in _text(header, keyword).split("\\")
            if identifier.strip()
        }
    return Identifiers(frozenset(names), frozenset(ids))


def identifiers_in(*series: Series) -> Identifiers:
    """Names and IDs of the patients of some series, by their first headers."""
    return identifiers_of(*(header for one in series for header in one.headers[:1]))


def identifiers_below(*paths: Path) -> Identifiers:
    """Names and IDs of the patients of the first `MAX_FILES` files at each of some paths.

    Folders are searched recursively. Only the beginning of a file is read; other files than DICOM
    and unreadable files are ignored.
    """
    headers = {}
    for file in (file for path in paths for file in islice(_files(path), MAX_FILES)):
        header = _patient_header(file)
        key = "\n".join(_text(header, keyword) for keyword in NAME_KEYWORDS + ID_KEYWORDS)
        headers[key] = header
    return identifiers_of(*headers.values())


def _patient_header(file: Path) -> Dataset:
    """The header of a DICOM file up to the patient's group; empty for any other file."""
    try:
        if not (file.is_file() and is_dicom(file)):
            return Dataset()
        with file.open("rb") as stream:
            return read_partial(
                stream, stop_when=lambda tag, _vr, _length: tag.group > PATIENT_GROUP
            )
    except Exception:  # pydicom raises any type for a damaged header
        return Dataset()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for parent, _, names in os.walk(path):  # skips unreadable folders
        yield from (Path(parent, name) for name in names)


def _text(header: Dataset, keyword: str) -> str:
    """The value as text, multiple values separated by backslashes; empty if unreadable."""
    try:
        value = header.get(keyword)
    except Exception:  # likewise for a damaged value
        return ""
    values = value if isinstance(value, list) or hasattr(value, "append") else [value]
    return "\\".join(str(one) for one in values if one is not None)


def _folded(text: str) -> str:
    """Only letters and digits, without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if letter.isalnum())


def _min_length(word: str) -> int:
    return MIN_LENGTH if word[:1] <= LAST_ALPHABETIC else MIN_LENGTH_IDEOGRAPHIC
