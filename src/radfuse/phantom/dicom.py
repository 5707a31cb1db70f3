"""Write the phantom as DICOM series of one synthetic patient: CT, MR, PET and SPECT."""

from hashlib import sha256
from pathlib import Path

import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage

from radfuse.dicom.uids import derive_uid
from radfuse.dicom.write.series import Rescale, write_series
from radfuse.modality import CT, MR, NM, PT, Modality
from radfuse.phantom.functional_dicom import write_pet, write_spect
from radfuse.phantom.head import Phantom
from radfuse.series import Series

STUDY_DATE = "20240115"
"""Study date of every phantom."""

CT_RESCALE = Rescale(slope=1.0, intercept=-1024.0)
"""As CT scanners store HU in unsigned 12 bits."""

FUNCTIONAL_SERIES_NUMBER = 3
"""After the CT and the MR."""

DESCRIPTIONS = {PT: "PET FDG", NM: "SPECT HMPAO"}
"""SeriesDescription of a functional image."""

BRAIN_WINDOW = (80, 40)
"""Default window of the CT: width and centre."""


def write_phantom(phantom: Phantom, folder: Path, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write the series into folder/CT and folder/MR, and return these two.

    The same phantom gives the same files, byte for byte. Raises `OutputError` where one of the
    folders has files already, unless they may be replaced, or cannot be written to.
    """
    ct_folder, mr_folder = folder / CT.code, folder / MR.code
    write_series(
        ct_folder, phantom.ct.image, _ct_header(phantom), rescale=CT_RESCALE, overwrite=overwrite
    )
    write_series(mr_folder, phantom.mr.image, _mr_header(phantom), overwrite=overwrite)
    return ct_folder, mr_folder


def write_functional(
    phantom: Phantom, functional: Series, folder: Path, *, overwrite: bool = False
) -> Path:
    """Write a PET (Bq/ml) or SPECT (counts, rounded) of the phantom, and return its folder.

    That is folder/PT or folder/NM. Patient and study are those of `write_phantom`, the frame of
    reference is its own. The same image gives the same files. Errors are those of `write_phantom`.
    """
    values = sitk.GetArrayViewFromImage(functional.image)
    digest = sha256(values.tobytes()).hexdigest()
    header = _common_header(phantom, functional.modality, FUNCTIONAL_SERIES_NUMBER)
    header.SeriesInstanceUID = _uid(phantom, "series", functional.modality.code, digest)
    header.FrameOfReferenceUID = _uid(phantom, "frame", functional.modality.code, digest)
    header.SeriesDescription = f"{DESCRIPTIONS[functional.modality]}, phantom"
    header.WindowCenter = f"{float(values.max()) / 2:.0f}"
    header.WindowWidth = f"{float(values.max()):.0f}"
    target = folder / functional.modality.code
    write = write_pet if functional.modality is PT else write_spect
    write(target, functional.image, header, overwrite=overwrite)
    return target


def write_sequence(
    phantom: Phantom, mr: Series, folder: Path, description: str, *, overwrite: bool = False
) -> Path:
    """Write another MR sequence of the phantom, in the frame of reference of its MR.

    The folder is folder/MR_ and the description; it names the sequence, and contrast agent only
    where the description has `Gd`.
    """
    header = _mr_header(phantom)
    header.SeriesInstanceUID = _uid(phantom, "series", MR.code, description)
    header.SeriesDescription = f"{description}, phantom"
    header.ContrastBolusAgent = "simulated" if "Gd" in description else ""
    header.RepetitionTime = header.EchoTime = None
    target = folder / f"MR_{description}"
    write_series(target, mr.image, header, overwrite=overwrite)
    return target


def _uid(phantom: Phantom, *parts: str) -> str:
    """A UID that depends on every voxel, so that different phantoms never share one."""
    digest = sha256()
    for series in (phantom.ct, phantom.mr):
        digest.update(sitk.GetArrayViewFromImage(series.image).tobytes())
    return derive_uid("phantom", str(phantom.seed), digest.hexdigest(), *parts)


def _common_header(phantom: Phantom, modality: Modality, number: int) -> Dataset:
    """Patient, study, frame of reference and equipment; type 2 attributes are present and empty."""
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.PatientName = f"Phantom^Seed{phantom.seed}"
    header.PatientID = f"PHANTOM-{phantom.seed}"
    header.PatientBirthDate = ""
    header.PatientSex = "O"
    header.StudyInstanceUID = _uid(phantom, "study")
    header.StudyDate = header.SeriesDate = header.ContentDate = header.AcquisitionDate = STUDY_DATE
    header.StudyTime = header.SeriesTime = header.ContentTime = header.AcquisitionTime = "120000"
    header.StudyID = "1"
    header.StudyDescription = "Numerical head phantom, not a person"
    header.AccessionNumber = ""
    header.ReferringPhysicianName = ""
    header.Modality = modality.code
    header.SeriesInstanceUID = _uid(phantom, "series", modality.code)
    header.SeriesNumber = number
    header.FrameOfReferenceUID = _uid(phantom, "frame", modality.code)
    header.PositionReferenceIndicator = ""
    header.PatientPosition = "HFS"
    header.BodyPartExamined = "HEAD"
    header.AcquisitionNumber = 1
    header.Manufacturer = "radfuse"
    header.ManufacturerModelName = "numerical phantom"
    header.BurnedInAnnotation = "NO"
    return header


def _ct_header(phantom: Phantom) -> Dataset:
    header = _common_header(phantom, CT, 1)
    header.SOPClassUID = CTImageStorage
    header.SeriesDescription = "CT head, phantom"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.KVP = "120"
    header.ConvolutionKernel = "SOFT"
    width, centre = BRAIN_WINDOW
    header.WindowCenter, header.WindowWidth = str(centre), str(width)
    return header


def _mr_header(phantom: Phantom) -> Dataset:
    header = _common_header(phantom, MR, 2)
    header.SOPClassUID = MRImageStorage
    header.SeriesDescription = "T1 after contrast, phantom"
    header.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    header.ScanningSequence = "GR"
    header.SequenceVariant = "SP"
    header.ScanOptions = ""
    header.MRAcquisitionType = "3D"
    header.RepetitionTime, header.EchoTime = "9.0", "4.0"
    header.EchoTrainLength = 1
    header.FlipAngle = "20"
    header.MagneticFieldStrength = "1.5"
    header.ContrastBolusAgent = "simulated"
    half = float(sitk.GetArrayViewFromImage(phantom.mr.image).max()) / 2
    header.WindowCenter, header.WindowWidth = f"{half:.0f}", f"{2 * half:.0f}"
    return header
