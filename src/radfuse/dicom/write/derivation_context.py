"""The context that all DICOM objects of one fusion are derived from, and the headers it gives."""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset

from radfuse.arrays import Float32Array, grid_of_slice
from radfuse.dicom.uids import derive_uid, new_uid
from radfuse.dicom.write.derived_headers import (
    add_empty,
    copy_attributes,
    derived_header,
    equipment_item,
    has_reference_uids,
    related_item,
    series_description,
    source_item,
)
from radfuse.dicom.write.encoding import encoded, encoded_item, encoded_sequence
from radfuse.dicom.write.series import SliceSeries, write_slices
from radfuse.dicom.write.signoff import review_comment
from radfuse.dicom.write.source_slices import SourceSlices, source_slices
from radfuse.modality import MR
from radfuse.parallel import WORKERS
from radfuse.record import JobReference
from radfuse.series import Series
from radfuse.verdict import Verdict

GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
"""Attributes copied from each fixed slice digit for digit."""

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

    fixed: Series
    """Its grid is that of the derived images: the CT, or the MR of a PET."""

    moving: Series
    """Registered to the fixed series."""

    moving_from_fixed: sitk.Transform
    """Maps points of the fixed series to points of the moving one, LPS mm."""

    verdict: Verdict
    """Of the registration QA."""

    registration_id: str
    alignment_source: str
    """Where the alignment is from: `headers`, `file`, `manual`, or the start of the search."""

    in_fov: NDArray[np.bool_]
    """For each slice of the derived images, whether it intersects the moving field of view."""

    moving_range: tuple[float, float]
    """Values of the moving series displayed as black and white."""

    method: str = ""
    """Name, or path of an ONNX file; only of fused images."""

    weights_sha256: str | None = None
    window: str = ""
    """That of the fixed series, in words; only of fused images and colour blends."""

    job: JobReference | None = None
    """The job that asked for the objects; without one their UIDs are new."""

    series_offset: int = 0
    """Added to the numbers of the series, where a study has several MR series."""

    @property
    def method_label(self) -> str:
        """The method's name without its folder, in characters that every DICOM value allows."""
        return sanitized(re.split(r"[/\\\\]", self.method)[-1])

    @property
    def direction(self) -> str:
        """From the moving modality to the fixed one, such as `MR to CT`."""
        return f"{self.moving.modality} to {self.fixed.modality}"

    @property
    def grid_description(self) -> str:
        """The grid of the images, in words."""
        if self.fixed.regridded:
            return (
                f"frame of reference of the {self.fixed.modality}, on the regular grid that its "
                "slices were resampled onto"
            )
        return f"grid and frame of reference of the {self.fixed.modality}"

    def series_header(self, number: int, title: str, label: str, contribution: str) -> Dataset:
        """The header of a new series: study, frame of reference, equipment, number, description.

        `contribution` says what the program did.
        """
        header = copy.deepcopy(self._common_header)
        header.SeriesNumber = number + self.series_offset
        header.SeriesInstanceUID = self._series_uid(header.SeriesNumber)
        replaced = self.job.replaces if self.job else ()
        if replaced and header.SeriesInstanceUID not in {one.series for one in replaced}:
            header.RelatedSeriesSequence = [related_item(one) for one in replaced]
        header.SeriesDescription = series_description(f"{self.verdict.mark} {title}".strip(), label)
        header.ContributingEquipmentSequence = [equipment_item(contribution)]
        header.BodyPartExamined = "HEAD"
        return header

    def _series_uid(self, number: int) -> str:
        """New, or that of the job: a repeated job with the same registration gives the same."""
        if self.job is None:
            return new_uid()
        weights = self.weights_sha256 or ""
        parts = (self.job.identity, self.registration_id, weights, version("radfuse"), str(number))
        return derive_uid("job", *parts)

    @cached_property
    def _common_header(self) -> Dataset:
        return derived_header(self.fixed)

    def image_header(self, number: int, title: str, label: str, contribution: str) -> Dataset:
        """The header of a new series of images."""
        header = self.series_header(number, title, label, contribution)
        header.BurnedInAnnotation = "NO"
        header.AcquisitionNumber = None
        header.ImageComments = self.review_comment
        sources = (*self.fixed.headers[:1], *self.moving.headers[:1])
        if any(source.get("LossyImageCompression") == "01" for source in sources):
            header.LossyImageCompression = "01"
        return header

    def mr_header(self, number: int, title: str, label: str, contribution: str) -> Dataset:
        """The header of a new series of MR images."""
        header = self.image_header(number, title, label, contribution)
        source = self.moving if self.moving.modality is MR else self.fixed
        if source.modality is MR:
            copy_attributes(header, source, ACQUISITION)
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

    def write(self, *several: SliceSeries) -> tuple[Path, ...]:
        """Write series on the fixed grid; they appear together. Errors as `write_slices`."""
        return write_slices(self.fixed.image, *several, per_slice=self.slice_attributes)

    @cached_property
    def moving_slice(self) -> Callable[[int], Float32Array]:
        """Returns the moving series on a slice of the fixed grid, linearly interpolated, (Y, X).

        NaN outside its field of view. The series of a fusion share the last slices.
        """

        @lru_cache(maxsize=2 * WORKERS)  # a thread may be a slice ahead of another
        def interpolated(index: int) -> Float32Array:
            grid = grid_of_slice(self.fixed.image, index)
            image = sitk.Resample(
                self.moving.image, grid, self.moving_from_fixed, sitk.sitkLinear, np.nan,
                sitk.sitkFloat32,
            )  # fmt: skip
            values: Float32Array = sitk.GetArrayFromImage(image)[0]
            values.flags.writeable = False
            return values

        return interpolated

    def slice_attributes(self, index: int) -> Dataset:
        """The geometry of a slice in the fixed series' digits, and references to its sources."""
        if index not in self._slice_attributes:
            self._slice_attributes[index] = self._made_slice_attributes(index)
        attributes = Dataset()
        attributes.update(self._slice_attributes[index])
        return attributes

    @cached_property
    def _slice_attributes(self) -> dict[int, Dataset]:
        """Of the slices written so far; the series of a fusion share them."""
        return {}

    def _made_slice_attributes(self, index: int) -> Dataset:
        attributes = Dataset()
        for keyword in GEOMETRY if self.fixed.slice_headers else ():
            if self.fixed.slice_headers[index].get(keyword) not in (None, ""):
                attributes[keyword] = self.fixed.slice_headers[index][keyword]
        made = encoded(attributes)
        references = self._fixed_items(index) + self._moving_items(index)
        if references:
            sequence = encoded_sequence("SourceImageSequence", references)
            made[sequence.tag] = sequence
        return made

    def _fixed_items(self, index: int) -> list[bytes]:
        if self.fixed.slice_headers:
            header = self.fixed.slice_headers[index]
            if not has_reference_uids(header):
                return []
            return [encoded_item(source_item(header, preserved=True))]
        return self._fixed_slices.spanning(self._corners_mm(index)) if self._fixed_slices else []

    def _moving_items(self, index: int) -> list[bytes]:
        corners = [
            self.moving_from_fixed.TransformPoint(corner) for corner in self._corners_mm(index)
        ]
        return self._moving_slices.spanning(np.array(corners)) if self._moving_slices else []

    @cached_property
    def _fixed_slices(self) -> SourceSlices | None:
        return source_slices(self.fixed)

    @cached_property
    def _moving_slices(self) -> SourceSlices | None:
        return source_slices(self.moving)

    def _corners_mm(self, index: int) -> NDArray[np.float64]:
        """The corners of a slice of the fixed grid, (4, 3), LPS mm."""
        columns, rows, _ = self.fixed.image.GetSize()
        return np.array(
            [
                self.fixed.image.TransformIndexToPhysicalPoint((column, row, index))
                for column, row in product((0, columns - 1), (0, rows - 1))
            ]
        )


def sanitized(text: str) -> str:
    """The text with all characters replaced that some DICOM values do not allow."""
    return re.sub(r"[^A-Za-z0-9_., -]", "_", text)
