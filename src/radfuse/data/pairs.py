"""Folders of registered 2-D pairs, in the layout of the Harvard brain images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radfuse.errors import InputError, NothingHereError
from radfuse.io.images import read_grey

SLICE_DIGITS = 3
"""Digits at the end of a file's stem that number the slice; those before name the patient."""


@dataclass(frozen=True)
class Pair:
    """A CT and an MR slice of one patient on one grid; uint8, (H, W)."""

    name: str
    patient: str
    ct: NDArray[np.uint8]
    mr: NDArray[np.uint8]


def read_pairs(folder: Path) -> list[Pair]:
    """All pairs of a folder with `CT/NAME.png` and `MRI/NAME.png`, in order of name.

    NAME is a patient's number followed by three digits of a slice: 16009 is patient 16.
    Raises `NothingHereError` without pairs, `InputError` where a file has no partner.
    """
    ct_names = {path.name for path in (folder / "CT").glob("*.png")}
    mr_names = {path.name for path in (folder / "MRI").glob("*.png")}
    if not ct_names:
        raise NothingHereError(f"{folder}: no CT/*.png; a folder with CT/ and MRI/ is needed")
    if lonely := sorted(ct_names ^ mr_names):
        raise InputError(f"{folder}: without a partner in CT/ or MRI/: {', '.join(lonely[:5])}")
    pairs = []
    for name in sorted(ct_names):
        ct, mr = read_grey(folder / "CT" / name), read_grey(folder / "MRI" / name)
        if ct.shape != mr.shape:
            raise InputError(f"{folder}: {name} is {ct.shape} as CT, {mr.shape} as MR")
        stem = Path(name).stem
        pairs.append(Pair(stem, stem[:-SLICE_DIGITS], ct, mr))
    return pairs
