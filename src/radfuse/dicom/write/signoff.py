"""What DICOM objects say of a registration's review: nobody's yet, or a person's verdict.

A verdict is new content. PS3.3 C.12.1.1.9 lets an instance keep its UID through coercion and
correction alone, and an archive that has an instance throws away another one of the same UID. So
signed objects are new instances in new series; what was sent before the sign-off stays unreviewed
wherever it is. Nothing refers to these objects by UID: registration and structures name CT and MR.
"""

import re
from pathlib import Path

import pydicom
from pydicom import Dataset

from radfuse.dicom.write.series import derive_uid, encoded, fresh_uid
from radfuse.errors import InputError
from radfuse.record import NOTICE, Signoff, now

UNREVIEWED = "unreviewed"
"""State of a registration that nobody has accepted or rejected yet."""

COMMENT = re.compile(r"(?<=Registration )(\S+) .*(?=; its quality is )", re.DOTALL)
"""Where a comment states the registration and its review."""

DESCRIPTION = re.compile(r"(?<=, )(unreviewed|accepted|rejected)$")
"""The review in a content description: its last word, for it holds 64 characters."""

UNICODE = "ISO_IR 192"
"""SpecificCharacterSet of objects with a name that is not ASCII."""


def comment_of(registration_id: str, *, trusted: bool) -> str:
    """State of a registration that nobody has reviewed, and the notice."""
    quality = "above" if trusted else "BELOW"
    return (
        f"Registration {registration_id} {UNREVIEWED}; its quality is {quality} the "
        f"threshold of trust. {NOTICE}"
    )


def content_description(registration_id: str) -> str:
    """The same in 64 characters."""
    return f"Rigid, MR to CT, id {registration_id}, {UNREVIEWED}"


def sign_series(source: Path, target: Path, signoff: Signoff) -> None:
    """Write the objects of a series of ours into a new folder, as new instances with a verdict.

    Raises `InputError` for what cannot be read.
    """
    target.mkdir()
    series = fresh_uid()
    for index, path in enumerate(sorted(source.iterdir())):
        try:
            header = pydicom.dcmread(path)
            _sign(header, signoff)
            header.SeriesInstanceUID, header.SOPInstanceUID = series, derive_uid(series, str(index))
            (target / path.name).write_bytes(encoded(header))
        except OSError:
            raise
        except Exception as error:  # pydicom raises whatever it likes at a damaged file
            raise InputError(f"{path}: damaged; run the fusion again") from error


def _sign(header: Dataset, signoff: Signoff) -> None:
    moment = now().astimezone()
    header.InstanceCreationDate, header.InstanceCreationTime = (
        f"{moment:%Y%m%d}",
        f"{moment:%H%M%S}",
    )
    verdict = signoff.sentence()
    if not verdict.isascii():
        header.decode()
        header.SpecificCharacterSet = UNICODE
    if "ContentDescription" in header:
        header.ContentDescription = _replaced(DESCRIPTION, signoff.state, header.ContentDescription)
    if "ImageComments" in header:
        header.ImageComments = _signed(header.ImageComments, verdict)
        return
    for item in header.ContributingEquipmentSequence:
        item.ContributionDescription = _signed(item.ContributionDescription, verdict)


def _signed(comment: str, verdict: str) -> str:
    registration = COMMENT.search(comment)
    return _replaced(COMMENT, f"{registration and registration[1]} {verdict}", comment)


def _replaced(where: re.Pattern[str], by: str, text: str) -> str:
    """A text with a verdict in it; raises `InputError` where it says nothing of a review."""
    signed, count = where.subn(lambda _: by, text)
    if count != 1:
        raise InputError(f"nothing to sign in '{text}'")
    return signed
