"""Write structures as an RT Structure Set, with contours on the source slices of a CT."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydicom import Dataset
from pydicom.charset import default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from radfuse.dicom.rtstruct.slice_planes import SlicePlanes, mask_on_slices, slice_planes
from radfuse.dicom.uids import new_uid
from radfuse.dicom.write.derived_headers import (
    add_empty,
    by_series,
    derived_header,
    equipment_item,
    image_item,
    series_description,
)
from radfuse.dicom.write.encoding import file_bytes
from radfuse.errors import InputError
from radfuse.record import NOTICE, SHORT_NOTICE
from radfuse.series import Series
from radfuse.structures.generation import GenerationAlgorithm, described, generation_algorithm
from radfuse.structures.label_maps import Structure
from radfuse.structures.polygons import Contour, keyhole_contour, trace_polygons

HoleEncoding = Literal["keyhole", "xor"]

SERIES_NUMBER = 311
"""Above the numbers that scanners assign, next to those of the fused series."""

LABEL = "RADFUSE RESEARCH"
"""StructureSetLabel: 16 characters, the length of a DICOM SH value."""

IMAGE_ATTRIBUTES = ("PatientPosition", "ContentDate", "ContentTime")
"""Attributes of derived images that a structure set does not have."""

DESCRIPTION_LENGTH = 1024
"""Characters of a DICOM ST value."""

MAX_NAME_LENGTH = 64
"""Characters of an ROIName, a DICOM LO value; TG-263 recommends 16."""

STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, retired: the class in a reference to a study."""

CONTOUR_DATA = Tag("ContourData")
"""x, y, z of each point of a contour."""

COORDINATE_DECIMALS = 4
"""Of a coordinate in mm: 0.1 micrometre, far below the half pixel that decides inside or outside,
and short enough for programs that limit a contour to 64 kB."""

CONTOURING = {
    False: "Contours half-way between voxels.",
    True: "Contours smoothed within 0.3 pixel, area of the voxels kept within 1 %.",
}
"""Sentence in a ROIDescription by `smooth`."""

INTERPRETED_TYPES = ("GTV", "CTV", "PTV")
"""RTROIInterpretedTypes that the beginning of a name states, by TG-263."""


@dataclass(frozen=True)
class WrittenRoi:
    """A structure as it was written."""

    name: str
    volume_cm3: float
    slices: int
    """CT slices with a contour."""

    contours: int


def write_structure_set(
    path: Path,
    ct: Series,
    structures: Iterable[Structure],
    *,
    holes: HoleEncoding = "keyhole",
    smooth: bool = False,
    algorithm: GenerationAlgorithm | None = None,
    source: str = "from masks",
    registration: str = "",
) -> tuple[WrittenRoi, ...]:
    """Write an RT Structure Set that refers to a CT; return a summary of each ROI.

    Parameters
    ----------
    path
        The file; an existing one is replaced. The caller stages it.
    ct
        From DICOM. If its image was resampled on reading, the contours are on its source slices.
    structures
        Masks on the grid of the CT's image; an empty one is written without contours.
    holes
        As a channel of zero width to the outer contour, or as contours combined by exclusive or.
    smooth
        Smooth the contours, see `smooth_contour`; they enclose the same pixels.
    algorithm
        ROIGenerationAlgorithm, if known; by default that of the steps of each structure.
    source
        The source of the structures, in a few words for descriptions.
    registration
        Identifier and review state of the registration of the images on which the structures were
        drawn, in a sentence; empty for none.

    Raises
    ------
    InputError
        The CT is not from DICOM, a header has no instance UID, a name is used twice or is not
        valid in DICOM.
    """
    planes = slice_planes(ct)
    _check_instances(ct)
    header = _header(ct, source, registration)
    frame_uid = header.FrameOfReferenceUID
    items: list[tuple[Dataset, Dataset, Dataset]] = []
    written: list[WrittenRoi] = []
    for number, structure in enumerate(structures, start=1):
        check_roi_name(structure.name, [other.name for other in written])
        contours, slices = _contours(structure, ct, planes, holes, smooth=smooth)
        items.append(
            (
                _roi_item(number, structure, frame_uid, algorithm, source, smooth=smooth),
                _contour_item(number, structure, contours),
                _observation_item(number, structure),
            )
        )
        written.append(WrittenRoi(structure.name, structure.volume_cm3, slices, len(contours)))
    header.StructureSetROISequence = [roi for roi, _, _ in items]
    header.ROIContourSequence = [contours for _, contours, _ in items]
    header.RTROIObservationsSequence = [observation for _, _, observation in items]
    # implicit VR: explicit VR limits a decimal string to 64 kB
    path.write_bytes(file_bytes(header, ImplicitVRLittleEndian))
    return tuple(written)


def _check_instances(ct: Series) -> None:
    for header, file in zip(ct.headers, ct.files, strict=False):
        if not (header.get("SOPInstanceUID") and header.get("SOPClassUID")):
            raise InputError(
                f"{file}: no SOPInstanceUID, which contours on this slice refer to; export the "
                "series again"
            )


