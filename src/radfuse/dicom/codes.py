"""Coded concepts, PS3.16: those of DICOM's own scheme that written objects have.

The dictionary of pydicom has all of them, and takes as long to import as numpy.
"""

from typing import NamedTuple


class Code(NamedTuple):
    """A concept."""

    value: str
    scheme_designator: str
    meaning: str


PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
BASIC_PROFILE = Code("113100", "DCM", "Basic Application Confidentiality Profile")
SPATIAL_RESAMPLING = Code("113085", "DCM", "Spatial resampling")
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")
FRAME_OF_REFERENCE_IDENTITY = Code("125021", "DCM", "Frame of Reference Identity")
CONTENT_BASED_ALIGNMENT = Code("125024", "DCM", "Image Content-based Alignment")
