"""De-identification: nothing of the patient is left in the bytes, everything stays in its place."""

import shutil
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pydicom.datadict import DicomDictionary
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from dicom_kit import change, change_all, put, slices
from radfuse.dicom.deidentify.confidentiality_profile import action_for
from radfuse.dicom.deidentify.files import deidentify_folder
from radfuse.dicom.deidentify.headers import (
    deidentify_header,
    deidentify_series,
    hashed_uid,
    random_key,
)
from radfuse.dicom.read.derived import SERIES_SUFFIX
from radfuse.dicom.validate import dciodvfy
from radfuse.dicom.validate.check import check
from radfuse.errors import InputError
from radfuse.pipeline.read import read
from reference_kit import headers_of, make_study

KEY = b"a key of the tests"

COUNT = 4
"""Slices of a series."""

PLANTED = {
    "PatientName": "Montgomery^Bartholomew", "PatientID": "ZX-4711-KQ",
    "PatientBirthDate": "19370611", "PatientAge": "087Y", "StudyDate": "19991231",
    "SeriesDate": "19991230", "ContentDate": "19991229", "AcquisitionDate": "19991228",
    "StudyTime": "071533", "AcquisitionDateTime": "19991227071534", "AccessionNumber": "ACC998877",
    "StudyID": "STUDY5566", "ReferringPhysicianName": "Featherstone^Ann",
    "OperatorsName": "Oppenheim^Ole", "InstitutionName": "Kilkenny General",
    "InstitutionAddress": "Rose Lane 5", "StationName": "CTROOM7", "DeviceSerialNumber": "SN77665",
    "PatientComments": "Montgomery is allergic", "ImageComments": "from Kilkenny",
    "SeriesDescription": "head of Montgomery", "StudyDescription": "ZX-4711-KQ again",
    "ProtocolName": "Montgomery protocol", "ConvolutionKernel": "zx 4711 kq",
    "OtherPatientIDs": "OLD-8899", "PatientAddress": "Elm Street 9", "MilitaryRank": "Sergeant",
    "IssuerOfPatientID": "KilkennyRegistry", "RetrieveURI": "http://kilkenny.example/zx",
}  # fmt: skip
"""What a hospital may have written, by attribute; none of the values may be left."""

WORDS = (
    "Montgomery", "Bartholomew", "ZX-4711", "ZX 4711", "19370611", "087Y",
    "19991227", "19991228", "19991229", "19991230", "19991231", "071533",
    "ACC998877", "STUDY5566", "Featherstone", "Oppenheim", "Kilkenny", "Rose Lane", "CTROOM7",
    "SN77665", "allergic", "OLD-8899", "Elm Street", "Sergeant", "Hawthorne",
)  # fmt: skip


def plant(dataset: Dataset) -> None:
    """Put the patient everywhere."""
    for keyword, value in PLANTED.items():
        setattr(dataset, keyword, value)
    block = dataset.private_block(0x0009, "Montgomery 1.0", create=True)
    block.add_new(1, "LO", "ZX-4711-KQ")
    inner, request = Dataset(), Dataset()
    inner.Manufacturer = "test"
    inner.PersonName = "Hawthorne^Nat"
    inner.InstitutionName = "Kilkenny General"
    private = inner.private_block(0x0011, "KILKENNY", create=True)
    private.add_new(1, "LT", "Montgomery")
    request.RequestedProcedureDescription = "head of Montgomery"
    dataset.RequestAttributesSequence = [request]
    dataset.ContributingEquipmentSequence = [inner]
    meaning = Dataset()
    meaning.CodeValue, meaning.CodingSchemeDesignator = "1", "99TEST"
    meaning.CodeMeaning = "as done for Montgomery"
    meaning.PatientID = "ZX-4711-KQ"
    inner.PurposeOfReferenceCodeSequence = [meaning]
    dataset.add_new(0x50003000, "OW", b"Montgomery")
    dataset.add_new(0x60003000, "OW", b"Montgomery")
    dataset.add_new(0x60000022, "LO", "Kilkenny")
    dataset.add_new(0x00081301, "UN", b"Montgomery")
    dataset.file_meta.SourceApplicationEntityTitle = "MONTGOMERY"
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.3"
    dataset.file_meta.PrivateInformation = b"Montgomery"
    dataset.preamble = b"Montgomery".ljust(128, b"\0")


