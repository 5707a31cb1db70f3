"""The result of a fusion of a PET or SPECT volume in colour."""

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk

from radfuse.pipeline.functional.volume import ColourScale
from radfuse.pipeline.result import RigidAlignment
from radfuse.pipeline.volume import Region
from radfuse.record import Record
from radfuse.series import Series


@dataclass(frozen=True)
class FunctionalResult:
    """A fused volume in colour with its sources, record and registration."""

    image: sitk.Image
    """RGB, three components of uint8, on the anatomical grid."""

    anatomical: Series
    functional: Series
    record: Record
    alignment: RigidAlignment
    region: Region
    scale: ColourScale
    written: Path | None = None
    """The file of the fused image, or its folder; None where nothing was written."""
