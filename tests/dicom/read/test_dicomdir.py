"""A DICOMDIR, the files that it lists, and those of them that are missing."""

import shutil
from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from dicom_kit import assert_same_image, slices, volume, write
from radfuse.dicom.read.dicomdir import missing_dicomdir_files
from radfuse.dicom.read.scan import list_files
from radfuse.dicom.uids import derive_uid
from radfuse.errors import InputError, NoImageError
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.pairing import choose_pair
from radfuse.pipeline.read import read
from radfuse.recipe import Recipe

LINKS = ("OffsetOfTheNextDirectoryRecord", "OffsetOfReferencedLowerLevelDirectoryEntity")
"""Of a record: the next one of its parent, and its first child."""


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A CT "head", a CT "neck" and an MR, and the DICOMDIR of them."""
    for modality, name in (("CT", "head"), ("CT", "neck"), ("MR", "head")):
        folder = write(tmp_path / f"{modality}_{name.upper()}", volume(modality), modality, name)
        for number, path in enumerate(slices(folder)):
            path.rename(folder / f"I{number}")
    write_dicomdir(tmp_path, step=1)
    return tmp_path


def write_dicomdir(folder: Path, step: int) -> None:
    """A DICOMDIR whose offsets order the records, which are stored in steps of 1 or -1."""
    records, targets = [], []
    for one in sorted(path for path in folder.iterdir() if path.is_dir()):
        images = [record("IMAGE", pydicom.dcmread(path), path) for path in slices(one)]
        first = len(records) + 1
        records += [record("SERIES", pydicom.dcmread(slices(one)[0])), *images]
        targets.append((first + len(images), first))
        targets += [(index, None) for index in range(first + 1, first + len(images))]
        targets.append((None, None))
    dicomdir = Dataset()
    dicomdir.file_meta = FileMetaDataset()
    dicomdir.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dicomdir.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    dicomdir.file_meta.MediaStorageSOPInstanceUID = derive_uid("test", "medium")
    dicomdir.DirectoryRecordSequence = records[::step]
    dicomdir.save_as(folder / "DICOMDIR", enforce_file_format=True)
    stored = pydicom.dcmread(folder / "DICOMDIR").DirectoryRecordSequence
    offsets = [one.seq_item_tell for one in stored][::step]
    for one, indices in zip(records, targets, strict=True):
        for link, index in zip(LINKS, indices, strict=True):
            setattr(one, link, offsets[index] if index in range(len(offsets)) else 0)
    dicomdir.save_as(folder / "DICOMDIR", enforce_file_format=True)


def record(kind: str, header: Dataset, path: Path | None = None) -> Dataset:
    """A record, of an image with its path; the offsets are unknown yet."""
    found = Dataset()
    found.DirectoryRecordType = kind
    for link in LINKS:
        setattr(found, link, 0)
    if path is None:
        found.SeriesInstanceUID = header.SeriesInstanceUID
    else:
        found.ReferencedFileID = [path.parent.name, path.name]
        found.ReferencedSOPInstanceUIDInFile = header.SOPInstanceUID
    return found


def files_of(medium: Path, modality: str, name: str = "head") -> list[Path]:
    """Files of a series, in order of their positions."""
    headers = [pydicom.dcmread(path) for path in list_files(medium) if path.name != "DICOMDIR"]
    found = [one for one in headers if (one.Modality, one.SeriesDescription) == (modality, name)]
    return [Path(one.filename) for one in sorted(found, key=lambda one: one.InstanceNumber)]


def uid_of(path: Path) -> str:
    return str(pydicom.dcmread(path).SeriesInstanceUID)


@pytest.mark.parametrize("place", [0, 3, -1])
@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("step", [1, -1])
def test_missing_file_of_the_series_is_refused(
    medium: Path, modality: str, place: int, step: int
) -> None:
    write_dicomdir(medium, step)
    lost = files_of(medium, modality)[place]
    uid = uid_of(lost)
    lost.unlink()
    with pytest.raises(InputError) as caught:
        read(medium, modality, series_uid=uid)
    assert str(caught.value) == (
        f"{lost}: missing, but DICOMDIR lists it in the {modality} series {uid}, which then lacks "
        "slices; copy the medium again, or move DICOMDIR away to read the others"
    )


def test_missing_file_of_another_series_is_a_note(medium: Path) -> None:
    uid = uid_of(files_of(medium, "CT")[0])
    for path in (files_of(medium, "CT", "neck")[2], files_of(medium, "MR")[0]):
        path.unlink()
    series = read(medium / "DICOMDIR", "CT", series_uid=uid)
    assert_same_image(series.image, volume("CT"))
    assert "files listed in DICOMDIR, but missing: 2; `radfuse info` names them" in series.notes


def test_series_of_other_names_is_complete(medium: Path) -> None:
    """A program that copies a medium may rename the files and keep the DICOMDIR."""
    for number, path in enumerate(files_of(medium, "MR")):
        path.rename(medium / f"copy{number}")
    series = read(medium, "MR")
    assert_same_image(series.image, volume("MR"))
    assert not any("missing" in note for note in series.notes)


def test_without_the_dicomdir_the_rest_is_read(medium: Path) -> None:
    files_of(medium, "MR")[-1].unlink()
    (medium / "DICOMDIR").unlink()
    values = sitk.GetArrayFromImage(read(medium, "MR").image)
    assert (values == sitk.GetArrayFromImage(volume("MR"))[:5]).all()


def test_study_with_a_missing_file_is_refused(medium: Path) -> None:
    ct, lost = files_of(medium, "CT")[0], files_of(medium, "MR")[2]
    recipe = Recipe(ct_series=uid_of(ct))
    lost.unlink()
    with pytest.raises(InputError, match=r"missing, but DICOMDIR lists it in the MR series"):
        choose_pair(medium, recipe)
    inspected, _ = inspect(medium)
    problems = [problem for one in inspected if one.kind == "MR" for problem in one.problems]
    assert [problem.split(":")[0] for problem in problems] == [str(lost)]
    assert not [one.problems for one in inspected if one.kind == "CT" and one.problems]


def test_dicomdir_matches_file_names_of_any_case(heads: Path, tmp_path: Path) -> None:
    """A mounted CD shows its names in lower case."""
    (tmp_path / "dicom").mkdir()
    for number in range(304):
        (tmp_path / "dicom" / f"i{number}").touch()
    shutil.copy(heads / "ct_ge_mixed_series_jpegll_DICOMDIR", tmp_path / "dicomdir")
    existing = list_files(tmp_path)
    assert missing_dicomdir_files(tmp_path / "dicomdir", existing) == {}


def test_dicomdir_without_its_files_is_refused(heads: Path) -> None:
    with pytest.raises(NoImageError, match="a DICOM directory, not an image; give its folder"):
        read(heads / "ct_ge_mixed_series_jpegll_DICOMDIR", "CT")


def test_dicomdir_reads_its_folder_and_names_missing_files(heads: Path, tmp_path: Path) -> None:
    write(tmp_path / "disk")
    shutil.copy(heads / "ct_ge_mixed_series_jpegll_DICOMDIR", tmp_path / "disk/DICOMDIR")
    series = read(tmp_path / "disk/DICOMDIR", "CT")
    assert sitk.GetArrayFromImage(series.image).shape == (6, 9, 7)
    (note,) = series.notes
    assert note.startswith("files listed in DICOMDIR, but missing: ")
