"""The result of a fusion."""

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from radfuse.pipeline.align import Alignment
from radfuse.pipeline.volume import Region
from radfuse.record import Record
from radfuse.series import Series


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

    written: Path | None = None
    """The file or folder of the fused image, or the folder of a result without one; None where
    nothing was written."""
