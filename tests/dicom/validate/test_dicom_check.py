"""The checks of DICOM files: quiet about what is right, loud about each planted fault."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import DataElement, Dataset
from pydicom.uid import ImplicitVRLittleEndian, JPEGLSLossless, MRImageStorage

from dicom_kit import as_nobody, change, change_all, move, put, put_raw, slices
from radfuse.dicom.validate import dciodvfy
from radfuse.dicom.validate.check import check
from radfuse.dicom.validate.problem import Problem
from radfuse.errors import InputError, NoImageError
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform
from reference_kit import headers_of, image_item, make_study

COUNT = 5
"""Slices of the small series."""

Edit = Callable[[Path], object]
"""Spoils a study: a folder with ct, mr and the files rt.dcm and reg.dcm."""


@pytest.fixture(scope="session")
def clean(phantom_folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study without a fault; copy before changing."""
    return make_study(tmp_path_factory.mktemp("clean"), phantom_folders, COUNT)


@pytest.fixture
def study(clean: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "study"))


def errors(path: Path, *, with_dciodvfy: bool = False) -> list[Problem]:
    report = check(path, with_dciodvfy=with_dciodvfy)
    return [finding for finding in report.problems if finding.severity == "error"]


def second(folder: Path) -> Path:
    return slices(folder)[1]


def on_ct(edit: Callable[[Dataset], object]) -> Edit:
    return lambda study: change(second(study / "ct"), edit)


def on(name: str, edit: Callable[[Dataset], object]) -> Edit:
    return lambda study: change(study / name, edit)


def drop(keyword: str) -> Callable[[Dataset], object]:
    return lambda header: delattr(header, keyword)


def cut_pixels(header: Dataset) -> None:
    header.PixelData = header.PixelData[:-10]


def nest(*path: str) -> Callable[[Dataset], Dataset]:
    """The first item at the end of a path of sequences."""

    def find(header: Dataset) -> Dataset:
        for keyword in path:
            header = header[keyword].value[0]
        return header

    return find


def at(path: tuple[str, ...], keyword: str, value: object) -> Callable[[Dataset], object]:
    return lambda header: setattr(nest(*path)(header), keyword, value)


def same_uid(study: Path) -> None:
    first = pydicom.dcmread(slices(study / "ct")[0])
    change(second(study / "ct"), put("SOPInstanceUID", first.SOPInstanceUID))


def meta(keyword: str, value: str | None) -> Edit:
    """Change the file meta information as no honest writer would."""

    def edit(study: Path) -> None:
        path = second(study / "ct")
        header = pydicom.dcmread(path)
        if value is None:
            delattr(header.file_meta, keyword)
        else:
            setattr(header.file_meta, keyword, value)
        pydicom.dcmwrite(path, header)

    return edit


def refer(target: str, keyword: str, value: object) -> Edit:
    """A source image in the CT, with one thing wrong about it."""

    def edit(study: Path) -> None:
        item = image_item(headers_of(study / target)[0])
        setattr(item, keyword, value)
        change(second(study / "ct"), put("SourceImageSequence", [item]))

    return edit


CONTOUR = ("ROIContourSequence", "ContourSequence")
MATRIX = ("RegistrationSequence", "MatrixRegistrationSequence", "MatrixSequence")
LISTED = ("ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence",
          "RTReferencedSeriesSequence")  # fmt: skip
SHEARED = ["1", "0", "0", "0.2", "0.979796", "0"]

