"""Values that the standard allows, whatever the header of a source has."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pydicom import Dataset
from pydicom.charset import python_encoding
from pydicom.config import RAISE
from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pydicom.valuerep import format_number_as_ds, validate_value

from radfuse.dicom.read.safe_read import silenced
from radfuse.dicom.uids import derive_uid, is_valid_uid

MAX_LENGTHS = {"CS": 16, "SH": 16, "LO": 64, "PN": 64, "ST": 1024, "LT": 10240, "AE": 16}
"""Characters of a value, PS3.5 table 6.2-1; of a name, in its first component group."""

PARAGRAPHS = {"ST", "LT", "UT"}
"""Representations of a single value, which may have lines and backslashes."""

CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
CONTROL_OR_SEPARATOR = re.compile(r"[\x00-\x1f\x7f\\]")
"""Characters that paragraphs and other texts must not have."""

NUMBERS_AND_TIMES = {"DS", "IS", "DA", "TM", "DT", "AS"}
"""Representations that are validated as text."""

ENUMERATED: dict[str, tuple[set[str], str | None]] = {
    "PatientSex": ({"M", "F", "O"}, None),
    "PatientIdentityRemoved": ({"YES", "NO"}, "NO"),
    "MRAcquisitionType": ({"1D", "2D", "3D"}, None),
    "ScanningSequence": ({"SE", "IR", "GR", "EP", "RM"}, "RM"),
    "SequenceVariant": ({"SK", "MTC", "SS", "TRSS", "SP", "MP", "OSP", "TOF", "NONE"}, "NONE"),
}
"""Copied attributes with enumerated values, and the value where a source has none of them."""

UTF_8 = "ISO_IR 192"
"""SpecificCharacterSet where that of the source is no defined term."""


def make_valid(header: Dataset) -> None:
    """Correct the values of a header that their value representations do not allow.

    Numbers keep their value, to the 16 characters of a decimal string. An invalid UID becomes one
    derived from it, so that all objects with it still agree. Texts are cut and lose characters;
    dates, times and what cannot be read become empty. PS3.5 section 6.2.
    """
    with silenced():
        _correct(header)


def _correct(header: Dataset) -> None:
    terms = header.get("SpecificCharacterSet") or ()
    if any(term not in python_encoding for term in ([terms] if isinstance(terms, str) else terms)):
        header.SpecificCharacterSet = UTF_8
    for tag in list(header.keys()):
        try:
            element = header[tag]
        except Exception:  # pydicom raises any type for a damaged value
            header[tag] = DataElement(tag, _vr(tag, "UN"), None)
            continue
        if element.VR == "SQ":
            for item in element.value or ():
                _correct(item)
            continue
        _correct_element(header, element)


def _correct_element(header: Dataset, element: DataElement) -> None:
    vr = _vr(element.tag, element.VR)
    values = _values(element, vr)
    corrected = [_corrected(vr, value) for value in values[: _max_count(element.tag)]]
    if None in corrected:  # without one of its numbers a position or spacing has no meaning
        corrected = []
    if element.keyword in ENUMERATED and values:
        allowed, otherwise = ENUMERATED[element.keyword]
        corrected = [value for value in corrected if value in allowed] or [otherwise]
    if vr != element.VR or corrected != values:
        header[element.tag] = DataElement(element.tag, vr, corrected)


def _max_count(tag: BaseTag) -> int | None:
    """Number of values that an attribute may have; None without a limit."""
    most = dictionary_VM(tag).split("-")[-1] if dictionary_has_tag(tag) else "n"
    return int(most) if most.isdecimal() else None


def _vr(tag: BaseTag, stated: str) -> str:
    """The value representation of the standard; the stated one where that leaves a choice."""
    vr = dictionary_VR(tag) if dictionary_has_tag(tag) else stated
    return stated if " or " in vr else vr


def _values(element: DataElement, vr: str) -> list[Any]:
    """The values of an element; a text of another representation is separated at backslashes."""
    if element.is_empty:
        return []
    value = element.value
    if isinstance(value, bytes) and not _is_binary(vr):  # what a reader could not convert
        value = value.decode("latin-1").rstrip(" \0")
    elif vr == element.VR or not isinstance(value, str):
        return list(value) if element.VM > 1 else [value]
    return value.split("\\") if vr not in PARAGRAPHS else [value]


def _is_binary(vr: str) -> bool:
    return vr == "UN" or vr.startswith("O")


def _is_valid(vr: str, value: Any) -> bool:
    if value is None or _is_binary(vr):
        return True
    if vr == "UI":
        return is_valid_uid(value)
    try:
        validate_value(vr, str(value) if vr in NUMBERS_AND_TIMES else value, RAISE)
    except (ValueError, TypeError):
        return False
    return vr not in MAX_LENGTHS or str(value) == _text(vr, value)


def _corrected(vr: str, value: Any) -> Any:
    """The nearest valid value; None where there is none."""
    if _is_valid(vr, value):
        return value
    with suppress(ValueError, TypeError, OverflowError):
        corrected = CORRECTIONS[vr](vr, value) if vr in CORRECTIONS else None
        return corrected if _is_valid(vr, corrected) else None
    return None


def _text(vr: str, value: Any) -> str:
    text = (CONTROL if vr in PARAGRAPHS else CONTROL_OR_SEPARATOR).sub("_", str(value))
    if vr == "CS":
        text = re.sub(r"[^A-Z0-9_ ]", "_", text.upper())
    if vr == "PN":
        return "=".join(group[: MAX_LENGTHS[vr]] for group in text.split("=")[:3])
    return text[: MAX_LENGTHS[vr]]


CORRECTIONS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(MAX_LENGTHS, _text),
    "DS": lambda _, value: format_number_as_ds(float(value)),
    "IS": lambda _, value: str(int(float(value))),
    "UI": lambda _, value: UID(derive_uid(str(value))),
}
"""How an invalid value of a representation is corrected; of the others it is emptied."""
