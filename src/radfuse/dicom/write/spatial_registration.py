"""Spatial Registration (REG): the alignment as a DICOM object, written and read.

Its matrices map points of the moving frame of reference to the registered, fixed one. ITK's
transforms map fixed points to moving ones: this module converts between the two.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import SpatialRegistrationStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.dicom.codes import CONTENT_BASED_ALIGNMENT, FRAME_OF_REFERENCE_IDENTITY, Code
from radfuse.dicom.read.series import CLASSES
from radfuse.dicom.uids import derive_uid
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.derived_headers import (
    by_series,
    code_item,
    has_reference_uids,
    series_description,
)
from radfuse.dicom.write.encoding import file_bytes
from radfuse.dicom.write.signoff import review_description
from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.series import Patient, Series

Matrix = NDArray[np.float64]

SERIES_NUMBER = 304
"""Above the numbers that scanners assign."""

FILE_NAME = "0001.dcm"
"""The only file of the series."""

CONTENT_LABEL = "REGISTRATION"
"""ContentLabel, a code string."""


def unwritable_reason(fixed: Series, moving: Series) -> str | None:
    """Why a Spatial Registration of two series cannot be written; None where it can."""
    unreferable = [
        series.modality.code
        for series in (fixed, moving)
        if series.frame_of_reference_uid is None or not all(map(has_reference_uids, series.headers))
    ]
    if not unreferable:
        return None
    verb = "lacks" if len(unreferable) == 1 else "lack"
    return f"the {' and the '.join(unreferable)} {verb} a frame of reference UID or instance UIDs"


def write_registration(folder: Path, context: DerivationContext, fixed_from_moving: Matrix) -> Path:
    """Write the alignment, a homogeneous 4x4 matrix that maps moving to fixed points, LPS mm.

    Both series must have a frame of reference, see `unwritable_reason`. Returns the path of the
    file in `folder`. Raises `OutputError` where the folder cannot be written.
    """
    header = context.series_header(
        SERIES_NUMBER, f"REG {context.direction.upper()}", "rigid", context.review_comment
    )
    header.SOPClassUID = SpatialRegistrationStorage
    header.SOPInstanceUID = derive_uid(header.SeriesInstanceUID, "0")
    header.Modality = "REG"
    header.InstanceNumber = 1
    header.ContentLabel = CONTENT_LABEL
    header.ContentDescription = review_description(context.direction, context.registration_id)
    header.ContentCreatorName = None
    shared = context.fixed.frame_of_reference_uid == context.moving.frame_of_reference_uid
    from_headers = shared and context.alignment_source == "headers"
    identity, content = FRAME_OF_REFERENCE_IDENTITY, CONTENT_BASED_ALIGNMENT
    header.RegistrationSequence = [
        _item(
            context.fixed, np.eye(4), identity,
            f"The frame of reference of the {context.fixed.modality}", named=not shared,
        ),
        _item(
            context.moving, fixed_from_moving, identity if from_headers else content,
            series_description(f"{context.direction}, from", context.alignment_source),
            named=not shared,
        ),
    ]  # fmt: skip
    _add_common_references(header, (context.fixed, context.moving))
    with staging(folder.parent) as stage:
        draft = stage.path_of(folder)
        draft.mkdir()
        (draft / FILE_NAME).write_bytes(file_bytes(header))
    return folder / FILE_NAME


def _item(series: Series, matrix: Matrix, method: Code, comment: str, *, named: bool) -> Dataset:
    """An item of the registration, unnamed if two series share one frame of reference.

    Only their images then distinguish the two.
    """
    step = Dataset()
    step.FrameOfReferenceTransformationMatrixType = "RIGID"
    step.FrameOfReferenceTransformationMatrix = [
        format_number_as_ds(float(number) + 0.0) for number in matrix.ravel()
    ]
    registration = Dataset()
    registration.FrameOfReferenceTransformationComment = comment
    registration.RegistrationTypeCodeSequence = [code_item(method)]
    registration.MatrixSequence = [step]
    item = Dataset()
    if named:
        item.FrameOfReferenceUID = series.frame_of_reference_uid
    item.ReferencedImageSequence = _instances(series.headers)
    item.MatrixRegistrationSequence = [registration]
    return item


def _instances(headers: Iterable[Dataset]) -> list[Dataset]:
    """References to images, one per file, multi-frame or not."""
    classes = {header.SOPInstanceUID: header.SOPClassUID for header in headers}
    items = []
    for instance, sop_class in classes.items():
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        items.append(item)
    return items


def _add_common_references(header: Dataset, sources: tuple[Series, ...]) -> None:
    """Common Instance Reference: the series of the same study, then those of others."""

    def study_of(series: Series) -> str:
        return str(series.headers[0].get("StudyInstanceUID") or header.StudyInstanceUID)

    by_study = sorted(sources, key=lambda series: study_of(series) != header.StudyInstanceUID)
    for study, members in groupby(by_study, study_of):
        references = []
        for uid, headers in (item for one in members for item in by_series(one.headers).items()):
            reference = Dataset()
            reference.SeriesInstanceUID = uid
            reference.ReferencedInstanceSequence = _instances(headers)
            references.append(reference)
        if study == header.StudyInstanceUID:
            header.ReferencedSeriesSequence = references
            continue
        other = Dataset()
        other.StudyInstanceUID = study
        other.ReferencedSeriesSequence = references
        header.StudiesContainingOtherReferencedInstancesSequence = [other]


@dataclass(frozen=True)
class _Frame:
    """A frame of reference in a registration object, and its matrix to the registered one."""

    uid: str | None
    classes: frozenset[str]
    """SOP classes of the images referenced in it."""

    instances: frozenset[str]
    """UIDs of these images."""

    registered_from_frame: Matrix


def read_registration(
    path: Path, fixed: Series, moving: Series, *, accept_patients: bool = False
) -> sitk.Transform:
    """Read moving_from_fixed, fixed to moving points in LPS mm, from a Spatial Registration.

    The frames of reference of the series identify those of the object where both are known and
    differ; otherwise the images that it references do. The result is affine; the caller checks
    whether it is rigid. Raises `InputError` for a file that is not a Spatial Registration, is
    damaged, is of another patient unless that is accepted, registers other frames of reference or
    images, or does not identify those of the series.
    """
    try:
        header = pydicom.dcmread(path)
        if header.SOPClassUID != SpatialRegistrationStorage:
            raise InputError(
                f"{path}: a DICOM object of class {header.SOPClassUID.name}; pass a Spatial "
                "Registration (REG) as the transform"
            )
        frames = _frames(header, path)
    except InputError:
        raise
    except Exception as error:  # pydicom raises any type for a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"{path}: damaged or incomplete Spatial Registration ({reason}); export it again"
        ) from error
    patient = Patient.of(header)
    if not accept_patients and any(
        patient.differs_from(series.patient) for series in (fixed, moving)
    ):
        raise InputError(
            f"{path}: the registration of another patient; pass that of these series; if all are "
            "of one person, pass --accept-patients"
        )
    of_fixed, of_moving = _identify(frames, fixed, moving, path)
    try:
        matrix = np.linalg.inv(of_moving.registered_from_frame) @ of_fixed.registered_from_frame
    except np.linalg.LinAlgError as error:
        raise InputError(
            f"{path}: the matrix is singular, so it is not rigid; export it again"
        ) from error
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def _frames(header: Dataset, path: Path) -> list[_Frame]:
    """The frames of the items, and the registered frame where no item has it."""
    frames = []
    for item in header.RegistrationSequence:
        images = item.get("ReferencedImageSequence") or ()
        frames.append(
            _Frame(
                str(item.FrameOfReferenceUID) if item.get("FrameOfReferenceUID") else None,
                frozenset(image.ReferencedSOPClassUID for image in images),
                frozenset(str(image.ReferencedSOPInstanceUID) for image in images),
                _matrix(item, path),
            )
        )
    registered = str(header.FrameOfReferenceUID)
    if len(frames) == 1 and frames[0].uid != registered:
        frames.append(_Frame(registered, frozenset(), frozenset(), np.eye(4)))
    return frames


def _matrix(item: Dataset, path: Path) -> Matrix:
    (registration,) = item.MatrixRegistrationSequence
    matrices = [
        np.array(step.FrameOfReferenceTransformationMatrix, np.float64).reshape(4, 4)
        for step in registration.MatrixSequence
    ]
    product, reversed_product = np.eye(4), np.eye(4)
    for matrix in matrices:
        product, reversed_product = product @ matrix, matrix @ reversed_product
    if not np.allclose(product, reversed_product, atol=1e-6):
        raise InputError(
            f"{path}: a chain of {len(matrices)} matrices that do not commute, whose order is "
            "ambiguous; export the registration as one matrix"
        )
    return product


def _is_identified(frame: _Frame) -> bool:
    return bool(frame.uid or frame.instances)


def _identify(
    frames: list[_Frame], fixed: Series, moving: Series, path: Path
) -> tuple[_Frame, _Frame]:
    """The frame of the fixed series and that of the moving one."""
    fixed_uid, moving_uid = fixed.frame_of_reference_uid, moving.frame_of_reference_uid
    names = f"{fixed.modality} and {moving.modality}"
    uids = [frame.uid for frame in frames]
    known = {uid for uid in (fixed_uid, moving_uid) if uid}
    is_shared = bool(fixed_uid) and fixed_uid == moving_uid
    if None not in uids and (not known <= set(uids) or (is_shared and known != set(uids))):
        raise InputError(
            f"{path}: registers the frames of reference {', '.join(map(str, uids))}, but {names} "
            f"have {fixed_uid} and {moving_uid}; pass the registration of these series"
        )
    if fixed_uid and moving_uid and not is_shared and None not in uids:
        return frames[uids.index(fixed_uid)], frames[uids.index(moving_uid)]
    of_fixed, of_moving = (
        [frame for frame in frames if frame.classes & CLASSES[series.modality.code]]
        for series in (fixed, moving)
    )
    rest = [frame for frame in frames if frame not in of_fixed + of_moving]
    of_fixed, of_moving = of_fixed or rest, of_moving or rest
    identified = all(map(_is_identified, of_fixed + of_moving))
    if len(of_fixed) == len(of_moving) == 1 and of_fixed != of_moving and identified:
        _check_images(of_fixed[0], fixed, path)
        _check_images(of_moving[0], moving, path)
        return of_fixed[0], of_moving[0]
    raise InputError(
        f"{path}: does not identify which of its {len(frames)} frames of reference is the "
        f"{fixed.modality}'s and which the {moving.modality}'s; pass {names} as DICOM with frames "
        "of reference, or an ITK transform"
    )


def _check_images(frame: _Frame, series: Series, path: Path) -> None:
    """Raise `InputError` for a frame of other images, or of another frame of reference."""
    own = {str(header.get("SOPInstanceUID")) for header in series.headers}
    has_others = frame.instances and frame.instances.isdisjoint(own)
    if has_others or frame.uid not in {None, series.frame_of_reference_uid or frame.uid}:
        raise InputError(
            f"{path}: registers other images than those of the {series.modality}, or another "
            "frame of reference; pass the registration of these series"
        )
