"""The actions of the Basic Application Level Confidentiality Profile on attributes, as data.

DICOM PS3.15, annex E; the table is that of the package dicom-anonymizer.
"""

from functools import cache
from typing import Literal

from dicomanonymizer.dicomfields_selector import dicom_anonymization_database_selector
from pydicom.tag import BaseTag

EDITION = "2026c"
"""Edition of the standard of the table."""

ACTION_CODES = {
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
"""Lists of dicom-anonymizer and the actions of PS3.15 table E.1-1: D dummy, Z empty, X remove, U
new UID; several codes: whichever the IOD allows; R keeps a sequence and replaces its references."""

Action = Literal["keep", "remove", "empty", "dummy", "uid"]

PRECEDENCE = {"1": "DZX", "2": "ZDX", "3": "XZD"}
"""By type of attribute, the action codes in order of preference."""

ACTIONS: dict[str, Action] = {"D": "dummy", "Z": "empty", "X": "remove"}
"""By action code."""


@cache
def _table() -> tuple[dict[int, str], tuple[tuple[int, int, str], ...]]:
    """Action codes by tag, and (tag, mask, codes) of repeating groups."""
    lists = dicom_anonymization_database_selector(f"dicomfields_{EDITION}")
    single, repeating = {}, []
    for name, codes in ACTION_CODES.items():
        for tag in lists[name]:
            number = tag[0] << 16 | tag[1]
            if len(tag) > 2:
                repeating.append((number, tag[2] << 16 | tag[3], codes))
            else:
                single[number] = codes
    return single, tuple(repeating)


def action_for(tag: BaseTag, attribute_type: str) -> Action:
    """The action on an attribute of type `1`, `2` or `3` in its IOD.

    A type 1 attribute is never removed or emptied where a dummy is allowed.
    """
    single, repeating = _table()
    codes = single.get(int(tag)) or next(
        (codes for number, mask, codes in repeating if int(tag) & mask == number & mask), ""
    )
    if codes == "U":
        return "uid"
    if codes in ("", "R"):
        return "keep"
    if codes == "Z" and attribute_type == "1":
        return "dummy"
    return ACTIONS[next(code for code in PRECEDENCE[attribute_type] if code in codes)]
