"""One thing that is wrong with a DICOM file, and the file as the checks see it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

Severity = Literal["error", "warning"]
"""An error breaks the standard or the geometry; a warning should be checked."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a file."""

    severity: Severity
    file: Path
    attribute: str
    """Keyword, with those of the sequences around it and the numbers of the items, from 1 on;
    empty for the file as a whole."""

    message: str


@dataclass(frozen=True)
class Instance:
    """One object: a file and its data set, without the pixels."""

    file: Path
    dataset: Dataset
    bytes_in_file: int

    def error(self, attribute: str, message: str) -> Finding:
        """An error in this file."""
        return Finding("error", self.file, attribute, message)

    def warning(self, attribute: str, message: str) -> Finding:
        """A warning about this file."""
        return Finding("warning", self.file, attribute, message)

    @property
    def sop_class(self) -> str:
        """SOP class by the data set, else by the file meta information."""
        meta = getattr(self.dataset, "file_meta", Dataset())
        return self.text("SOPClassUID") or str(meta.get("MediaStorageSOPClassUID") or "")

    def text(self, keyword: str) -> str:
        """The value of an attribute as text; empty where there is none."""
        value = self.dataset.get(keyword)
        return "" if value is None else str(value)

    def whole(self, keyword: str, default: int = 0) -> int:
        """The value of an attribute as a whole number."""
        value = self.dataset.get(keyword)
        return value if isinstance(value, int) else default

    def numbers(self, keyword: str, count: int) -> NDArray[np.float64] | None:
        """So many finite numbers; None where the attribute does not have them."""
        return numbers_of(self.dataset, keyword, count)


def numbers_of(dataset: Dataset, keyword: str, count: int) -> NDArray[np.float64] | None:
    """So many finite numbers of an attribute; None where it does not have them."""
    try:
        values = np.array(dataset.get(keyword), np.float64).ravel()
    except (TypeError, ValueError):
        return None
    return values if values.size == count and np.isfinite(values).all() else None
