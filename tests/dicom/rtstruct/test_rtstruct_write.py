"""Structures written as RTSTRUCT come back as they were, here and elsewhere."""

import copy
import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import get_args

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from highdicom.spatial import ReferenceToImageTransformer
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as MatplotlibPath

from dicom_kit import OBLIQUE, change_all
from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.dicom.rtstruct.write import HoleEncoding, write_structure_set
from radfuse.errors import InputError
from radfuse.phantom.head import Label, Phantom
from radfuse.pipeline.read import read
from radfuse.record import NOTICE
from radfuse.series import Series
from radfuse.structures.contour_smoothing import AREA_TOLERANCE
from radfuse.structures.generation import ComputedStep, ManualStep, Step, imported_step
from structure_kit import array, blobs, dice, regridded, series_on_disk, structure

TOO_NEW = "Unrecognized enumerated value = <CLOSEDPLANAR_XOR>"
"""What dciodvfy of Debian 12 says of a value that PS3.3 has had since 2018."""

HOLES = pytest.mark.parametrize("holes", ["keyhole", "xor"])
angle = st.floats(-3.1, 3.1)


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return series_on_disk(tmp_path_factory.mktemp("oblique") / "CT", angles=OBLIQUE)


@pytest.fixture(scope="module")
def ring(ct: Series) -> np.ndarray:
    """A shell with an island in it: (slices, rows, columns)."""
    mask = np.zeros(ct.image.GetSize()[::-1], bool)
    mask[2:7, 3:19, 3:20] = True
    mask[3:6, 6:16, 6:17] = False
    mask[3:6, 9:12, 9:12] = True
    return mask


