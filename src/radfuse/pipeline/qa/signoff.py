"""A person's verdict goes into a result: record, QA sheet and DICOM objects, or into none."""

import shutil
from pathlib import Path

from radfuse.dicom.write.signoff import sign_series
from radfuse.io.staging import staging
from radfuse.pipeline.dicom_outputs import FOLDERS
from radfuse.pipeline.outputs import QA_SHEET, files_of
from radfuse.pipeline.qa.sheet import sign_sheet
from radfuse.record import Signoff, digest, read_record

SEND_AGAIN = (
    "the DICOM objects were written anew with the verdict and have new UIDs: where unreviewed ones "
    "were sent, send these, too"
)
"""Told of a result with DICOM objects."""


def sign_result(path: Path, signoff: Signoff) -> str:
    """Put a sign-off into the result that a record speaks of; returns what to tell of it.

    The folder of the result is replaced as a whole. An earlier sign-off of it is overwritten.
    Raises `InputError` for a record or an object that cannot be read, `OutputError` where the
    result cannot be written.
    """
    record = read_record(path)
    folder, roles = path.parent, {output.path: output.role for output in record.outputs}
    with staging(folder.parent) as stage:
        signed = stage.place(folder)
        signed.mkdir()
        for entry in folder.iterdir():
            _sign(entry, signed / entry.name, roles.get(entry.name, ""), signoff)
        outputs = tuple(
            output.model_copy(update={"sha256": digest(files_of(signed / output.path))})
            for output in record.outputs
        )
        record = record.model_copy(update={"outputs": outputs, "signoff": signoff})
        (signed / path.name).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return SEND_AGAIN if any((folder / name).is_dir() for name in roles) else ""


def _sign(source: Path, target: Path, role: str, signoff: Signoff) -> None:
    """Write one part of a result anew: signed, or as it is where it says nothing of a review."""
    if role in FOLDERS and source.is_dir():
        sign_series(source, target, signoff)
    elif role == QA_SHEET:
        signed = sign_sheet(source.read_text(encoding="utf-8"), signoff)
        target.write_text(signed, encoding="utf-8")
    else:
        shutil.copy2(source, target)
