"""The fused volume as a DICOM series: MR Image Storage on the grid of the CT.

Never a CT object: that would claim HU and invite dose calculation.
"""

import re
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import MRImageStorage

from radfuse.io.dicom_write import fresh_uid, write_series
from radfuse.record import NOTICE, now
from radfuse.series import Series

SERIES_NUMBER = 301
"""Above the numbers that scanners give."""

FULL_SCALE = 4095
"""The stored value of a fused 1.0: twelve bits, finer than 1 HU in every window preset."""

SERIES_SUFFIX = "RESEARCH, NOT FOR DOSE CALC"
"""Ends every series description."""

DESCRIPTION_LENGTH = 64
"""Characters of a DICOM LO value."""

UNREVIEWED = "unreviewed"
"""State of a registration that nobody has accepted or rejected yet."""

INHERITED = (
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate",
    "PatientSex", "PatientAge", "PatientSize", "PatientWeight", "StudyInstanceUID", "StudyDate",
    "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
    "PatientPosition", "PositionReferenceIndicator", "FrameOfReferenceUID",
    "PatientIdentityRemoved", "DeidentificationMethod",
)  # fmt: skip
"""Attributes of patient, study and frame of reference that a derived series shares with its CT."""

EMPTY_IF_UNKNOWN = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator",
    "PatientPosition", "ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength",
    "RepetitionTime",
)  # fmt: skip
"""Type 2 attributes: present, but empty where the source does not tell."""

ACQUISITION = ("ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType",
               "RepetitionTime", "EchoTime", "EchoTrainLength", "MagneticFieldStrength",
               "FlipAngle")  # fmt: skip
"""Attributes of the MR's acquisition that the fused series repeats."""

GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
"""Attributes copied from each CT slice to the letter."""


@dataclass(frozen=True)
class Origin:
    """What a fused series says of where it came from."""

    ct: Series
    mr: Series
    mr_from_ct: sitk.Transform
    method: str
    """Name, or path of an ONNX file."""

    weights_sha256: str | None
    trusted: bool
    registration_id: str
    seen: NDArray[np.bool_]
    """For each slice, whether the MR looked anywhere in it."""

    window: str
    """The CT window, in words."""

    @property
    def label(self) -> str:
        """The method in characters that every DICOM value may hold, no folder of anybody's."""
        return re.sub(r"[^A-Za-z0-9_.-]", "_", re.split(r"[/\\\\]", self.method)[-1])


def write_fused(folder: Path, fused: sitk.Image, origin: Origin) -> tuple[Path, ...]:
    """Write a fused volume (stored values up to `FULL_SCALE`, the CT's grid) as a series.

    Errors are those of `dicom_write.write_series`.
    """
    ct_headers = origin.ct.headers
    sources = _mr_slices(origin, fused)

    def per_slice(index: int) -> Dataset:
        attributes = Dataset()
        if ct_headers:
            for keyword in GEOMETRY:
                if ct_headers[index].get(keyword) not in (None, ""):
                    attributes[keyword] = ct_headers[index][keyword]
        references = [_reference(ct_headers[index], preserved=True)] if ct_headers else []
        references += [_reference(header, preserved=False) for header in sources[index]]
        if references:
            attributes.SourceImageSequence = references
        if not origin.seen[index]:
            attributes.ImageComments = f"CT alone: the MR did not look here. {NOTICE}"
        return attributes

    return write_series(folder, fused, _template(origin), per_slice=per_slice)


def _template(origin: Origin) -> Dataset:
    header = Dataset()
    for source, keywords in ((origin.ct, INHERITED), (origin.mr, ACQUISITION)):
        for keyword in keywords if source.headers else ():
            if keyword in source.headers[0]:
                header[keyword] = source.headers[0][keyword]
    for keyword in EMPTY_IF_UNKNOWN:
        if keyword not in header:
            setattr(header, keyword, None)
    for keyword, unknown in (("ScanningSequence", "RM"), ("SequenceVariant", "NONE")):
        if not header.get(keyword):
            setattr(header, keyword, unknown)
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        if not header.get(keyword):
            setattr(header, keyword, fresh_uid())
    header.SOPClassUID = MRImageStorage
    header.Modality = "MR"
    header.SeriesInstanceUID = fresh_uid()
    header.SeriesNumber = SERIES_NUMBER
    header.SeriesDescription = _description(origin)
    header.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    header.BodyPartExamined = "HEAD"
    header.BurnedInAnnotation = "NO"
    header.WindowCenter, header.WindowWidth = str((FULL_SCALE + 1) // 2), str(FULL_SCALE + 1)
    moment = now().astimezone()  # local time, as the rest of a study has it
    sources = (*origin.ct.headers[:1], *origin.mr.headers[:1])
    if any(source.get("LossyImageCompression") == "01" for source in sources):
        header.LossyImageCompression = "01"
    header.SeriesDate = header.ContentDate = header.InstanceCreationDate = f"{moment:%Y%m%d}"
    header.SeriesTime = header.ContentTime = header.InstanceCreationTime = f"{moment:%H%M%S}"
    header.AcquisitionNumber = None
    header.Manufacturer = "radfuse"
    header.ManufacturerModelName = "radfuse"
    header.SoftwareVersions = version("radfuse")
    header.DerivationDescription = (
        f"CT and rigidly registered MR fused by {origin.label}; grid and frame of the CT; CT "
        f"window {origin.window} HU; where the MR did not look, the CT alone. {NOTICE}"
    )
    header.DerivationCodeSequence = [_code(codes.DCM.SpatialResampling)]
    header.ContributingEquipmentSequence = [_equipment(origin)]
    quality = "above" if origin.trusted else "BELOW"
    header.ImageComments = (
        f"Registration {origin.registration_id} {UNREVIEWED}; its quality is {quality} the "
        f"threshold of trust. {NOTICE}"
    )
    return header


def _description(origin: Origin) -> str:
    start = "FUSED CT+MR " if origin.trusted else "UNTRUSTED FUSED CT+MR "
    room = DESCRIPTION_LENGTH - len(f"{start} - {SERIES_SUFFIX}")
    return f"{start}{origin.label[:room]} - {SERIES_SUFFIX}"


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _equipment(origin: Origin) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [_code(codes.DCM.ProcessingEquipment)]
    item.Manufacturer = "radfuse"
    item.ManufacturerModelName = "radfuse"
    item.SoftwareVersions = version("radfuse")
    weights = f", weights sha256 {origin.weights_sha256}" if origin.weights_sha256 else ""
    item.ContributionDescription = f"Fusion by {origin.label}{weights}"
    return item


def _reference(header: Dataset, *, preserved: bool) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [_code(codes.DCM.SourceImageForImageProcessingOperation)]
    item.SpatialLocationsPreserved = "YES" if preserved else "NO"
    return item


def _mr_slices(origin: Origin, fused: sitk.Image) -> list[tuple[Dataset, ...]]:
    """For each fused slice the headers of the MR slices that it cuts."""
    columns, rows, count = fused.GetSize()
    mr = origin.mr.image
    slices = []
    for index in range(count):
        corners = product((0, columns - 1), (0, rows - 1))
        heights = [
            mr.TransformPhysicalPointToContinuousIndex(
                origin.mr_from_ct.TransformPoint(
                    fused.TransformIndexToPhysicalPoint((column, row, index))
                )
            )[2]
            for column, row in corners
        ]
        first, last = int(np.floor(min(heights))), int(np.ceil(max(heights)))
        slices.append(origin.mr.headers[max(first, 0) : max(last + 1, 0)])
    return slices
