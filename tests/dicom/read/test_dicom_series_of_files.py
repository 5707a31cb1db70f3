"""Which files are one series: judged by all of its files, with one SeriesInstanceUID or several."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import (
    KeyObjectSelectionDocumentStorage,
    MRSpectroscopyStorage,
    RTDoseStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
)

from dicom_kit import assert_same_image, change, change_all, move, put, slices, volume, write
from radfuse.dicom.read.scan import scan_folder
from radfuse.dicom.uids import derive_uid
from radfuse.errors import InputError, NoImageError
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read


def numbered(folder: Path, numbers: list[int]) -> None:
    """Give each file a SeriesInstanceUID of a number."""
    for path, number in zip(slices(folder), numbers, strict=True):
        change(path, put("SeriesInstanceUID", f"1.2.{number}"))
        change(path, put("SeriesNumber", 4))


@pytest.mark.parametrize(
    "numbers", [[1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 2, 2], [1, 2, 1, 2, 1, 2], [1, 1, 1, 1, 1, 2]]
)
def test_fragments_of_a_series_are_read_as_one(tmp_path: Path, numbers: list[int]) -> None:
    folder = write(tmp_path / "in")
    numbered(folder, numbers)
    series = read(folder, "CT")
    assert_same_image(series.image, volume())
    (note,) = series.notes
    count = len(set(numbers))
    assert f"{count} SeriesInstanceUIDs and one SeriesNumber, description and geometry" in note
    uids = {str(header.SeriesInstanceUID) for header in series.headers}
    assert len(uids) == count  # references need those of the files
    (inspected,), _ = inspect(folder)
    assert inspected.notes == series.notes


@pytest.mark.parametrize(
    "edit",
    [
        put("SeriesNumber", 5),
        put("SeriesDescription", "bone"),
        put("StudyDate", "20240101"),
        put("PatientID", "T2"),
        put("PixelSpacing", [0.5, 0.5]),
        lambda header: put("ImagePositionPatient", [0, 0, header.InstanceNumber * 2.5])(header),
    ],
)
def test_two_series_are_not_joined(tmp_path: Path, edit: Callable[[Dataset], None]) -> None:
    folder = write(tmp_path / "in")
    numbered(folder, [1, 1, 1, 2, 2, 2])
    for path in slices(folder)[3:]:
        change(path, edit)
    with pytest.raises(InputError, match=r"2 CT series; choose one with --ct-series UID"):
        read(folder, "CT")


def test_single_images_with_a_gap_are_joined_and_judged(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    numbered(folder, [1, 2, 3, 4, 5, 6])
    for path in slices(folder)[4:]:
        move(path, (0, 0, 10))
    with pytest.raises(InputError, match="a gap of 10 mm without data"):
        read(folder, "CT")


def other(kind: str, modality: str) -> Callable[[Dataset], None]:
    """An object of another SOP class, without pixels."""

    def edit(header: Dataset) -> None:
        header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = kind
        header.Modality = modality
        header.SOPInstanceUID = derive_uid(kind)
        for keyword in ("PixelData", "Rows", "Columns", "ImagePositionPatient"):
            del header[keyword]

    return edit


def capture(header: Dataset) -> None:
    """A dose report: an image of Modality CT without a position."""
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    header.SOPInstanceUID = derive_uid("capture")
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del header[keyword]


def dose(header: Dataset) -> None:
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = RTDoseStorage
    header.Modality = "RTDOSE"


def spectrum(header: Dataset) -> None:
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = MRSpectroscopyStorage
    header.Rows = header.Columns = 1
    del header.PixelData


OTHERS = {
    "structure set": other(RTStructureSetStorage, "RTSTRUCT"),
    "key object": other(KeyObjectSelectionDocumentStorage, "KO"),
    "report of modality CT": other(KeyObjectSelectionDocumentStorage, "CT"),
    "capture": capture,
    "dose": dose,
}


@pytest.mark.parametrize("edit", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("name", ["0000.dcm", "zz.dcm"])
@pytest.mark.parametrize("uid", [None, "1.2.3"])
def test_other_objects_do_not_hide_the_ct(
    tmp_path: Path, edit: Callable[[Dataset], None], name: str, uid: str | None
) -> None:
    """Whatever they are called, with the UID of the CT's series or their own."""
    folder = write(tmp_path / "in")
    shutil.copy(slices(folder)[0], folder / name)
    change(folder / name, edit)
    if uid:
        change(folder / name, put("SeriesInstanceUID", uid))
    assert_same_image(read(folder, "CT").image, volume())
    kinds = {one.size: one.notes for one in inspect(folder)[0]}
    assert kinds.pop((7, 9, 6)) == ()
    ((note,),) = kinds.values()
    assert note.startswith("ignored: ")


def test_a_spectrum_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume("MR"), "MR")
    for path in slices(folder)[1:]:
        path.unlink()
    change_all(folder, spectrum)
    ((one,), _) = inspect(folder)
    assert one.problems == ()
    assert one.notes == ("ignored: MR Spectroscopy Storage, no slices of a volume",)
    with pytest.raises(NoImageError, match=r"no MR series; .*\n  MR 'head', 1 objects that are no"):
        read(folder, "MR")


def test_the_modality_is_that_of_most_slices(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change(slices(folder)[0], put("Modality", "OT"))
    (series,) = scan_folder(folder).series
    assert series.modality == "CT"


def test_a_dicom_file_that_begins_as_a_tiff_counts_once(tmp_path: Path) -> None:
    """Its preamble may make it an image for other programs."""
    folder = write(tmp_path / "in")
    for path in slices(folder):
        path.write_bytes(b"II*\0" + path.read_bytes()[4:])
    inspected, others = inspect(folder)
    assert [one.kind for one in inspected] == ["CT"]
    assert others == 0


@pytest.mark.parametrize("uids", [["1.1"] * 6, [f"1.{number}" for number in range(6)]])
def test_copies_with_other_contrast_are_no_duplicates(tmp_path: Path, uids: list[str]) -> None:
    folder = tmp_path / "in"
    for number in range(2):
        write(folder / str(number), volume("MR") * (number + 1), "MR")
        for path, uid in zip(slices(folder / str(number)), uids, strict=True):
            change(path, put("SOPInstanceUID", uid))
            change(path, put("EchoTime", 10 + number))
    series = derive_uid("test", "MR", "head")
    values = [sitk.GetArrayFromImage(read(folder, "MR", series_uid=f"{series}#{number}").image)
              for number in (1, 2)]  # fmt: skip
    factors = sorted(float(np.median(one)) for one in values)
    assert factors[1] == 2 * factors[0]