def turned(series: Series, angles: tuple[float, ...], spacing: tuple[float, ...]) -> Series:
    """The same slices elsewhere in the patient, headers and image alike."""
    image = sitk.Image(series.image)
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles).GetMatrix())
    image.SetSpacing(spacing)
    axes = np.reshape(image.GetDirection(), (3, 3))
    headers = []
    for index, header in enumerate(series.headers):
        moved = copy.deepcopy(header)
        place = image.TransformIndexToPhysicalPoint((0, 0, index))
        moved.ImagePositionPatient = [f"{part:.6f}" for part in place]
        moved.ImageOrientationPatient = [f"{part:.9f}" for part in axes.T[:2].ravel()]
        moved.PixelSpacing = [f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"]
        headers.append(moved)
    return dataclasses.replace(series, image=image, headers=tuple(headers))


@settings(max_examples=min(30, settings().max_examples * 15 // 100), deadline=None)
@given(
    holes=st.sampled_from(["keyhole", "xor"]),
    smooth=st.booleans(),
    seed=st.integers(0, 10**6),
    angles=st.tuples(angle, angle, angle),
    spacing=st.tuples(st.floats(0.3, 3), st.floats(0.3, 3), st.floats(0.5, 6)),
    share=st.floats(0.02, 0.95),
)
def test_a_mask_comes_back_as_it_was_from_any_grid(
    holes: HoleEncoding,
    smooth: bool,
    seed: int,
    angles: tuple[float, ...],
    spacing: tuple[float, ...],
    share: float,
    ct: Series,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{holes}.dcm"
    series = turned(ct, angles, tuple(round(step, 6) for step in spacing))
    masks = [blobs(ct.image.GetSize()[::-1], seed + i, share=share) for i in range(2)]
    parts = [structure(mask, series, f"S{i}") for i, mask in enumerate(masks)]
    write_structure_set(path, series, parts, holes=holes, smooth=smooth)
    back = list(read_structure_set(path, series).structures())
    for mask, found in zip(masks, back, strict=True):
        np.testing.assert_array_equal(array(found.mask), mask)


@HOLES
def test_slices_holes_and_contours_are_counted(
    holes: HoleEncoding, ct: Series, ring: np.ndarray, tmp_path: Path
) -> None:
    (written,) = write_structure_set(tmp_path / "rt.dcm", ct, [structure(ring, ct)], holes=holes)
    assert written.slices == 5
    assert written.contours == {"keyhole": 2 + 3 * 2, "xor": 2 + 3 * 3}[holes]
    assert written.volume_cm3 == pytest.approx(ring.sum() * 0.9 * 1.1 * 2.5 / 1000)


@HOLES
def test_contours_lie_on_their_referenced_slice_planes(
    holes: HoleEncoding, ct: Series, ring: np.ndarray, tmp_path: Path
) -> None:
    write_structure_set(tmp_path / "rt.dcm", ct, [structure(ring, ct)], holes=holes)
    header = pydicom.dcmread(tmp_path / "rt.dcm")
    slices = {slice_header.SOPInstanceUID: slice_header for slice_header in ct.headers}
    kinds = set()
    for contour in header.ROIContourSequence[0].ContourSequence:
        on = slices[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
        axes = np.reshape(on.ImageOrientationPatient, (2, 3)).astype(float)
        points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
        away = (points - np.array(on.ImagePositionPatient, float)) @ np.cross(*axes)
        np.testing.assert_allclose(away, 0, atol=2e-4)
        kinds.add(contour.ContourGeometricType)
    assert kinds == {"CLOSED_PLANAR" if holes == "keyhole" else "CLOSEDPLANAR_XOR"}


def test_the_header_names_patient_study_frame_and_what_it_is_for(
    ct: Series, ring: np.ndarray, tmp_path: Path
) -> None:
    parts = [structure(ring, ct, "CTV_High"), structure(~ring, ct, "Gehirn, größter Teil")]
    write_structure_set(tmp_path / "rt.dcm", ct, parts, algorithm="MANUAL")
    header = pydicom.dcmread(tmp_path / "rt.dcm")
    of_ct = ct.headers[0]
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert header[keyword].value == of_ct[keyword].value
    for keyword in ("OperatorsName", "AccessionNumber", "ReferringPhysicianName",
                    "PositionReferenceIndicator"):  # fmt: skip
        assert keyword in header
    assert header.ApprovalStatus == "UNAPPROVED"
    assert "RESEARCH" in header.StructureSetDescription
    assert "RESEARCH" in header.SeriesDescription
    assert header.SeriesInstanceUID != of_ct.SeriesInstanceUID
    (frame,) = header.ReferencedFrameOfReferenceSequence
    (of_series,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert of_series.SeriesInstanceUID == of_ct.SeriesInstanceUID
    assert len(of_series.ContourImageSequence) == len(ct.headers)
    assert [roi.ROIName for roi in header.StructureSetROISequence] == [
        "CTV_High", "Gehirn, größter Teil",
    ]  # fmt: skip
    assert {roi.ROIGenerationAlgorithm for roi in header.StructureSetROISequence} == {"MANUAL"}
    kinds = [item.RTROIInterpretedType for item in header.RTROIObservationsSequence]
    assert kinds == ["CTV", ""]
    assert list(header.ROIContourSequence[0].ROIDisplayColor) == [255, 0, 0]


def test_a_patient_whose_name_is_not_ascii_keeps_it(tmp_path: Path) -> None:
    series_on_disk(tmp_path / "CT")

    def rename(header: pydicom.Dataset) -> None:
        header.SpecificCharacterSet = "ISO_IR 100"
        header.PatientName = "Müller^Jörg"

    change_all(tmp_path / "CT", rename)
    ct = read(tmp_path / "CT", "CT")
    mask = blobs(ct.image.GetSize()[::-1], 1)
    write_structure_set(tmp_path / "rt.dcm", ct, [structure(mask, ct)])
    assert pydicom.dcmread(tmp_path / "rt.dcm").PatientName == "Müller^Jörg"


def test_multi_frame_ct_frame_is_referenced_by_number(
    ct: Series, ring: np.ndarray, tmp_path: Path
) -> None:
    headers = []
    for number, header in enumerate(ct.headers, start=1):
        frame = copy.deepcopy(header)
        frame.SOPInstanceUID = ct.headers[0].SOPInstanceUID
        frame.ReferencedFrameNumber = number
        headers.append(frame)
    series = dataclasses.replace(ct, headers=tuple(headers), files=ct.files[:1])
    write_structure_set(tmp_path / "rt.dcm", series, [structure(ring, series)])
    header = pydicom.dcmread(tmp_path / "rt.dcm")
    numbers = [
        contour.ContourImageSequence[0].ReferencedFrameNumber
        for contour in header.ROIContourSequence[0].ContourSequence
    ]
    assert numbers == [3, 4, 4, 5, 5, 6, 6, 7]


def test_an_empty_structure_is_kept(ct: Series, ring: np.ndarray, tmp_path: Path) -> None:
    parts = [structure(ring & False, ct, "Nothing"), structure(ring, ct)]
    write_structure_set(tmp_path / "rt.dcm", ct, parts)
    back = list(read_structure_set(tmp_path / "rt.dcm", ct).structures())
    assert [part.name for part in back] == ["Nothing", "GTVp"]
    assert [part.volume_cm3 > 0 for part in back] == [False, True]
    assert "ContourSequence" not in pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "structure name ''"),
        ("   ", "1 to 64 characters"),
        ("x" * 65, "1 to 64 characters"),
        ("a\\b", "without backslash"),
        ("a\nb", "line break"),
    ],
)
def test_a_name_that_dicom_cannot_hold_is_refused(
    name: str, words: str, ct: Series, ring: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        write_structure_set(tmp_path / "rt.dcm", ct, [structure(ring, ct, name)])
    assert not (tmp_path / "rt.dcm").exists()


def test_a_name_used_twice_is_refused(ct: Series, ring: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two structures are named 'GTVp'"):
        write_structure_set(tmp_path / "rt.dcm", ct, [structure(ring, ct)] * 2)
    twice = [structure(ring, ct, name) for name in ("GTVp", "GTVp ")]
    with pytest.raises(InputError, match="two structures are named 'GTVp '"):
        write_structure_set(tmp_path / "rt.dcm", ct, twice)


def test_a_slice_without_instance_uid_is_refused(ct: Series, ring: np.ndarray) -> None:
    bare = copy.deepcopy(ct.headers[4])
    del bare.SOPInstanceUID
    series = dataclasses.replace(ct, headers=(*ct.headers[:4], bare, *ct.headers[5:]))
    with pytest.raises(InputError, match=r"0005\.dcm: no SOPInstanceUID"):
        write_structure_set(Path("rt.dcm"), series, [structure(ring, series)])


def test_a_ct_that_is_no_dicom_is_refused(ct: Series, ring: np.ndarray) -> None:
    series = dataclasses.replace(ct, headers=())
    with pytest.raises(InputError, match="contours refer to DICOM slices"):
        write_structure_set(Path("rt.dcm"), series, [structure(ring, series)])


def ball(image: sitk.Image, centre: tuple[float, ...], radius_mm: float) -> np.ndarray:
    index = np.stack(np.indices(image.GetSize()[::-1])[::-1], axis=-1)
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    points = image.GetOrigin() + index @ axes.T
    return np.asarray(np.linalg.norm(points - centre, axis=-1) <= radius_mm)


@HOLES
@pytest.mark.parametrize("case", ["tilted", "uneven"])
def test_mask_of_resampled_image_is_contoured_on_source_slices(
    case: str, holes: HoleEncoding, tmp_path: Path
) -> None:
    source = series_on_disk(
        tmp_path / "CT", size=(60, 60, 14), spacing=(1.0, 1.0, 2.5), origin=(-30.0, -30.0, 0.0)
    )
    headers = []
    for index, header in enumerate(source.headers):
        moved = copy.deepcopy(header)
        x, y, z = map(float, header.ImagePositionPatient)
        place = (x, y + 0.8 * index, z) if case == "tilted" else (x, y, z + 0.15 * index**1.5)
        moved.ImagePositionPatient = [f"{part:.4f}" for part in place]
        headers.append(moved)
    grid = sitk.Image(60, 70, 20, sitk.sitkFloat32)
    grid.SetOrigin((-30.0, -30.0, 0.0))
    grid.SetSpacing((1.0, 1.0, 2.0))
    series = dataclasses.replace(regridded(source, grid), headers=tuple(headers))
    centre = (0.0, 4.0, 18.0)
    mask = ball(grid, centre, 14) & ~ball(grid, centre, 5)
    (written,) = write_structure_set(
        tmp_path / "rt.dcm", series, [structure(mask, series)], holes=holes
    )
    assert written.slices >= 9
    drawn = read_structure_set(tmp_path / "rt.dcm", series)
    assert drawn.notes == ()
    (back,) = drawn.structures()
    assert dice(array(back.mask), mask) > 0.93  # twice interpolated on slices of another pitch
    np.testing.assert_allclose(
        np.argwhere(array(back.mask)).mean(0), np.argwhere(mask).mean(0), atol=0.2
    )
    tops = {round(float(part.ImagePositionPatient[2]), 3) for part in headers}
    for contour in pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence:
        assert round(float(contour.ContourData[2]), 3) in tops


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed"
)
@HOLES
@pytest.mark.parametrize(("source", "smooth"), [("phantom", True), ("oblique", False)])
def test_an_independent_validator_finds_no_error(
    source: str,
    smooth: bool,
    holes: HoleEncoding,
    ct: Series,
    ring: np.ndarray,
    phantom: Phantom,
    phantom_folders: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    series, mask = ct, ring
    if source == "phantom":
        series = read(phantom_folders[0], "CT")
        mask = sitk.GetArrayFromImage(phantom.labels) == Label.SKULL
    parts = [structure(part, series, f"S{part.any():d}") for part in (mask, mask & False)]
    parts[0] = dataclasses.replace(parts[0], steps=get_args(ManualStep) + get_args(ComputedStep))
    registration = f"Registration abc {'accepted by ' + 'Ü' * 100}; registration QA passed."
    write_structure_set(
        tmp_path / "rt.dcm", series, parts, holes=holes, smooth=smooth, registration=registration
    )
    report = subprocess.run(
        ["dciodvfy", "-new", tmp_path / "rt.dcm"], capture_output=True, text=True, check=False
    )
    lines = (report.stdout + report.stderr).splitlines()
    wrong = [line for line in lines if "Error" in line]
    assert [line for line in wrong if not (holes == "xor" and line.endswith(TOO_NEW))] == []
    assert "RTStructureSet" in lines


@pytest.mark.skipif(shutil.which("plastimatch") is None, reason="plastimatch is not installed")
@pytest.mark.parametrize("smooth", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_plastimatch_sees_the_same_structures(
    smooth: bool, phantom: Phantom, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    ct = read(phantom_folders[0], "CT")
    labels = sitk.GetArrayFromImage(phantom.labels)
    masks = {
        "Skull": labels == Label.SKULL,
        "Brain": np.isin(labels, (Label.GREY, Label.WHITE)),
        "Ventricle": labels == Label.VENTRICLE,
    }
    parts = [structure(mask, ct, name) for name, mask in masks.items()]
    # plastimatch 1.9 knows no XOR
    write_structure_set(tmp_path / "rt.dcm", ct, parts, smooth=smooth)
    subprocess.run(
        ["plastimatch", "convert", "--input", tmp_path / "rt.dcm", "--referenced-ct",
         phantom_folders[0], "--output-prefix", tmp_path / "masks", "--prefix-format", "nrrd"],
        check=True, capture_output=True,
    )  # fmt: skip
    for name, mask in masks.items():
        theirs = sitk.ReadImage(str(tmp_path / "masks" / f"{name}.nrrd"))
        np.testing.assert_allclose(theirs.GetOrigin(), ct.image.GetOrigin(), atol=1e-3)
        assert dice(array(theirs), mask) >= 0.9999, name


@pytest.mark.parametrize("smooth", [False, True])
def test_highdicom_and_matplotlib_fill_the_same_pixels(
    smooth: bool, ct: Series, ring: np.ndarray, tmp_path: Path
) -> None:
    write_structure_set(tmp_path / "rt.dcm", ct, [structure(ring, ct)], smooth=smooth)
    rows, columns = ring.shape[1:]
    centres = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    headers = {header.SOPInstanceUID: header for header in ct.headers}
    indices = {uid: index for index, uid in enumerate(headers)}
    filled = np.zeros_like(ring)
    for contour in pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence:
        uid = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
        points = np.reshape(np.array(contour.ContourData, float), (-1, 3))
        pixels = ReferenceToImageTransformer.for_image(headers[uid])(points)[:, :2] - 0.5
        inside = MatplotlibPath(pixels, closed=False).contains_points(centres)
        filled[indices[uid]] |= inside.reshape(rows, columns)
    np.testing.assert_array_equal(filled, ring)


def test_smooth_contours_have_the_volume_of_the_voxels(ct: Series, tmp_path: Path) -> None:
    mask = blobs(ct.image.GetSize()[::-1], 5)
    write_structure_set(tmp_path / "rt.dcm", ct, [structure(mask, ct)], smooth=True)
    areas_mm2 = 0.0
    for contour in pydicom.dcmread(tmp_path / "rt.dcm").ROIContourSequence[0].ContourSequence:
        points = np.reshape(np.array(contour.ContourData, float), (-1, 3))
        around = np.cross(points - points[0], np.roll(points, -1, axis=0) - points[0])
        areas_mm2 += np.linalg.norm(around.sum(axis=0)) / 2
    np.testing.assert_allclose(areas_mm2, mask.sum() * 0.9 * 1.1, rtol=AREA_TOLERANCE)


@pytest.mark.parametrize(
    ("steps", "algorithm"),
    [
        ((), ""),
        (("brush", "polygon"), "MANUAL"),
        (("brush", "interpolation"), "SEMIAUTOMATIC"),
        (("imported",), ""),
        (("imported-as-manual", "brush"), "MANUAL"),
        (("imported-as-automatic",), "AUTOMATIC"),
        (("imported-as-automatic", "brush"), "SEMIAUTOMATIC"),
    ],
)
def test_generation_of_each_structure_is_stated(
    steps: tuple[Step, ...], algorithm: str, ct: Series, ring: np.ndarray, tmp_path: Path
) -> None:
    part = dataclasses.replace(structure(ring, ct), steps=steps)
    write_structure_set(tmp_path / "rt.dcm", ct, [part], source="drawn on CT")
    (item,) = pydicom.dcmread(tmp_path / "rt.dcm").StructureSetROISequence
    assert item.ROIGenerationAlgorithm == algorithm
    words = ", ".join(steps).replace("-", " ")
    assert item.ROIGenerationDescription == (words or "drawn on CT")
    assert words in item.ROIDescription
    (back,) = read_structure_set(tmp_path / "rt.dcm", ct).structures()
    assert back.steps == (imported_step(algorithm),)


def test_registration_and_its_review_are_stated(
    ct: Series, ring: np.ndarray, tmp_path: Path
) -> None:
    sentence = "Registration 4f2a accepted by M. Müller, 2026-11-30 08:00 UTC; QA passed."
    write_structure_set(tmp_path / "rt.dcm", ct, [structure(ring, ct)], registration=sentence)
    description = pydicom.dcmread(tmp_path / "rt.dcm").StructureSetDescription
    assert description.endswith(f"{NOTICE} {sentence}")


def test_slices_with_series_uids_of_their_own_are_referenced(tmp_path: Path) -> None:
    ct = series_on_disk(tmp_path / "CT")
    for number, header in enumerate(ct.headers):
        header.add_new("SeriesInstanceUID", "UI", f"1.2.{number}")
    mask = np.ones(ct.image.GetSize()[::-1], bool)
    write_structure_set(tmp_path / "rs.dcm", ct, [structure(mask, ct)])
    (frame,) = pydicom.dcmread(tmp_path / "rs.dcm").ReferencedFrameOfReferenceSequence
    (study,) = frame.RTReferencedStudySequence
    found = {item.SeriesInstanceUID: [one.ReferencedSOPInstanceUID for one in
             item.ContourImageSequence] for item in study.RTReferencedSeriesSequence}  # fmt: skip
    assert found == {one.SeriesInstanceUID: [one.SOPInstanceUID] for one in ct.headers}
