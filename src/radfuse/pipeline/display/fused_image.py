"""What the results of all fusions have: an array with its geometry, a text, display, saving."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import SimpleITK as sitk

from radfuse.arrays import Float32Array, Float64Array, affine_of
from radfuse.pipeline.display.browser import show_html
from radfuse.pipeline.display.html import result_html
from radfuse.pipeline.display.planes import Panel, image_panel, volume_panels
from radfuse.record import Record
from radfuse.verdict import Assessment, Grade, at_most

QA_WORDS: dict[Grade, str] = {
    "pass": "QA passed", "inspect": "QA: inspect", "refuse": "QA FAILED",
}  # fmt: skip
"""Grades in the line of a result."""

MAX_NAME = 24
"""Characters of a method in the line of a result; names of files may be long."""

NOT_REGISTERED = "2-D images are not registered"


class FusedImage(ABC):
    """A fused image with its record; a base class, see `Result`."""

    record: Record
    written: Path | None

    @property
    @abstractmethod
    def fused(self) -> Float32Array:
        """A copy of the fused image in [0, 1]: (slices, rows, columns), or (rows, columns).

        In colour with a last axis of three: red, green, blue.
        """

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance of columns, rows and slices; empty for a 2-D image."""
        spacing: tuple[float, ...] = () if self._volume is None else self._volume.GetSpacing()
        return spacing

    @property
    def affine(self) -> Float64Array | None:
        """Indices (column, row, slice, 1) to RAS mm, (4, 4), as in NIfTI; None of a 2-D image.

        `nibabel.Nifti1Image(result.fused.T, result.affine)` is the image in nibabel.
        """
        return None if self._volume is None else affine_of(self._volume)

    @property
    def registration_qa(self) -> str:
        """The result of registration QA, with the estimated error in mm, in one sentence."""
        return self._assessment.sentence() if self._assessment else NOT_REGISTERED

    @property
    @abstractmethod
    def findings(self) -> str:
        """Which kinds of findings the method keeps, and which it may hide, in one line."""

    @abstractmethod
    def save(self, output: Path | str, *, overwrite: bool = False) -> Self:
        """Write what `radfuse.fuse` writes with an output, and return the result with its path.

        `output` and errors are those of `radfuse.fuse`.
        """

    def show(self) -> None:
        """Show the planes and what QA found, in a notebook or in the web browser.

        No file is written. Raises `OutputError` where there is no browser.
        """
        show_html(self._title, self._repr_html_())

    @property
    @abstractmethod
    def _volume(self) -> sitk.Image | None:
        """The fused volume; None of a 2-D image."""

    @property
    @abstractmethod
    def _assessment(self) -> Assessment | None:
        """The result of registration QA; None of 2-D images."""

    @property
    @abstractmethod
    def _centre(self) -> Sequence[int]:
        """A voxel (column, row, slice) in the middle of the head."""

    @property
    def _title(self) -> str:
        sources = " and ".join(one.role for one in self.record.inputs[:2])
        return f"{sources} fused by {self._method}"

    @property
    def _method(self) -> str:
        name = str(self.record.method["name"])
        return name if len(name) <= MAX_NAME else f"...{name[3 - MAX_NAME :]}"

    def _panels(self) -> list[Panel]:
        volume = self._volume
        if volume is None:
            return [image_panel(self.fused)]
        return volume_panels(volume, self.record.scaling["Fused 1.0 is stored as"], self._centre)

    def _repr_html_(self) -> str:
        """Three planes through the middle of the head, registration QA, findings, warnings."""
        warnings = (one for one in self.record.warnings if one != self.registration_qa)
        facts = {
            "Registration QA": self.registration_qa,
            "Findings": self.findings,
            "Warnings": "; ".join(warnings),
        }
        return result_html(self._title, self._panels(), facts)

    def __repr__(self) -> str:
        """One line: method, size, registration QA."""
        size = " x ".join(map(str, self._size))
        text = f"<{type(self).__name__}: {self._title}, {size}"
        if assessment := self._assessment:
            text += f", {QA_WORDS[assessment.grade]}"
            if assessment.grade != "refuse":
                text += f", error up to {at_most(assessment.verdict.high_mm)} mm"
        return f"{text}>"

    @property
    def _size(self) -> tuple[int, ...]:
        if self._volume is not None:
            size: tuple[int, ...] = self._volume.GetSize()
            return size
        return self.fused.shape[1::-1]


def middle_of(box: tuple[slice, slice, slice]) -> tuple[int, int, int]:
    """The voxel (column, row, slice) in the middle of a box of slices, rows and columns."""
    z, y, x = ((part.start + part.stop) // 2 for part in box)
    return x, y, z
