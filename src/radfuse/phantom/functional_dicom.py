"""Write uptake as a DICOM series, as scanners do: PET slices with a scale each, one SPECT file."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import NuclearMedicineImageStorage, PositronEmissionTomographyImageStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.dicom.codes import Code
from radfuse.dicom.uids import derive_uid
from radfuse.dicom.write.derived_headers import code_item
from radfuse.dicom.write.encoding import file_bytes
from radfuse.dicom.write.series import Rescale, SliceSeries, stored_values, write_slices
from radfuse.io.staging import refuse_nonempty, staging
from radfuse.modality import NM, PT

MAX_STORED = 32767
"""Stored value of the highest activity of a PET slice: scanners use the range of each slice."""

FDG = Code("35321007", "SCT", "Fluorodeoxyglucose F^18^")
"""Radiopharmaceutical of a PET series."""

HALF_LIFE_S = 6586.2
"""Of fluorine-18, as scanners write it."""

DOSE_BQ = 250e6
"""Injected activity."""

WEIGHT_KG = 70.0
"""Of the synthetic patient."""

FRAME_MS = 600_000
"""Duration of the scan."""


FILE_NAME = "0001.dcm"
"""The only file of a SPECT series."""


def write_pet(
    folder: Path, activity: sitk.Image, header: Dataset, *, overwrite: bool = False
) -> tuple[Path, ...]:
    """Write a volume (Bq/ml, not negative) as PET images, each with a RescaleSlope of its own.

    `header` has patient, study, series and frame of reference; attributes of the PET modules that
    it has are kept. Errors are those of `write.write_slices`.
    """
    template = pet_header(header, activity.GetSize()[2])
    values = sitk.GetArrayViewFromImage(activity)

    def slope(index: int) -> float:
        return float(format_number_as_ds(float(values[index].max() or 1.0) / MAX_STORED))

    def stored_slice(index: int) -> NDArray[np.generic]:
        return stored_values(values[index], Rescale(slope(index)), "<i2")

    def per_slice(index: int) -> Dataset:
        attributes = Dataset()
        attributes.RescaleSlope, attributes.RescaleIntercept = str(slope(index)), "0"
        attributes.ImageIndex = index + 1
        return attributes

    series = SliceSeries(folder, stored_slice, template)
    return write_slices(activity, series, per_slice=per_slice, overwrite=overwrite)


def pet_header(header: Dataset, slices: int) -> Dataset:
    """A header with the PET modules of a static, decay-corrected FDG scan, where it lacks them.

    The scan starts at the SeriesTime of the header.
    """
    pet = Dataset()
    pet.SOPClassUID = PositronEmissionTomographyImageStorage
    pet.Modality = PT.code
    pet.ImageType = ["ORIGINAL", "PRIMARY"]
    pet.SeriesDate = pet.AcquisitionDate = "20240115"
    pet.SeriesTime = pet.AcquisitionTime = "120000"
    pet.SeriesType = ["STATIC", "IMAGE"]
    pet.Units, pet.CountsSource, pet.DecayCorrection = "BQML", "EMISSION", "START"
    pet.CorrectedImage = ["DECY", "ATTN", "SCAT", "NORM"]
    pet.AttenuationCorrectionMethod = "measured"
    pet.NumberOfSlices = slices
    pet.CollimatorType = None
    pet.PatientWeight = str(WEIGHT_KG)
    pet.FrameReferenceTime = str(FRAME_MS // 2)
    pet.ActualFrameDuration = FRAME_MS
    pet.DecayFactor = "1.0"
    pet.RadiopharmaceuticalInformationSequence = [_radiopharmaceutical()]
    for keyword, code in (
        ("PatientOrientationCodeSequence", Code("102538003", "SCT", "recumbent")),
        ("PatientGantryRelationshipCodeSequence", Code("102540008", "SCT", "headfirst")),
    ):
        setattr(pet, keyword, [code_item(code)])
    modifier = code_item(Code("40199007", "SCT", "supine"))
    pet.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = [modifier]
    return _completed(pet, header)


def _completed(modules: Dataset, header: Dataset) -> Dataset:
    """The attributes of some modules with those of a header, which prevail."""
    modules.update(header)
    if "PatientPosition" in modules:  # not with the codes for it: PS3.3 C.7.3.1
        del modules.PatientPosition
    return modules


def _radiopharmaceutical() -> Dataset:
    item = Dataset()
    item.RadiopharmaceuticalStartTime = "110000"
    item.RadiopharmaceuticalStartDateTime = "20240115110000"
    item.RadionuclideTotalDose = str(DOSE_BQ)
    item.RadionuclideHalfLife = str(HALF_LIFE_S)
    item.RadionuclidePositronFraction = "0.967"
    item.RadionuclideCodeSequence = [code_item(Code("77004003", "SCT", "^18^Fluorine"))]
    item.RadiopharmaceuticalCodeSequence = [code_item(FDG)]
    return item


def write_spect(
    folder: Path, counts: sitk.Image, header: Dataset, *, overwrite: bool = False
) -> Path:
    """Write a volume (counts up to 65535, rounded) as one reconstructed NM image.

    `header` has patient, study, series and frame of reference; attributes of the NM modules that it
    has are kept. The file is in `folder`. Raises `OutputError` where that has files already,
    unless they may be replaced, or cannot be written to.
    """
    if not overwrite:
        refuse_nonempty(folder, remedy="pass --overwrite or another --output")
    image = spect_header(header, counts)
    values = sitk.GetArrayViewFromImage(counts)
    image.PixelData = stored_values(values, Rescale(), "<u2").tobytes()
    with staging(folder.parent) as stage:
        draft = stage.path_of(folder)
        draft.mkdir()
        (draft / FILE_NAME).write_bytes(file_bytes(image))
    return folder / FILE_NAME


def spect_header(header: Dataset, grid: sitk.Image) -> Dataset:
    """A header with the NM modules of a SPECT volume on a grid, where it lacks them."""
    columns, rows, count = grid.GetSize()
    spacing = [format_number_as_ds(step) for step in grid.GetSpacing()]
    axes = np.reshape(grid.GetDirection(), (3, 3)).T
    image = Dataset()
    image.SOPClassUID = NuclearMedicineImageStorage
    image.SOPInstanceUID = derive_uid(header.SeriesInstanceUID, "0")
    image.Modality = NM.code
    image.InstanceNumber = 1
    image.ImageType = ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns, image.NumberOfFrames = rows, columns, count
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelSpacing = spacing[1::-1]
    image.SpacingBetweenSlices = image.SliceThickness = spacing[2]
    image.FrameIncrementPointer = Tag("SliceVector")
    image.SliceVector, image.NumberOfSlices = list(range(1, count + 1)), count
    image.NumberOfEnergyWindows = image.NumberOfDetectors = image.NumberOfRotations = 1
    image.RotationInformationSequence = None
    image.EnergyWindowInformationSequence = None
    image.RadiopharmaceuticalInformationSequence = None
    image.PatientOrientationCodeSequence = image.PatientGantryRelationshipCodeSequence = None
    image.CountsAccumulated = None
    detector = Dataset()
    detector.CollimatorType, detector.FocalDistance = "PARA", None
    detector.RadialPosition = detector.StartAngle = None
    detector.ImagePositionPatient = [format_number_as_ds(part) for part in grid.GetOrigin()]
    detector.ImageOrientationPatient = [
        format_number_as_ds(round(part, 12) + 0.0) for part in axes[:2].ravel().tolist()
    ]
    image.DetectorInformationSequence = [detector]
    return _completed(image, header)
