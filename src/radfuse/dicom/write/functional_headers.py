"""Headers of PET and SPECT images that are derived from those of a scanner."""

import copy

import SimpleITK as sitk
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import NuclearMedicineImageStorage, PositronEmissionTomographyImageStorage
from pydicom.valuerep import format_number_as_ds

from radfuse.dicom.read.nuclear.pet import private_tags
from radfuse.dicom.uids import derive_uid
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.derived_headers import add_empty, has_reference_uids, source_item
from radfuse.modality import NM, PT
from radfuse.series import Series

PATIENT = ("PatientWeight", "PatientSize", "PatientOrientationCodeSequence",
           "PatientGantryRelationshipCodeSequence")  # fmt: skip
"""Attributes of the patient in the functional scanner."""

ACQUISITION = ("AcquisitionDate", "AcquisitionTime", "ActualFrameDuration",
               "RadiopharmaceuticalInformationSequence", "TimezoneOffsetFromUTC")  # fmt: skip
"""Attributes of both modalities."""

PET = (
    "SeriesDate", "SeriesTime", "Units", "SUVType", "CountsSource", "DecayCorrection",
    "CorrectedImage", "RandomsCorrectionMethod", "AttenuationCorrectionMethod",
    "ScatterCorrectionMethod", "ReconstructionMethod", "CollimatorType", "FrameReferenceTime",
    "DecayFactor", "DoseCalibrationFactor",
)  # fmt: skip
"""Attributes of a PET: what its values mean, and the time that they are corrected to, which is the
time of the series."""

SPECT = ("EnergyWindowInformationSequence", "NumberOfEnergyWindows", "CountsAccumulated",
         "RotationInformationSequence", "NumberOfRotations")  # fmt: skip
"""Attributes of a SPECT."""

DERIVED = ("DERIVED", "PRIMARY")
"""ImageType: the only second value that PS3.3 C.8.9.4.1.1 and C.8.4.9.1.1 permit is PRIMARY."""

PET_NEEDED = ("Units", "DecayCorrection", "CountsSource")
"""Without them the values of a PET have no meaning, and it is no PET object."""

EMPTY_IF_UNKNOWN = (
    "PatientOrientationCodeSequence", "PatientGantryRelationshipCodeSequence",
    "RadiopharmaceuticalInformationSequence",
)  # fmt: skip
"""Type 2 attributes of both modalities: present, but empty where the source lacks them."""


def is_pet_object(series: Series) -> bool:
    """Whether images derived from a series can be PET objects."""
    return (
        series.modality is PT
        and bool(series.headers)
        and all(series.headers[0].get(keyword) for keyword in PET_NEEDED)
    )


def is_spect_object(series: Series) -> bool:
    """Whether an image derived from a series can be an NM object."""
    return series.modality is NM and bool(series.headers)


def make_pet(header: Dataset, series: Series, slices: int) -> None:
    """Make the header of derived images one of PET images; values keep unit and decay time."""
    header.SOPClassUID = PositronEmissionTomographyImageStorage
    header.Modality = PT.code
    header.ImageType = list(DERIVED)
    source = min(series.headers, key=_acquisition_time)
    _copy(header, source, (*PATIENT, *ACQUISITION, *PET))
    for tag in private_tags(source):
        header[tag] = copy.deepcopy(source[tag])
    header.SeriesType = ["STATIC", "IMAGE"]
    header.NumberOfSlices = slices
    if not header.get("FrameReferenceTime"):
        header.FrameReferenceTime = "0"
    add_empty(header, ("CorrectedImage", "CollimatorType", "ActualFrameDuration"))
    _remove_position(header)


def make_spect(header: Dataset, context: DerivationContext) -> None:
    """Make the header of derived images one of an NM image of all slices of the fixed grid."""
    source, grid = context.moving.headers[0], context.fixed.image
    header.SOPClassUID = NuclearMedicineImageStorage
    header.SOPInstanceUID = derive_uid(header.SeriesInstanceUID, "0")
    header.InstanceNumber = 1
    header.Modality = NM.code
    header.ImageType = [*DERIVED, "RECON TOMO", "EMISSION"]
    _copy(header, source, (*PATIENT, *ACQUISITION, *SPECT))
    header.NumberOfEnergyWindows = header.get("NumberOfEnergyWindows") or 1
    header.NumberOfRotations = header.get("NumberOfRotations") or 1
    add_empty(
        header,
        ("EnergyWindowInformationSequence", "RotationInformationSequence", "CountsAccumulated"),
    )
    header.NumberOfDetectors = 1
    header.DetectorInformationSequence = [_detector(source, grid)]
    _set_grid(header, grid)
    header.SourceImageSequence = _sources(context)
    _remove_position(header)


def _acquisition_time(header: Dataset) -> tuple[str, str]:
    """Of a slice: the scan of the first one is the begin that others are relative to."""
    return str(header.get("AcquisitionDate") or ""), str(header.get("AcquisitionTime") or "")


def _copy(header: Dataset, source: Dataset, keywords: tuple[str, ...]) -> None:
    for keyword in keywords:
        if source.get(keyword) not in (None, ""):
            header[keyword] = copy.deepcopy(source[keyword])


def _remove_position(header: Dataset) -> None:
    """Remove PatientPosition, which is not permitted with the codes for it: PS3.3 C.7.3.1."""
    add_empty(header, EMPTY_IF_UNKNOWN)
    if "PatientPosition" in header:
        del header.PatientPosition


def _detector(source: Dataset, grid: sitk.Image) -> Dataset:
    """The detector of the source, at the first slice of a grid."""
    items = source.get("DetectorInformationSequence") or ()
    detector = copy.deepcopy(items[0]) if items else Dataset()
    detector.CollimatorType = detector.get("CollimatorType") or "UNKN"
    add_empty(detector, ("FocalDistance", "RadialPosition", "StartAngle"))
    axes = [float(part) for part in grid.GetDirection()]
    detector.ImagePositionPatient = _decimals(grid.GetOrigin())
    detector.ImageOrientationPatient = _decimals((*axes[0::3], *axes[1::3]))
    return detector


def _set_grid(header: Dataset, grid: sitk.Image) -> None:
    column_step, row_step, slice_step = _decimals(grid.GetSpacing())
    count = grid.GetSize()[2]
    header.PixelSpacing = [row_step, column_step]
    header.SpacingBetweenSlices = header.SliceThickness = slice_step
    header.NumberOfFrames = header.NumberOfSlices = count
    header.FrameIncrementPointer = Tag("SliceVector")
    header.SliceVector = list(range(1, count + 1))


def _decimals(numbers: tuple[float, ...]) -> list[str]:
    return [format_number_as_ds(round(float(number), 9) + 0.0) for number in numbers]


def _sources(context: DerivationContext) -> list[Dataset]:
    """References to all images of both series, frames of one file once."""
    items = {}
    for series in (context.fixed, context.moving):
        for header in filter(has_reference_uids, series.headers):
            item = source_item(header, preserved=False)
            if "ReferencedFrameNumber" in item:
                del item.ReferencedFrameNumber
            items[str(header.SOPInstanceUID)] = item
    return list(items.values())
