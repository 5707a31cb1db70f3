"""The result of a fusion of a PET or SPECT volume in colour."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array
from radfuse.intensity import FULL_SCALE
from radfuse.pipeline.display.fused_image import FusedImage, middle_of
from radfuse.pipeline.functional.volume import ColourScale
from radfuse.pipeline.result import RigidAlignment
from radfuse.pipeline.volume import Region
from radfuse.record import Record
from radfuse.series import Series
from radfuse.verdict import Assessment

NOT_MEASURED = "not measured for PET and SPECT"
"""What fusions in colour keep of findings."""


@dataclass(frozen=True, repr=False)
class FunctionalResult(FusedImage):
    """A fused volume in colour with its sources, record and registration.

    Examples
    --------
    >>> import radfuse
    >>> phantom = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> pet = radfuse.datasets.phantom_pet(spacing_mm=4.0)
    >>> result = radfuse.fuse(phantom.mr, pet)
    >>> result.fused.shape[-1], result.registration_qa.partition(":")[0]
    (3, 'registration QA passed')
    """

    image: sitk.Image
    """RGB, three components of uint8, on the anatomical grid."""

    anatomical: Series
    """The MR or CT."""

    functional: Series
    """The PET or SPECT on its own grid."""

    record: Record
    """What was done: inputs, recipe, versions, registration, warnings."""

    alignment: RigidAlignment
    """The transform and its estimated error."""

    region: Region
    """The part of the anatomical grid that was fused."""

    scale: ColourScale
    """How values became grey levels and colours."""

    written: Path | None = None
    """The file of the fused image, or its folder; None where nothing was written."""

    @property
    def fused(self) -> Float32Array:
        """A copy of the fused image, RGB in [0, 1]: (slices, rows, columns, 3)."""
        values: Float32Array = sitk.GetArrayFromImage(self.image).astype(np.float32)
        return values / np.float32(FULL_SCALE[8])

    @property
    def findings(self) -> str:
        """That what a fusion in colour keeps of findings was not measured."""
        return NOT_MEASURED

    def save(self, output: Path | str, *, overwrite: bool = False) -> "FunctionalResult":
        """Write what `radfuse.fuse` writes with an output, and return the result with its path.

        `output` is a folder for DICOM, or a NRRD or MetaImage file. Raises `InputError` for a name
        that does not fit, `OutputError` where it exists, unless `overwrite`, or cannot be written;
        nothing is changed then.
        """
        # it imports this module
        from radfuse.pipeline.functional.outputs import save_functional_result  # noqa: PLC0415

        return save_functional_result(self, output, overwrite=overwrite)

    @property
    def _volume(self) -> sitk.Image:
        return self.image

    @property
    def _assessment(self) -> Assessment:
        return self.alignment.quality

    @property
    def _centre(self) -> tuple[int, ...]:
        return middle_of(self.region.box)
