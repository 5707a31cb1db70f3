"""One image of one patient: voxels, geometry, DICOM headers and provenance."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset

from radfuse.arrays import Float32Array, Float64Array, affine_of
from radfuse.modality import Modality


@dataclass(frozen=True)
class Patient:
    """Who an image is of, by its header; empty where that is not stated."""

    id: str = ""
    name: str = ""
    birth_date: str = ""

    @classmethod
    def of(cls, header: Dataset) -> "Patient":
        """The patient of a DICOM header."""
        values = (str(header.get(keyword) or "").strip()
                  for keyword in ("PatientID", "PatientName", "PatientBirthDate"))  # fmt: skip
        return cls(*values)

    def differs_from(self, other: "Patient") -> bool:
        """Whether IDs differ; where one is missing, whether names or dates of birth do."""
        if self.id and other.id:
            return self.id != other.id
        names, dates = zip(
            *((_plain(one.name), one.birth_date) for one in (self, other)), strict=True
        )
        return any(all(values) and values[0] != values[1] for values in (names, dates))


def _plain(name: str) -> str:
    """A person name, in its first script, without case and delimiters."""
    first = name.partition("=")[0] or name
    return re.sub(r"[\W_]+", " ", first).strip().casefold()


@dataclass(frozen=True, repr=False)
class Series:
    """One image with modality, headers and origin.

    `image` is a scalar `SimpleITK.Image` in LPS coordinates, mm: a volume (3-D) in the unit of its
    modality, float32, or int16 of a CT that was read in whole HU; or a float32 image without
    geometry (2-D), scaled to [0, 1], which of a PET or SPECT may have three components: red, green
    and blue.

    Examples
    --------
    >>> import radfuse
    >>> ct = radfuse.datasets.phantom(spacing_mm=6.0).ct
    >>> ct
    <Series: CT, 35 x 41 x 29 voxels of 6 x 6 x 6.6 mm, no DICOM headers>
    >>> ct.array.shape, ct.array.dtype, ct.modality.unit
    ((29, 41, 35), dtype('float32'), 'HU')
    """

    image: sitk.Image
    """The voxels and their geometry."""

    modality: Modality
    """What it is, and the unit of its values."""

    source: Path
    """File or folder that it was read from."""

    files: tuple[Path, ...] = ()
    """All files of it, in the order of the slices."""

    headers: tuple[Dataset, ...] = ()
    """DICOM headers without pixels, one per source slice along the third axis of the image; none
    for other formats. A frame of a multi-frame file has its own header, with the attributes of a
    single-frame file and its ReferencedFrameNumber."""

    regridded: bool = False
    """Whether the image was resampled on reading, so that its grid is not that of the headers."""

    notes: tuple[str, ...] = ()
    """What reading corrected or left out, a sentence each."""

    @property
    def frame_of_reference_uid(self) -> str | None:
        """The DICOM FrameOfReferenceUID; None without one."""
        uid = self.headers[0].get("FrameOfReferenceUID") if self.headers else None
        return str(uid) if uid else None

    @property
    def patient(self) -> Patient:
        """The patient; without any statement for other formats than DICOM."""
        return Patient.of(self.headers[0]) if self.headers else Patient()

    @property
    def slice_headers(self) -> tuple[Dataset, ...]:
        """One header per slice of the image, with its geometry; none after regridding."""
        return () if self.regridded else self.headers

    @property
    def array(self) -> Float32Array:
        """A copy of the values: (slices, rows, columns), or (rows, columns) and 3 colours."""
        values: Float32Array = sitk.GetArrayViewFromImage(self.image).astype(np.float32)
        return values

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance of columns, rows and slices; empty for a 2-D image."""
        spacing: tuple[float, ...] = self.image.GetSpacing()
        return spacing if self.is_volume else ()

    @property
    def affine(self) -> Float64Array | None:
        """Indices (column, row, slice, 1) to RAS mm, (4, 4), as in NIfTI; None of a 2-D image."""
        return affine_of(self.image) if self.is_volume else None

    def __repr__(self) -> str:
        """One line, without what may identify the patient."""
        size = " x ".join(map(str, self.image.GetSize()))
        spacing = " x ".join(f"{one:.3g}" for one in self.spacing_mm)
        grid = f"{size} voxels of {spacing} mm" if spacing else f"{size} pixels"
        return f"<Series: {self.modality}, {grid}, {len(self.headers) or 'no'} DICOM headers>"

    @property
    def is_volume(self) -> bool:
        """Whether the image has three dimensions and a geometry."""
        return bool(self.image.GetDimension() == 3)
