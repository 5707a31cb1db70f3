"""Landmark pairs of a study on disk, a file for each image, written before a request ends."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.record import NOTICE
from radfuse.schema import Values, VersionedModel
from radfuse.service.models import Point, RequestModel
from radfuse.service.stores.aligning.images import (
    FUSED_MR,
    ImageLabel,
    Sources,
    sources_of,
    with_image_names,
)
from radfuse.service.stores.revisions import check_revision
from radfuse.service.stores.studies import Studies

LANDMARKS = "landmarks.json"
"""File of the pairs in CT and the MR that is fused, in a study's folder; those of another image
have a hash of its label in the name."""

MAX_PAIRS = 200
"""Landmark pairs of an image."""

MAX_WEIGHT = 100.0
"""Largest weight of a pair."""

PairName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]


class LandmarkPair(RequestModel):
    """One landmark in the CT and in another image, LPS mm."""

    model_config = ConfigDict(frozen=True)

    ct: Point
    image: Point
    name: PairName = ""
    weight: Annotated[float, Field(gt=0, le=MAX_WEIGHT)] = 1.0


Pairs = Annotated[tuple[LandmarkPair, ...], Field(max_length=MAX_PAIRS)]


def _with_image(values: Values) -> Values:
    pairs = values.get("pairs", ())
    if not isinstance(pairs, list):  # they are models already, or damaged
        return values
    renamed = [with_image_names(one) if isinstance(one, dict) else one for one in pairs]
    return {**values, "pairs": renamed}


class Landmarks(VersionedModel):
    """The landmark pairs of an image, as stored on disk."""

    migrations = (_with_image,)

    notice: str = NOTICE
    image: ImageLabel = FUSED_MR
    """Label of the image."""

    revision: int = Field(default=0, ge=0)
    """Number of changes; 0 before the first."""

    sources: Sources | None = None
    """Of the images in which they were marked."""

    pairs: Pairs = ()


class LandmarksChange(RequestModel):
    """All landmark pairs of an image."""

    revision: int
    """Revision that was changed."""

    pairs: Pairs


class LandmarkStore:
    """Landmark pairs of all studies; each change is on disk before it is returned.

    All of it raises `UnknownStudyError` for a study that is not there or not prepared, and
    `InputError` for the label of no image.
    """

    def __init__(self, studies: Studies) -> None:
        self._studies = studies

    def get(self, study: str, image: str) -> Landmarks:
        """The pairs of an image, none at first; `InputError` where their file is damaged."""
        sources_of(self._studies, study, image)
        path = self._studies.folder_of(study) / _file_of(image)
        if not path.is_file():
            return Landmarks(image=image)
        try:
            return Landmarks.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise InputError(
                f"the landmark pairs cannot be read: {path.name} is damaged; restore it from a "
                "backup or delete it"
            ) from error

    def are_of_other_images(self, study: str, landmarks: Landmarks) -> bool:
        """Whether the files of the CT or of the image have changed since the pairs were saved."""
        present = sources_of(self._studies, study, landmarks.image)
        return landmarks.sources not in (None, present)

    def write(self, study: str, image: str, change: LandmarksChange) -> Landmarks:
        """Replace the pairs of an image; raises `StaleRevisionError` for another revision."""
        with self._studies.locked(study) as folder:
            before = self.get(study, image)
            check_revision("the landmark pairs", before.revision, change.revision)
            changed = Landmarks(
                image=image,
                revision=before.revision + 1,
                sources=sources_of(self._studies, study, image),
                pairs=change.pairs,
            )
            with staging(folder, durable=True) as stage:
                path = stage.path_of(Path(_file_of(image)))
                path.write_text(changed.model_dump_json(indent=2), encoding="utf-8")
        return changed


def _file_of(image: str) -> str:
    if image == FUSED_MR:
        return LANDMARKS
    return f"landmarks-{sha256(image.encode()).hexdigest()[:16]}.json"
