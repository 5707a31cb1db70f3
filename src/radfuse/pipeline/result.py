"""The result of a fusion."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array
from radfuse.dicom.read.nuclear.pet import attenuation_warnings
from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.methods.hidden_findings import findings_sentence
from radfuse.methods.loading import GRAPH
from radfuse.pipeline.align import Alignment
from radfuse.pipeline.display.fused_image import FusedImage, middle_of
from radfuse.pipeline.study.colours import FusedColours
from radfuse.pipeline.volume import Region
from radfuse.recipe import DEFAULT_WINDOW
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


@dataclass(frozen=True, repr=False)
class Result(FusedImage):
    """A fused image of a CT and an MR, with its sources, record and registration.

    In a notebook it is displayed as three planes with registration QA and findings.

    Examples
    --------
    >>> import radfuse
    >>> phantom = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> result = radfuse.fuse(phantom.ct, phantom.mr)
    >>> result.fused.shape, result.fused.dtype, result.spacing_mm
    ((42, 62, 52), dtype('float32'), (4.0, 4.0, 4.6))
    >>> print(result.findings)
    keeps 13 of 16 kinds of findings; may hide: infarct | oedema | marrow infiltration
    >>> print(result.save("fused.nii.gz").written)
    fused.nii.gz
    """

    image: sitk.Image
    """A volume of stored values, 0 to 4095, on the CT's grid; a 2-D image, float32 in [0, 1]."""

    ct: Series
    """The CT, in HU; of 2-D images in [0, 1]."""

    mr: Series
    """The MR on its own grid."""

    record: Record
    """What was done: inputs, recipe, versions, registration, warnings."""

    alignment: Alignment | None = None
    """The transform and its estimated error; None for 2-D images, as the following."""

    region: Region | None = None
    """The part of the CT's grid that was fused: the head, inside the MR field of view."""

    further: tuple[FurtherImage, ...] = ()
    """Other images that were brought onto the CT's grid, and not fused."""

    written: Path | None = None
    """The file or folder of the fused image, or the folder of a result without one; None where
    nothing was written."""

    @property
    def fused(self) -> Float32Array:
        """A copy of the fused image in [0, 1]: (slices, rows, columns), or (rows, columns)."""
        values: Float32Array = sitk.GetArrayFromImage(self.image).astype(np.float32)
        return values / np.float32(FULL_SCALE) if self.alignment else values

    @property
    def findings(self) -> str:
        """Which kinds of findings the method keeps, and which it may hide, in one line.

        Measured in volumes with the default options and CT window.
        """
        return findings_sentence(self.record.recipe.method, self._unmeasured)

    def save(self, output: Path | str, *, overwrite: bool = False) -> "Result":
        """Write what `radfuse.fuse` writes with an output, and return the result with its path.

        `output` is a folder for DICOM or a NIfTI, NRRD or MetaImage file; for 2-D images a PNG file
        or a folder. Raises `InputError` for a name that does not fit, `OutputError` where it
        exists, unless `overwrite`, or cannot be written; nothing is changed then.
        """
        # it imports this module
        from radfuse.pipeline.outputs import save_result  # noqa: PLC0415

        return save_result(self, output, overwrite=overwrite)

    @property
    def _unmeasured(self) -> str:
        """What differs from the fusions whose findings were measured; empty if nothing does."""
        if self.region is None:
            return "2-D images"
        if self.record.recipe.options.keys() - {GRAPH}:  # the fast graph keeps the same findings
            return "these options"
        return "this CT window" if self.record.recipe.window != DEFAULT_WINDOW else ""

    @property
    def _volume(self) -> sitk.Image | None:
        return self.image if self.alignment else None

    @property
    def _assessment(self) -> Assessment | None:
        return self.alignment.quality if self.alignment else None

    @property
    def _centre(self) -> tuple[int, ...]:
        return middle_of(self.region.box) if self.region else ()