@pytest.fixture(scope="module")
def clean(phantom_folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study without a fault; copy before changing."""
    return make_study(tmp_path_factory.mktemp("hospital"), phantom_folders, COUNT)


@pytest.fixture
def study(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "study"))


def every_file(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def uids_of(folder: Path) -> set[str]:
    """All UIDs in a folder that are not the standard's or the writer's."""
    found = set[str]()
    for path in every_file(folder):
        for element in pydicom.dcmread(path).iterall():
            if element.VR == "UI":
                found |= {
                    str(uid) for uid in ([element.value] if element.VM < 2 else element.value)
                }
    return {uid for uid in found if uid and not uid.startswith("1.2.840.10008.")}


def test_nothing_of_the_patient_is_left_in_the_bytes(study: Path, tmp_path: Path) -> None:
    for path in every_file(study):
        change(path, plant)
    old = uids_of(study)
    assert all(word.encode() in slices(study / "ct")[0].read_bytes() for word in ("Kilk", "4711"))
    copies = deidentify_folder(study, tmp_path / "out", KEY)
    assert len(copies.files) == 2 * COUNT + 2
    for path in every_file(tmp_path / "out"):
        bytes_ = path.read_bytes().lower()
        assert [word for word in (*WORDS, *old) if word.lower().encode() in bytes_] == []
        assert "study" not in str(path.relative_to(tmp_path / "out"))


def test_a_name_in_any_text_of_the_dictionary_is_gone() -> None:
    header = Dataset()
    for tag, (kind, *_) in DicomDictionary.items():
        if kind in {"LO", "LT", "PN", "SH", "ST", "UC", "UT"} and Tag(tag).group > 2:
            header.add_new(tag, kind, "Montgomery")
    header.SpecificCharacterSet = "ISO_IR 192"
    assert len(header) > 500
    text = str(deidentify_header(header, KEY))
    assert "Montgomery" not in text


def test_a_study_stays_whole_and_valid(study: Path, tmp_path: Path) -> None:
    for path in every_file(study):
        change(path, plant)
    deidentify_folder(study, tmp_path / "out", KEY)
    report = check(tmp_path / "out", with_dciodvfy=dciodvfy.is_installed())
    assert report.problems == ()


def test_geometry_and_pixels_stay(study: Path, tmp_path: Path) -> None:
    copies = deidentify_folder(study / "ct", tmp_path / "out", KEY)
    for before, after in zip(slices(study / "ct"), copies.files, strict=True):
        old, new = pydicom.dcmread(before), pydicom.dcmread(after)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
                        "SliceThickness", "Rows", "Columns", "RescaleSlope", "RescaleIntercept",
                        "PatientPosition", "WindowCenter", "ImageType", "PixelData"):  # fmt: skip
            assert new[keyword].value == old[keyword].value, keyword


def test_contours_and_matrices_stay(study: Path, tmp_path: Path) -> None:
    deidentify_folder(study, tmp_path / "out", KEY)
    by_class = {pydicom.dcmread(path).Modality: pydicom.dcmread(path)
                for path in every_file(tmp_path / "out")}  # fmt: skip
    old = pydicom.dcmread(study / "rt.dcm").ROIContourSequence[0].ContourSequence[0]
    new = by_class["RTSTRUCT"].ROIContourSequence[0].ContourSequence[0]
    assert new.ContourData == old.ContourData
    matrix = by_class["REG"].RegistrationSequence[1].MatrixRegistrationSequence[0]
    assert matrix.MatrixSequence[0].FrameOfReferenceTransformationMatrix[0] == 1


def encoded(path: Path, syntax: str) -> Path:
    """Write a file again in another transfer syntax."""
    header = pydicom.dcmread(path)
    if syntax == RLELossless:
        header.compress(RLELossless)
        header.save_as(path)
        return path
    header.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        header.PixelData = header.pixel_array.astype(">u2").tobytes()
    header._is_implicit_VR = header._is_little_endian = None
    pydicom.dcmwrite(
        path, header, implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian, enforce_file_format=True,
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian,
     DeflatedExplicitVRLittleEndian, RLELossless],
)  # fmt: skip
def test_the_transfer_syntax_and_each_byte_of_the_pixels_stay(
    study: Path, tmp_path: Path, syntax: str
) -> None:
    source = encoded(slices(study / "ct")[0], syntax)
    (copy,) = deidentify_folder(source, tmp_path / "out", KEY).files
    old, new = pydicom.dcmread(source), pydicom.dcmread(copy)
    assert new.file_meta.TransferSyntaxUID == syntax
    assert new.PixelData == old.PixelData


def test_real_files_in_every_transfer_syntax_keep_their_pixels(odd: Path, tmp_path: Path) -> None:
    source = odd / "transfer_syntaxes_same_mr_slice"
    copies = deidentify_folder(source, tmp_path / "out", KEY)
    for before, after in zip(every_file(source), copies.files, strict=True):
        old, new = pydicom.dcmread(before), pydicom.dcmread(after)
        assert new.file_meta.TransferSyntaxUID == old.file_meta.TransferSyntaxUID
        assert new.PixelData == old.PixelData


def test_it_says_that_and_how_it_was_done(study: Path, tmp_path: Path) -> None:
    (copy,) = deidentify_folder(slices(study / "ct")[0], tmp_path / "out", KEY).files
    header = pydicom.dcmread(copy)
    assert header.PatientIdentityRemoved == "YES"
    assert header.DeidentificationMethod.startswith("PS3.15 basic profile by radfuse")
    assert header.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert header.LongitudinalTemporalInformationModified == "REMOVED"
    assert header.PatientID == header.PatientName != ""


def test_one_key_gives_one_set_of_uids_and_another_key_another(study: Path) -> None:
    ct, mr = headers_of(study / "ct")[0], headers_of(study / "mr")[0]
    first, again, other = (deidentify_header(ct, key) for key in (KEY, KEY, random_key()))
    assert first == again
    assert deidentify_header(mr, KEY).StudyInstanceUID == first.StudyInstanceUID
    assert deidentify_header(mr, KEY).PatientID == first.PatientID
    for keyword in ("StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert first[keyword].value != other[keyword].value
    assert first.SOPClassUID == ct.SOPClassUID


def test_a_hashed_uid_is_a_uid_and_those_of_the_standard_stay() -> None:
    hashed = hashed_uid("1.2.3", KEY)
    assert hashed == pydicom.uid.UID(hashed)
    assert pydicom.uid.UID(hashed).is_valid
    assert hashed.startswith("2.25.")
    assert hashed_uid("1.2.840.10008.1.2.1", KEY) == "1.2.840.10008.1.2.1"
    assert hashed_uid("", KEY) == ""


def test_a_patient_without_name_and_id_gets_no_pseudonym() -> None:
    assert deidentify_header(Dataset(), KEY).PatientName == ""


@pytest.mark.parametrize(
    ("tag", "kind", "action"),
    [
        (0x00100010, "2", "empty"),  # Z
        (0x00080023, "1", "dummy"),  # Z/D
        (0x00080023, "3", "empty"),
        (0x00080022, "3", "remove"),  # X/Z
        (0x00080022, "2", "empty"),
        (0x00181030, "3", "remove"),  # X/D
        (0x00181030, "1", "dummy"),
        (0x00181000, "3", "remove"),  # X/Z/D
        (0x00181000, "2", "empty"),
        (0x00181000, "1", "dummy"),
        (0x0008103E, "3", "remove"),  # X
        (0x00080018, "1", "uid"),
        (0x00082112, "3", "keep"),  # X/Z/U*
        (0x00200032, "1", "keep"),
        (0x50003000, "3", "remove"),
        (0x60023000, "3", "remove"),
        (0x30060026, "1", "dummy"),  # Z, but the object must have a value
    ],
)
def test_the_profile_is_followed_as_the_object_allows(tag: int, kind: str, action: str) -> None:
    assert action_for(Tag(tag), kind) == action


def test_a_dummy_sequence_keeps_its_form_alone() -> None:
    header, observer, code = Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodeMeaning = "77", "Montgomery"
    observer.VerifyingObserverName = "Hawthorne^Nat"
    observer.VerifyingOrganization = "Kilkenny"
    observer.VerificationDateTime = "19991231"
    observer.VerifyingObserverIdentificationCodeSequence = [code]
    observer.ReferencedSOPInstanceUID = "1.2.3"
    observer.add_new(0x00111001, "LO", "Montgomery")
    header.VerifyingObserverSequence = [observer]
    (item,) = deidentify_header(header, KEY).VerifyingObserverSequence
    assert item.VerifyingObserverName == item.VerifyingOrganization == "REMOVED"
    assert item.VerificationDateTime == "19000101000000"
    assert item.VerifyingObserverIdentificationCodeSequence[0].CodeMeaning == "REMOVED"
    assert item.ReferencedSOPInstanceUID == hashed_uid("1.2.3", KEY)
    assert Tag(0x00111001) not in item


def test_a_value_that_cannot_be_read_is_gone(study: Path) -> None:
    header = headers_of(study / "ct")[0]
    tag = Tag("ExposureTimeInms")
    header._dict[tag] = pydicom.dataelem.RawDataElement(tag, "FD", 4, b"Mont", 0, False, True)
    assert tag not in deidentify_header(header, KEY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"FUSED CT+MR mfinet - {SERIES_SUFFIX}", SERIES_SUFFIX),
        (f"QA FAILED FUSED CT+MR x - {SERIES_SUFFIX}", f"QA FAILED {SERIES_SUFFIX}"),
        (f"INSPECT FUSED CT+MR x - {SERIES_SUFFIX}", f"INSPECT {SERIES_SUFFIX}"),
        (f"UNTRUSTED FUSED CT+MR x - {SERIES_SUFFIX}", f"QA FAILED {SERIES_SUFFIX}"),
    ],
)
def test_the_warning_of_a_fused_series_stays(before: str, after: str) -> None:
    header = Dataset()
    header.SeriesDescription = before
    assert deidentify_header(header, KEY).SeriesDescription == after


def test_a_series_keeps_its_image_and_gets_other_headers(study: Path) -> None:
    series = read(study / "ct", "CT")
    private = deidentify_series(series, KEY)
    assert private.image is series.image
    assert private.frame_of_reference_uid != series.frame_of_reference_uid
    assert series.patient.id == "PHANTOM-7"
    assert [header.ImagePositionPatient for header in private.headers] == [
        header.ImagePositionPatient for header in series.headers
    ]


def test_a_series_with_burned_in_text_is_refused(study: Path) -> None:
    change_all(study / "ct", put("BurnedInAnnotation", "YES"))
    with pytest.raises(InputError, match="BurnedInAnnotation is YES"):
        deidentify_series(read(study / "ct", "CT"), KEY)
