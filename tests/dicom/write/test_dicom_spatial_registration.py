"""Spatial Registration: the law of its matrix, what it refers to, and reading anybody's."""

import copy
import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, SpatialRegistrationStorage

from dicom_kit import OBLIQUE, change, change_all, put
from ladder_kit import make_context, make_pair, matrix, rigid
from radfuse.dicom.uids import derive_uid
from radfuse.dicom.write.resampled import write_resampled
from radfuse.dicom.write.spatial_registration import (
    read_registration,
    unwritable_reason,
    write_registration,
)
from radfuse.errors import InputError
from radfuse.modality import modality_named
from radfuse.pipeline.read import read
from radfuse.registration.transforms import read_transform
from radfuse.series import Series

Pair = tuple[Series, Series]
POINTS = [(0.0, 0.0, 0.0), (-90.0, 70.0, 110.0), (-101.3, 57.25, -1234.567)]
SHIFTED = np.eye(4) + np.outer((1, 0, 0, 0), (0, 0, 0, 5))
CT_FRAME, MR_FRAME = (derive_uid("test", "frame", modality) for modality in ("CT", "MR"))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, OBLIQUE)


def write_reg(folder: Path, pair: Pair, **changes: object) -> Path:
    context = make_context(pair, **changes)
    return write_registration(folder, context, matrix(context.moving_from_fixed.GetInverse()))


@pytest.fixture
def reg(tmp_path: Path, pair: Pair) -> Path:
    return write_reg(tmp_path / "reg", pair)


def written_matrix(item: Dataset) -> np.ndarray:
    (registration,) = item.MatrixRegistrationSequence
    (part,) = registration.MatrixSequence
    assert part.FrameOfReferenceTransformationMatrixType == "RIGID"
    return np.array(part.FrameOfReferenceTransformationMatrix, np.float64).reshape(4, 4)


def assert_same_map(found: sitk.Transform, wanted: sitk.Transform, atol: float = 5e-5) -> None:
    """Steps of a settled transform, 1.5e-8 rad about each axis, are felt so far from the origin."""
    for point in POINTS:
        np.testing.assert_allclose(
            found.TransformPoint(point), wanted.TransformPoint(point), rtol=0, atol=atol
        )


def test_mr_matrix_maps_its_points_to_the_ct_row_by_row(reg: Path) -> None:
    fixed, moving = pydicom.dcmread(reg).RegistrationSequence
    np.testing.assert_array_equal(written_matrix(fixed), np.eye(4))
    for point in POINTS:
        there = rigid().TransformPoint(point)  # where the MR shows what the CT has at the point
        np.testing.assert_allclose(written_matrix(moving) @ (*there, 1), (*point, 1), atol=1e-6)


angles = st.floats(-3.0, 3.0).map(lambda angle: round(angle, 9))  # of 1e-300 ITK makes NaN
shifts = st.floats(-500.0, 500.0, allow_subnormal=False)


@settings(max_examples=25, deadline=None)
@given(st.tuples(angles, angles, angles), st.tuples(shifts, shifts, shifts))
def test_any_rigid_transform_is_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, turn: tuple[float, ...], shift: tuple[float, ...]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    given_transform = sitk.Euler3DTransform((0.0, 0.0, 0.0), *turn, shift)
    pair = headed("CT", CTImageStorage), headed("MR", MRImageStorage)
    path = write_reg(folder / "reg", pair, moving_from_fixed=given_transform)
    ct, mr = pair
    assert_same_map(read_transform(path, ct=ct, mr=mr), given_transform)


def headed(modality: str, storage: str, image: sitk.Image | None = None) -> Series:
    """A series of two headers with what a registration and a reference look at."""
    headers = []
    for height_mm in (-60, 60):
        header = Dataset()
        header.SOPClassUID = storage
        header.SOPInstanceUID = derive_uid("test", modality, str(height_mm))
        header.SeriesInstanceUID = derive_uid("test", modality, "series")
        header.StudyInstanceUID = derive_uid("test", "study")
        header.FrameOfReferenceUID = derive_uid("test", "frame", modality)
        header.ImagePositionPatient = [0, 0, height_mm]
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        headers.append(header)
    image = image or sitk.Image(2, 2, 2, sitk.sitkFloat32)
    row = modality_named(modality)
    return Series(image, row, Path(modality), headers=tuple(headers), regridded=True)


