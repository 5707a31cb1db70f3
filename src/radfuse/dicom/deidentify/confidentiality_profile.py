"""What the Basic Application Level Confidentiality Profile does to each attribute, as data.

DICOM PS3.15, annex E; the table is that of the package dicom-anonymizer.
"""

from functools import cache
from typing import Literal

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from pydicom.tag import BaseTag

EDITION = "2026c"
"""Edition of the standard that the table is from."""

LETTERS = {
    "D_TAGS": "D",
    "Z_TAGS": "Z",
    "X_TAGS": "X",
    "U_TAGS": "U",
    "Z_D_TAGS": "ZD",
    "X_Z_TAGS": "XZ",
    "X_D_TAGS": "XD",
    "X_Z_D_TAGS": "XZD",
    "X_Z_U_STAR_TAGS": "R",
}
"""The library's lists and what they do: D dummy, Z empty, X remove, U another UID, several letters
whichever the object's definition allows; R keeps a sequence whose references are replaced."""

Action = Literal["keep", "remove", "empty", "dummy", "uid"]

ORDERS = {"1": "DZX", "2": "ZDX", "3": "XZD"}
"""For each type of attribute the actions from the first choice on."""

ACTIONS: dict[str, Action] = {"D": "dummy", "Z": "empty", "X": "remove"}
"""What a letter means."""


@cache
def _table() -> tuple[dict[int, str], tuple[tuple[int, int, str], ...]]:
    """Letters by tag, and (bits, mask, letters) of repeating groups."""
    lists = dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    single, repeating = {}, []
    for name, letters in LETTERS.items():
        for tag in lists[name]:
            number = tag[0] << 16 | tag[1]
            if len(tag) > 2:
                repeating.append((number, tag[2] << 16 | tag[3], letters))
            else:
                single[number] = letters
    return single, tuple(repeating)


def action_for(tag: BaseTag, kind: str) -> Action:
    """What to do to an attribute whose type in its object is `1`, `2` or `3`.

    An attribute that must have a value is never removed or emptied where it may be a dummy.
    """
    single, repeating = _table()
    letters = single.get(int(tag)) or next(
        (letters for bits, mask, letters in repeating if int(tag) & mask == bits & mask), ""
    )
    if letters == "U":
        return "uid"
    if letters in ("", "R"):
        return "keep"
    if letters == "Z" and kind == "1":
        return "dummy"
    return ACTIONS[next(letter for letter in ORDERS[kind] if letter in letters)]
