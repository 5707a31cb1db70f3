"""Coded concepts: those of the standard, by the dictionary of pydicom."""

import pytest
from pydicom.sr.codedict import codes as standard

from radfuse.dicom import codes


@pytest.mark.parametrize(
    ("code", "keyword"),
    [
        (codes.PROCESSING_EQUIPMENT, "ProcessingEquipment"),
        (codes.BASIC_PROFILE, "BasicApplicationConfidentialityProfile"),
        (codes.SPATIAL_RESAMPLING, "SpatialResampling"),
        (codes.SOURCE_IMAGE, "SourceImageForImageProcessingOperation"),
        (codes.FRAME_OF_REFERENCE_IDENTITY, "FrameOfReferenceIdentity"),
        (codes.CONTENT_BASED_ALIGNMENT, "ImageContentBasedAlignment"),
    ],
)
def test_code_is_that_of_the_standard(code: codes.Code, keyword: str) -> None:
    wanted = getattr(standard.DCM, keyword)
    assert code == (wanted.value, wanted.scheme_designator, wanted.meaning)