BLOB_MM, GRID_MM = 9.0, 3.0
"""Standard deviation of a bright ball, and a spacing at which its centre is found."""


def grid(angles: tuple[float, ...] = (0.0, 0.0, 0.0)) -> sitk.Image:
    """A cube of 108 mm about the origin, turned by some angles."""
    image = sitk.Image(36, 36, 36, sitk.sitkFloat32)
    image.SetSpacing([GRID_MM] * 3)
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles).GetMatrix())
    image.SetOrigin((np.reshape(image.GetDirection(), (3, 3)) @ ([-52.5] * 3)).tolist())
    return image


def blob(centre_mm: tuple[float, ...]) -> sitk.Image:
    places = np.indices((36, 36, 36))[::-1] * GRID_MM - 52.5
    squares = sum((places[axis] - centre_mm[axis]) ** 2 for axis in range(3))
    image = sitk.GetImageFromArray((60000 * np.exp(-squares / 2 / BLOB_MM**2)).astype(np.float32))
    image.CopyInformation(grid())
    return image


near = st.floats(-8.0, 8.0, allow_subnormal=False)
small = st.floats(-0.5, 0.5, allow_subnormal=False)


@settings(max_examples=12, deadline=None)
@given(
    st.tuples(near, near, near), st.tuples(small, small, small), st.tuples(near, near, near),
    st.tuples(angles, angles, angles),
)  # fmt: skip
def test_matrix_moves_mr_point_to_where_resampled_mr_shows_it(
    tmp_path_factory: pytest.TempPathFactory, centre_mm: tuple[float, ...],
    turn: tuple[float, ...], shift: tuple[float, ...], ct_angles: tuple[float, ...],
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("law")
    pair = (
        headed("CT", CTImageStorage, grid(ct_angles)),
        headed("MR", MRImageStorage, blob(centre_mm)),
    )
    transform = sitk.Euler3DTransform((0.0, 0.0, 0.0), *turn, shift)
    context = make_context(pair, moving_from_fixed=transform)
    write_resampled(folder / "mr", context)
    path = write_registration(folder / "reg", context, matrix(transform.GetInverse()))
    shown = read(folder / "mr", "MR").image
    weights = sitk.GetArrayFromImage(shown).astype(np.float64)
    index = [float((weights * axis).sum() / weights.sum()) for axis in np.indices(weights.shape)]
    centre = shown.TransformContinuousIndexToPhysicalPoint(index[::-1])
    moved = written_matrix(pydicom.dcmread(path).RegistrationSequence[1]) @ (*centre_mm, 1)
    np.testing.assert_allclose(moved[:3], centre, rtol=0, atol=0.01)


def test_registration_refers_to_frames_and_images_of_both(reg: Path, pair: Pair) -> None:
    header = pydicom.dcmread(reg)
    assert header.SOPClassUID == SpatialRegistrationStorage
    assert header.Modality == "REG"
    assert header.FrameOfReferenceUID == pair[0].frame_of_reference_uid
    codes = [
        item.MatrixRegistrationSequence[0].RegistrationTypeCodeSequence[0].CodeValue
        for item in header.RegistrationSequence
    ]
    assert codes == ["125021", "125024"]
    listed = zip(header.RegistrationSequence, header.ReferencedSeriesSequence, pair, strict=True)
    for item, reference, series in listed:
        images = [each.SOPInstanceUID for each in series.headers]
        assert item.FrameOfReferenceUID == series.frame_of_reference_uid
        assert [each.ReferencedSOPInstanceUID for each in item.ReferencedImageSequence] == images
        assert reference.SeriesInstanceUID == series.headers[0].SeriesInstanceUID
        named = [each.ReferencedSOPInstanceUID for each in reference.ReferencedInstanceSequence]
        assert named == images


def test_an_mr_of_another_study_is_listed_there(tmp_path: Path, pair: Pair) -> None:
    change_all(tmp_path / "mr", put("StudyInstanceUID", derive_uid("test", "other")))
    mr = read(tmp_path / "mr", "MR")
    header = pydicom.dcmread(write_reg(tmp_path / "reg", (pair[0], mr)))
    assert [each.SeriesInstanceUID for each in header.ReferencedSeriesSequence] == [
        pair[0].headers[0].SeriesInstanceUID
    ]
    (other,) = header.StudiesContainingOtherReferencedInstancesSequence
    assert other.StudyInstanceUID == derive_uid("test", "other")
    assert other.ReferencedSeriesSequence[0].SeriesInstanceUID == mr.headers[0].SeriesInstanceUID


def test_frames_of_one_file_are_one_reference(tmp_path: Path, pair: Pair) -> None:
    frames = []
    for number, header in enumerate(pair[1].headers, start=1):
        frame = copy.deepcopy(header)
        frame.SOPInstanceUID = pair[1].headers[0].SOPInstanceUID
        frame.ReferencedFrameNumber = number
        frames.append(frame)
    mr = dataclasses.replace(pair[1], headers=tuple(frames))
    header = pydicom.dcmread(write_reg(tmp_path / "reg", (pair[0], mr)))
    (image,) = header.RegistrationSequence[1].ReferencedImageSequence
    assert "ReferencedFrameNumber" not in image


@pytest.mark.parametrize(("alignment", "code"), [("headers", "125021"), ("file", "125024")])
def test_images_distinguish_series_of_one_frame(
    tmp_path: Path, pair: Pair, alignment: str, code: str
) -> None:
    change_all(tmp_path / "mr", put("FrameOfReferenceUID", pair[0].frame_of_reference_uid))
    mr = read(tmp_path / "mr", "MR")
    path = write_reg(tmp_path / "reg", (pair[0], mr), alignment_source=alignment)
    items = pydicom.dcmread(path).RegistrationSequence
    assert not any("FrameOfReferenceUID" in item for item in items)
    kind = items[1].MatrixRegistrationSequence[0].RegistrationTypeCodeSequence[0]
    assert kind.CodeValue == code
    assert_same_map(read_transform(path, ct=pair[0], mr=mr), rigid())


@pytest.mark.parametrize("strip", [(True, False), (False, True), (True, True)])
def test_missing_frame_of_reference_is_reported(pair: Pair, strip: tuple[bool, bool]) -> None:
    bare = [
        dataclasses.replace(series, headers=()) if off else series
        for series, off in zip(pair, strip, strict=True)
    ]
    reason = unwritable_reason(*bare)
    assert reason is not None
    assert [f"the {each.modality}" in reason for each in pair] == list(strip)
    assert unwritable_reason(*pair) is None


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID"])
def test_images_without_uids_are_not_referenced(pair: Pair, keyword: str) -> None:
    nameless = tuple(
        dataclasses.replace(series, headers=tuple(map(copy.deepcopy, series.headers)))
        for series in pair
    )
    for header in (*nameless[0].headers, *nameless[1].headers):
        delattr(header, keyword)
    reason = unwritable_reason(*nameless)
    assert reason is not None
    assert "the CT and the MR lack a frame of reference UID" in reason
    assert "SourceImageSequence" not in make_context(nameless).slice_attributes(0)


def test_series_without_study_are_listed_in_the_same_study(tmp_path: Path, pair: Pair) -> None:
    for header in (*pair[0].headers, *pair[1].headers):
        del header.StudyInstanceUID
    header = pydicom.dcmread(write_reg(tmp_path / "reg", pair))
    assert header.StudyInstanceUID
    assert len(header.ReferencedSeriesSequence) == 2
    assert "StudiesContainingOtherReferencedInstancesSequence" not in header


def test_registration_is_read_as_a_transform_file(reg: Path, pair: Pair) -> None:
    nameless = reg.rename(reg.with_name("RE.1.2.3"))
    with pytest.raises(InputError, match="is of two DICOM series; give CT and MR as DICOM"):
        read_transform(nameless)
    assert_same_map(read_transform(nameless, ct=pair[0], mr=pair[1]), rigid())


def unnamed(header: Dataset) -> None:
    """As systems write it that refer to frames alone."""
    for item in header.RegistrationSequence:
        del item.ReferencedImageSequence


def one_item(header: Dataset) -> None:
    """As systems write it that leave out the frame which stays."""
    header.RegistrationSequence = header.RegistrationSequence[1:]


def turned_round(header: Dataset) -> None:
    """As systems write it that register the CT to the MR."""
    fixed, moving = header.RegistrationSequence
    inverse = np.linalg.inv(written_matrix(moving))
    (of_fixed,), (of_moving,) = (
        item.MatrixRegistrationSequence[0].MatrixSequence for item in (fixed, moving)
    )
    of_fixed.FrameOfReferenceTransformationMatrix = [f"{each:.10f}" for each in inverse.ravel()]
    of_moving.FrameOfReferenceTransformationMatrix = np.eye(4).ravel().tolist()
    header.FrameOfReferenceUID = moving.FrameOfReferenceUID
    header.RegistrationSequence = [moving, fixed]


def with_an_identity(header: Dataset) -> None:
    """As systems write it that put two matrices in a row."""
    fixed, moving = (
        item.MatrixRegistrationSequence[0].MatrixSequence for item in header.RegistrationSequence
    )
    moving.insert(0, copy.deepcopy(fixed[0]))


@pytest.mark.parametrize("as_others_do", [unnamed, one_item, turned_round, with_an_identity])
def test_registrations_of_other_systems_are_read(
    reg: Path, pair: Pair, as_others_do: Callable[[Dataset], None]
) -> None:
    change(reg, as_others_do)
    assert_same_map(read_transform(reg, ct=pair[0], mr=pair[1]), rigid())
    if as_others_do is not unnamed:
        frameless = tuple(with_frame(series, None) for series in pair)
        assert_same_map(read_registration(reg, *frameless), rigid())


def with_frame(series: Series, uid: str | None, **values: str) -> Series:
    """The series in another frame of reference, with other attributes."""
    headers = tuple(map(copy.deepcopy, series.headers))
    for header in headers:
        for keyword, value in {"FrameOfReferenceUID": uid, **values}.items():
            setattr(header, keyword, value)
    return dataclasses.replace(series, headers=headers)


def refused(path: Path, words: str, pair: Pair) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_registration(path, *pair)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ct_frame", "mr_frame"), [("1.2.3", MR_FRAME), (None, "1.2.3"), (CT_FRAME, CT_FRAME)]
)
def test_a_registration_of_other_series_is_refused(
    reg: Path, pair: Pair, ct_frame: str | None, mr_frame: str
) -> None:
    others = with_frame(pair[0], ct_frame), with_frame(pair[1], mr_frame)
    refused(reg, "pass the registration of these series", others)


