"""Attributes that all derived objects share: patient, study, equipment, references to sources."""

import copy
from collections.abc import Iterable
from importlib.metadata import version

from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from radfuse.dicom.codes import PROCESSING_EQUIPMENT, SOURCE_IMAGE, Code
from radfuse.dicom.read.derived import SERIES_SUFFIX
from radfuse.dicom.uids import MANUFACTURER, new_uid
from radfuse.record import SeriesReference, now
from radfuse.series import Series

DESCRIPTION_LENGTH = 64
"""Characters of a DICOM LO value."""

INHERITED = (
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate",
    "PatientSex", "PatientAge", "PatientSize", "PatientWeight", "StudyInstanceUID", "StudyDate",
    "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
    "PatientPosition", "PositionReferenceIndicator", "FrameOfReferenceUID",
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)  # fmt: skip
"""Attributes of patient, study and frame of reference that a derived object shares with its CT."""

EMPTY_IF_UNKNOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator",
)  # fmt: skip
"""Type 2 attributes of patient, study and frame: present, but empty where the CT lacks them."""

UNKNOWN_METHOD = "NOT STATED IN THE CT"
"""DeidentificationMethod where the CT says only that the identity was removed."""

WORKSTATION = "WSD"
"""ConversionType: made by a workstation, not scanned from film or paper."""

REFERENCE_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
"""Attributes that a reference to an image needs."""


def derived_header(ct: Series) -> Dataset:
    """Patient, study, frame of reference, equipment and time of an object derived from a CT.

    The caller adds class, modality, number and description. The series UID is new, and so are
    those of study and frame of reference if the CT has none.
    """
    header = Dataset()
    copy_attributes(header, ct, INHERITED)
    add_empty(header, EMPTY_IF_UNKNOWN)
    if header.get("PatientIdentityRemoved") == "YES" and not header.get("DeidentificationMethod"):
        header.DeidentificationMethod = UNKNOWN_METHOD  # type 1C
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if not header.get(keyword):
            setattr(header, keyword, new_uid())
    header.SeriesInstanceUID = new_uid()
    moment = now().astimezone()  # local time, as in the rest of the study
    header.SeriesDate = header.ContentDate = header.InstanceCreationDate = f"{moment:%Y%m%d}"
    header.SeriesTime = header.ContentTime = header.InstanceCreationTime = f"{moment:%H%M%S}"
    header.Manufacturer = header.ManufacturerModelName = MANUFACTURER
    header.SoftwareVersions = version("radfuse")
    return header


def copy_attributes(header: Dataset, source: Series, keywords: tuple[str, ...]) -> None:
    """Copy those attributes that the first header of a series has."""
    for keyword in keywords if source.headers else ():
        if keyword in source.headers[0]:
            header[keyword] = copy.deepcopy(source.headers[0][keyword])


def add_empty(header: Dataset, keywords: tuple[str, ...]) -> None:
    """Add missing type 2 attributes, empty."""
    for keyword in keywords:
        if keyword not in header:
            setattr(header, keyword, None)


def make_capture(header: Dataset) -> None:
    """Make the header of derived images one of Secondary Capture, of no modality."""
    header.SOPClassUID = SecondaryCaptureImageStorage
    header.Modality = "OT"
    header.ConversionType = WORKSTATION
    header.ImageType = ["DERIVED", "SECONDARY"]
    add_empty(header, ("PatientOrientation",))


def series_description(title: str, label: str) -> str:
    """A description with the research notice; the label is cut to the length of a DICOM value."""
    length = DESCRIPTION_LENGTH - len(f"{title}  - {SERIES_SUFFIX}")
    return f"{title} {label[:length]} - {SERIES_SUFFIX}"


def related_item(reference: SeriesReference) -> Dataset:
    """An item of the Related Series Sequence, PS3.3 C.7.3.1."""
    item = Dataset()
    item.StudyInstanceUID, item.SeriesInstanceUID = reference.study, reference.series
    item.PurposeOfReferenceCodeSequence = []
    return item


def code_item(code: Code) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def equipment_item(contribution: str) -> Dataset:
    """The program as contributing equipment, and what it did."""
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [code_item(PROCESSING_EQUIPMENT)]
    item.Manufacturer = item.ManufacturerModelName = MANUFACTURER
    item.SoftwareVersions = version("radfuse")
    item.ContributionDescription = contribution
    return item


def has_reference_uids(header: Dataset) -> bool:
    """Whether an image has the UIDs that a reference to it needs."""
    return all(header.get(keyword) for keyword in REFERENCE_UIDS)


def image_item(header: Dataset) -> Dataset:
    """A reference to an image by class and instance, and by frame number if multi-frame."""
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    if "ReferencedFrameNumber" in header:
        item.ReferencedFrameNumber = header.ReferencedFrameNumber
    return item


def by_series(headers: Iterable[Dataset]) -> dict[str, list[Dataset]]:
    """The headers of a volume by SeriesInstanceUID; some sources give each slice one of its own."""
    found: dict[str, list[Dataset]] = {}
    for header in headers:
        found.setdefault(str(header.SeriesInstanceUID), []).append(header)
    return found


def source_item(header: Dataset, *, preserved: bool) -> Dataset:
    """A reference to a source image; `preserved` if it has the position of the derived one."""
    item = image_item(header)
    item.PurposeOfReferenceCodeSequence = [code_item(SOURCE_IMAGE)]
    item.SpatialLocationsPreserved = "YES" if preserved else "NO"
    return item
