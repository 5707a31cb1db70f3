"""Derived images, by ImageType, equipment and UIDs: others than the plain images of a scanner."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import UID

from radfuse.dicom.uids import MANUFACTURER, derive_uid
from radfuse.modality import MODALITIES

SERIES_SUFFIX = "RESEARCH, NOT FOR DOSE CALC"
"""Suffix of the description of every series by radfuse."""

LOCALIZER = "LOCALIZER"
"""Value of ImageType of a scout view."""

CAPTURE = "a screen capture"
"""Secondary Capture, or an image that a program saved from its screen."""

REFORMATTED = "reformatted"
"""Planes that were computed from a volume."""

BURNED_IN = "text in its pixels (BurnedInAnnotation)"
"""An image of any type with burned-in text."""

KINDS = {
    CAPTURE: r"SCREEN ?\w*",
    "a subtraction": r"SUB|SUBTRACT\w*",
    "a projection or rendering": r"PROJECTION|(MAX |MIN |MN|M|MIN)IP|(MAX|MIN) IP|VRT?|3D REND\w*"
    r"|VOLREN|VOLUME REN\w*|RENDER\w*",
    "a map of computed values": r"ADC|FA|PERFUSION|R?CB[FV]|MTT|TTP|TMAX|\w* ?MAP",
    REFORMATTED: r"\w*MPR|REFORMAT\w*|RESAMPLED",
}
"""Patterns of words in ImageType by kind: PS3.3 C.7.6.1.1.2 and what manufacturers write."""

RESAMPLED = re.compile(
    rf"^Rigidly registered ({'|'.join(MODALITIES)})\b"
    rf"|\b({'|'.join(MODALITIES)}) ON ({'|'.join(MODALITIES)})\b"
    r"|^Registration and resampling$"
)
"""In descriptions of a series that radfuse resampled onto the grid of another."""


@dataclass(frozen=True)
class Derivation:
    """How an image was derived, and what it may be used for."""

    reason: str
    """In words, after the word `derived`."""

    is_alternative: bool = False
    """Whether it is selected where no primary image is: a reformatted head."""

    is_own: bool = False
    """Whether radfuse made it."""

    is_fused: bool = False
    """Whether radfuse made it of a CT and an MR, so that it is never fused again."""


PRIMARY = None
"""The derivation of a plain image of a scanner."""


def is_localizer(header: Dataset) -> bool:
    """Whether ImageType says that an image is a localizer (scout view)."""
    return LOCALIZER in (header.get("ImageType") or ())


def common_derivation(headers: Iterable[Dataset]) -> Derivation | None:
    """The derivation of a series: `PRIMARY` if one of its images is, else that of the first."""
    derivations = [derivation(header) for header in headers]
    return PRIMARY if PRIMARY in derivations or not derivations else derivations[0]


def derivation(header: Dataset) -> Derivation | None:
    """How an image was derived; `PRIMARY` (None) for a plain image of a scanner."""
    values = header.get("ImageType") or ()
    values = [values] if isinstance(values, str) else [str(value) for value in values]
    origin, examination, *others = [value.strip().upper() for value in [*values, "", ""]]
    if _is_own(header, is_derived=origin == "DERIVED"):
        return _own(header)
    if is_localizer(header):
        return Derivation("a localizer")
    if "SecondaryCapture" in UID(str(header.get("SOPClassUID") or "")).keyword:
        return Derivation(CAPTURE)
    if origin == "DERIVED" or examination == "SECONDARY":
        words = " ".join(others).replace("_", " ")
        for reason, pattern in KINDS.items():
            if re.search(rf"\b({pattern})\b", words):
                return Derivation(reason, is_alternative=reason == REFORMATTED)
    is_burned_in = header.get("BurnedInAnnotation") == "YES"
    if examination == "SECONDARY" or is_burned_in:
        return Derivation(BURNED_IN if is_burned_in else "a secondary image", is_alternative=True)
    return PRIMARY


def _is_own(header: Dataset, *, is_derived: bool) -> bool:
    """Whether radfuse derived an image; its phantoms are original, not derived."""
    if str(header.get("SeriesDescription") or "").endswith(SERIES_SUFFIX):
        return True
    equipment = [header, *(header.get("ContributingEquipmentSequence") or ())]
    names = {str(one.get("ManufacturerModelName") or "") for one in equipment}
    return is_derived and (MANUFACTURER in names or _has_own_uid(header))


def _has_own_uid(header: Dataset) -> bool:
    """Whether the UID of an instance is derived from that of its series, as radfuse does."""
    series, number = str(header.get("SeriesInstanceUID")), str(header.get("InstanceNumber") or "")
    index = str(int(number) - 1) if number.isdecimal() else ""
    return bool(header.get("SOPInstanceUID") == derive_uid(series, index))


def _own(header: Dataset) -> Derivation:
    """A series on the grid of another, or a colour blend or fused image."""
    texts = [header.get("SeriesDescription"), header.get("DerivationDescription")]
    equipment = header.get("ContributingEquipmentSequence") or ()
    texts += [one.get("ContributionDescription") for one in equipment]
    if any(RESAMPLED.search(str(text or "")) for text in texts):
        return Derivation("resampled by radfuse", is_own=True)
    return Derivation("fused by radfuse", is_own=True, is_fused=True)