@pytest.mark.parametrize("part", [0, 1])
def test_a_registration_of_other_images_is_refused(reg: Path, pair: Pair, part: int) -> None:
    """Without frames of reference, only the images identify the series."""
    others = [with_frame(series, None) for series in pair]
    assert_same_map(read_registration(reg, *others), rigid())
    others[part] = with_frame(pair[part], None, SOPInstanceUID="1.2.3")
    refused(reg, f"other images than those of the {pair[part].modality}", (others[0], others[1]))


@pytest.mark.parametrize("form", [lambda _: None, one_item])
def test_an_omitted_frame_does_not_hide_another(
    reg: Path, pair: Pair, form: Callable[[Dataset], None]
) -> None:
    """The last item, of the MR, has no frame of reference: its images identify it."""

    def without_frame(header: Dataset) -> None:
        form(header)
        del header.RegistrationSequence[-1].FrameOfReferenceUID

    change(reg, without_frame)
    assert_same_map(read_registration(reg, *pair), rigid())
    refused(reg, "or another frame of reference", (with_frame(pair[0], "1.2.3"), pair[1]))
    change(reg, unnamed)
    refused(reg, "does not identify which of its 2 frames of reference", pair)


def test_a_registration_of_another_patient_is_refused(reg: Path, pair: Pair) -> None:
    def of(*patients: str) -> Pair:
        frames = zip(pair, (CT_FRAME, MR_FRAME), patients, strict=True)
        ct, mr = (with_frame(series, frame, PatientID=one) for series, frame, one in frames)
        return ct, mr

    refused(reg, "the registration of another patient", of("A", "A"))
    refused(reg, "the registration of another patient", of("T1", "A"))
    assert_same_map(read_registration(reg, *of("A", "A"), accept_patients=True), rigid())


