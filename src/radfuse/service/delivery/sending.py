"""Send the series of a run to a PACS, and say in words what became of them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from radfuse.dicom.network.address import Address
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.outgoing import SendFailure, collect_files
from radfuse.progress import ProgressCallback
from radfuse.service.delivery.transfers import TransferResult

MAX_REASONS = 3
"""Reasons that a result lists, the most frequent."""


def send_folders(
    name: str, address: Address, folders: Sequence[Path], report: ProgressCallback
) -> TransferResult:
    """Send all objects in folders to a PACS.

    Raises `PeerError` where it cannot be reached, `InputError` where a file cannot be read.
    """
    report("connecting", None)
    outgoing = collect_files(folders)
    refused = connect(address).send(outgoing.files, report)
    failures = [*outgoing.damaged, *refused]
    total = len(outgoing.files) + len(outgoing.damaged)
    return TransferResult(_sentence(name, total, failures), is_complete=not failures)


def _sentence(name: str, total: int, failures: Sequence[SendFailure]) -> str:
    if not failures:
        return f"{total} objects are stored at {name}"
    reasons = Counter(failure.reason for failure in failures).most_common()
    listed = [f"{reason} ({count} objects)" for reason, count in reasons[:MAX_REASONS]]
    more = [f"and {len(reasons) - MAX_REASONS} more reasons"] if reasons[MAX_REASONS:] else []
    return f"{len(failures)} of {total} objects were not stored at {name}: " + "; ".join(
        [*listed, *more]
    )
