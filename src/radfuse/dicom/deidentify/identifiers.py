"""Names and IDs of a patient in the free text of a header."""

import re
import unicodedata
from collections.abc import Iterable

from pydicom import Dataset

MIN_LENGTH = 3
"""Letters of a name, or characters of an ID, that identify a patient inside other text."""

MIN_LENGTH_IDEOGRAPHIC = 2
"""The same for names in scripts other than Latin, Greek and Cyrillic, whose words are short."""

LAST_ALPHABETIC = "\u04ff"
"""The last Unicode letter of the Latin, Greek and Cyrillic scripts."""

NAME_KEYWORDS = ("PatientName", "PatientBirthName", "OtherPatientNames")
"""Attributes with a name of the patient."""

ID_KEYWORDS = ("PatientID", "OtherPatientIDs")
"""Attributes with an identifier of the patient."""


def identifiers_of(header: Dataset) -> frozenset[str]:
    """Parts of the patient's names, and IDs, that are long enough to identify a person."""
    names = (re.split(r"[\W_\d]+", _text(header, keyword)) for keyword in NAME_KEYWORDS)
    ids = (_text(header, keyword).split("\\") for keyword in ID_KEYWORDS)
    words = (word.strip() for values in (*names, *ids) for word in values)
    return frozenset(word for word in words if len(word) >= _min_length(word))


def contains_identifier(text: str, identifiers: Iterable[str]) -> bool:
    """Whether a text contains an identifier, whatever the case, accents and separators."""
    folded = _folded(text)
    return any(
        identifier in text
        or (len(word := _folded(identifier)) >= _min_length(word) and word in folded)
        for identifier in identifiers
    )


def _text(header: Dataset, keyword: str) -> str:
    """The value as text, multiple values separated by backslashes; empty if unreadable."""
    try:
        value = header.get(keyword)
    except Exception:  # pydicom raises any type for a damaged value
        return ""
    values = value if isinstance(value, list) or hasattr(value, "append") else [value]
    return "\\".join(str(one) for one in values if one is not None)


def _folded(text: str) -> str:
    """Only letters and digits, without case and accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if letter.isalnum())


def _min_length(word: str) -> int:
    return MIN_LENGTH if word[:1] <= LAST_ALPHABETIC else MIN_LENGTH_IDEOGRAPHIC
