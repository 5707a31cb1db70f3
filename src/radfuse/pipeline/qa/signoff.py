"""Sign-off of a result in record, QA sheet and DICOM objects: in all of them or in none."""

import shutil
from pathlib import Path

from radfuse.dicom.write.signoff import sign_series
from radfuse.io.staging import staging
from radfuse.pipeline.dicom_outputs import FOLDERS
from radfuse.pipeline.outputs import QA_SHEET, files_of
from radfuse.pipeline.qa.form import sign_sheet
from radfuse.record import Signoff, digest, read_record

RESEND_NOTE = (
    "the DICOM objects were written again with the sign-off and new UIDs; send them where the "
    "unreviewed ones were sent"
)
"""Note for a result with DICOM objects."""


def sign_result(path: Path, signoff: Signoff) -> str:
    """Add a sign-off to the result of a record; returns a note for the user, or an empty one.

    The folder of the result is replaced as a whole. An earlier sign-off is overwritten.
    Raises `InputError` for a record or an object that cannot be read, `OutputError` where the
    result cannot be written.
    """
    record = read_record(path)
    folder, roles = path.parent, {output.path: output.role for output in record.outputs}
    with staging(folder.parent) as stage:
        signed = stage.path_of(folder)
        signed.mkdir()
        for entry in folder.iterdir():
            _sign(entry, signed / entry.name, roles.get(entry.name, ""), signoff)
        outputs = tuple(
            output.model_copy(update={"sha256": digest(files_of(signed / output.path))})
            for output in record.outputs
        )
        record = record.model_copy(update={"outputs": outputs, "signoff": signoff})
        (signed / path.name).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return RESEND_NOTE if any((folder / name).is_dir() for name in roles) else ""


def _sign(source: Path, target: Path, role: str, signoff: Signoff) -> None:
    """Write one part of a result again: with the sign-off, or as it is without a review state."""
    if role in FOLDERS and source.is_dir():
        sign_series(source, target, signoff)
    elif source.is_dir():  # of a further image, whose registration is another one
        shutil.copytree(source, target)
    elif role == QA_SHEET:
        signed = sign_sheet(source.read_text(encoding="utf-8"), signoff)
        target.write_text(signed, encoding="utf-8")
    else:
        shutil.copy2(source, target)
