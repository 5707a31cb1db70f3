"""Which series each of several MR is, in folders with several."""

from collections.abc import Sequence
from pathlib import Path

from radfuse.dicom.read.grouping import VOLUME_MARK
from radfuse.errors import InputError
from radfuse.modality import MR
from radfuse.pipeline.arrays import Source
from radfuse.pipeline.read import series_in
from radfuse.series import Series


def _uids_in(source: Source) -> frozenset[str]:
    """UIDs of the MR of a path or series; none of an image in memory."""
    if isinstance(source, Path | str):
        return series_in(Path(source), MR)
    if not isinstance(source, Series):
        return frozenset()
    return frozenset(str(header.get("SeriesInstanceUID")) for header in source.headers[:1])


def chosen_uids(mrs: Sequence[Source], uids: Sequence[str]) -> list[str | None]:
    """The UID for each MR: the first that it contains and no earlier one has; None for the others.

    A single MR has the only UID. Raises `InputError` for a UID that is in none of them, and the
    errors of `series_in`.
    """
    if len(mrs) == len(uids) == 1:
        return list(uids)
    left, chosen = list(uids), []
    for source in mrs:
        own = _uids_in(source) if left else frozenset()
        uid = next((one for one in left if one.partition(VOLUME_MARK)[0] in own), None)
        if uid is not None:
            left.remove(uid)
        chosen.append(uid)
    if left:
        raise InputError(
            f"no --mr is left that contains an MR series with UID {left[0]}; give one UID for each "
            "folder with several, and such a folder as often as series of it are wanted"
        )
    return chosen
