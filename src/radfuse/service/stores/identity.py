"""Whose images a study has: the identity in the headers, for the person at the viewer.

It is a file of its own, and sent by a route of its own: nothing else that is sent names a patient.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from radfuse.io.staging import staging
from radfuse.series import Patient, Series
from radfuse.service.models import FrozenModel

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
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    """Of columns, rows and slices, as `size`."""
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


IMAGES = TypeAdapter(tuple[ImageIdentity, ...])
"""As they are stored."""


def identity_of(series: Series) -> ImageIdentity:
    """The identity in the first header of a series."""
    header = series.headers[0] if series.headers else None

    def value(*keywords: str) -> str:
        texts = (str(header.get(one) or "").strip() for one in keywords) if header else ()
        return next(filter(None, texts), "")

    return ImageIdentity(
        modality=series.modality.code,
        name=value("PatientName"),
        id=value("PatientID"),
        birth_date=_date(value("PatientBirthDate")),
        sex=value("PatientSex"),
        description=value("SeriesDescription", "ProtocolName"),
        date=_date(value("AcquisitionDate", "SeriesDate", "StudyDate")),
        size=series.image.GetSize(),
        spacing_mm=tuple(round(one, 3) for one in series.image.GetSpacing()),
        frame_of_reference=series.frame_of_reference_uid or "",
    )


def _date(text: str) -> str:
    try:
        return datetime.strptime(text, "%Y%m%d").date().isoformat()
    except ValueError:
        return text


def write_identities(folder: Path, images: Sequence[Series]) -> None:
    """Store the identities of the images of a study in its folder."""
    content = IMAGES.dump_json(tuple(map(identity_of, images)), indent=2)
    with staging(folder) as stage:
        stage.path_of(folder / IDENTITY).write_bytes(content)


def read_identities(folder: Path) -> Identities:
    """The identities in the folder of a study; none before it was read by this version."""
    try:
        images = IMAGES.validate_json((folder / IDENTITY).read_bytes())
    except (OSError, ValidationError):
        return Identities()
    first = images[0].patient if images else Patient()
    return Identities(
        images=images, differ=any(first.differs_from(one.patient) for one in images[1:])
    )
