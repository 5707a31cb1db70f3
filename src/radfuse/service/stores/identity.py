"""Whose images a study has: the identity in the headers, for the person at the viewer.

It is a file of its own, and sent by a route of its own: nothing else that is sent names a patient.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydicom import Dataset

from radfuse.dicom.read.safe_read import is_dicom, open_dataset
from radfuse.dicom.read.scan import list_files
from radfuse.io.staging import staging
from radfuse.modality import Modality
from radfuse.series import Patient, Series
from radfuse.service.models import FrozenModel
from radfuse.service.stores.patients import AcceptedPatients, are_different, is_accepted

IDENTITY = "identity.json"
"""File in the folder of a study."""


class ImageIdentity(FrozenModel):
    """Who an image is of, and what it is; empty where its header does not state it."""

    modality: str
    name: str = ""
    id: str = ""
    birth_date: str = ""
    """YYYY-MM-DD, or as the header has it."""
    sex: str = ""
    description: str = ""
    """Of the series."""
    date: str = ""
    """Of the acquisition, series or study."""
    size: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    """Of columns, rows and slices, as `size`; both empty before the image is read."""
    frame_of_reference: str = ""
    """Its UID."""

    @property
    def patient(self) -> Patient:
        """The patient, to be compared."""
        return Patient(self.id, self.name, self.birth_date)


class Identities(FrozenModel):
    """Of the images of a study, the CT first, and whether they are of one patient."""

    images: tuple[ImageIdentity, ...] = ()
    differ: bool = False
    """Whether the headers name different patients."""

    accepted_reason: str = ""
    """Why a person accepted them as one; empty where nobody did."""

    is_withheld: bool = False
    """Whether the patients are left out, since the user may not see them."""

    def without_patients(self) -> "Identities":
        """The images without name, ID, birth date and sex, and without what a person wrote."""
        blank = {"name": "", "id": "", "birth_date": "", "sex": ""}
        images = tuple(one.model_copy(update=blank) for one in self.images)
        return Identities(images=images, differ=self.differ, is_withheld=True)

    @property
    def patients(self) -> tuple[Patient, ...]:
        """The patient of each image."""
        return tuple(one.patient for one in self.images)


IMAGES = TypeAdapter(tuple[ImageIdentity, ...])
"""As they are stored."""


def identity_of(series: Series) -> ImageIdentity:
    """The identity in the first header of a series."""
    header = series.headers[0] if series.headers else Dataset()
    grid = {
        "size": series.image.GetSize(),
        "spacing_mm": tuple(round(one, 3) for one in series.image.GetSpacing()),
    }
    return _identity(header, series.modality).model_copy(update=grid)


def _identity(header: Dataset, modality: Modality) -> ImageIdentity:
    def value(*keywords: str) -> str:
        texts = (str(header.get(one) or "").strip() for one in keywords)
        return next(filter(None, texts), "")

    return ImageIdentity(
        modality=modality.code,
        name=value("PatientName"),
        id=value("PatientID"),
        birth_date=_date(value("PatientBirthDate")),
        sex=value("PatientSex"),
        description=value("SeriesDescription", "ProtocolName"),
        date=_date(value("AcquisitionDate", "SeriesDate", "StudyDate")),
        frame_of_reference=value("FrameOfReferenceUID"),
    )


def identity_in(path: Path, modality: Modality, series_uid: str | None = None) -> ImageIdentity:
    """The identity of an image that is not read yet: of its first file with a header.

    It has no number of slices. Empty where no file states one, such as in an archive.
    """
    for file in list_files(path):
        header = open_dataset(file, pixels=False) if is_dicom(file) else None
        uids = series_uid is None or (header and header.get("SeriesInstanceUID") == series_uid)
        if header is not None and uids and header.get("Modality") == modality.code:
            return _identity(header, modality)
    return ImageIdentity(modality=modality.code)


def _date(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y%m%d").date().isoformat()
    except ValueError:
        return text


def write_identities(
    folder: Path, images: Sequence[Series], unread: Sequence[ImageIdentity] = ()
) -> None:
    """Store the identities of the images of a study in its folder, the unread ones last."""
    content = IMAGES.dump_json((*map(identity_of, images), *unread), indent=2)
    with staging(folder, durable=True) as stage:
        stage.path_of(folder / IDENTITY).write_bytes(content)


def read_identities(folder: Path, accepted: AcceptedPatients | None = None) -> Identities:
    """The identities in the folder of a study; none before it was read by this version.

    `accepted` is what a person accepted in this study.
    """
    try:
        images = IMAGES.validate_json((folder / IDENTITY).read_bytes())
    except (OSError, ValidationError):
        return Identities()
    patients = [one.patient for one in images]
    covers = accepted is not None and is_accepted(patients, accepted)
    return Identities(
        images=images,
        differ=are_different(patients),
        accepted_reason=accepted.reason if accepted and covers else "",
    )
