"""Series that are written whole, or not at all, and read back exactly by somebody else."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import UID, CTImageStorage, MRImageStorage, SecondaryCaptureImageStorage

from radfuse.dicom.uids import IMPLEMENTATION_CLASS_UID, derive_uid, new_uid
from radfuse.dicom.write.series import (
    Rescale,
    SliceSeries,
    image_series,
    write_series,
    write_slices,
)
from radfuse.errors import GeometryError, InputError, OutputError

EXACT = {"rtol": 0.0, "atol": 1e-9}

AXIAL = (0.0, 0.0, 0.0)
OBLIQUE = (0.31, -0.17, 0.55)
SAGITTAL = (np.pi / 2, 0.0, np.pi / 2)
CORONAL = (-np.pi / 2, 0.0, 0.0)


def volume(
    angles: tuple[float, float, float] = AXIAL,
    spacing: tuple[float, float, float] = (0.9, 1.1, 2.5),
    origin: tuple[float, float, float] = (-101.3, 57.25, -1234.567),
    low: int = 0,
    high: int = 4000,
) -> sitk.Image:
    values = np.random.default_rng(5).integers(low, high, (4, 6, 5)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(sitk.Euler3DTransform((0.0, 0.0, 0.0), *angles).GetMatrix())
    return image


def template(sop_class: UID = MRImageStorage) -> Dataset:
    header = Dataset()
    header.SOPClassUID = sop_class
    header.PatientName = "Test^Nobody"
    header.PatientID = "T1"
    header.Modality = "CT" if sop_class == CTImageStorage else "MR"
    header.StudyInstanceUID = derive_uid("test", "study")
    header.SeriesInstanceUID = derive_uid("test", "series")
    header.FrameOfReferenceUID = derive_uid("test", "frame")
    return header


def read_back(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def assert_same(found: sitk.Image, wanted: sitk.Image) -> None:
    np.testing.assert_allclose(found.GetSpacing(), wanted.GetSpacing(), **EXACT)
    np.testing.assert_allclose(found.GetOrigin(), wanted.GetOrigin(), **EXACT)
    np.testing.assert_allclose(found.GetDirection(), wanted.GetDirection(), **EXACT)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted))


@pytest.mark.parametrize("angles", [AXIAL, OBLIQUE, SAGITTAL, CORONAL])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.9, 1.1, 2.5), (0.48828125, 0.7, 1 / 3)])
def test_the_geometry_and_the_values_are_read_back(
    tmp_path: Path, angles: tuple[float, float, float], spacing: tuple[float, float, float]
) -> None:
    image = volume(angles, spacing)
    write_series(tmp_path / "out", image, template())
    assert_same(read_back(tmp_path / "out"), image)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    angles=st.tuples(*[st.floats(-1.5, 1.5)] * 3),
    spacing=st.tuples(*[st.floats(0.1, 9.0)] * 3),
    origin=st.tuples(*[st.floats(-2000, 2000)] * 3),
)
def test_any_rigidly_placed_grid_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    angles: tuple[float, float, float],
    spacing: tuple[float, float, float],
    origin: tuple[float, float, float],
) -> None:
    image = volume(angles, spacing, origin)
    folder = tmp_path_factory.mktemp("series")
    write_series(folder, image, template())
    assert_same(read_back(folder), image)


def test_ct_values_pass_through_the_rescale(tmp_path: Path) -> None:
    image = volume(low=-1024, high=3071)
    paths = write_series(
        tmp_path / "ct", image, template(CTImageStorage), rescale=Rescale(1.0, -1024.0)
    )
    assert_same(read_back(tmp_path / "ct"), image)
    header = pydicom.dcmread(paths[0])
    assert header.PixelRepresentation == 0
    assert (header.RescaleSlope, header.RescaleIntercept, header.RescaleType) == (1, -1024, "HU")


def test_negative_values_are_stored_signed(tmp_path: Path) -> None:
    image = volume(low=-500, high=500)
    paths = write_series(tmp_path / "out", image, template())
    assert pydicom.dcmread(paths[0]).PixelRepresentation == 1
    assert_same(read_back(tmp_path / "out"), image)


def test_slices_are_numbered_and_named_in_the_images_order(tmp_path: Path) -> None:
    image = volume(OBLIQUE)
    paths = write_series(tmp_path / "out", image, template())
    assert [path.name for path in paths] == ["0001.dcm", "0002.dcm", "0003.dcm", "0004.dcm"]
    for index, path in enumerate(paths):
        header = pydicom.dcmread(path)
        assert header.InstanceNumber == index + 1
        np.testing.assert_allclose(
            header.ImagePositionPatient, image.TransformIndexToPhysicalPoint((0, 0, index)), **EXACT
        )


def test_every_file_identifies_the_implementation(tmp_path: Path) -> None:
    header = pydicom.dcmread(write_series(tmp_path / "out", volume(), template())[0])
    assert header.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert header.file_meta.ImplementationVersionName == "RADFUSE"
    assert header.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert header.file_meta.MediaStorageSOPInstanceUID == header.SOPInstanceUID


def test_every_decimal_string_fits_into_its_16_characters(tmp_path: Path) -> None:
    image = volume((1.23456789, 0.987654321, -0.1111111111), (1 / 3, 1 / 7, 2 / 3))
    for path in write_series(tmp_path / "out", image, template()):
        header = pydicom.dcmread(path)
        for element in header:
            if element.VR == "DS":
                values = element.value if element.VM > 1 else [element.value]
                assert all(len(str(value)) <= 16 for value in values)


def test_decimal_strings_per_slice_are_kept_unchanged(tmp_path: Path) -> None:
    def own(index: int) -> Dataset:
        header = Dataset()
        header.ImagePositionPatient = ["-101.300", "57.2500", f"{-1234.567 + 2.5 * index:.4f}"]
        header.SliceLocation = f"{2.5 * index}"
        return header

    paths = write_series(tmp_path / "out", volume(), template(), per_slice=own)
    raw = pydicom.dcmread(paths[1])["ImagePositionPatient"].value
    assert [part.original_string for part in raw] == ["-101.300", "57.2500", "-1232.0670"]
    assert pydicom.dcmread(paths[1]).SliceLocation == 2.5


def test_files_are_those_that_pydicom_writes(tmp_path: Path) -> None:
    def own(index: int) -> Dataset:
        header = Dataset()
        header.SourceImageSequence = [Dataset()] * index
        header.ImageComments = f"slice {index}"
        return header

    header = template()
    header.SpecificCharacterSet, header.PatientName = "ISO_IR 192", "Łukasiewicz^Jan"
    for path in write_series(tmp_path / "out", volume(), header, per_slice=own):
        found, again = pydicom.dcmread(path), BytesIO()
        assert found.PatientName == header.PatientName
        assert len(list(found.iterall())) > 20  # all are decoded
        pydicom.dcmwrite(again, found, enforce_file_format=True)
        assert again.getvalue() == path.read_bytes()


def test_series_written_together_are_those_written_alone(tmp_path: Path) -> None:
    grid = volume()
    greys = image_series(tmp_path / "grey", grid, template(), Rescale(2.0, 0.0))
    colours = SliceSeries(
        tmp_path / "colour",
        lambda index: np.full((6, 5, 3), index, np.uint8),
        template(SecondaryCaptureImageStorage),
        own_attributes=lambda _: Dataset(),
    )
    together = [path.read_bytes() for path in write_slices(grid, greys, colours)]
    alone = [write_slices(grid, series, overwrite=True) for series in (greys, colours)]
    assert [path.read_bytes() for paths in alone for path in paths] == together


def test_the_template_is_not_changed(tmp_path: Path) -> None:
    header = template()
    before = header.to_json()
    write_series(tmp_path / "out", volume(), header)
    assert header.to_json() == before


def test_headers_given_in_the_wrong_order_are_refused(tmp_path: Path) -> None:
    def reverse(index: int) -> Dataset:
        header = Dataset()
        header.ImagePositionPatient = ["-101.3", "57.25", f"{-1234.567 + 2.5 * (3 - index):.4f}"]
        return header

    with pytest.raises(GeometryError, match=r"slice 1 has a corner 7\.5 mm from"):
        write_series(tmp_path / "out", volume(), template(), per_slice=reverse)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_refused_and_untouched(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="out exists; pass --overwrite"):
        write_series(target, volume(), template())
    assert (target / "mine.txt").read_text() == "keep"


def test_a_file_of_that_name_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("keep")
    with pytest.raises(OutputError, match="out exists"):
        write_series(target, volume(), template())
    assert target.read_text() == "keep"


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert len(write_series(tmp_path / "out", volume(), template())) == 4


def test_overwriting_replaces_the_whole_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old.dcm").write_text("old")
    write_series(target, volume(), template(), overwrite=True)
    assert sorted(path.name for path in target.iterdir())[0] == "0001.dcm"
    assert not (target / "old.dcm").exists()
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_an_interrupt_leaves_the_old_series_and_no_draft(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old.dcm").write_text("old")

    def fails(index: int) -> Dataset:
        if index == 2:
            raise stop
        return Dataset()

    with pytest.raises(stop):
        write_series(target, volume(), template(), per_slice=fails, overwrite=True)
    assert list(tmp_path.iterdir()) == [target]
    assert (target / "old.dcm").read_text() == "old"


def test_a_write_that_fails_is_one_line_and_leaves_nothing(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    with full_disk(700), pytest.raises(OutputError, match="writing failed") as caught:
        write_series(tmp_path / "out", volume(), template())
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written to"):
        write_series(tmp_path / "file" / "out", volume(), template())


def test_2d_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="a 2-D image of 1 values"):
        write_series(tmp_path / "out", sitk.Image(4, 4, sitk.sitkFloat32), template())


def test_colours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="a 3-D image of 3 values"):
        write_series(tmp_path / "out", sitk.Image([4] * 3, sitk.sitkVectorUInt8, 3), template())


def test_left_handed_axes_are_refused(tmp_path: Path) -> None:
    image = volume()
    image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, -1))
    with pytest.raises(GeometryError, match="not a right-handed orthogonal system"):
        write_series(tmp_path / "out", image, template())


def test_skewed_axes_are_refused(tmp_path: Path) -> None:
    image = volume()
    image.SetDirection((1, 0, 0.1, 0, 1, 0, 0, 0, 0.995))
    with pytest.raises(GeometryError, match="resample the image"):
        write_series(tmp_path / "out", image, template())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    image = volume()
    image[1, 1, 1] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        write_series(tmp_path / "out", image, template())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("low", "high"), [(0, 65536), (-1, 32768), (-32769, 0)])
def test_values_beyond_16_bits_are_refused(tmp_path: Path, low: int, high: int) -> None:
    image = volume(low=0, high=1)
    image[0, 0, 0], image[1, 0, 0] = float(low), float(high)
    with pytest.raises(InputError, match=f"from {low} to {high} do not fit"):
        write_series(tmp_path / "out", image, template())


def test_largest_values_that_fit_are_kept(tmp_path: Path) -> None:
    image = volume(low=0, high=1)
    image[0, 0, 0] = 65535.0
    write_series(tmp_path / "out", image, template())
    assert_same(read_back(tmp_path / "out"), image)


def test_same_texts_give_the_same_uid() -> None:
    assert derive_uid("a", "b") == derive_uid("a", "b")
    assert (
        len({derive_uid("a", "b"), derive_uid("ab"), derive_uid("a,b"), derive_uid("b", "a")}) == 4
    )


@given(st.lists(st.text(), max_size=4))
def test_every_derived_uid_is_valid(parts: list[str]) -> None:
    assert UID(derive_uid(*parts)).is_valid


def test_new_uids_differ_and_are_valid() -> None:
    first, second = new_uid(), new_uid()
    assert first != second
    assert UID(first).is_valid
