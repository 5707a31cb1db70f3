"""The result of a fusion."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import SimpleITK as sitk

from radfuse.dicom.read.nuclear.pet import attenuation_warnings
from radfuse.pipeline.align import Alignment
from radfuse.pipeline.study.colours import FusedColours
from radfuse.pipeline.volume import Region
from radfuse.record import Record
from radfuse.series import Series
from radfuse.verdict import Assessment


class RigidAlignment(Protocol):
    """The alignment of an image with the one on whose grid it is brought."""

    @property
    def origin(self) -> str:
        """Where it is from: headers, a file, the initial pose of a search."""

    @property
    def moving_from_fixed(self) -> sitk.Transform:
        """Maps a point of the fixed image to one of the moving image, LPS mm."""

    @property
    def quality(self) -> Assessment:
        """The result of registration QA."""

    @property
    def identifier(self) -> str:
        """Names the alignment in record, QA sheet and DICOM."""

    def facts(self) -> dict[str, Any]:
        """Plain JSON for the record."""


@dataclass(frozen=True)
class FurtherImage:
    """Another image of the patient, registered to the CT."""

    label: str
    """Short and unique among the images, for files and tables: `T2`, `FLAIR`, `PT`."""

    series: Series
    alignment: RigidAlignment

    note: str
    """What it is registered by, a sentence."""

    through: Series | None = None
    """The CT of its scanner, which was registered instead of it."""

    colours: FusedColours | None = None
    """A PET or SPECT over the CT; None of an MR."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Those of its registration QA and of a PET's correction, with its label."""
        warnings = (
            *self.alignment.quality.warnings, *attenuation_warnings(self.series.headers)
        )  # fmt: skip
        return tuple(f"{self.label}: {text}" for text in warnings)


@dataclass(frozen=True)
class Result:
    """A fused image with its sources, record and registration."""

    image: sitk.Image
    """A volume of stored values, 0 to 4095, on the CT's grid; a 2-D image, float32 in [0, 1]."""

    ct: Series
    mr: Series
    record: Record
    alignment: Alignment | None = None
    """None for 2-D images, as the following."""

    region: Region | None = None

    further: tuple[FurtherImage, ...] = ()
    """Other images that were brought onto the CT's grid, and not fused."""

    written: Path | None = None
    """The file or folder of the fused image, or the folder of a result without one; None where
    nothing was written."""
