"""What every object made from a CT and an MR says of patient, study, maker and sources."""

import copy
from importlib.metadata import version

from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from radfuse.dicom.write.series import fresh_uid
from radfuse.record import now
from radfuse.series import Series

SERIES_SUFFIX = "RESEARCH, NOT FOR DOSE CALC"
"""Ends every series description."""

DESCRIPTION_LENGTH = 64
"""Characters of a DICOM LO value."""

MAKER = "radfuse"
"""Manufacturer and model of every object."""

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
"""Type 2 attributes of patient, study and frame: present, but empty where the CT does not tell."""


METHOD_UNTOLD = "NOT TOLD BY THE CT"
"""How the patient's identity was removed from a CT that says only that it was."""

NAMES = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
"""Attributes by which other objects refer to an image."""


def derived_header(ct: Series) -> Dataset:
    """Patient, study, frame of reference, maker and time of an object that belongs to a CT.

    The caller adds class, modality, number and description. The series is a new one, and so are
    study and frame of reference of a CT that has none.
    """
    header = Dataset()
    copy_known(header, ct, INHERITED)
    fill_empty(header, EMPTY_IF_UNKNOWN)
    if header.get("PatientIdentityRemoved") == "YES" and not header.get("DeidentificationMethod"):
        header.DeidentificationMethod = METHOD_UNTOLD  # type 1C: removed by whom the CT forgot
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if not header.get(keyword):
            setattr(header, keyword, fresh_uid())
    header.SeriesInstanceUID = fresh_uid()
    moment = now().astimezone()  # local time, as the rest of a study has it
    header.SeriesDate = header.ContentDate = header.InstanceCreationDate = f"{moment:%Y%m%d}"
    header.SeriesTime = header.ContentTime = header.InstanceCreationTime = f"{moment:%H%M%S}"
    header.Manufacturer = header.ManufacturerModelName = MAKER
    header.SoftwareVersions = version("radfuse")
    return header


def copy_known(header: Dataset, source: Series, keywords: tuple[str, ...]) -> None:
    """Copy attributes that the first header of a series has."""
    for keyword in keywords if source.headers else ():
        if keyword in source.headers[0]:
            header[keyword] = copy.deepcopy(source.headers[0][keyword])


def fill_empty(header: Dataset, keywords: tuple[str, ...]) -> None:
    """Make type 2 attributes present."""
    for keyword in keywords:
        if keyword not in header:
            setattr(header, keyword, None)


def described(start: str, label: str) -> str:
    """A series description with a label cut to what a DICOM value holds."""
    room = DESCRIPTION_LENGTH - len(f"{start}  - {SERIES_SUFFIX}")
    return f"{start} {label[:room]} - {SERIES_SUFFIX}"


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
    item.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.ProcessingEquipment)]
    item.Manufacturer = item.ManufacturerModelName = MAKER
    item.SoftwareVersions = version("radfuse")
    item.ContributionDescription = contribution
    return item


def has_name(header: Dataset) -> bool:
    """Whether other objects can refer to an image: not to all that is no whole DICOM file."""
    return all(header.get(keyword) for keyword in NAMES)


def image_item(header: Dataset) -> Dataset:
    """A reference to an image, by class and instance, and by frame where it is one of several."""
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    if "ReferencedFrameNumber" in header:
        item.ReferencedFrameNumber = header.ReferencedFrameNumber
    return item


def source_item(header: Dataset, *, preserved: bool) -> Dataset:
    """A reference to a source image, and whether it lies where the derived one does."""
    item = image_item(header)
    item.PurposeOfReferenceCodeSequence = [
        code_item(codes.DCM.SourceImageForImageProcessingOperation)
    ]
    item.SpatialLocationsPreserved = "YES" if preserved else "NO"
    return item