FAULTS: dict[str, tuple[Edit, str, str]] = {
    "type 1 missing": (on_ct(drop("PhotometricInterpretation")), "PhotometricInterpretation",
                       "missing (type 1 of module image-pixel)"),
    "type 1 empty": (on_ct(put("ImageType", None)), "ImageType", "empty (type 1"),
    "type 2 missing": (on_ct(drop("KVP")), "KVP", "missing (type 2 of module ct-image)"),
    "type 2 of the patient missing": (on_ct(drop("PatientBirthDate")), "PatientBirthDate",
                                      "missing (type 2 of module patient)"),
    "type 1 in a sequence": (on("rt.dcm", lambda header: delattr(
        nest("StructureSetROISequence")(header), "ROINumber")),
        "StructureSetROISequence[1].ROINumber", "missing (type 1"),
    "class missing": (on_ct(drop("SOPClassUID")), "SOPClassUID", "missing (type 1"),
    "bad UID": (on_ct(put_raw("SeriesInstanceUID", b"1.2.03.x")), "SeriesInstanceUID",
                "Invalid value for VR UI"),
    "bad code string": (on_ct(put_raw("BodyPartExamined", b"head!")), "BodyPartExamined", "VR CS"),
    "bad age": (on_ct(put_raw("PatientAge", b"61")), "PatientAge", "VR AS"),
    "bad number": (on_ct(put_raw("KVP", b"high")), "KVP", "VR DS"),
    "half a number": (on_ct(put_raw("ExposureTimeInms", b"abc ")), "ExposureTimeInms",
                      "unreadable value"),
    "bad date": (on_ct(put_raw("StudyDate", b"2024-1-5")), "StudyDate", "VR DA"),
    "duplicate UID": (same_uid, "SOPInstanceUID", "same as in 0021.dcm"),
    "one UID for two things": (on_ct(lambda header: setattr(
        header, "FrameOfReferenceUID", header.StudyInstanceUID)),
        "SOPInstanceUID", "are equal"),
    "another class in the meta": (meta("MediaStorageSOPClassUID", MRImageStorage),
                                  "MediaStorageSOPClassUID", "but SOPClassUID is"),
    "another UID in the meta": (meta("MediaStorageSOPInstanceUID", "1.2.3"),
                                "MediaStorageSOPInstanceUID", "1.2.3, but SOPInstanceUID is"),
    "no implementation in the meta": (meta("ImplementationClassUID", None),
                                      "ImplementationClassUID", "missing in the file meta"),
    "short pixel data": (on_ct(cut_pixels), "PixelData", "11470 bytes, but the header requires"),
    "no pixel data": (on_ct(drop("PixelData")), "PixelData", "missing"),
    "more rows than pixels": (on_ct(put("Rows", 65535)), "PixelData", "bytes, but the header"),
    "too many bits": (on_ct(put("BitsStored", 17)), "BitsStored", "17 of 16 bits"),
    "high bit elsewhere": (on_ct(put("HighBit", 11)), "HighBit",
                           "11, but BitsStored is 16: only 15 is permitted, other values are "
                           "retired (PS3.5 8.1.1); the pixels are not readable"),
    "left-justified": (on_ct(put("BitsStored", 12)), "HighBit", "15, but BitsStored is 12: only 11 "
                       "is permitted, other values are retired (PS3.5 8.1.1); radfuse reads such"),
    "no sign": (on_ct(put("PixelRepresentation", 2)), "PixelRepresentation", "neither 0 nor 1"),
    "three grey samples": (on_ct(put("SamplesPerPixel", 3)), "SamplesPerPixel",
                           "3 with MONOCHROME2"),
    "several samples without a plan": (on_ct(put("SamplesPerPixel", 3)), "PlanarConfiguration",
                                       "missing, but SamplesPerPixel"),
    "slope alone": (on_ct(drop("RescaleIntercept")), "RescaleIntercept",
                    "missing, but RescaleSlope is present"),
    "centre alone": (on_ct(drop("WindowWidth")), "WindowWidth", "but WindowCenter is present"),
    "no patient position": (on_ct(drop("PatientPosition")), "PatientPosition", "type 2C"),
    "removed by nobody knows what": (on_ct(put("PatientIdentityRemoved", "YES")),
                                     "DeidentificationMethod", "but PatientIdentityRemoved is YES"),
    "sheared orientation": (on_ct(put("ImageOrientationPatient", SHEARED)),
                            "ImageOrientationPatient", "an angle of 78.46 degrees"),
    "long orientation": (on_ct(put("ImageOrientationPatient", ["1.1", "0", "0", "0", "1", "0"])),
                         "ImageOrientationPatient", "vectors of length 1.1 and 1, not 1"),
    "another orientation": (on_ct(put("ImageOrientationPatient", ["1", "0", "0", "0", "0", "-1"])),
                            "ImageOrientationPatient", "the rest of the series has"),
    "another spacing": (on_ct(put("PixelSpacing", ["3", "2.9"])), "PixelSpacing",
                        "the rest of the series has 3\\3"),
    "no spacing": (on_ct(put("PixelSpacing", ["3", "0"])), "PixelSpacing", "0 mm"),
    "negative thickness": (on_ct(put("SliceThickness", "-3.6")), "SliceThickness", "-3.6 mm"),
    "another frame of reference": (on_ct(put("FrameOfReferenceUID", "1.2.3")),
                                   "FrameOfReferenceUID", "differs from the rest"),
    "another patient": (on_ct(put("PatientID", "X")), "PatientID", "differs from the rest"),
    "no frame of reference": (lambda study: change_all(study / "ct", drop("FrameOfReferenceUID")),
                              "FrameOfReferenceUID", "missing, though the image has a position"),
    "uneven step": (lambda study: move(second(study / "ct"), (0, 0, 0.5)),
                    "ImagePositionPatient", "4.1 mm from 0021.dcm; most steps are 3.6 mm"),
    "missing slice": (lambda study: second(study / "ct").unlink(), "ImagePositionPatient",
                      "7.2 mm from 0021.dcm"),
    "same position twice": (lambda study: move(second(study / "ct"), (0, 0, -3.6)),
                            "ImagePositionPatient", "same position as 0021.dcm"),
    "reference of another class": (refer("mr", "ReferencedSOPClassUID", "1.2.3"),
                                   "SourceImageSequence[1].ReferencedSOPInstanceUID",
                                   "stated to be of class 1.2.3; in 0021.dcm it is"),
    "reference to a frame too many": (refer("mr", "ReferencedFrameNumber", 2),
                                      "SourceImageSequence[1].ReferencedSOPInstanceUID",
                                      "frame 2 of 1 frames"),
    "reference that says it lies here": (refer("mr", "SpatialLocationsPreserved", "YES"),
                                         "SourceImageSequence[1].ReferencedSOPInstanceUID",
                                         "locations preserved, but another frame"),
    "structure in another series": (on("rt.dcm", at(LISTED, "SeriesInstanceUID", "1.2.3")),
                                    "ReferencedFrameOfReferenceSequence[1]"
                                    ".RTReferencedStudySequence[1].RTReferencedSeriesSequence[1]"
                                    ".ContourImageSequence[1].ReferencedSOPInstanceUID",
                                    "stated to be of another series"),
    "structure in another frame": (on("rt.dcm", at(LISTED[:1], "FrameOfReferenceUID", "1.2.3")),
                                   "StructureSetROISequence", "that is not referenced"),
    "structure that nobody defines": (on("rt.dcm", at(CONTOUR[:1], "ReferencedROINumber", 9)),
                                      "ROIContourSequence", "ROINumber 9 is not defined"),
    "structure defined twice": (on("rt.dcm", lambda header: setattr(
        header, "StructureSetROISequence", header.StructureSetROISequence[:1] * 2)),
        "StructureSetROISequence", "two structures have ROINumber 1"),
    "contour short of a number": (on("rt.dcm", at(CONTOUR, "NumberOfContourPoints", 4)),
                                  "ROIContourSequence[1].ContourSequence[1].ContourData",
                                  "not three finite numbers for each of 4 points"),
    "contour with no count": (on("rt.dcm", lambda header: put_raw(
        "NumberOfContourPoints", b"x")(nest(*CONTOUR)(header))),
        "", "the check was not completed: ValueError"),
    "contour on an unlisted image": (on("rt.dcm", lambda header: nest(*LISTED)(
        header).ContourImageSequence.pop(0)),
        "ROIContourSequence[1].ContourSequence[1].ContourImageSequence", "is not listed"),
    "matrix that is not rigid": (on("reg.dcm", at(
        MATRIX, "FrameOfReferenceTransformationMatrix", ["1.1", *["0"] * 4, "1", *["0"] * 4, "1",
                                                         *["0"] * 4, "1"])),
        "RegistrationSequence[1].FrameOfReferenceTransformationMatrix", "type RIGID, but"),
    "matrix with another last row": (on("reg.dcm", at(
        MATRIX, "FrameOfReferenceTransformationMatrix", ["1", *["0"] * 4, "1", *["0"] * 4, "1",
                                                         "0", "5", "0", "0", "1"])),
        "RegistrationSequence[1].FrameOfReferenceTransformationMatrix", "the last row"),
    "matrix of nine numbers": (on("reg.dcm", at(
        MATRIX, "FrameOfReferenceTransformationMatrix", ["1"] * 9)),
        "RegistrationSequence[1].FrameOfReferenceTransformationMatrix", "not 16 finite numbers"),
}  # fmt: skip
"""By name of a fault: the edit, and the attribute and words of the expected error."""


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, marks=pytest.mark.slow if index % 3 else ())
        for index, fault in enumerate(FAULTS)
    ],
)
def test_a_planted_fault_is_found(study: Path, fault: str) -> None:
    spoil, attribute, words = FAULTS[fault]
    spoil(study)
    found = [(finding.attribute, finding.message) for finding in errors(study)]
    assert any(name == attribute and words in message for name, message in found), found


