"""Series of several volumes: which of them is read, and the notes on the others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import Dataset

from dicom_kit import assert_same_image, change, move, put, slices, volume, write
from radfuse.dicom.read.grouping import group_slices
from radfuse.dicom.read.scan import scan_folder
from radfuse.dicom.uids import derive_uid
from radfuse.errors import GeometryError, InputError
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read
from radfuse.series import Series

CORONAL = [1, 0, 0, 0, 0, -1]


def narrow(header: Dataset) -> None:
    header.PixelData = header.pixel_array[:, :4].tobytes()
    header.Columns = 4


@pytest.mark.parametrize(
    ("edit", "difference"),
    [
        (put("ImageOrientationPatient", CORONAL), "orientation is (1, 0, 0, 0, 0, -1), not (1, 0,"),
        (put("PixelSpacing", [1.3, 0.95]), "pixel spacing is (1.3, 0.95), not (1.1, 0.9)"),
        (put("PixelSpacing", None), "pixel spacing is (), not (1.1, 0.9)"),
        (put("Modality", "MR"), "modality is MR, not CT"),
        (
            put("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
            "image type is localizer, not grey",
        ),
        (put("ImageOrientationPatient", [1, 0, 0]), "orientation is (1, 0, 0), not"),
        (narrow, "size is (9, 4), not (9, 7)"),
    ],
)
@pytest.mark.parametrize("odd", [[0], [7], [3], [0, 7]])
def test_slices_of_the_body_that_differ_are_refused(
    tmp_path: Path, edit: Callable[[Dataset], None], difference: str, odd: list[int]
) -> None:
    """The top of a head is not left out because its header differs, unless an option says so."""
    folder = write(tmp_path / "in", volume(count=8))
    uid = str(pydicom.dcmread(slices(folder)[0]).SeriesInstanceUID)
    for index in odd:
        change(slices(folder)[index], edit)
    with pytest.raises(GeometryError, match="of 8 images contains 2 volumes") as caught:
        read(folder, "CT")
    assert f"#2 ({difference}" in str(caught.value)
    if odd != [3]:
        series = read(folder, "CT", series_uid=f"{uid}#1")
        assert series.image.GetSize()[2] == 8 - len(odd)
        (note,) = series.notes
        assert note.startswith(f"{len(odd)} image")
        assert f" left out: {difference}" in note


def coronal_elsewhere(header: Dataset) -> None:
    """As a reformat: it crosses the volume and starts at another corner."""
    header.ImageOrientationPatient = CORONAL
    header.ImagePositionPatient = [*np.add(header.ImagePositionPatient[:2], [0.0, 4.0]), 50.0]


def colour(header: Dataset) -> None:
    header.SamplesPerPixel = 3


def written_with(edit: Callable[[Dataset], None], odd: list[int], folder: Path) -> Path:
    """Eight slices of a volume, those with the indices `odd` edited."""
    written = write(folder / "in", volume(count=8))
    for index in odd:
        change(slices(written)[index], edit)
    return written


@pytest.mark.parametrize("edit", [coronal_elsewhere, colour])
@pytest.mark.parametrize("odd", [[0], [0, 7]])
def test_reformats_and_captures_are_left_out_with_a_note(
    tmp_path: Path, edit: Callable[[Dataset], None], odd: list[int]
) -> None:
    folder = written_with(edit, odd, tmp_path)
    series = read(folder, "CT")
    kept = [index for index in range(8) if index not in odd]
    assert series.files == tuple(slices(folder)[index] for index in kept)
    whole = sitk.GetArrayFromImage(volume(count=8))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(series.image), whole[kept] * 1.0)
    (note,) = series.notes
    assert note.startswith(f"{len(odd)} image")
    assert " left out: " in note


def test_note_has_the_number_of_images_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume(count=17))
    for path in slices(folder)[:5]:
        change(path, coronal_elsewhere)
    (note,) = read(folder, "CT").notes
    assert note.startswith("5 images left out: orientation is ")


def rounded(header: Dataset) -> None:
    header.PixelSpacing = [1.1002, 0.9]


def turned(header: Dataset) -> None:
    """By 1.5e-4, as another program rounds cosines."""
    header.ImageOrientationPatient = [1, 0.00015, 0, -0.00015, 1, 0]


@pytest.mark.parametrize("edit", [rounded, turned])
@pytest.mark.parametrize("odd", [[7], [5, 6, 7], [1, 3, 5, 7]])
def test_rounding_is_one_volume(
    tmp_path: Path, edit: Callable[[Dataset], None], odd: list[int]
) -> None:
    folder = written_with(edit, odd, tmp_path)
    series = read(folder, "CT")
    assert_same_image(series.image, volume(count=8), atol=2e-4)
    assert series.notes == ()


def test_deviation_below_half_a_pixel_is_noted(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume(count=8))
    for path in slices(folder)[6:]:
        change(path, put("PixelSpacing", [1.13, 0.9]))  # 9 rows of 0.03 mm
    series = read(folder, "CT")
    assert_same_image(series.image, volume(count=8))
    (note,) = series.notes
    assert "differs from the other slices, by 0.27 mm at a corner" in note


@pytest.mark.parametrize("growth_mm", [0.002, 0.5])
def test_growing_rotation_is_one_volume_or_refused(tmp_path: Path, growth_mm: float) -> None:
    folder = write(tmp_path / "in", volume(count=8))
    for index, path in enumerate(slices(folder)):
        angle = index * growth_mm / (9 * 1.1)
        cosines = [np.cos(angle), np.sin(angle), 0, -np.sin(angle), np.cos(angle), 0]
        change(path, put("ImageOrientationPatient", [f"{part:.8f}" for part in cosines]))
    if growth_mm < 0.1:
        assert_same_image(read(folder, "CT").image, volume(count=8), atol=2e-3)
    else:
        with pytest.raises(GeometryError, match=r"contains [0-9] volumes; choose one with"):
            read(folder, "CT")


@pytest.mark.parametrize("frames", [["1.2.3"], [""], ["1.2.3", "1.2.4", "1.2.5", "1.2.6"]])
def test_frames_of_reference_are_united_with_a_note(tmp_path: Path, frames: list[str]) -> None:
    folder = write(tmp_path / "in", volume(count=12))
    for path, frame in zip(slices(folder)[-len(frames) :], frames, strict=True):
        change(path, put("FrameOfReferenceUID", frame))
    series = read(folder, "CT")
    assert_same_image(series.image, volume(count=12))
    assert {header.FrameOfReferenceUID for header in series.headers} == {
        derive_uid("test", "frame", "CT")
    }
    assert series.notes == (
        f"{len(frames) + 1} values of FrameOfReferenceUID in 12 slices; read as one "
        "volume, because their positions continue each other",
    )
    (inspected,), _ = inspect(folder)
    assert inspected.notes == series.notes


def test_interleaved_frames_of_reference_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume(count=8))
    for path in slices(folder)[::2]:
        change(path, put("FrameOfReferenceUID", "1.2.3"))
    with pytest.raises(GeometryError, match=r"FrameOfReferenceUID is 1\.2\.3, not 2\.25"):
        read(folder, "CT")


def half_coronal(folder: Path) -> Path:
    write(folder)
    for path in slices(folder)[3:]:
        change(path, put("ImageOrientationPatient", [0, 1, 0, 0, 0, -1]))
        change(
            path,
            lambda header: put("ImagePositionPatient", header.ImagePositionPatient[::-1])(header),
        )
    return folder


def test_series_of_two_volumes_lists_them(tmp_path: Path) -> None:
    folder = half_coronal(tmp_path / "in")
    with pytest.raises(GeometryError) as caught:
        read(folder, "CT")
    first, *listed = str(caught.value).splitlines()
    assert first.endswith("of 6 images contains 2 volumes; choose one with --ct-series UID#NUMBER:")
    assert len(listed) == 2
    assert "#1 (orientation is (1, 0, 0, 0, 1, 0), not (0, 1, 0, 0, 0, -1))" in listed[0]


def test_volume_is_chosen_by_number(tmp_path: Path) -> None:
    folder = half_coronal(tmp_path / "in")
    uid = str(pydicom.dcmread(slices(folder)[0]).SeriesInstanceUID)
    first, second = (read(folder, "CT", series_uid=f"{uid}#{number}") for number in (1, 2))
    assert first.files == tuple(slices(folder)[:3])
    assert set(second.files) == set(slices(folder)[3:])
    with pytest.raises(InputError, match=r"no volume .*#3; choose one of:\n  CT 'head', 3 images"):
        read(folder, "CT", series_uid=f"{uid}#3")


def two_echoes(folder: Path, keyword: str, values: tuple[object, object]) -> Path:
    """Two volumes at the same positions in one series, the second twice as bright."""
    image = volume("MR")
    for part, value in enumerate(values):
        write(folder / str(part), image * (part + 1), "MR")
        for path in slices(folder / str(part)):
            change(path, put(keyword, value))
            change(path, put("SOPInstanceUID", f"1.2.{part}.{path.stem.lstrip('0')}"))
    return folder


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("EchoTime", (20, 90)),
        ("EchoNumbers", (1, 2)),
        ("AcquisitionNumber", (1, 2)),
        ("TemporalPositionIdentifier", (1, 2)),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])),
    ],
)
def test_acquisitions_at_the_same_positions_are_split(
    tmp_path: Path, keyword: str, values: tuple[object, object]
) -> None:
    folder = two_echoes(tmp_path / "in", keyword, values)
    (series,) = scan_folder(folder).series
    groups, _ = group_slices(series)
    assert [len(group.slices) for group in groups] == [6, 6]
    assert all(keyword in group.difference for group in groups)
    single = sitk.GetArrayFromImage(volume("MR"))
    for factor, group in enumerate(groups, 1):
        image = read(folder, "MR", series_uid=group.uid).image
        np.testing.assert_array_equal(sitk.GetArrayFromImage(image), factor * single)


def test_duplicate_file_is_left_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    copy = folder / "copy.dcm"
    copy.write_bytes(slices(folder)[2].read_bytes())
    series = read(folder, "CT")
    assert series.image.GetSize()[2] == 6
    assert series.notes == ("1 image left out: duplicates",)


def test_same_instance_uid_for_all_slices_is_accepted(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder):
        change(path, put("SOPInstanceUID", "1.2.3"))
    assert read(folder, "CT").image.GetSize()[2] == 6


def headers_of(series: Series) -> list[float]:
    return [float(header.ImagePositionPatient[2]) for header in series.headers]


@pytest.mark.parametrize("position", ["HFS", "FFS", "HFDL", "FFP"])
def test_patient_position_changes_nothing(tmp_path: Path, position: str) -> None:
    """LPS coordinates are the patient's in every position in the scanner."""
    folder = write(tmp_path / "in")
    before = read(folder, "CT")
    for path in slices(folder):
        change(path, put("PatientPosition", position))
    after = read(folder, "CT")
    assert headers_of(after) == headers_of(before)
    assert after.image.GetOrigin() == before.image.GetOrigin()
    assert after.image.GetDirection() == before.image.GetDirection()


