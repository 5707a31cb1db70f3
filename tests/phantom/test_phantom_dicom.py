"""The phantom as DICOM: valid, read back exactly, one patient in two scanners."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from radfuse.errors import OutputError
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Phantom, make_phantom

SEED = 7


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return make_phantom(SEED, spacing_mm=4.0)


@pytest.fixture(scope="module")
def folders(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_phantom(phantom, tmp_path_factory.mktemp("phantom"))


def first_headers(folders: tuple[Path, Path]) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(min(folder.iterdir())) for folder in folders]


def test_both_series_are_read_back_exactly(phantom: Phantom, folders: tuple[Path, Path]) -> None:
    for folder, series in zip(folders, (phantom.ct, phantom.mr), strict=True):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        found, wanted = reader.Execute(), series.image
        np.testing.assert_allclose(found.GetSpacing(), wanted.GetSpacing(), rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.GetOrigin(), wanted.GetOrigin(), rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.GetDirection(), wanted.GetDirection(), rtol=0, atol=1e-9)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(wanted))


def test_the_folders_are_named_for_their_modality(folders: tuple[Path, Path]) -> None:
    assert [folder.name for folder in folders] == ["CT", "MR"]
    assert [header.Modality for header in first_headers(folders)] == ["CT", "MR"]


def test_it_is_one_patient_and_study_in_two_frames_of_reference(folders: tuple[Path, Path]) -> None:
    ct, mr = first_headers(folders)
    assert ct.PatientID == mr.PatientID == "PHANTOM-7"
    assert str(ct.PatientName) == "Phantom^Seed7"
    assert ct.StudyInstanceUID == mr.StudyInstanceUID
    assert ct.SeriesInstanceUID != mr.SeriesInstanceUID
    assert ct.FrameOfReferenceUID != mr.FrameOfReferenceUID


def test_no_two_files_share_a_uid(folders: tuple[Path, Path]) -> None:
    files = [path for folder in folders for path in folder.iterdir()]
    uids = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in files}
    assert len(uids) == len(files)


def test_the_same_phantom_is_the_same_bytes(
    phantom: Phantom, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    for again, before in zip(write_phantom(phantom, tmp_path), folders, strict=True):
        for path in again.iterdir():
            assert path.read_bytes() == (before / path.name).read_bytes()


def test_another_spacing_has_other_uids(folders: tuple[Path, Path], tmp_path: Path) -> None:
    others = first_headers(write_phantom(make_phantom(SEED, spacing_mm=5.0), tmp_path))
    for other, header in zip(others, first_headers(folders), strict=True):
        assert other.SeriesInstanceUID != header.SeriesInstanceUID
        assert other.StudyInstanceUID != header.StudyInstanceUID


def test_a_folder_with_a_series_is_refused(phantom: Phantom, tmp_path: Path) -> None:
    write_phantom(phantom, tmp_path)
    with pytest.raises(OutputError, match="CT exists"):
        write_phantom(phantom, tmp_path)


@pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed"
)
def test_an_independent_validator_finds_no_error_in_any_file(folders: tuple[Path, Path]) -> None:
    for path in (path for folder in folders for path in sorted(folder.iterdir())):
        report = subprocess.run(
            ["dciodvfy", str(path)], capture_output=True, text=True, check=False
        )
        lines = (report.stdout + report.stderr).splitlines()
        assert [line for line in lines if "Error" in line] == []