@pytest.mark.parametrize("points", [3, 9000])
@pytest.mark.parametrize("kind", ["DS", "UN"])
def test_long_contours_of_unknown_vr_have_no_error(study: Path, points: int, kind: str) -> None:
    def edit(header: Dataset) -> None:
        contour = nest(*CONTOUR)(header)
        x, y, z = (float(value) for value in contour.ContourData[:3])
        angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
        ring = np.c_[x + 9 * np.cos(angles), y + 9 * np.sin(angles), np.full(points, z)]
        contour.NumberOfContourPoints = points
        contour.ContourData = [f"{value:.4f}" for value in ring.ravel()]
        if kind == "DS":  # an explicit VR of DS has no room for the length
            header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        else:
            text = "\\".join(map(str, contour.ContourData))
            contour["ContourData"] = DataElement("ContourData", "UN", text.encode() + b" ")

    change(study / "rt.dcm", edit)
    assert errors(study / "rt.dcm") == []


def test_a_study_without_faults_has_none(clean: Path) -> None:
    report = check(clean, with_dciodvfy=dciodvfy.is_installed())
    assert report.problems == ()
    assert report.files == 2 * COUNT + 2


def test_what_radfuse_writes_has_no_error(tmp_path: Path) -> None:
    phantom = make_phantom(7, spacing_mm=6.0)
    pair = write_phantom(phantom, tmp_path / "study")
    write_transform(tmp_path / "truth.tfm", phantom.mr_from_ct)
    recipe = Recipe(method="average", transform=tmp_path / "truth.tfm", accept_registration=True)
    fuse_ct_mr(*pair, tmp_path / "study" / "fused", recipe=recipe)
    report = check(tmp_path / "study", with_dciodvfy=dciodvfy.is_installed())
    assert report.problems == ()


