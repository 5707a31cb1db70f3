"""De-identified DICOM headers with unchanged geometry.

By the Basic Application Level Confidentiality Profile of PS3.15, annex E. UIDs are replaced by a
hash with a secret key: the same everywhere under one key, and of no use without it.
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
from pydicom.sr.coding import Code
from pydicom.tag import BaseTag, Tag

from radfuse.dicom.deidentify.confidentiality_profile import Action, action_for
from radfuse.dicom.deidentify.identifiers import Identifiers, identifiers_of
from radfuse.dicom.iod_tables import Module, Path, is_required, modules_present
from radfuse.dicom.write.derived_headers import QA_FAILED, SERIES_SUFFIX, code_item
from radfuse.errors import InputError
from radfuse.series import Series

OLD_QA_FAILED = "UNTRUSTED"
"""`QA_FAILED` in older objects."""

KEY_BYTES = 32
"""Length of a random key."""

REGISTERED = "1.2.840.10008."
"""Begins the UIDs of the standard itself, which name classes and the like."""

NO_OBJECT = re.compile("Class|Syntax|Scheme|Context|Resource|Creator|Version")
"""Keywords of UIDs that name a kind of thing, not a thing of this patient."""

PSEUDONYM_LETTERS = 10
"""Hexadecimal digits of a pseudonym."""

SHORTEST_NUMBER = 3
"""Characters of a patient ID that is searched for in texts that the profile keeps."""

BASIC_PROFILE = Code("113100", "DCM", "Basic Application Confidentiality Profile")
"""Names the profile in the DeidentificationMethodCodeSequence."""

OVERLAY_DATA = 0x3000
"""Element of an overlay's bits; without them the rest of its group says nothing."""

OVERLAYS = range(0x6000, 0x6020)
"""Groups of overlays."""

DUMMIES: dict[str, object] = {
    "AS": "000Y", "DA": "19000101", "DS": "0", "DT": "19000101000000", "IS": "0", "TM": "000000",
    "UR": "http://removed.invalid", "FD": 0.0, "FL": 0.0, "SL": 0, "SS": 0, "SV": 0, "UL": 0,
    "US": 0, "UV": 0, "AT": 0, "OB": b"\0\0", "OD": bytes(8), "OF": bytes(4), "OL": bytes(4),
    "OV": bytes(8), "OW": b"\0\0", "UN": b"\0\0",
}  # fmt: skip
"""Values that say nothing, by value representation."""

WORD = "REMOVED"
"""The dummy of all other value representations, which are text."""

ADDRESS = "UR"
"""The value representation of an address in a network, which names a hospital; none is kept."""

TEXTS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT")
"""Value representations in which somebody may have written a name; code strings are no prose."""


def random_key() -> bytes:
    """A key that nobody has."""
    return secrets.token_bytes(KEY_BYTES)


def hashed_uid(uid: str, key: bytes) -> str:
    """Another UID, of the form 2.25.N of PS3.5 annex B.2; those of the standard stay."""
    if not uid or uid.startswith(REGISTERED):
        return uid
    digest = hmac.digest(key, uid.encode(), "sha256")
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def deidentified(series: Series, key: bytes) -> Series:
    """The series with headers that do not say who the patient is.

    Raises `InputError` for images that have text burned into their pixels.
    """
    if any(header.get("BurnedInAnnotation") == "YES" for header in series.headers):
        raise InputError(
            f"{series.source}: BurnedInAnnotation is YES: the patient's name may be in the "
            "pictures, which no de-identification takes away; give images without"
        )
    return replace(
        series, headers=tuple(deidentified_header(header, key) for header in series.headers)
    )


def deidentified_header(header: Dataset, key: bytes) -> Dataset:
    """A header that does not say who the patient is.

    Name and ID become a pseudonym that hangs on the ID, or the name, and on the key; UIDs become
    hashes with the key; geometry stays. Private attributes and attributes that the dictionary
    does not know are gone, as are values that cannot be read.
    """
    cleaned = copy.deepcopy(header)
    deidentify_in_place(cleaned, key)
    return cleaned


