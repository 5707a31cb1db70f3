"""PET: the unit of the values, and which corrections the scanner applied to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.tag import BaseTag, Tag

from radfuse.dicom.read.nuclear.attributes import attribute, values_of
from radfuse.dicom.read.series import Slice
from radfuse.modality import PT

ACTIVITY = "BQML"
"""Units (0054,1001) of an activity concentration in Bq/ml."""

UNITS = {
    ACTIVITY: PT.unit, "CNTS": "counts", "PROPCNTS": "proportional to counts",
    "CPS": "counts/s", "PROPCPS": "proportional to counts/s", "GML": "g/ml (an SUV)",
    "CM2ML": "cm2/ml (an SUV)", "CM2": "cm2", "PCNT": "percent", "NONE": "no unit",
    "MLG": "ml/g", "MLMING": "ml/min/g", "MLMINML": "ml/min/ml", "MLML": "ml/ml",
    "1CM": "1/cm", "UMOLML": "umol/ml", "UMOLMINML": "umol/min/ml", "UMOLMING": "umol/min/g",
    "STDDEV": "standard deviations",
}  # fmt: skip
"""Units (0054,1001) in words: PS3.3 C.8.9.1.1.3."""

ATTENUATION, DECAY = "ATTN", "DECY"
"""Values of CorrectedImage (0028,0051) of an image corrected for attenuation, and for decay."""


@dataclass(frozen=True)
class PrivateAttribute:
    """A private attribute; `str()` names it."""

    group: int
    creator: str
    element: int
    """Last two digits of the element."""

    def __str__(self) -> str:
        """The tag, and the creator of its block."""
        return f"({self.group:04X},xx{self.element:02X}) {self.creator}"


SCAN_TIME = PrivateAttribute(0x0009, "GEMS_PETD_01", 0x0D)
"""Date and time at which a scan of GE began."""

SUV_FACTOR = PrivateAttribute(0x7053, "Philips PET Private Group", 0x00)
"""From counts to SUVbw."""

ACTIVITY_FACTOR = PrivateAttribute(0x7053, "Philips PET Private Group", 0x09)
"""From counts to Bq/ml."""

FRAMES = {"DYNAMIC": "time frames of a dynamic", "GATED": "phases of a gated"}
"""Value 1 of SeriesType (0054,1000) of a PET with several volumes at the same positions."""

REPROJECTION = "REPROJECTION"
"""Value 2 of SeriesType (0054,1000) of projections that were computed from a volume."""


def private_tags(header: Dataset) -> set[BaseTag]:
    """The private tags of a PET that an SUV may need, with those of their creators."""
    tags: set[BaseTag] = set()
    for one in (SCAN_TIME, SUV_FACTOR, ACTIVITY_FACTOR) if is_pet(header) else ():
        try:
            block = header.private_block(one.group, one.creator)
        except KeyError:
            continue
        tags |= {block.get_tag(one.element), Tag(one.group, block.block_start >> 8)}
    return {tag for tag in tags if tag in header}


def private_text(header: Dataset, private: PrivateAttribute) -> str:
    """The value of a private attribute as text; empty without one."""
    try:
        value = header.private_block(private.group, private.creator)[private.element].value
    except KeyError:
        return ""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0")


def is_reprojection(header: Dataset) -> bool:
    """Whether an image is a projection of a volume, which has no position in it."""
    return REPROJECTION in values_of(header, "SeriesType")


def units_of(slices: Sequence[Slice]) -> list[str]:
    """The different Units (0054,1001) of PET images; empty text where it is missing."""
    units = (" ".join(values_of(one.header, "Units")) for one in slices if is_pet(one.header))
    return sorted(set(units))


def is_pet(header: Dataset) -> bool:
    """Whether an image is of a PET."""
    return str(header.get("Modality")) == PT.code


def pet_notes(slices: Sequence[Slice]) -> list[str]:
    """Notes on a PET not in Bq/ml, of one frame of several, or without attenuation correction."""
    if not is_pet(slices[0].header):
        return []
    notes = [_unit_note(units) for units in units_of(slices) if units != ACTIVITY]
    notes += _frame_notes(one.header for one in slices)
    lists = {values_of(one.header, "CorrectedImage") for one in slices}
    if () in lists:
        notes.append(
            f"{attribute('CorrectedImage')} is missing; whether the PET has attenuation correction "
            "is unknown"
        )
    return [*notes, *attenuation_warnings(one.header for one in slices)]


def attenuation_warnings(headers: Iterable[Dataset]) -> tuple[str, ...]:
    """A warning of a PET without attenuation correction; none where that is unknown."""
    lists = sorted({values_of(one, "CorrectedImage") for one in headers if is_pet(one)})
    without = [one for one in lists if one and ATTENUATION not in one]
    if not without:
        return ()
    return (
        f"the PET has no attenuation correction ({attribute('CorrectedImage')} has "
        f"{', '.join(without[0])}); uptake deep in the head appears too low",
    )


def _frame_notes(headers: Iterable[Dataset]) -> list[str]:
    kinds = {kind for header in headers for kind in values_of(header, "SeriesType")[:1]}
    return [
        f"one of the {FRAMES[kind]} PET ({attribute('SeriesType')} is {kind})"
        for kind in sorted(kinds & FRAMES.keys())
    ]


def _unit_note(units: str) -> str:
    if not units:
        return f"{attribute('Units')} is missing; the unit of the values is unknown"
    words = f", {UNITS[units]}" if units in UNITS else ""
    return f"{attribute('Units')} is {units}{words}; the values are not {PT.unit}"
