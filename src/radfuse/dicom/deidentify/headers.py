"""De-identified DICOM headers with unchanged geometry.

By the Basic Application Level Confidentiality Profile of PS3.15, annex E. UIDs are replaced by
hashes with a secret key: consistent under one key, and not reversible.
"""

import copy
import hmac
import re
import secrets
import uuid
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version

from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, keyword_for_tag, repeater_has_tag
from pydicom.dataelem import DataElement
from pydicom.tag import BaseTag, Tag

from radfuse.dicom.codes import BASIC_PROFILE
from radfuse.dicom.deidentify.confidentiality_profile import Action, action_for
from radfuse.dicom.deidentify.identifiers import contains_identifier, identifiers_of
from radfuse.dicom.iod_tables import IodModule, SequencePath, has_type, modules_present
from radfuse.dicom.read.derived import SERIES_SUFFIX
from radfuse.dicom.write.derived_headers import code_item
from radfuse.errors import InputError
from radfuse.series import Series
from radfuse.verdict import MARKS

OLD_MARKS = {"UNTRUSTED": MARKS["refuse"]}
"""Marks of older objects, and today's."""

KEY_BYTES = 32
"""Length of a random key."""

STANDARD_ROOT = "1.2.840.10008."
"""Root of the UIDs that the standard defines, such as SOP classes."""

CLASS_UIDS = re.compile("Class|Syntax|Scheme|Context|Resource|Creator|Version")
"""Keywords of UIDs that identify a class or the like, not an object of this patient."""

PSEUDONYM_LENGTH = 10
"""Hexadecimal digits of a pseudonym."""

OVERLAY_DATA = 0x3000
"""Element of the bits of an overlay, whose group is removed with it."""

OVERLAYS = range(0x6000, 0x6020)
"""Groups of overlays."""

DUMMIES: dict[str, object] = {
    "AS": "000Y", "DA": "19000101", "DS": "0", "DT": "19000101000000", "IS": "0", "TM": "000000",
    "UR": "http://removed.invalid", "FD": 0.0, "FL": 0.0, "SL": 0, "SS": 0, "SV": 0, "UL": 0,
    "US": 0, "UV": 0, "AT": 0, "OB": b"\0\0", "OD": bytes(8), "OF": bytes(4), "OL": bytes(4),
    "OV": bytes(8), "OW": b"\0\0", "UN": b"\0\0",
}  # fmt: skip
"""Dummy values by value representation."""

DUMMY_TEXT = "REMOVED"
"""The dummy value of all other value representations, which are text."""

URI = "UR"
"""The value representation of network addresses, which may name a hospital; they are removed."""

TEXT_VRS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT")
"""Value representations of free text, which may contain a name."""


def random_key() -> bytes:
    """A new random key."""
    return secrets.token_bytes(KEY_BYTES)


def hashed_uid(uid: str, key: bytes) -> str:
    """A UID of the form 2.25.N, PS3.5 annex B.2; UIDs of the standard are not changed."""
    if not uid or uid.startswith(STANDARD_ROOT):
        return uid
    digest = hmac.digest(key, uid.encode(), "sha256")
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def deidentify_series(series: Series, key: bytes) -> Series:
    """The series with de-identified headers.

    Raises `InputError` for images with text burned into their pixels.
    """
    if any(header.get("BurnedInAnnotation") == "YES" for header in series.headers):
        raise InputError(
            f"{series.source}: BurnedInAnnotation is YES: the patient's name may be in the "
            "pixels, which de-identification does not remove; give images without it"
        )
    return replace(
        series, headers=tuple(deidentify_header(header, key) for header in series.headers)
    )


def deidentify_header(header: Dataset, key: bytes) -> Dataset:
    """A de-identified copy of a header.

    Name and ID become a pseudonym derived from the ID, or the name, and the key; UIDs become
    hashes with the key; geometry is not changed. Private attributes, attributes that are not in
    the dictionary, and unreadable values are removed.
    """
    cleaned = copy.deepcopy(header)
    deidentify_dataset(cleaned, key)
    return cleaned