def test_reference_to_absent_object_is_a_located_warning(study: Path) -> None:
    shutil.rmtree(study / "mr")
    (finding,) = [one for one in check(study, with_dciodvfy=False).problems
                  if one.file.name == "reg.dcm"]  # fmt: skip
    assert finding.severity == "warning"
    assert finding.attribute.startswith("ReferencedSeriesSequence[2].ReferencedInstanceSequence[1]")
    assert "objects that are not in the folder" in finding.message


def test_a_leaning_stack_is_a_warning(study: Path) -> None:
    for index, path in enumerate(slices(study / "ct")):
        move(path, (0, index, 0))
    warnings = [one.message for one in check(study / "ct", with_dciodvfy=False).problems]
    assert "the slices shift laterally by 4 mm: gantry tilt, or several volumes" in warnings


def test_a_localizer_in_the_series_is_left_out_of_the_geometry(study: Path) -> None:
    def localize(header: Dataset) -> None:
        header.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        header.ImageOrientationPatient = ["1", "0", "0", "0", "0", "-1"]

    change(slices(study / "ct")[0], localize)
    assert errors(study / "ct") == []


def test_echoes_of_one_place_are_no_duplicates(study: Path) -> None:
    for index, path in enumerate(slices(study / "mr")):
        change(path, put("EchoNumbers", index % 2 + 1))
    move(slices(study / "mr")[1], (0, 0, -3.9))
    messages = [finding.message for finding in errors(study / "mr")]
    assert not any("too" in message for message in messages)


def test_the_same_fault_is_told_of_each_file(study: Path) -> None:
    change_all(study / "ct", drop("KVP"))
    assert [finding.attribute for finding in errors(study / "ct")] == ["KVP"] * COUNT


