"""The context that all DICOM objects of one fusion are derived from, and the headers it gives."""

import copy
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset

from radfuse.dicom.uids import new_uid
from radfuse.dicom.write.derived_headers import (
    add_empty,
    copy_attributes,
    derived_header,
    equipment_item,
    has_reference_uids,
    series_description,
    source_item,
)
from radfuse.dicom.write.series import encoded
from radfuse.dicom.write.signoff import review_comment
from radfuse.dicom.write.source_slices import SourceSlices, source_slices
from radfuse.modality import MR
from radfuse.series import Series
from radfuse.verdict import Verdict

GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
"""Attributes copied from each CT slice digit for digit."""

ACQUISITION = ("ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType",
               "RepetitionTime", "EchoTime", "EchoTrainLength", "InversionTime",
               "MagneticFieldStrength", "FlipAngle")  # fmt: skip
"""Attributes of the MR's acquisition that derived MR images repeat."""

EMPTY_IF_UNKNOWN = (
    "PatientPosition", "ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength",
    "RepetitionTime",
)  # fmt: skip
"""Type 2 attributes of an MR image: present, but empty where the source lacks them."""


@dataclass(frozen=True)
class DerivationContext:
    """Sources, registration and settings of one fusion; its objects share study and frame."""

    ct: Series
    mr: Series
    mr_from_ct: sitk.Transform
    method: str
    """Name, or path of an ONNX file."""

    weights_sha256: str | None
    verdict: Verdict
    """Of the registration QA."""

    registration_id: str
    alignment_source: str
    """Where the alignment is from: `headers`, `file`, `manual`, or the start of the search."""

    in_fov: NDArray[np.bool_]
    """For each slice of the fused image, whether it intersects the MR field of view."""

    window: str
    """The CT window, in words."""

    mr_range: tuple[float, float]
    """MR values displayed as black and white."""

    @property
    def method_label(self) -> str:
        """The method's name without its folder, in characters that every DICOM value allows."""
        return sanitized(re.split(r"[/\\\\]", self.method)[-1])

    @property
    def grid_description(self) -> str:
        """The grid of the images, in words."""
        if self.ct.regridded:
            return (
                "frame of reference of the CT, on the regular grid that its slices were resampled "
                "onto"
            )
        return "grid and frame of reference of the CT"

    def series_header(self, number: int, title: str, label: str, contribution: str) -> Dataset:
        """The header of a new series: study, frame of reference, equipment, number, description.

        `contribution` says what the program did.
        """
        header = copy.deepcopy(self._common_header)
        header.SeriesInstanceUID = new_uid()
        header.SeriesNumber = number
        header.SeriesDescription = series_description(f"{self.verdict.mark} {title}".strip(), label)
        header.ContributingEquipmentSequence = [equipment_item(contribution)]
        header.BodyPartExamined = "HEAD"
        return header

    @cached_property
    def _common_header(self) -> Dataset:
        return derived_header(self.ct)

    def image_header(self, number: int, title: str, label: str, contribution: str) -> Dataset:
        """The header of a new series of images."""
        header = self.series_header(number, title, label, contribution)
        header.BurnedInAnnotation = "NO"
        header.AcquisitionNumber = None
        header.ImageComments = self.review_comment
        sources = (*self.ct.headers[:1], *self.mr.headers[:1])
        if any(source.get("LossyImageCompression") == "01" for source in sources):
            header.LossyImageCompression = "01"
        return header

    def mr_header(self, number: int, title: str, label: str, contribution: str) -> Dataset:
        """The header of a new series of MR images."""
        header = self.image_header(number, title, label, contribution)
        copy_attributes(header, self.mr, ACQUISITION)
        add_empty(header, EMPTY_IF_UNKNOWN)
        for keyword, unknown in (("ScanningSequence", "RM"), ("SequenceVariant", "NONE")):
            if not header.get(keyword):
                setattr(header, keyword, unknown)
        header.Modality = MR.code
        header.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
        return header

    @property
    def review_comment(self) -> str:
        """The review state of the registration, its QA result, and the notice."""
        return review_comment(self.registration_id, self.verdict)

    def slice_attributes(self, index: int) -> Dataset:
        """The geometry of a slice in the CT's own digits, and references to its source images."""
        if index not in self._slice_attributes:
            self._slice_attributes[index] = encoded(self._made_slice_attributes(index))
        attributes = Dataset()
        attributes.update(self._slice_attributes[index])
        return attributes

    @cached_property
    def _slice_attributes(self) -> dict[int, Dataset]:
        """Of the slices written so far; the series of a fusion share them."""
        return {}

    def _made_slice_attributes(self, index: int) -> Dataset:
        attributes = Dataset()
        for keyword in GEOMETRY if self.ct.slice_headers else ():
            if self.ct.slice_headers[index].get(keyword) not in (None, ""):
                attributes[keyword] = self.ct.slice_headers[index][keyword]
        references = self._ct_items(index) + self._mr_items(index)
        if references:
            attributes.SourceImageSequence = references
        return attributes

    def _ct_items(self, index: int) -> list[Dataset]:
        if self.ct.slice_headers:
            header = self.ct.slice_headers[index]
            return [source_item(header, preserved=True)] if has_reference_uids(header) else []
        return self._ct_slices.spanning(self._corners_mm(index)) if self._ct_slices else []

    def _mr_items(self, index: int) -> list[Dataset]:
        corners = [self.mr_from_ct.TransformPoint(corner) for corner in self._corners_mm(index)]
        return self._mr_slices.spanning(np.array(corners)) if self._mr_slices else []

    @cached_property
    def _ct_slices(self) -> SourceSlices | None:
        return source_slices(self.ct)

    @cached_property
    def _mr_slices(self) -> SourceSlices | None:
        return source_slices(self.mr)

    def _corners_mm(self, index: int) -> NDArray[np.float64]:
        """The corners of a slice of the CT's grid, (4, 3), LPS mm."""
        columns, rows, _ = self.ct.image.GetSize()
        return np.array(
            [
                self.ct.image.TransformIndexToPhysicalPoint((column, row, index))
                for column, row in product((0, columns - 1), (0, rows - 1))
            ]
        )


def sanitized(text: str) -> str:
    """The text with all characters replaced that some DICOM values do not allow."""
    return re.sub(r"[^A-Za-z0-9_., -]", "_", text)
