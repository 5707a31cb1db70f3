"""Structures as an RT Structure Set on a CT: contours on the planes of the CT's own slices."""

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

from radfuse.dicom.rtstruct.slice_planes import SlicePlanes, on_slices, slice_planes
from radfuse.dicom.uids import new_uid
from radfuse.dicom.write.derived_headers import (
    add_empty,
    derived_header,
    equipment_item,
    image_item,
    series_description,
)
from radfuse.dicom.write.series import file_bytes
from radfuse.errors import InputError
from radfuse.record import NOTICE, SHORT_NOTICE
from radfuse.series import Series
from radfuse.structures.label_maps import Structure
from radfuse.structures.polygons import Ring, keyholed, trace

Holes = Literal["keyhole", "xor"]
Algorithm = Literal["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"]

SERIES_NUMBER = 311
"""Above the numbers that scanners give, and beside those of the fused series."""

LABEL = "RADFUSE RESEARCH"
"""Label of every structure set: 16 characters, what a DICOM SH value holds."""

FOR_IMAGES = ("PatientPosition", "ContentDate", "ContentTime")
"""Attributes of derived images that a structure set does not have."""

NAME_LENGTH = 64
"""Characters of a structure's name, a DICOM LO value; TG-263 recommends 16."""

STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, retired: what a reference to a study names as its class."""

CONTOUR_DATA = Tag("ContourData")
"""Points of a contour, x, y, z of each."""

DECIMALS = 4
"""Of a coordinate in mm: 0.1 micrometre, far below the half pixel that decides in or out, and
short enough for the 64 kB that other programs may have for a contour."""

INTERPRETED = ("GTV", "CTV", "PTV")
"""Names that begin with one of these say what kind of structure they are, as TG-263 wants it."""


@dataclass(frozen=True)
class Written:
    """What became of a structure."""

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
    holes: Holes = "keyhole",
    algorithm: Algorithm | None = None,
    origin: str = "from masks",
) -> tuple[Written, ...]:
    """Write an RT Structure Set that refers to a CT; return what each structure became.

    Parameters
    ----------
    path
        The file, replaced if it is there; stage it.
    ct
        From DICOM. Where its image was resampled on reading, the contours lie on its source slices.
    structures
        Masks on the grid of the CT's image; an empty one is kept as a name without contours.
    holes
        By a channel of no width to the outer contour, or by contours that exclude each other.
    algorithm
        How the structures came about, where it is known.
    origin
        Where from, in a few words for descriptions.

    Raises
    ------
    InputError
        The CT is not from DICOM, a header has no instance UID, a name is used twice or is none
        that DICOM can hold.
    """
    planes = slice_planes(ct)
    _check_instances(ct)
    header = _header(ct, origin)
    items: list[tuple[Dataset, Dataset, Dataset]] = []
    written: list[Written] = []
    for number, structure in enumerate(structures, start=1):
        check_name(structure.name, [other.name for other in written])
        contours, slices = _contours(structure, ct, planes, holes)
        items.append(
            (
                _roi_item(number, structure, header.FrameOfReferenceUID, algorithm),
                _contour_item(number, structure, contours),
                _observation_item(number, structure),
            )
        )
        written.append(Written(structure.name, structure.volume_cm3, slices, len(contours)))
    header.StructureSetROISequence = [roi for roi, _, _ in items]
    header.ROIContourSequence = [contours for _, contours, _ in items]
    header.RTROIObservationsSequence = [observation for _, _, observation in items]
    path.write_bytes(file_bytes(header, ImplicitVRLittleEndian))
    return tuple(written)


def _check_instances(ct: Series) -> None:
    for header, file in zip(ct.headers, ct.files, strict=False):
        if not (header.get("SOPInstanceUID") and header.get("SOPClassUID")):
            raise InputError(
                f"{file}: no SOPInstanceUID, so contours cannot refer to this slice; export the "
                "series again"
            )


def check_name(name: str, others: Sequence[str]) -> None:
    """Raise `InputError` for a name that DICOM cannot hold, or that another structure has."""
    if not 1 <= len(name.strip()) <= NAME_LENGTH or "\\" in name or not name.isprintable():
        raise InputError(
            f"structure name {name!r}: DICOM takes 1 to {NAME_LENGTH} characters and no backslash "
            "or line break; TG-263 recommends 16 at most, such as GTVp"
        )
    if name in others:
        raise InputError(f"two structures are called '{name}'; give each a name of its own")


def _header(ct: Series, origin: str) -> Dataset:
    header = derived_header(ct)
    for keyword in FOR_IMAGES:
        if keyword in header:
            delattr(header, keyword)
    header.SpecificCharacterSet = "ISO_IR 192"
    add_empty(header, ("OperatorsName",))
    header.SOPClassUID = RTStructureSetStorage
    header.SOPInstanceUID = new_uid()
    header.Modality = "RTSTRUCT"
    header.SeriesNumber = SERIES_NUMBER
    header.InstanceNumber = 1
    header.SeriesDescription = series_description("STRUCTURES", origin)
    header.StructureSetLabel = LABEL
    header.StructureSetName = "RESEARCH, not for treatment planning without independent review"
    header.StructureSetDescription = f"RESEARCH. Structures {origin}. {NOTICE}"
    header.StructureSetDate, header.StructureSetTime = header.SeriesDate, header.SeriesTime
    header.ContributingEquipmentSequence = [equipment_item(f"Contours {origin}")]
    header.ApprovalStatus = "UNAPPROVED"
    series = Dataset()
    series.SeriesInstanceUID = ct.headers[0].SeriesInstanceUID
    series.ContourImageSequence = [image_item(slice_header) for slice_header in ct.headers]
    study = Dataset()
    study.ReferencedSOPClassUID = STUDY_CLASS
    study.ReferencedSOPInstanceUID = header.StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame = Dataset()
    frame.FrameOfReferenceUID = header.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    header.ReferencedFrameOfReferenceSequence = [frame]
    return header


def _contours(
    structure: Structure, ct: Series, planes: SlicePlanes, holes: Holes
) -> tuple[list[Dataset], int]:
    """The contours of a structure, and on how many slices they lie."""
    contours: list[Dataset] = []
    stack = on_slices(structure.mask, ct, planes)
    (indices,) = np.nonzero(stack.any(axis=(1, 2)))
    for index in map(int, indices):
        for region in trace(stack[index]):
            rings = [keyholed(region)] if holes == "keyhole" else [region.outer, *region.holes]
            contours += [
                _contour(planes.points_mm(index, ring), ct.headers[index], holes) for ring in rings
            ]
    for number, contour in enumerate(contours, start=1):
        contour.ContourNumber = number
    return contours, len(indices)


def _contour(points_mm: Ring, slice_header: Dataset, holes: Holes) -> Dataset:
    contour = Dataset()
    contour.ContourImageSequence = [image_item(slice_header)]
    contour.ContourGeometricType = "CLOSED_PLANAR" if holes == "keyhole" else "CLOSEDPLANAR_XOR"
    contour.NumberOfContourPoints = len(points_mm)
    data = "\\".join([f"{part:.{DECIMALS}f}" for part in points_mm.ravel().tolist()]).encode()
    data += b" " * (len(data) % 2)
    contour[CONTOUR_DATA] = RawDataElement(  # as numbers of pydicom they would take minutes
        CONTOUR_DATA, "DS", len(data), data, 0, is_implicit_VR=True, is_little_endian=True
    )
    contour.set_original_encoding(True, True, default_encoding)  # so that it is written as it is
    return contour


def _roi_item(
    number: int, structure: Structure, frame_uid: str, algorithm: Algorithm | None
) -> Dataset:
    item = Dataset()
    item.ROINumber = number
    item.ReferencedFrameOfReferenceUID = frame_uid
    item.ROIName = structure.name
    item.ROIDescription = f"RESEARCH. {SHORT_NOTICE}"
    item.ROIGenerationAlgorithm = algorithm or ""
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
    kinds = [kind for kind in INTERPRETED if structure.name.startswith(kind)]
    item.RTROIInterpretedType = kinds[0] if kinds else ""
    item.ROIInterpreter = ""
    return item
