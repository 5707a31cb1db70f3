"""Small PET and SPECT series for the tests."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom import Dataset

from dicom_kit import AXIAL, Angles
from radfuse.dicom.uids import derive_uid
from radfuse.phantom.functional_dicom import write_pet, write_spect


def uptake(
    angles: Angles = AXIAL, spacing: Angles = (2.0, 3.0, 4.0), count: int = 6, peak: float = 3e4
) -> sitk.Image:
    """Noise in which each slice has another peak."""
    values = np.random.default_rng(3).uniform(0, peak, (count, 9, 7)).astype(np.float32)
    values *= np.linspace(0.1, 1.0, count, dtype=np.float32)[:, None, None]
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin((-11.5, 7.25, -123.5))
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles).GetMatrix())
    return image


def patient(name: str) -> Dataset:
    """What a series has in common, of a series with this name."""
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName, header.PatientID = "Test^Nobody", "T1"
    for keyword in (
        "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber", "ReferringPhysicianName",
        "PositionReferenceIndicator", "StudyDate", "StudyTime", "Manufacturer",
        "SeriesNumber", "ContentDate", "ContentTime",
    ):  # fmt: skip
        setattr(header, keyword, None)
    header.BodyPartExamined = "HEAD"
    header.SeriesDescription = name
    header.StudyInstanceUID = derive_uid("test", "study")
    header.SeriesInstanceUID = derive_uid("test", "nuclear", name)
    header.FrameOfReferenceUID = derive_uid("test", "frame", "nuclear")
    return header


def isotope(**values: object) -> list[Dataset]:
    """A radiopharmaceutical sequence: F-18, 250 MBq; None leaves an attribute out."""
    item = Dataset()
    given = {
        "RadionuclideTotalDose": "250000000", "RadionuclideHalfLife": "6586.2", **values
    }  # fmt: skip
    for keyword, value in given.items():
        if value is not None:
            setattr(item, keyword, value)
    item.RadionuclideCodeSequence = item.RadiopharmaceuticalCodeSequence = None
    return [item]


def pet(folder: Path, image: sitk.Image | None = None, name: str = "pet", **values: object) -> Path:
    """A PET series; the values replace attributes of its headers."""
    header = patient(name)
    for keyword, value in values.items():
        setattr(header, keyword, value)
    write_pet(folder, uptake() if image is None else image, header)
    return folder


def counts(angles: Angles = AXIAL, spacing: Angles = (2.0, 3.0, 4.0)) -> sitk.Image:
    """Noise of whole numbers."""
    return sitk.Round(uptake(angles, spacing))


def spect(
    folder: Path, image: sitk.Image | None = None, name: str = "spect", **values: object
) -> Path:
    """A SPECT volume in one file; the values replace attributes of its header."""
    header = patient(name)
    for keyword, value in values.items():
        setattr(header, keyword, value)
    return write_spect(folder, counts() if image is None else image, header)
