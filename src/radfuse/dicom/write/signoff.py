"""The review state of a registration in DICOM objects: unreviewed, or a person's verdict.

A verdict is new content. PS3.3 C.12.1.1.9 lets an instance keep its UID only through coercion and
correction, and an archive that has an instance discards another one of the same UID. Signed
objects are therefore new instances in new series; instances sent before the sign-off remain
unreviewed. No object refers to these by UID: registration and structures refer to CT and MR.
"""

import re
from pathlib import Path

import pydicom
from pydicom import Dataset

from radfuse.dicom.uids import derive_uid, new_uid
from radfuse.dicom.write.encoding import file_bytes
from radfuse.errors import InputError
from radfuse.record import NOTICE, Signoff, now
from radfuse.verdict import Verdict

UNREVIEWED = "unreviewed"
"""State of a registration that nobody has accepted or rejected yet."""

COMMENT = re.compile(
    r"(?<=Registration )(\S+) .*(?=; (?:registration QA|its quality is) )", re.DOTALL
)
"""The registration and its review in a comment; `its quality is` is in older objects."""

DESCRIPTION = re.compile(r"(?<=, )(unreviewed|accepted|rejected)$")
"""The review in a content description: only its last word, since it holds 64 characters."""

MAX_DESCRIPTION = 1024
"""Characters of a ContributionDescription (VR ST)."""

IN_THE_RECORD = "the record has the whole form"
"""Instead of answers that are too long for an attribute."""

UNICODE = "ISO_IR 192"
"""SpecificCharacterSet of objects with a reviewer's name that is not ASCII."""


def review_comment(registration_id: str, verdict: Verdict) -> str:
    """The comment on an unreviewed registration: its QA result and the notice."""
    return f"Registration {registration_id} {UNREVIEWED}; {verdict.sentence()}. {NOTICE}"


def review_description(direction: str, registration_id: str) -> str:
    """The ContentDescription of an unreviewed registration such as `MR to CT`, 64 characters."""
    return f"Rigid, {direction}, id {registration_id}, {UNREVIEWED}"


def sign_series(source: Path, target: Path, signoff: Signoff) -> None:
    """Write the objects of a series by radfuse into a new folder, as new instances with a verdict.

    Raises `InputError` for a file that cannot be read.
    """
    target.mkdir()
    series = new_uid()
    for index, path in enumerate(sorted(source.iterdir())):
        try:
            header = pydicom.dcmread(path)
            _sign(header, signoff)
            header.SeriesInstanceUID, header.SOPInstanceUID = series, derive_uid(series, str(index))
            (target / path.name).write_bytes(file_bytes(header))
        except OSError:
            raise
        except Exception as error:  # pydicom raises any type for a damaged file
            raise InputError(f"{path}: damaged; run the fusion again") from error


def _sign(header: Dataset, signoff: Signoff) -> None:
    moment = now().astimezone()
    header.InstanceCreationDate, header.InstanceCreationTime = (
        f"{moment:%Y%m%d}",
        f"{moment:%H%M%S}",
    )
    form = signoff.form()
    verdict = f"{signoff.sentence()}; {form}" if form else signoff.sentence()
    if not verdict.isascii():
        header.decode()
        header.SpecificCharacterSet = UNICODE
    if "ContentDescription" in header:
        header.ContentDescription = _replaced(DESCRIPTION, signoff.state, header.ContentDescription)
    if "ImageComments" in header:
        header.ImageComments = _signed(header.ImageComments, verdict)
        return
    for item in header.ContributingEquipmentSequence:
        before, text = item.ContributionDescription, _signed(item.ContributionDescription, verdict)
        if len(text) > MAX_DESCRIPTION:
            text = _signed(before, f"{signoff.sentence()}; {IN_THE_RECORD}")
        item.ContributionDescription = text


def _signed(comment: str, verdict: str) -> str:
    registration = COMMENT.search(comment)
    return _replaced(COMMENT, f"{registration and registration[1]} {verdict}", comment)


def _replaced(pattern: re.Pattern[str], replacement: str, text: str) -> str:
    """The text with its review replaced; raises `InputError` for a text without one."""
    signed, count = pattern.subn(lambda _: replacement, text)
    if count != 1:
        raise InputError(f"'{text}' has no review state; run the fusion again")
    return signed
