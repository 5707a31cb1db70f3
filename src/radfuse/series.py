"""One image of one patient: voxels, geometry, DICOM headers and provenance."""

from dataclasses import dataclass
from pathlib import Path

import SimpleITK as sitk
from pydicom import Dataset

from radfuse.modality import Modality


@dataclass(frozen=True)
class Series:
    """One image and what is known about it.

    `image` is a scalar float32 `SimpleITK.Image` in LPS coordinates, mm: a volume (3-D) in the unit
    of its modality; or an image without geometry (2-D), scaled to [0, 1].
    """

    image: sitk.Image
    modality: Modality
    source: Path
    """The file or folder that it was read from."""

    files: tuple[Path, ...] = ()
    """Every file that went into it, in the order of the slices where there are several."""

    headers: tuple[Dataset, ...] = ()
    """DICOM headers without pixels, one a source slice along the image's third axis; none for
    other formats. A frame of a multi-frame file has a header of its own, with the attributes that
    a single-frame file would have, and its ReferencedFrameNumber."""

    regridded: bool = False
    """Whether the image was resampled on reading, so that its grid is not that of the headers."""

    notes: tuple[str, ...] = ()
    """What was mended or left out on reading, a sentence each."""

    @property
    def frame_of_reference_uid(self) -> str | None:
        """The DICOM frame of reference, where there is one."""
        uid = self.headers[0].get("FrameOfReferenceUID") if self.headers else None
        return str(uid) if uid else None

    @property
    def patient(self) -> str | None:
        """The DICOM patient identifier, where there is one."""
        return str(self.headers[0].get("PatientID") or "") or None if self.headers else None

    @property
    def slice_headers(self) -> tuple[Dataset, ...]:
        """Headers whose geometry is that of the image's slices, one each; else none."""
        return () if self.regridded else self.headers

    @property
    def is_volume(self) -> bool:
        """Whether the image has three dimensions and a place in the patient."""
        return bool(self.image.GetDimension() == 3)