def test_registration_without_frames_of_reference_is_refused(reg: Path, pair: Pair) -> None:
    change(reg, unnamed)
    frameless = tuple(with_frame(series, None) for series in pair)
    refused(reg, "does not identify which of its 2 frames of reference is the CT's", frameless)
    assert_same_map(read_registration(reg, *pair), rigid())


def test_matrices_that_do_not_commute_are_refused(reg: Path, pair: Pair) -> None:
    def twice(header: Dataset) -> None:
        (registration,) = header.RegistrationSequence[1].MatrixRegistrationSequence
        shifted = copy.deepcopy(registration.MatrixSequence[0])
        shifted.FrameOfReferenceTransformationMatrix = SHIFTED.ravel().tolist()
        registration.MatrixSequence.append(shifted)

    change(reg, twice)
    refused(reg, "chain of 2 matrices that do not commute", pair)


def spoil(numbers: dict[int, float]) -> Callable[[Dataset], None]:
    def edit(header: Dataset) -> None:
        (registration,) = header.RegistrationSequence[1].MatrixRegistrationSequence
        (part,) = registration.MatrixSequence
        values = list(part.FrameOfReferenceTransformationMatrix)
        for index, number in numbers.items():
            values[index] = number
        part.FrameOfReferenceTransformationMatrix = values

    return edit


