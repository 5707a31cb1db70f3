"""Objects that refer to images: a structure set and a registration, as small as they may be."""

import shutil
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, SpatialRegistrationStorage

from radfuse.dicom.uids import IMPLEMENTATION_CLASS_UID, derive_uid

IDENTITY = ["1", "0", "0", "0", "0", "1", "0", "0", "0", "0", "1", "0", "0", "0", "0", "1"]

COMMON = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
          "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
          "SpecificCharacterSet")  # fmt: skip


def headers_of(folder: Path) -> list[Dataset]:
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(folder.glob("*.dcm"))]


def image_item(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return item


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def write_object(dataset: Dataset, path: Path) -> Path:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _object(images: list[Dataset], sop_class: str, name: str, modality: str) -> Dataset:
    dataset = Dataset()
    for keyword in COMMON:
        dataset[keyword] = images[0][keyword]
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = derive_uid("test", name, images[0].SOPInstanceUID)
    dataset.SeriesInstanceUID = derive_uid("test", name, "series", images[0].SOPInstanceUID)
    dataset.Modality = modality
    dataset.SeriesNumber = 900
    dataset.Manufacturer = "test"
    return dataset


def structure_set(ct: list[Dataset]) -> Dataset:
    """One structure with one contour on each of some CT slices."""
    dataset = _object(ct, RTStructureSetStorage, "structures", "RTSTRUCT")
    dataset.OperatorsName = None
    dataset.FrameOfReferenceUID = ct[0].FrameOfReferenceUID
    dataset.PositionReferenceIndicator = None
    dataset.StructureSetLabel = "test"
    dataset.StructureSetDate = dataset.StructureSetTime = None
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = ct[0].SeriesInstanceUID
    series.ContourImageSequence = [image_item(header) for header in ct]
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = ct[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = ct[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    roi, contours, observation = Dataset(), Dataset(), Dataset()
    roi.ROINumber, roi.ROIName, roi.ROIGenerationAlgorithm = 1, "GTVp", "MANUAL"
    roi.ReferencedFrameOfReferenceUID = ct[0].FrameOfReferenceUID
    contours.ReferencedROINumber = 1
    contours.ROIDisplayColor = [255, 0, 0]
    contours.ContourSequence = [_contour(header) for header in ct]
    observation.ObservationNumber = observation.ReferencedROINumber = 1
    observation.RTROIInterpretedType = "GTV"
    observation.ROIInterpreter = None
    dataset.StructureSetROISequence = [roi]
    dataset.ROIContourSequence = [contours]
    dataset.RTROIObservationsSequence = [observation]
    return dataset


def _contour(header: Dataset) -> Dataset:
    x, y, z = header.ImagePositionPatient
    item = Dataset()
    item.ContourGeometricType = "CLOSED_PLANAR"
    item.NumberOfContourPoints = 3
    item.ContourData = [x + 5, y + 5, z, x + 15, y + 5, z, x + 5, y + 15, z]
    item.ContourImageSequence = [image_item(header)]
    return item


def registration(ct: list[Dataset], mr: list[Dataset]) -> Dataset:
    """The identity from the MR's frame of reference to the CT's."""
    dataset = _object(ct, SpatialRegistrationStorage, "registration", "REG")
    dataset.FrameOfReferenceUID = ct[0].FrameOfReferenceUID
    dataset.PositionReferenceIndicator = dataset.Laterality = None
    dataset.ContentDate, dataset.ContentTime = "20240115", "120000"
    dataset.InstanceNumber = 1
    dataset.ContentLabel, dataset.ContentDescription = "REGISTRATION", None
    dataset.ContentCreatorName = None
    dataset.RegistrationSequence = [_registration_item(images) for images in (ct, mr)]
    dataset.ReferencedSeriesSequence = [_series_item(images) for images in (ct, mr)]
    return dataset


def _registration_item(images: list[Dataset]) -> Dataset:
    item, step, matrix = Dataset(), Dataset(), Dataset()
    item.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    item.ReferencedImageSequence = [image_item(header) for header in images]
    matrix.FrameOfReferenceTransformationMatrixType = "RIGID"
    matrix.FrameOfReferenceTransformationMatrix = IDENTITY
    step.MatrixSequence = [matrix]
    step.RegistrationTypeCodeSequence = [code("125024", "Image Content-based Alignment")]
    item.MatrixRegistrationSequence = [step]
    return item


def _series_item(images: list[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = images[0].SeriesInstanceUID
    item.ReferencedInstanceSequence = [image_item(header) for header in images]
    return item


def make_study(folder: Path, sources: tuple[Path, Path], count: int) -> Path:
    """Some slices of a CT and an MR in ct and mr, with rt.dcm and reg.dcm that refer to them."""
    for source, name in zip(sources, ("ct", "mr"), strict=True):
        (folder / name).mkdir(parents=True)
        for path in sorted(source.iterdir())[20 : 20 + count]:
            shutil.copy(path, folder / name)
    ct, mr = headers_of(folder / "ct"), headers_of(folder / "mr")
    write_object(structure_set(ct), folder / "rt.dcm")
    write_object(registration(ct, mr), folder / "reg.dcm")
    return folder