def check_roi_name(name: str, others: Sequence[str]) -> None:
    """Raise `InputError` for a name that is invalid in DICOM, or used by another structure.

    Spaces around a name are not significant, PS3.5 section 6.2.
    """
    if not 1 <= len(name.strip()) <= MAX_NAME_LENGTH or "\\" in name or not name.isprintable():
        raise InputError(
            f"structure name {name!r}: DICOM takes 1 to {MAX_NAME_LENGTH} characters without "
            "backslash or line break; TG-263 recommends 16 at most, such as GTVp"
        )
    if name.strip() in {other.strip() for other in others}:
        raise InputError(f"two structures are named '{name}'; give them different names")


def _header(ct: Series, source: str, registration: str) -> Dataset:
    header = derived_header(ct)
    for keyword in IMAGE_ATTRIBUTES:
        if keyword in header:
            delattr(header, keyword)
    header.SpecificCharacterSet = "ISO_IR 192"
    add_empty(header, ("OperatorsName",))
    header.SOPClassUID = RTStructureSetStorage
    header.SOPInstanceUID = new_uid()
    header.Modality = "RTSTRUCT"
    header.SeriesNumber = SERIES_NUMBER
    header.InstanceNumber = 1
    header.SeriesDescription = series_description("STRUCTURES", source)
    header.StructureSetLabel = LABEL
    header.StructureSetName = "RESEARCH, not for treatment planning without independent review"
    description = f"RESEARCH. Structures {source}. {NOTICE} {registration}"
    header.StructureSetDescription = description.strip()[:DESCRIPTION_LENGTH]
    header.StructureSetDate, header.StructureSetTime = header.SeriesDate, header.SeriesTime
    header.ContributingEquipmentSequence = [equipment_item(f"Contours {source}")]
    header.ApprovalStatus = "UNAPPROVED"
    series = []
    for uid, slice_headers in by_series(ct.headers).items():
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ContourImageSequence = [image_item(slice_header) for slice_header in slice_headers]
        series.append(item)
    study = Dataset()
    study.ReferencedSOPClassUID = STUDY_CLASS
    study.ReferencedSOPInstanceUID = header.StudyInstanceUID
    study.RTReferencedSeriesSequence = series
    frame = Dataset()
    frame.FrameOfReferenceUID = header.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    header.ReferencedFrameOfReferenceSequence = [frame]
    return header


def _contours(
    structure: Structure, ct: Series, planes: SlicePlanes, holes: HoleEncoding, *, smooth: bool
) -> tuple[list[Dataset], int]:
    """The contour items of a structure, and the number of their slices."""
    items: list[Dataset] = []
    slices = mask_on_slices(structure.mask, ct, planes)
    (indices,) = np.nonzero(slices.any(axis=(1, 2)))
    for index in map(int, indices):
        for polygon in trace_polygons(slices[index], smooth=smooth):
            with_holes = [polygon.outer, *polygon.holes]
            contours = [keyhole_contour(polygon)] if holes == "keyhole" else with_holes
            items += [
                _contour(planes.points_mm(index, contour), ct.headers[index], holes)
                for contour in contours
            ]
    for number, item in enumerate(items, start=1):
        item.ContourNumber = number
    return items, len(indices)


def _contour(points_mm: Contour, slice_header: Dataset, holes: HoleEncoding) -> Dataset:
    contour = Dataset()
    contour.ContourImageSequence = [image_item(slice_header)]
    contour.ContourGeometricType = "CLOSED_PLANAR" if holes == "keyhole" else "CLOSEDPLANAR_XOR"
    contour.NumberOfContourPoints = len(points_mm)
    data = "\\".join(
        [f"{part:.{COORDINATE_DECIMALS}f}" for part in points_mm.ravel().tolist()]
    ).encode()
    data += b" " * (len(data) % 2)
    contour[CONTOUR_DATA] = RawDataElement(  # pydicom would take minutes to format them
        CONTOUR_DATA, "DS", len(data), data, 0, is_implicit_VR=True, is_little_endian=True
    )
    contour.set_original_encoding(True, True, default_encoding)  # written unchanged
    return contour


def _roi_item(
    number: int,
    structure: Structure,
    frame_uid: str,
    algorithm: GenerationAlgorithm | None,
    source: str,
    *,
    smooth: bool,
) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = frame_uid
    item.ROIName = structure.name
    steps = f"Generated by {described(structure.steps)}. " if structure.steps else ""
    item.ROIDescription = f"RESEARCH. {steps}{CONTOURING[smooth]} {SHORT_NOTICE}"
    item.ROIGenerationAlgorithm = algorithm or generation_algorithm(structure.steps) or ""
    item.ROIGenerationDescription = (described(structure.steps) or source)[:MAX_NAME_LENGTH]
    return item


def _contour_item(number: int, structure: Structure, contours: list[Dataset]) -> Dataset:
    item = Dataset()
    item.ReferencedROINumber = number
    item.ROIDisplayColor = list(structure.colour)
    if contours:
        item.ContourSequence = contours
    return item


def _observation_item(number: int, structure: Structure) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    types = [kind for kind in INTERPRETED_TYPES if structure.name.startswith(kind)]
    item.RTROIInterpretedType = types[0] if types else ""
    item.ROIInterpreter = ""
    return item
