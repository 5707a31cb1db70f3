"""A problem of a DICOM file, and the file as input of the checks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

Severity = Literal["error", "warning"]
"""An error breaks the standard or the geometry; a warning should be checked."""


@dataclass(frozen=True)
class Problem:
    """A problem of a file."""

    severity: Severity
    file: Path
    attribute: str
    """Keyword, preceded by those of enclosing sequences and item numbers from 1; empty for the file
    as a whole."""

    message: str


@dataclass(frozen=True)
class Instance:
    """A DICOM object: a file and its data set, without the pixels."""

    file: Path
    dataset: Dataset
    bytes_in_file: int

    def error(self, attribute: str, message: str) -> Problem:
        """An error in this file."""
        return Problem("error", self.file, attribute, message)

    def warning(self, attribute: str, message: str) -> Problem:
        """A warning about this file."""
        return Problem("warning", self.file, attribute, message)

    @property
    def sop_class(self) -> str:
        """SOP class by the data set, else by the file meta information."""
        meta = getattr(self.dataset, "file_meta", Dataset())
        return self.text("SOPClassUID") or str(meta.get("MediaStorageSOPClassUID") or "")

    def text(self, keyword: str) -> str:
        """The value of an attribute as text; empty if absent."""
        value = self.dataset.get(keyword)
        return "" if value is None else str(value)

    def integer(self, keyword: str, default: int = 0) -> int:
        """The value of an attribute as an integer."""
        value = self.dataset.get(keyword)
        return value if isinstance(value, int) else default

    def numbers(self, keyword: str, count: int) -> NDArray[np.float64] | None:
        """A number of finite values; None if the attribute does not have them."""
        return numbers_of(self.dataset, keyword, count)


def numbers_of(dataset: Dataset, keyword: str, count: int) -> NDArray[np.float64] | None:
    """A number of finite values of an attribute; None if it does not have them.

    A text longer than an explicit VR can state is UN (PS3.5 6.2.2), which pydicom keeps as bytes.
    """
    try:
        value = dataset.get(keyword)
        if isinstance(value, bytes):
            value = value.decode("ascii").rstrip("\0 ").split("\\")
        values = np.array(value, np.float64).ravel()
    except (TypeError, ValueError):
        return None
    return values if values.size == count and np.isfinite(values).all() else None