def deidentify_in_place(dataset: Dataset, key: bytes) -> None:
    """Do to a data set what `deidentified_header` does to its copy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of values that are about to go
        found = identifiers_of(dataset)
        pseudonym = _pseudonym(dataset, key)
        caution = _caution(dataset)
        modules = modules_present(dataset, str(dataset.get("SOPClassUID", "")))
        numbers = {number for number in found.numbers if len(number) >= SHORTEST_NUMBER}
        cleaner = _Cleaner(key, modules, Identifiers(found.names, frozenset(numbers)))
        cleaner.clean(dataset, ())
    dataset.PatientName = dataset.PatientID = pseudonym
    if caution:
        dataset.SeriesDescription = caution
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = f"PS3.15 basic profile by radfuse {version('radfuse')}"
    dataset.DeidentificationMethodCodeSequence = [code_item(BASIC_PROFILE)]
    dataset.LongitudinalTemporalInformationModified = "REMOVED"


def _pseudonym(dataset: Dataset, key: bytes) -> str:
    """Pseudonym of name and ID; empty for a patient who has neither."""
    who = str(dataset.get("PatientID") or "").strip() or str(dataset.get("PatientName") or "")
    if not who:
        return ""
    return f"RF-{hmac.digest(key, who.encode(), 'sha256').hex()[:PSEUDONYM_LETTERS].upper()}"


def _caution(dataset: Dataset) -> str:
    """The warnings in the description of a series by radfuse; empty for any other series."""
    description = str(dataset.get("SeriesDescription", ""))
    if not description.endswith(SERIES_SUFFIX):
        return ""
    failed = description.startswith((QA_FAILED, OLD_QA_FAILED))
    return f"{QA_FAILED} {SERIES_SUFFIX}" if failed else SERIES_SUFFIX


@dataclass(frozen=True)
class _Cleaner:
    key: bytes
    modules: tuple[Module, ...]
    identifiers: Identifiers

    def clean(self, dataset: Dataset, path: Path) -> None:
        """Apply the profile to a data set at a path of sequences, and to all below it."""
        for tag in sorted(dataset.keys()):
            if tag in dataset:  # an overlay goes with its bits
                self._clean_element(dataset, tag, path)

    def _clean_element(self, dataset: Dataset, tag: BaseTag, path: Path) -> None:
        keyword = keyword_for_tag(tag)
        known = dictionary_has_tag(tag) or repeater_has_tag(int(tag))
        kind = next((kind for kind in "12" if is_required(self.modules, path, keyword, kind)), "3")
        action = action_for(tag, kind) if known and not tag.is_private else "remove"
        try:
            element = dataset[tag]
            if element.VR == ADDRESS and action == "keep":
                action = "remove"
        except Exception:  # a damaged value makes the parser raise whatever it likes
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

    def _change(self, element: DataElement, action: Action, path: Path) -> None:
        if element.VR == "SQ":
            if action == "empty":
                element.value = []
            for item in element.value or ():
                if action == "dummy":
                    self._dummy_item(item)
                else:
                    self.clean(item, path)
        elif element.VR == "UI":
            if action != "keep" or not NO_OBJECT.search(path[-1]):
                self._replace_uids(element)
        elif action == "empty":
            element.value = None
        elif action == "dummy" or self._tells(element):
            element.value = DUMMIES.get(element.VR, WORD)

    def _replace_uids(self, element: DataElement) -> None:
        uids = element.value if element.VM > 1 else [element.value or ""]
        hashed = [hashed_uid(str(uid), self.key) for uid in uids]
        element.value = hashed if len(hashed) > 1 else hashed[0]

    def _tells(self, element: DataElement) -> bool:
        """Whether a text that the profile keeps has the patient's name or ID in it."""
        if element.VR not in TEXTS or element.is_empty:
            return False
        text = str(element.value)
        return self.identifiers.hide(text) != text or self.identifiers.hide_in_path(text) != text

    def _dummy_item(self, item: Dataset) -> None:
        """Leave the form of an item and nothing of its content but the classes of objects."""
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
                element.value = DUMMIES.get(element.VR, WORD)
