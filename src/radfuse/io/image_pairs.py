"""Folders of registered 2-D pairs, in the layout of the Harvard brain images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radfuse.errors import InputError, NoImageError
from radfuse.io.images import read_grey

SLICE_DIGITS = 3
"""Digits at the end of a file's stem that number the slice; those before name the patient."""


@dataclass(frozen=True)
class PairFiles:
    """Where the CT and the MR slice of a pair lie."""

    ct: Path
    mr: Path

    @property
    def name(self) -> str:
        """The stem that both files share."""
        return self.ct.stem

    @property
    def patient(self) -> str:
        """The patient's number; 16009 is patient 16. Other names stand for a patient each."""
        stem, digits = self.name[:-SLICE_DIGITS], self.name[-SLICE_DIGITS:]
        return stem if stem and digits.isdecimal() else self.name


@dataclass(frozen=True)
class Pair:
    """A CT and an MR slice of one patient on one grid; uint8, (H, W)."""

    name: str
    patient: str
    ct: NDArray[np.uint8]
    mr: NDArray[np.uint8]


def find_pairs(folder: Path) -> list[PairFiles]:
    """All pairs of a folder with `CT/NAME.png` and `MRI/NAME.png`, in order of name.

    NAME is a patient's number followed by three digits of a slice.
    Raises `NoImageError` without pairs, `InputError` where a file has no partner.
    """
    ct_names = {path.name for path in (folder / "CT").glob("*.png") if path.is_file()}
    mr_names = {path.name for path in (folder / "MRI").glob("*.png") if path.is_file()}
    if not ct_names:
        raise NoImageError(f"{folder}: no CT/*.png; a folder with CT/ and MRI/ is needed")
    if lonely := sorted(ct_names ^ mr_names):
        raise InputError(f"{folder}: without a partner in CT/ or MRI/: {', '.join(lonely[:5])}")
    return [PairFiles(folder / "CT" / name, folder / "MRI" / name) for name in sorted(ct_names)]


def read_pair(files: PairFiles) -> Pair:
    """The images of a pair; `InputError` where they have different sizes."""
    ct, mr = read_grey(files.ct), read_grey(files.mr)
    if ct.shape != mr.shape:
        folder = files.ct.parent.parent
        raise InputError(f"{folder}: {files.ct.name} is {ct.shape} as CT, {mr.shape} as MR")
    return Pair(files.name, files.patient, ct, mr)


def read_pairs(folder: Path) -> list[Pair]:
    """All pairs of a folder at once; raises as `find_pairs` and `read_pair`."""
    return [read_pair(files) for files in find_pairs(folder)]
