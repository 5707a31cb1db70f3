"""The fused volume as a DICOM series: MR Image Storage on the grid of the CT.

Never a CT object: that would claim HU and invite dose calculation.
"""

import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import MRImageStorage

from radfuse.io.dicom.derived import (
    UNREVIEWED,
    code_item,
    copy_known,
    derived_header,
    described,
    equipment_item,
    fill_empty,
    source_item,
)
from radfuse.io.dicom.write import write_series
from radfuse.record import NOTICE
from radfuse.series import Series

SERIES_NUMBER = 301
"""Above the numbers that scanners give."""

FULL_SCALE = 4095
"""The stored value of a fused 1.0: twelve bits, finer than 1 HU in every window preset."""

EMPTY_IF_UNKNOWN = (
    "PatientPosition", "ScanOptions", "MRAcquisitionType", "EchoTime", "EchoTrainLength",
    "RepetitionTime",
)  # fmt: skip
"""Type 2 attributes of an MR image: present, but empty where the source does not tell."""

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

    Errors are those of `write.write_series`.
    """
    ct_headers = origin.ct.slice_headers
    sources = _mr_slices(origin, fused)

    def per_slice(index: int) -> Dataset:
        attributes = Dataset()
        if ct_headers:
            for keyword in GEOMETRY:
                if ct_headers[index].get(keyword) not in (None, ""):
                    attributes[keyword] = ct_headers[index][keyword]
        references = [source_item(ct_headers[index], preserved=True)] if ct_headers else []
        references += [source_item(header, preserved=False) for header in sources[index]]
        if references:
            attributes.SourceImageSequence = references
        if not origin.seen[index]:
            attributes.ImageComments = f"CT alone: the MR did not look here. {NOTICE}"
        return attributes

    return write_series(folder, fused, _template(origin), per_slice=per_slice)


def _template(origin: Origin) -> Dataset:
    header = derived_header(origin.ct)
    copy_known(header, origin.mr, ACQUISITION)
    fill_empty(header, EMPTY_IF_UNKNOWN)
    for keyword, unknown in (("ScanningSequence", "RM"), ("SequenceVariant", "NONE")):
        if not header.get(keyword):
            setattr(header, keyword, unknown)
    header.SOPClassUID = MRImageStorage
    header.Modality = "MR"
    header.SeriesNumber = SERIES_NUMBER
    header.SeriesDescription = described(
        "FUSED CT+MR" if origin.trusted else "UNTRUSTED FUSED CT+MR", origin.label
    )
    header.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    header.BodyPartExamined = "HEAD"
    header.BurnedInAnnotation = "NO"
    header.WindowCenter, header.WindowWidth = str((FULL_SCALE + 1) // 2), str(FULL_SCALE + 1)
    sources = (*origin.ct.headers[:1], *origin.mr.headers[:1])
    if any(source.get("LossyImageCompression") == "01" for source in sources):
        header.LossyImageCompression = "01"
    header.AcquisitionNumber = None
    header.DerivationDescription = (
        f"CT and rigidly registered MR fused by {origin.label}; grid and frame of the CT; CT "
        f"window {origin.window} HU; where the MR did not look, the CT alone. {NOTICE}"
    )
    header.DerivationCodeSequence = [code_item(codes.DCM.SpatialResampling)]
    weights = f", weights sha256 {origin.weights_sha256}" if origin.weights_sha256 else ""
    header.ContributingEquipmentSequence = [equipment_item(f"Fusion by {origin.label}{weights}")]
    quality = "above" if origin.trusted else "BELOW"
    header.ImageComments = (
        f"Registration {origin.registration_id} {UNREVIEWED}; its quality is {quality} the "
        f"threshold of trust. {NOTICE}"
    )
    return header


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
