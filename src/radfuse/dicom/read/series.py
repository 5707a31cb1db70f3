"""The images of a DICOM series, by their headers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    MRImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
)

from radfuse.dicom.read.derived import Derivation, common_derivation, is_localizer
from radfuse.dicom.read.nuclear.spect import volume_problem
from radfuse.modality import CT, MODALITIES, MR, NM, PT

CLASSES: Mapping[str, frozenset[UID]] = {
    CT.code: frozenset(
        {CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage}
    ),
    MR.code: frozenset(
        {MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage}
    ),
    PT.code: frozenset(
        {
            PositronEmissionTomographyImageStorage,
            EnhancedPETImageStorage,
            LegacyConvertedEnhancedPETImageStorage,
        }
    ),
    NM.code: frozenset({NuclearMedicineImageStorage}),
}
"""SOP classes of the images of a modality, by its code."""

SLICE_CLASSES = CLASSES[CT.code] | CLASSES[MR.code] | CLASSES[PT.code]
"""SOP classes whose objects are images, even if Rows and Columns are missing."""

IMAGE_CLASS = "ImageStorage"
"""End of the keyword of a SOP class of images; spectra, dose and segmentations have others."""


@dataclass(frozen=True)
class Slice:
    """One image: a file, or a frame of a file."""

    header: Dataset
    """Without pixels; a frame has the attributes that a file of its own would have."""

    path: Path
    frame: int | None = None
    """Index in a multi-frame file, from 0."""

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return str(self.path) if self.frame is None else f"{self.path} frame {self.frame + 1}"

    def with_value(self, keyword: str, value: str) -> "Slice":
        """The slice with another value of an attribute; other elements are shared."""
        return replace(self, header=with_values(self.header, **{keyword: value}))


@dataclass(frozen=True)
class DicomSeries:
    """The slices of one series, or its other objects, in order of file name."""

    uid: str
    slices: tuple[Slice, ...]
    notes: tuple[str, ...] = ()
    """Corrections of the headers."""

    @cached_property
    def headers(self) -> tuple[Dataset, ...]:
        """One a slice."""
        return tuple(one.header for one in self.slices)

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """Each file once."""
        return tuple(dict.fromkeys(one.path for one in self.slices))

    @cached_property
    def modality(self) -> str:
        """DICOM Modality (0008,0060) of most of its images."""
        modalities = Counter(str(header.get("Modality") or "?") for header in self.headers)
        return modalities.most_common(1)[0][0]

    @property
    def description(self) -> str:
        """SeriesDescription (0008,103E)."""
        return str(self.headers[0].get("SeriesDescription") or "no description")

    @property
    def is_image(self) -> bool:
        """Whether there are slices among its objects."""
        return any(is_slice(header) for header in self.headers)

    @property
    def is_localizer(self) -> bool:
        """Whether all its images are localizers."""
        return all(is_localizer(header) for header in self.headers)

    @cached_property
    def derivation(self) -> Derivation | None:
        """How all its images were derived; None for a series of a scanner."""
        return common_derivation(header for header in self.headers if "Rows" in header)

    @property
    def remark(self) -> str:
        """What follows its name in a list: `, localizer`, `, derived: ...`, or nothing."""
        if self.is_localizer:
            return ", localizer"
        if problem := volume_problem(self.headers[0]):
            return f", {problem}"
        return f", derived: {self.derivation.reason}" if self.derivation else ""

    @property
    def line(self) -> str:
        """One line for a list of choices."""
        kind = "images" if self.is_image else "objects that are no slices"
        count = f"{len(self.slices)} {kind}{self.remark}"
        return f"{self.modality} '{self.description}', {count}, UID {self.uid}"


@dataclass(frozen=True)
class VolumeSlices:
    """Slices that form one volume, in no particular order."""

    uid: str
    """UID of the series; followed by the number of the volume if the series has several."""

    slices: tuple[Slice, ...]
    difference: str = ""
    """Difference from the other volumes of the series; empty for the only one."""

    @property
    def line(self) -> str:
        """One line for a list of choices."""
        difference = f" ({self.difference})" if self.difference else ""
        return DicomSeries(self.uid, self.slices).line + difference


def with_values(header: Dataset, **values: object) -> Dataset:
    """A header with other values of some attributes; it shares the other elements."""
    replaced, changed = Dataset(), {Tag(keyword) for keyword in values}
    for tag in header.keys():  # noqa: SIM118  # iteration would convert every raw element
        if tag not in changed:
            replaced[tag] = header.get_item(tag)
    replaced.file_meta = header.file_meta
    for keyword, value in values.items():
        setattr(replaced, keyword, value)
    return replaced


def is_slice(header: Dataset) -> bool:
    """Whether an object may be a slice of a volume: an image of a scanner with a position.

    Reports, screen captures, structure sets, spectra, dose, segmentations and planar images of
    Nuclear Medicine are not.
    """
    if not all(header.get(keyword) for keyword in ("Rows", "Columns")):
        return False
    uid = sop_class(header)
    if uid in SLICE_CLASSES:
        return True
    if volume_problem(header):
        return False
    is_image = uid is None or not uid.keyword or uid.keyword.endswith(IMAGE_CLASS)
    return (
        is_image and str(header.get("Modality")) in MODALITIES and "ImagePositionPatient" in header
    )


def sop_class(header: Dataset) -> UID | None:
    """SOP class of a file; None without one."""
    uid: UID | None = header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID")
    return uid