def deidentify_dataset(dataset: Dataset, key: bytes) -> None:
    """Apply `deidentify_header` to the data set itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that are removed
        pseudonym = _pseudonym(dataset, key)
        caution = _caution(dataset)
        modules = modules_present(dataset, str(dataset.get("SOPClassUID", "")))
        _Cleaner(key, modules, identifiers_of(dataset)).clean(dataset, ())
    dataset.PatientName = dataset.PatientID = pseudonym
    if caution:
        dataset.SeriesDescription = caution
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = f"PS3.15 basic profile by radfuse {version('radfuse')}"
    dataset.DeidentificationMethodCodeSequence = [code_item(BASIC_PROFILE)]
    dataset.LongitudinalTemporalInformationModified = "REMOVED"


def _pseudonym(dataset: Dataset, key: bytes) -> str:
    """Pseudonym of name and ID; empty for a patient without either."""
    identity = str(dataset.get("PatientID") or "").strip() or str(dataset.get("PatientName") or "")
    if not identity:
        return ""
    return f"RF-{hmac.digest(key, identity.encode(), 'sha256').hex()[:PSEUDONYM_LENGTH].upper()}"


def _caution(dataset: Dataset) -> str:
    """The warnings in the description of a series by radfuse; empty for any other series."""
    description = str(dataset.get("SeriesDescription", ""))
    if not description.endswith(SERIES_SUFFIX):
        return ""
    marks = {mark: mark for mark in MARKS.values() if mark} | OLD_MARKS
    kept = [today for mark, today in marks.items() if description.startswith(mark)]
    return " ".join([*kept, SERIES_SUFFIX])


@dataclass(frozen=True)
class _Cleaner:
    key: bytes
    modules: tuple[IodModule, ...]
    identifiers: frozenset[str]

    def clean(self, dataset: Dataset, path: SequencePath) -> None:
        """Apply the profile to a data set at a path of sequences, and recursively to its items."""
        for tag in sorted(dataset.keys()):
            if tag in dataset:  # the group of an overlay is removed with its bits
                self._clean_element(dataset, tag, path)

    def _clean_element(self, dataset: Dataset, tag: BaseTag, path: SequencePath) -> None:
        keyword = keyword_for_tag(tag)
        known = dictionary_has_tag(tag) or repeater_has_tag(int(tag))
        required = (kind for kind in "12" if has_type(self.modules, path, keyword, kind))
        action = action_for(tag, next(required, "3")) if known and not tag.is_private else "remove"
        try:
            element = dataset[tag]
            if element.VR == URI and action == "keep":
                action = "remove"
        except Exception:  # pydicom raises any type for a damaged value
            action = "remove"
        if action == "remove":
            self._remove(dataset, tag)
        else:
            self._change(element, action, (*path, keyword))

    def _remove(self, dataset: Dataset, tag: BaseTag) -> None:
        del dataset[tag]
        if tag.group in OVERLAYS and tag.element == OVERLAY_DATA:
            for other in [other for other in sorted(dataset.keys()) if other.group == tag.group]:
                del dataset[other]

    def _change(self, element: DataElement, action: Action, path: SequencePath) -> None:
        if element.VR == "SQ":
            if action == "empty":
                element.value = []
            for item in element.value or ():
                if action == "dummy":
                    self._dummy_item(item)
                else:
                    self.clean(item, path)
        elif element.VR == "UI":
            if action != "keep" or not CLASS_UIDS.search(path[-1]):
                self._replace_uids(element)
        elif action == "empty":
            element.value = None
        elif action == "dummy" or self._has_identifier(element):
            element.value = DUMMIES.get(element.VR, DUMMY_TEXT)

    def _replace_uids(self, element: DataElement) -> None:
        uids = element.value if element.VM > 1 else [element.value or ""]
        hashed = [hashed_uid(str(uid), self.key) for uid in uids]
        element.value = hashed if len(hashed) > 1 else hashed[0]

    def _has_identifier(self, element: DataElement) -> bool:
        """Whether a text that the profile keeps contains the patient's name or ID."""
        if element.VR not in TEXT_VRS or element.is_empty:
            return False
        return contains_identifier(str(element.value), self.identifiers)

    def _dummy_item(self, item: Dataset) -> None:
        """Keep the structure of an item and UIDs of classes, and replace all other values."""
        for tag in sorted(item.keys()):
            if Tag(tag).is_private:
                del item[tag]
                continue
            element = item[tag]
            if element.VR == "SQ":
                for inner in element.value or ():
                    self._dummy_item(inner)
            elif element.VR == "UI":
                self._replace_uids(element)
            else:
                element.value = DUMMIES.get(element.VR, DUMMY_TEXT)
