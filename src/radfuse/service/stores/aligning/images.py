"""The images of a study that a person aligns: the MR that is fused, and further ones by label."""

from typing import Annotated

from pydantic import StringConstraints

from radfuse.errors import InputError
from radfuse.record import read_record
from radfuse.schema import Values
from radfuse.service.stores.results import run_folder
from radfuse.service.stores.studies import Studies, Study

FUSED_MR = ""
"""Label of the MR that is fused, which has none."""

ImageLabel = Annotated[str, StringConstraints(max_length=100)]

Sources = tuple[str, str]
"""SHA-256 of the files of the CT and of the image."""


def check_further(study: Study, label: str) -> None:
    """Raise `InputError` unless the current result has a further image with this label."""
    known = [one.label for one in study.outcome.further] if study.outcome else []
    if label not in known:
        raise InputError(
            f"the result has no image {label} to align; there are {', '.join(known)}"
            if known
            else "further images can be aligned after a fusion; fuse first"
        )


def sources_by_label(studies: Studies, identifier: str) -> dict[str, Sources]:
    """The files of each image, also of `FUSED_MR`.

    Raises `UnknownStudyError` for a study that is not there or not prepared.
    """
    study, found = studies.get(identifier), studies.view(identifier).sources
    sources = {FUSED_MR: found}
    if study.outcome is not None:
        run = run_folder(studies.folder_of(identifier), study.current)
        record = read_record(run / study.outcome.record)
        sources |= {one.label: (found[0], one.image.sha256) for one in record.further}
    return sources


def sources_of(studies: Studies, identifier: str, label: str) -> Sources:
    """The files of one image; raises `InputError` where the result has none with this label."""
    if label == FUSED_MR:
        return studies.view(identifier).sources
    check_further(studies.get(identifier), label)
    return sources_by_label(studies, identifier)[label]


def with_image_names(values: Values) -> Values:
    """To version 2, in which any image is aligned, not the MR alone."""
    names = {"mr_from_ct": "image_from_ct", "mr": "image"}
    return {names.get(key, key): value for key, value in values.items()}
