"""Damaged files of a folder that may be slices of a series."""

from pathlib import Path

import pydicom

from radfuse.dicom.read.safe_read import silenced
from radfuse.dicom.read.scan import Scan, format_paths
from radfuse.dicom.read.series import DicomSeries

CLAIMS = ("SeriesInstanceUID", "Modality")
"""Attributes of a damaged file that say where it belongs, if they can be read."""


def damage_of(scan: Scan, series: DicomSeries) -> str:
    """Why a series may lack slices, with what to do; empty without a damaged file of it."""
    paths = [path for path in scan.broken if _may_belong(path, series, scan)]
    if not paths:
        return ""
    return (
        f"{format_paths(paths)}: {scan.broken[paths[0]]}; may be of the {series.modality} series "
        f"{series.uid}, which then lacks slices; export again, or move away to read the others"
    )


def _may_belong(path: Path, series: DicomSeries, scan: Scan) -> bool:
    """Whether a damaged file states the series, or states no other and is beside its files.

    What it states may be truncated. A UID that no series has proves nothing: it may be damaged, or
    slices may have SeriesInstanceUIDs of their own.
    """
    uid, modality = _claims(path)
    if not series.modality.startswith(modality):
        return False
    if uid and any(own.startswith(uid) for own in _uids(series)):
        return True
    if any(uid in _uids(other) for other in scan.series):
        return False
    beside = [one for one in scan.series if path.parent in {file.parent for file in one.files}]
    return not beside or any(one is series for one in beside)


def _uids(series: DicomSeries) -> set[str]:
    return {str(header.SeriesInstanceUID) for header in series.headers}


def _claims(path: Path) -> list[str]:
    """What can be read of `CLAIMS`; empty for the rest."""
    try:
        with silenced():
            header = pydicom.dcmread(
                path, stop_before_pixels=True, force=True, specific_tags=list(CLAIMS)
            )
            return [str(header.get(keyword) or "") for keyword in CLAIMS]
    except Exception:  # pydicom raises errors of many types at a damaged file
        return [""] * len(CLAIMS)
