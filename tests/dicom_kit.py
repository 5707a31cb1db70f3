"""Small DICOM series for the tests, and ways to spoil them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import ArrayLike
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, MRImageStorage

from radfuse.dicom.uids import derive_uid
from radfuse.dicom.write.series import Rescale, write_series

AXIAL = (0.0, 0.0, 0.0)
OBLIQUE = (0.31, -0.17, 0.55)
SAGITTAL = (np.pi / 2, 0.0, np.pi / 2)
CORONAL = (-np.pi / 2, 0.0, 0.0)
Angles = tuple[float, float, float]


def volume(
    modality: str = "CT", angles: Angles = AXIAL, spacing: Angles = (0.9, 1.1, 2.5), count: int = 6
) -> sitk.Image:
    """Noise of whole values, with air in one corner of a CT."""
    low, high = (-1024, 3071) if modality == "CT" else (0, 4000)
    values = np.random.default_rng(5).integers(low, high, (count, 9, 7)).astype(np.float32)
    values[:, 0, 0] = low
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin((-101.3, 57.25, -1234.567))
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles).GetMatrix())
    return image


def write(
    folder: Path, image: sitk.Image | None = None, modality: str = "CT", name: str = "head"
) -> Path:
    """A regular series of one modality; another name is another series."""
    header = Dataset()
    header.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName = "Test^Nobody"
    header.PatientID = "T1"
    header.Modality = modality
    header.SeriesDescription = name
    header.StudyInstanceUID = derive_uid("test", "study")
    header.SeriesInstanceUID = derive_uid("test", modality, name)
    header.FrameOfReferenceUID = derive_uid("test", "frame", modality)
    rescale = Rescale(1.0, -1024.0) if modality == "CT" else None
    write_series(folder, image or volume(modality), header, rescale=rescale)
    return folder


def slices(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def change(path: Path, edit: Callable[[Dataset], object]) -> None:
    """Edit one file in place."""
    header = pydicom.dcmread(path)
    edit(header)
    header.save_as(path)


def change_all(folder: Path, edit: Callable[[Dataset], object]) -> None:
    for path in slices(folder):
        change(path, edit)


def put(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda header: setattr(header, keyword, value)


def put_raw(keyword: str, value: bytes) -> Callable[[Dataset], None]:
    """Bytes as no honest writer would write them."""
    tag = Tag(keyword)
    kind = pydicom.datadict.dictionary_VR(tag).split(" ")[0]

    def edit(header: Dataset) -> None:
        padded = value + b" " * (len(value) % 2)
        header._dict[tag] = RawDataElement(tag, kind, len(padded), padded, 0, False, True)

    return edit


def move(path: Path, millimetres: ArrayLike) -> None:
    """Shift a slice in the patient."""
    change(
        path,
        lambda header: setattr(
            header,
            "ImagePositionPatient",
            [f"{part:.6f}" for part in np.add(header.ImagePositionPatient, millimetres)],
        ),
    )


def assert_same_image(found: sitk.Image, wanted: sitk.Image, atol: float = 1e-6) -> None:
    assert found.GetSize() == wanted.GetSize()
    np.testing.assert_allclose(found.GetSpacing(), wanted.GetSpacing(), rtol=0, atol=atol)
    np.testing.assert_allclose(found.GetOrigin(), wanted.GetOrigin(), rtol=0, atol=atol)
    np.testing.assert_allclose(found.GetDirection(), wanted.GetDirection(), rtol=0, atol=atol)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted))


NOBODY = 65534
"""A user without rights."""


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Run as a user whom a closed file stops, in a temporary folder that is open to everybody."""
    if os.geteuid() != 0:
        yield
        return
    for parent in (folder, *folder.parents):
        parent.chmod(parent.stat().st_mode | 0o055)
        if parent.name.startswith("pytest-of-"):
            break
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
