"""Spatial Registration (REG): the alignment as a DICOM object, written and read.

Its matrices map points of the moving frame to the registered one, the CT's. ITK's transforms map
the other way, a point of the CT to the point of the MR: this module is where one becomes the other.
"""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    SpatialRegistrationStorage,
)
from pydicom.valuerep import format_number_as_ds

from radfuse.dicom.write.derivation_context import Origin
from radfuse.dicom.write.derived_headers import code_item, described, has_name
from radfuse.dicom.write.series import derive_uid, encoded
from radfuse.dicom.write.signoff import content_description
from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.series import Series

Matrix = NDArray[np.float64]

SERIES_NUMBER = 304
"""Above the numbers that scanners give."""

FILE_NAME = "0001.dcm"
"""The one file of the series."""

CONTENT_LABEL = "REGISTRATION"
"""ContentLabel, a word in capitals."""

CT_CLASSES = {CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage}
MR_CLASSES = {MRImageStorage, EnhancedMRImageStorage, LegacyConvertedEnhancedMRImageStorage}
"""Kinds of object by which an item shows which frame it speaks of."""


def why_not(ct: Series, mr: Series) -> str | None:
    """Why a registration cannot be written; None where it can."""
    without = [
        series
        for series in (ct, mr)
        if series.frame_of_reference_uid is None or not all(map(has_name, series.headers))
    ]
    if not without:
        return None
    named = " and ".join(f"the {series.modality}" for series in without)
    verb = "has" if len(without) == 1 else "have"
    return f"{named} {verb} no DICOM frame of reference and images that it could name"


def write_registration(folder: Path, origin: Origin, ct_from_mr: Matrix) -> Path:
    """Write the alignment, a homogeneous 4x4 matrix that maps an MR point to the CT's, LPS mm.

    Both series must have frames of reference, see `why_not`. Returns the path of the file in
    `folder`, which appears as a whole; `OutputError` says why not.
    """
    header = origin.header(SERIES_NUMBER, "REG MR TO CT", "rigid", origin.comment)
    header.SOPClassUID = SpatialRegistrationStorage
    header.SOPInstanceUID = derive_uid(header.SeriesInstanceUID, "0")
    header.Modality = "REG"
    header.InstanceNumber = 1
    header.ContentLabel = CONTENT_LABEL
    header.ContentDescription = content_description(origin.registration_id)
    header.ContentCreatorName = None
    shared = origin.ct.frame_of_reference_uid == origin.mr.frame_of_reference_uid
    from_headers = shared and origin.alignment == "headers"
    identity, content = codes.DCM.FrameOfReferenceIdentity, codes.DCM.ImageContentBasedAlignment
    header.RegistrationSequence = [
        _item(origin.ct, np.eye(4), identity, "The frame of the CT", named=not shared),
        _item(
            origin.mr, ct_from_mr, identity if from_headers else content,
            described("MR to CT, from", origin.alignment), named=not shared,
        ),
    ]  # fmt: skip
    _refer(header, (origin.ct, origin.mr))
    with staging(folder.parent) as stage:
        draft = stage.place(folder)
        draft.mkdir()
        (draft / FILE_NAME).write_bytes(encoded(header))
    return folder / FILE_NAME


def _item(series: Series, matrix: Matrix, kind: Code, comment: str, *, named: bool) -> Dataset:
    """An item of the registration; two series of one frame are told apart by their images alone."""
    part = Dataset()
    part.FrameOfReferenceTransformationMatrixType = "RIGID"
    part.FrameOfReferenceTransformationMatrix = [
        format_number_as_ds(float(number) + 0.0) for number in matrix.ravel()
    ]
    registration = Dataset()
    registration.FrameOfReferenceTransformationComment = comment
    registration.RegistrationTypeCodeSequence = [code_item(kind)]
    registration.MatrixSequence = [part]
    item = Dataset()
    if named:
        item.FrameOfReferenceUID = series.frame_of_reference_uid
    item.ReferencedImageSequence = _instances(series)
    item.MatrixRegistrationSequence = [registration]
    return item


def _instances(series: Series) -> list[Dataset]:
    """References to the images of a series, one a file whatever its frames."""
    classes = {header.SOPInstanceUID: header.SOPClassUID for header in series.headers}
    items = []
    for instance, kind in classes.items():
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = kind, instance
        items.append(item)
    return items


