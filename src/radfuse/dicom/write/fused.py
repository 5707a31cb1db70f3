"""The fused volume as a DICOM series: MR Image Storage on the grid of the fixed series.

Never a CT object: that would claim HU and invite dose calculation.
"""

from dataclasses import replace
from pathlib import Path

import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import MRImageStorage

from radfuse.dicom.codes import SPATIAL_RESAMPLING
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.derived_headers import code_item
from radfuse.dicom.write.series import SliceSeries, image_series
from radfuse.record import NOTICE

SERIES_NUMBER = 301
"""Above the numbers that scanners assign."""

FULL_SCALE = 4095
"""The stored value of a fused 1.0: twelve bits, finer than 1 HU in every window preset."""


def fused_series(folder: Path, fused: sitk.Image, context: DerivationContext) -> SliceSeries:
    """The series of a fused volume (stored values up to `FULL_SCALE`, the fixed grid)."""
    method = context.method_label
    fixed, moving = context.fixed.modality, context.moving.modality
    weights = f", weights sha256 {context.weights_sha256}" if context.weights_sha256 else ""
    header = context.mr_header(
        SERIES_NUMBER, f"FUSED {fixed}+{moving}", method, f"Fusion by {method}{weights}"
    )  # fmt: skip
    header.SOPClassUID = MRImageStorage
    header.WindowCenter, header.WindowWidth = str((FULL_SCALE + 1) // 2), str(FULL_SCALE + 1)
    header.DerivationDescription = (
        f"{fixed} and rigidly registered {moving} fused by {method}; {context.grid_description}; "
        f"{fixed} window {f'{context.window} {fixed.unit}'.strip()}; {fixed} only outside the "
        f"{moving} field of view. {NOTICE}"
    )
    header.DerivationCodeSequence = [code_item(SPATIAL_RESAMPLING)]

    def outside_fov(index: int) -> Dataset:
        attributes = Dataset()
        if not context.in_fov[index]:
            attributes.ImageComments = (
                f"{fixed} only: outside the {moving} field of view. {context.review_comment}"
            )
        return attributes

    return replace(image_series(folder, fused, header), own_attributes=outside_fov)
