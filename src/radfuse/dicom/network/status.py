"""Status values of storage, in words."""

from pydicom import Dataset
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

ADVICE = {
    "Refused: Out of Resources": "make room on the PACS and send it again",
    "Data Set Does Not Match SOP Class": "check the file with `radfuse dicom check`",
    "Cannot Understand": "check the file with `radfuse dicom check`",
    "Refused: SOP Class Not Supported": "the PACS must be set up for this class of object",
    "Refused: Not Authorised": "the PACS must be told to take objects from this program",
}
"""What to do, by the meaning of a status."""


def refusal(status: Dataset) -> str | None:
    """Why an object was not stored; None if it was, be it with a warning."""
    code = status.get("Status")
    if code is None:
        return "no answer, the connection was lost; send it again, and look at the PACS's log"
    if code_to_category(code) in {"Success", "Warning"}:
        return None
    return explained(code)


def explained(code: int) -> str:
    """A status value that tells of a failure, its meaning and what to do."""
    meaning = STORAGE_SERVICE_CLASS_STATUS.get(code, ("", ""))[1] or "of no known meaning"
    return f"status 0x{code:04X}, {meaning}; {ADVICE.get(meaning, 'look at the log of the PACS')}"
