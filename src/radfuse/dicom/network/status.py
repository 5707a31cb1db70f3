"""Status values of the storage service class, in words."""

from pydicom import Dataset
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

ADVICE = {
    "Refused: Out of Resources": "make room on the PACS and send it again",
    "Data Set Does Not Match SOP Class": "check the file with `radfuse dicom check`",
    "Cannot Understand": "check the file with `radfuse dicom check`",
    "Refused: SOP Class Not Supported": "enable this SOP class on the PACS",
    "Refused: Not Authorised": "allow this AE title to store objects on the PACS",
}
"""What to do, by the meaning of a status value."""


def store_failure(status: Dataset) -> str | None:
    """Why an object was not stored; None if it was stored, even with a warning."""
    code = status.get("Status")
    if code is None:
        return (
            "no response, the connection was lost; check whether the PACS lets this AE title store "
            "objects, and its log, and send it again"
        )
    if code_to_category(code) in {"Success", "Warning"}:
        return None
    return describe_failure(code)


def describe_failure(code: int) -> str:
    """The status value of a failure, its meaning and what to do."""
    meaning = STORAGE_SERVICE_CLASS_STATUS.get(code, ("", ""))[1] or "unknown meaning"
    return f"status 0x{code:04X}, {meaning}; {ADVICE.get(meaning, 'check the log of the PACS')}"