def _refer(header: Dataset, sources: tuple[Series, ...]) -> None:
    """Common Instance Reference: the series of the own study, then those of others."""

    def study_of(series: Series) -> str:
        return str(series.headers[0].get("StudyInstanceUID") or header.StudyInstanceUID)

    by_study = sorted(sources, key=lambda series: study_of(series) != header.StudyInstanceUID)
    for study, several in groupby(by_study, study_of):
        references = []
        for series in several:
            reference = Dataset()
            reference.SeriesInstanceUID = series.headers[0].SeriesInstanceUID
            reference.ReferencedInstanceSequence = _instances(series)
            references.append(reference)
        if study == header.StudyInstanceUID:
            header.ReferencedSeriesSequence = references
            continue
        other = Dataset()
        other.StudyInstanceUID = study
        other.ReferencedSeriesSequence = references
        header.StudiesContainingOtherReferencedInstancesSequence = [other]


@dataclass(frozen=True)
class _Side:
    """One frame of a registration object, and how it maps to the registered one."""

    frame: str | None
    classes: frozenset[str]
    registered_from_it: Matrix


def read_registration(
    path: Path, *, ct_frame: str | None = None, mr_frame: str | None = None
) -> sitk.Transform:
    """Read mr_from_ct, CT point to MR point in LPS mm, from anybody's Spatial Registration.

    Which frame is whose is told by `ct_frame` and `mr_frame`, FrameOfReferenceUIDs, where both are
    known and differ; else by the images that the object refers to. The result is affine;
    whether it is rigid is for the caller to check.

    Raises
    ------
    InputError
        The file is no Spatial Registration, is damaged, speaks of other frames, or does not
        say which is the CT's and which the MR's.
    """
    try:
        header = pydicom.dcmread(path)
        if header.SOPClassUID != SpatialRegistrationStorage:
            raise InputError(
                f"{path}: a DICOM object of class {header.SOPClassUID.name}; a transform is a "
                "Spatial Registration (REG)"
            )
        sides = _sides(header, path)
    except InputError:
        raise
    except Exception as error:  # pydicom raises whatever it likes at a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{path}: a damaged or incomplete registration: {reason}") from error
    ct, mr = _told_apart(sides, ct_frame, mr_frame, path)
    try:
        matrix = np.linalg.inv(mr.registered_from_it) @ ct.registered_from_it
    except np.linalg.LinAlgError as error:
        raise InputError(f"{path}: its matrix cannot be inverted, so it is not rigid") from error
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def _sides(header: Dataset, path: Path) -> list[_Side]:
    """The items; the registered frame itself where no item names it."""
    sides = [
        _Side(
            str(item.FrameOfReferenceUID) if item.get("FrameOfReferenceUID") else None,
            frozenset(
                image.ReferencedSOPClassUID for image in item.get("ReferencedImageSequence") or ()
            ),
            _matrix(item, path),
        )
        for item in header.RegistrationSequence
    ]
    registered = str(header.FrameOfReferenceUID)
    if len(sides) == 1 and sides[0].frame != registered:
        sides.append(_Side(registered, frozenset(), np.eye(4)))
    return sides


def _matrix(item: Dataset, path: Path) -> Matrix:
    (registration,) = item.MatrixRegistrationSequence
    matrices = [
        np.array(part.FrameOfReferenceTransformationMatrix, np.float64).reshape(4, 4)
        for part in registration.MatrixSequence
    ]
    product, reverse = np.eye(4), np.eye(4)
    for matrix in matrices:
        product, reverse = product @ matrix, matrix @ reverse
    if not np.allclose(product, reverse, atol=1e-6):
        raise InputError(
            f"{path}: {len(matrices)} matrices in a row that cannot change places; systems "
            "disagree on which comes first; export the registration as one matrix"
        )
    return product


def _told_apart(
    sides: list[_Side], ct_frame: str | None, mr_frame: str | None, path: Path
) -> tuple[_Side, _Side]:
    """The side of the CT and that of the MR."""
    frames = [side.frame for side in sides]
    known = {frame for frame in (ct_frame, mr_frame) if frame}
    is_one = bool(ct_frame) and ct_frame == mr_frame
    if None not in frames and (not known <= set(frames) or (is_one and known != set(frames))):
        raise InputError(
            f"{path}: registers the frames of reference {', '.join(map(str, frames))}; CT and "
            f"MR have {ct_frame} and {mr_frame}: it belongs to other series"
        )
    if ct_frame and mr_frame and not is_one and None not in frames:
        return sides[frames.index(ct_frame)], sides[frames.index(mr_frame)]
    of_ct, of_mr = (
        [side for side in sides if side.classes & kinds] for kinds in (CT_CLASSES, MR_CLASSES)
    )
    rest = [side for side in sides if side not in of_ct + of_mr]
    of_ct, of_mr = of_ct or rest, of_mr or rest
    if len(of_ct) == len(of_mr) == 1 and of_ct != of_mr:
        return of_ct[0], of_mr[0]
    raise InputError(
        f"{path}: does not say which of its {len(sides)} frames is the CT's and which the MR's; "
        "give CT and MR as DICOM with their frames of reference, or an ITK transform"
    )
