"""DICOMDIR: the file on a medium that lists its images."""

from collections.abc import Iterable
from pathlib import Path

from pydicom import Dataset

from radfuse.dicom.read.safe_read import open_dataset

DIRECTORY_NAME = "DICOMDIR"
"""Name of the file in the folder of a medium."""


def missing_dicomdir_files(
    dicomdir: Path, existing: Iterable[Path], instances: frozenset[str] = frozenset()
) -> dict[Path, str]:
    """The files that a DICOMDIR lists and that are missing, with their SeriesInstanceUIDs.

    Missing is what has none of the existing names in its folder, in any case, for file systems
    change it, and none of the existing SOPInstanceUIDs. Objects other than images have no series.
    Listed files are not opened, so a name that leads outside the folder has no effect. A DICOMDIR
    of another name was given a generated one, as its files were: they are shown by the number of
    their record, not by the listed name.
    """
    records = list(open_dataset(dicomdir, pixels=False).get("DirectoryRecordSequence") or ())
    names = {str(path.relative_to(dicomdir.parent)).lower() for path in existing}
    missing = {}
    for number, (record, series) in enumerate(zip(records, _series_uids(records), strict=True), 1):
        listed = record.get("ReferencedFileID") or ()
        parts = Path(*([listed] if isinstance(listed, str) else map(str, listed)))
        is_known = str(record.get("ReferencedSOPInstanceUIDInFile")) in instances
        if listed and not is_known and str(parts).lower() not in names:
            is_image = record.get("DirectoryRecordType") == "IMAGE"
            if dicomdir.name.upper() != DIRECTORY_NAME:
                parts = Path(f"{dicomdir.name} record {number}")
            missing[dicomdir.parent / parts] = series if is_image else ""
    return missing


def _series_uids(records: list[Dataset]) -> list[str]:
    """SeriesInstanceUID above each record: by the offsets, which order them, else by the order."""
    by_offset = {record.seq_item_tell: index for index, record in enumerate(records)}
    uids, above = [""] * len(records), ""
    for index, record in enumerate(records):
        above = str(record.get("SeriesInstanceUID") or above)
        uids[index] = above
    for record in [one for one in records if one.get("SeriesInstanceUID")]:
        offset = record.get("OffsetOfReferencedLowerLevelDirectoryEntity")
        while (found := by_offset.pop(offset, None)) is not None:
            uids[found] = str(record.SeriesInstanceUID)
            offset = records[found].get("OffsetOfTheNextDirectoryRecord")
    return uids