def test_a_matrix_that_is_not_rigid_or_flat_is_refused(reg: Path, pair: Pair) -> None:
    change(reg, spoil({0: 1.2}))
    with pytest.raises(InputError, match="is not rigid: it scales"):
        read_transform(reg, ct=pair[0], mr=pair[1])
    change(reg, spoil(dict.fromkeys((0, 1, 2), 0.0)))
    refused(reg, "matrix is singular", pair)


def test_another_dicom_object_is_no_transform(tmp_path: Path, pair: Pair) -> None:
    refused(min((tmp_path / "ct").iterdir()), "CT Image Storage; pass a Spatial", pair)


def test_a_registration_without_its_frame_or_items_is_refused(
    tmp_path: Path, reg: Path, pair: Pair
) -> None:
    for keyword in ("RegistrationSequence", "FrameOfReferenceUID"):
        whole = pydicom.dcmread(reg)
        delattr(whole, keyword)
        whole.save_as(tmp_path / "part.dcm")
        refused(tmp_path / "part.dcm", "damaged or incomplete", pair)


def test_truncated_registration_is_refused_or_read_right(
    tmp_path: Path, reg: Path, pair: Pair
) -> None:
    short, whole, refusals = tmp_path / "short.dcm", reg.read_bytes(), 0
    lengths = range(140, len(whole), 7)
    for length in lengths:
        short.write_bytes(whole[:length])
        try:
            with warnings.catch_warnings(action="ignore"):  # as a user runs it
                found = read_transform(short, ct=pair[0], mr=pair[1])
        except InputError:
            refusals += 1
        else:
            assert_same_map(found, rigid())
    assert refusals > 0.8 * len(lengths)


def test_slices_with_series_uids_of_their_own_are_referenced(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, OBLIQUE)
    for number, header in enumerate(pair[0].headers):
        header.add_new("SeriesInstanceUID", "UI", f"1.2.{number}")
    header = pydicom.dcmread(write_reg(tmp_path / "reg", pair))
    instances = {item.SeriesInstanceUID: item.ReferencedInstanceSequence
                 for item in header.ReferencedSeriesSequence}  # fmt: skip
    for one in pair[0].headers:
        (reference,) = instances[one.SeriesInstanceUID]
        assert reference.ReferencedSOPInstanceUID == one.SOPInstanceUID
