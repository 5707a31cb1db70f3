"""Folders of registered 2-D CT-MR pairs, in the layout of the Harvard brain images."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radfuse.errors import InputError, NoImageError
from radfuse.io.images import read_grey

STEMS = (
    r"(sub-[A-Za-z0-9]+)_.+",  # BIDS
    r"(\d+)\d{3}",  # Harvard: patient's number and three digits of the slice
    r"(.+?)[_-]slice[_-]?\d+",
    r"([^_]*\d[^_]*)_(?:.*_)?\d+",
)
"""Patterns of stems that state patient and slice; the group is the patient."""


DataSet = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$")]
"""Name of the data set that patients belong to, as `harvard`; empty where it is unknown."""


def named_patient(patient: str, data_set: DataSet) -> str:
    """`harvard:2` for patient 2 of the data set `harvard`; the ID alone where that is unknown.

    IDs as 2 occur in many data sets, so that only patients of named data sets can be compared. An
    ID that names a data set, as `harvard:2`, stays.
    """
    return f"{data_set}:{patient}" if data_set and not names_data_set(patient) else patient


def names_data_set(patient: str) -> bool:
    """Whether the data set of a patient is known, by `named_patient`."""
    return ":" in patient


@dataclass(frozen=True)
class ImagePairFiles:
    """The files of the CT and the MR slice of a pair."""

    ct: Path
    mr: Path

    @property
    def name(self) -> str:
        """The common stem of both files."""
        return self.ct.stem

    @property
    def patient(self) -> str:
        """The patient by the stem: 16 for 16009, sub-01 for sub-01_slice-003, P7 for P7_012.

        A stem of another form, as img001, is a patient of its own.
        """
        matches = (re.fullmatch(pattern, self.name) for pattern in STEMS)
        return next((match[1] for match in matches if match), self.name)


@dataclass(frozen=True)
class ImagePair:
    """A CT and an MR slice of one patient on one grid; uint8, (H, W)."""

    name: str
    patient: str
    ct: NDArray[np.uint8]
    mr: NDArray[np.uint8]


def find_image_pairs(folder: Path, first: str = "CT") -> list[ImagePairFiles]:
    """All pairs of a folder with `CT/NAME.png` and `MRI/NAME.png`, sorted by name.

    `first` is the folder instead of CT: `PET` or `SPECT`, whose files are then
    `ImagePairFiles.ct`. NAME states patient and slice, see `ImagePairFiles.patient`.
    Raises `NoImageError` without pairs, `InputError` for a file without its counterpart.
    """
    ct_names = {path.name for path in (folder / first).glob("*.png") if path.is_file()}
    mr_names = {path.name for path in (folder / "MRI").glob("*.png") if path.is_file()}
    if not ct_names:
        raise NoImageError(f"{folder}: no {first}/*.png; give a folder with {first}/ and MRI/")
    if single := sorted(ct_names ^ mr_names):
        raise InputError(
            f"{folder}: only in one of {first}/ and MRI/: {', '.join(single[:5])}; add the other"
        )
    return [
        ImagePairFiles(folder / first / name, folder / "MRI" / name) for name in sorted(ct_names)
    ]


def read_image_pair(files: ImagePairFiles) -> ImagePair:
    """The images of a pair; raises `InputError` if their sizes differ."""
    ct, mr = read_grey(files.ct), read_grey(files.mr)
    if ct.shape != mr.shape:
        folder = files.ct.parent.parent
        raise InputError(
            f"{folder}: {files.ct.name} has (rows, columns) {ct.shape} in CT/ and {mr.shape} in "
            "MRI/; resample one of them"
        )
    return ImagePair(files.name, files.patient, ct, mr)


def read_image_pairs(folder: Path) -> list[ImagePair]:
    """All pairs of a folder at once; raises as `find_image_pairs` and `read_image_pair`."""
    return [read_image_pair(files) for files in find_image_pairs(folder)]
