"""DICOMDIR: the file on a medium that lists its images."""

from collections.abc import Iterable
from pathlib import Path

from radfuse.dicom.read.safe_read import open_dataset


def missing_dicomdir_files(dicomdir: Path, existing: Iterable[Path]) -> list[Path]:
    """The files that a DICOMDIR lists and that are not among the existing ones in its folder.

    Names are compared in any case, for file systems change it. Listed files are not opened, so a
    name that leads outside the folder has no effect.
    """
    records = open_dataset(dicomdir, pixels=False).get("DirectoryRecordSequence") or ()
    listed = [record.get("ReferencedFileID") for record in records]
    parts = [[name] if isinstance(name, str) else list(name) for name in listed if name]
    names = {str(path.relative_to(dicomdir.parent)).lower() for path in existing}
    return [
        dicomdir.parent.joinpath(*map(str, part))
        for part in parts
        if str(Path(*map(str, part))).lower() not in names
    ]