def test_interleaved_echoes_are_split(tmp_path: Path) -> None:
    folder = two_echoes(tmp_path / "in", "EchoTime", (20, 90))
    for path in slices(folder / "1"):
        move(path, (0, 0, 1.25))
    with pytest.raises(GeometryError, match="12 images contains 2 volumes"):
        read(folder, "MR")


def test_acquisitions_are_split_by_two_attributes(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number, kind in enumerate("MP"):
        two_echoes(folder / kind, "EchoTime", (20, 90))
        for path in (folder / kind).rglob("*.dcm"):
            change(path, put("ImageType", ["ORIGINAL", "PRIMARY", kind]))
            change(path, put("SOPInstanceUID", f"1.{number}.{path.parent.name}.{path.stem[-1]}"))
    (series,) = scan_folder(folder).series
    assert [len(group.slices) for group in group_slices(series)[0]] == [6, 6, 6, 6]


def test_volume_number_is_independent_of_file_names(tmp_path: Path) -> None:
    folder = two_echoes(tmp_path / "in", "EchoTime", (20, 90))
    (before,) = scan_folder(folder).series
    (folder / "0").rename(folder / "2")
    (after,) = scan_folder(folder).series
    times = [[group.slices[0].header.EchoTime for group in group_slices(series)[0]]
            for series in (before, after)]  # fmt: skip
    assert times[0] == times[1]


def test_overlapping_acquisitions_are_listed(tmp_path: Path) -> None:
    """Half a head is not left out because the other half overlaps it by a slice."""
    folder = write(tmp_path / "in", volume(count=12))
    for index, path in enumerate(slices(folder)):
        change(path, put("AcquisitionNumber", 1 if index < 3 else 2))
    change(slices(folder)[2], put("SOPInstanceUID", "1.2.3"))
    move(slices(folder)[2], (0, 0, 2.5))
    with pytest.raises(GeometryError, match="12 images contains 2 volumes; choose one with"):
        read(folder, "CT")


def test_two_patients_are_refused_without_their_ids(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder)[3:]:
        change(path, put("PatientID", "SECRET"))
    with pytest.raises(GeometryError, match="images of several patients") as caught:
        read(folder, "CT")
    assert "SECRET" not in str(caught.value)


def test_object_without_pixels_is_ignored(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    (folder / "raw.dcm").write_bytes(slices(folder)[0].read_bytes())

    def without_pixels(header: Dataset) -> None:
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66"
        for keyword in ("PixelData", "Rows", "Columns"):
            del header[keyword]

    change(folder / "raw.dcm", without_pixels)
    assert read(folder, "CT").image.GetSize()[2] == 6


def test_empty_hidden_files_are_ignored(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for name in (".gitkeep", ".nomedia", "._0001.dcm"):
        (folder / name).touch()
    assert read(folder, "CT").notes == ()


@pytest.mark.parametrize("keyword", ["PatientName", "PatientBirthDate"])
def test_slices_of_two_patients_without_ids_are_refused(tmp_path: Path, keyword: str) -> None:
    values = {"PatientName": ("DOE", "ROE"), "PatientBirthDate": ("19700101", "19700102")}[keyword]
    folder = write(tmp_path / "a")
    for number, path in enumerate(slices(folder)):
        change(path, put("PatientID", ""))
        change(path, put(keyword, values[number % 2]))
    with pytest.raises(GeometryError, match="images of several patients"):
        read(folder, "CT")