def test_compressed_pixels_need_a_fragment_a_frame(study: Path) -> None:
    path = slices(study / "ct")[0]
    header = pydicom.dcmread(path)
    header.file_meta.TransferSyntaxUID = JPEGLSLossless
    header.PixelData = pydicom.encaps.encapsulate([b"one frame"])
    header.NumberOfFrames = 2
    header.save_as(path)
    assert "1 compressed fragments for 2 frames" in [one.message for one in errors(path)]


@pytest.mark.parametrize("length", [140, 400, 1000, 3000])
def test_a_file_that_breaks_off_is_an_error_of_that_file(study: Path, length: int) -> None:
    path = second(study / "ct")
    path.write_bytes(path.read_bytes()[:length])
    assert path in {finding.file for finding in errors(study)}


def test_garbage_after_the_preamble_is_an_error_not_a_crash(study: Path) -> None:
    for seed, start in enumerate((140, 400, 900)):
        path = slices(study / "ct")[seed]
        bytes_ = bytearray(path.read_bytes())
        bytes_[start : start + 300] = bytes((7 * index + seed) % 256 for index in range(300))
        path.write_bytes(bytes_)
    assert len({finding.file for finding in errors(study / "ct")}) >= 3


def test_nested_sequences_without_end_are_an_error_not_a_crash(study: Path) -> None:
    path = second(study / "ct")
    item = b"\x08\x00\x12\x21SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(path.read_bytes()[:350] + 5000 * item)
    assert path in {finding.file for finding in errors(study)}


def test_junk_and_a_dicomdir_are_counted_not_checked(study: Path) -> None:
    (study / "readme.txt").write_text("nothing")
    report = check(study, with_dciodvfy=False)
    assert (report.files, report.skipped) == (2 * COUNT + 2, 1)


def test_a_dcm_file_without_the_preamble_is_an_error(study: Path) -> None:
    (study / "ct" / "junk.dcm").write_text("nothing")
    (finding,) = errors(study / "ct")
    assert finding.message == "not a DICOM file: the letters DICM are missing"


def test_a_single_file_is_checked_alone(study: Path) -> None:
    report = check(second(study / "ct"), with_dciodvfy=False)
    assert (report.files, report.skipped, report.errors) == (1, 0, 0)


def test_a_class_that_is_in_no_table_is_a_warning(study: Path) -> None:
    change(second(study / "ct"), put("SOPClassUID", "1.2.3.4"))
    problems = check(second(study / "ct"), with_dciodvfy=False).problems
    assert any("class '1.2.3.4' is unknown" in problem.message for problem in problems)


def test_a_missing_path_and_a_folder_without_dicom_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        check(tmp_path / "nowhere")
    with pytest.raises(NoImageError, match="no DICOM files"):
        check(tmp_path)


def test_a_file_that_may_not_be_read_is_refused(study: Path) -> None:
    second(study / "ct").chmod(0)
    with as_nobody(study), pytest.raises(InputError, match="no permission to read"):
        check(study, with_dciodvfy=False)


@pytest.mark.skipif(not dciodvfy.is_installed(), reason="dciodvfy (dicom3tools) is missing")
def test_what_dciodvfy_finds_is_quoted(study: Path) -> None:
    change(second(study / "ct"), drop("KVP"))
    quoted = [one.message for one in errors(study / "ct", with_dciodvfy=True)
              if one.attribute == "dciodvfy"]  # fmt: skip
    assert quoted == [
        "</KVP(0018,0060)> - Missing attribute for Type 2 Required - Module=<CTImage>"
    ]


def test_messages_have_no_values_of_attributes(study: Path) -> None:
    for keyword in ("PatientName", "BodyPartExamined", "StudyDate", "PatientBirthDate", "KVP"):
        change_all(study / "ct", put_raw(keyword, b"head of Doe"))
    report = check(study / "ct", with_dciodvfy=dciodvfy.is_installed())
    assert {"BodyPartExamined", "StudyDate", "KVP"} <= {one.attribute for one in report.problems}
    assert "Doe" not in repr(report.problems)


def test_real_objects_are_judged_without_a_crash(odd: Path, heads: Path) -> None:
    for folder in (*odd.iterdir(), heads / "ct_ge_tilt18_variable_gap"):
        try:
            check(folder, with_dciodvfy=False)
        except NoImageError:
            continue
