"""Where the objects of one run come from, and what therefore all of them say."""

import copy
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset

from radfuse.dicom.write.derived_headers import (
    copy_known,
    derived_header,
    described,
    equipment_item,
    fill_empty,
    has_name,
    source_item,
)
from radfuse.dicom.write.series import fresh_uid
from radfuse.dicom.write.signoff import comment_of
from radfuse.dicom.write.source_slices import SourceSlices, source_slices
from radfuse.series import Series

GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
"""Attributes copied from each CT slice to the letter."""

ACQUISITION = ("ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType",
               "RepetitionTime", "EchoTime", "EchoTrainLength", "InversionTime",
               "MagneticFieldStrength", "FlipAngle")  # fmt: skip
"""Attributes of the MR's acquisition that an object with its values repeats."""

EMPTY_IF_UNKNOWN = (
    "PatientPosition", "ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength",
    "RepetitionTime",
)  # fmt: skip
"""Type 2 attributes of an MR image: present, but empty where the source does not tell."""


@dataclass(frozen=True)
class Origin:
    """What the objects of one run, all in one study and frame, say of where they came from."""

    ct: Series
    mr: Series
    mr_from_ct: sitk.Transform
    method: str
    """Name, or path of an ONNX file."""

    weights_sha256: str | None
    trusted: bool
    registration_id: str
    alignment: str
    """How the alignment is known: `headers`, `file`, `manual`, or the start that led the search to
    it."""

    seen: NDArray[np.bool_]
    """For each slice of the fused image, whether there is anything of the MR in it."""

    window: str
    """The CT window, in words."""

    mr_range: tuple[float, float]
    """MR values that are shown as black and white."""

    @property
    def label(self) -> str:
        """The method in characters that every DICOM value may hold, no folder of anybody's."""
        return plain(re.split(r"[/\\\\]", self.method)[-1])

    @property
    def grid(self) -> str:
        """On which grid the images lie, in words."""
        if self.ct.regridded:
            return "frame of the CT, on the regular grid that its slices were resampled onto"
        return "grid and frame of the CT"

    def header(self, number: int, start: str, label: str, contribution: str) -> Dataset:
        """A new series of this run: study, frame, maker, number and description.

        `contribution` says what the program did.
        """
        header = copy.deepcopy(self._common)
        header.SeriesInstanceUID = fresh_uid()
        header.SeriesNumber = number
        start = start if self.trusted else f"UNTRUSTED {start}"
        header.SeriesDescription = described(start, label)
        header.ContributingEquipmentSequence = [equipment_item(contribution)]
        header.BodyPartExamined = "HEAD"
        return header

    @cached_property
    def _common(self) -> Dataset:
        return derived_header(self.ct)

    def image_header(self, number: int, start: str, label: str, contribution: str) -> Dataset:
        """The same of a series of images."""
        header = self.header(number, start, label, contribution)
        header.BurnedInAnnotation = "NO"
        header.AcquisitionNumber = None
        header.ImageComments = self.comment
        sources = (*self.ct.headers[:1], *self.mr.headers[:1])
        if any(source.get("LossyImageCompression") == "01" for source in sources):
            header.LossyImageCompression = "01"
        return header

    def mr_header(self, number: int, start: str, label: str, contribution: str) -> Dataset:
        """The same of a series of MR images."""
        header = self.image_header(number, start, label, contribution)
        copy_known(header, self.mr, ACQUISITION)
        fill_empty(header, EMPTY_IF_UNKNOWN)
        for keyword, unknown in (("ScanningSequence", "RM"), ("SequenceVariant", "NONE")):
            if not header.get(keyword):
                setattr(header, keyword, unknown)
        header.Modality = "MR"
        header.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
        return header

    @property
    def comment(self) -> str:
        """State of the registration, and the notice."""
        return comment_of(self.registration_id, trusted=self.trusted)

    def slice_attributes(self, index: int) -> Dataset:
        """Geometry of a slice in the digits of the CT, the images that it came from."""
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
            return [source_item(header, preserved=True)] if has_name(header) else []
        return self._ct_slices.cut_by(self._corners_mm(index)) if self._ct_slices else []

    def _mr_items(self, index: int) -> list[Dataset]:
        corners = [self.mr_from_ct.TransformPoint(corner) for corner in self._corners_mm(index)]
        return self._mr_slices.cut_by(np.array(corners)) if self._mr_slices else []

    @cached_property
    def _ct_slices(self) -> SourceSlices | None:
        return source_slices(self.ct)

    @cached_property
    def _mr_slices(self) -> SourceSlices | None:
        return source_slices(self.mr)

    def _corners_mm(self, index: int) -> NDArray[np.float64]:
        """Where the corners of a slice of the CT's grid lie, (4, 3)."""
        columns, rows, _ = self.ct.image.GetSize()
        return np.array(
            [
                self.ct.image.TransformIndexToPhysicalPoint((column, row, index))
                for column, row in product((0, columns - 1), (0, rows - 1))
            ]
        )


def plain(text: str) -> str:
    """Some text in characters that every DICOM value may hold."""
    return re.sub(r"[^A-Za-z0-9_., -]", "_", text)
