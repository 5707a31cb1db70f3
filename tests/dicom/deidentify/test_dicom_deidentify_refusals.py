"""What a de-identification of files refuses, and what it leaves out."""

import contextlib
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from dicom_kit import as_nobody, change, change_all, put, slices
from radfuse.dicom.deidentify.files import deidentify_folder
from radfuse.dicom.validate.check import check
from radfuse.errors import InputError, NoImageError, OutputError, RadfuseError
from reference_kit import make_study

KEY = b"a key of the tests"

COUNT = 2
"""Slices of a series."""


@pytest.fixture
def study(phantom_folders: tuple[Path, Path], tmp_path: Path) -> Path:
    return make_study(tmp_path / "study", phantom_folders, COUNT)


def document(header: Dataset) -> None:
    header.SOPClassUID = EncapsulatedPDFStorage
    header.EncapsulatedDocument = b"%PDF"


def report(header: Dataset) -> None:
    header.ContentSequence = [Dataset()]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (put("BurnedInAnnotation", "YES"), "BurnedInAnnotation is YES"),
        (put("SOPClassUID", SecondaryCaptureImageStorage), "a secondary capture"),
        (document, "a document or report"),
        (report, "a document or report"),
    ],
)
def test_what_may_name_the_patient_beyond_the_header_is_refused(
    study: Path, tmp_path: Path, edit: Callable[[Dataset], object], words: str
) -> None:
    path = slices(study / "mr")[1]
    change(path, edit)
    with pytest.raises(InputError, match=words) as refusal:
        deidentify_folder(study, tmp_path / "out", KEY)
    assert str(path) in str(refusal.value)
    assert sorted(tmp_path.iterdir()) == [study]


def test_burned_in_text_can_be_accepted(study: Path, tmp_path: Path) -> None:
    change_all(study / "ct", put("BurnedInAnnotation", "YES"))
    copies = deidentify_folder(study, tmp_path / "out", KEY, accept_burned_in=True)
    assert len(copies.files) == 2 * COUNT + 2


def test_a_damaged_file_is_named_and_nothing_is_written(study: Path, tmp_path: Path) -> None:
    path = slices(study / "mr")[1]
    path.write_bytes(path.read_bytes()[:400] + b"\xff" * 40)
    with pytest.raises(InputError, match=r"0022\.dcm: damaged"):
        deidentify_folder(study, tmp_path / "out", KEY)
    assert sorted(tmp_path.iterdir()) == [study]


def test_a_file_that_says_no_transfer_syntax_cannot_be_copied(study: Path, tmp_path: Path) -> None:
    path = slices(study / "mr")[1]
    header = pydicom.dcmread(path)
    del header.file_meta.TransferSyntaxUID
    pydicom.dcmwrite(path, header, implicit_vr=False, little_endian=True)
    with pytest.raises(InputError, match="damaged, cannot be written again"):
        deidentify_folder(path, tmp_path / "out", KEY)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(132, 2500), st.binary(min_size=1, max_size=8)), max_size=12),
    st.integers(200, 12000),
)
def test_changed_bytes_never_end_in_a_bug(
    study: Path, changes: list[tuple[int, bytes]], length: int
) -> None:
    path = slices(study / "mr")[0]
    original = path.read_bytes()
    spoilt = bytearray(original)
    for start, change_ in changes:
        spoilt[start : start + len(change_)] = change_
    path.write_bytes(spoilt[:length])
    target = study.parent / "out"
    try:
        check(path, with_dciodvfy=False)
        with contextlib.suppress(RadfuseError):
            deidentify_folder(path, target, KEY)
    finally:
        shutil.rmtree(target, ignore_errors=True)
        path.write_bytes(original)


def test_a_dicomdir_and_junk_are_left_out(study: Path, tmp_path: Path) -> None:
    (study / "notes.txt").write_text("Montgomery")
    directory = Dataset()
    directory.file_meta = FileMetaDataset()
    directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    directory.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, directory, enforce_file_format=True)
    (study / "DICOMDIR").write_bytes(buffer.getvalue())
    copies = deidentify_folder(study, tmp_path / "out", KEY)
    assert (len(copies.files), copies.skipped) == (2 * COUNT + 2, 2)


def test_wrong_folders_are_refused(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        deidentify_folder(tmp_path / "nowhere", tmp_path / "out", KEY)
    with pytest.raises(OutputError, match="overlaps with the input"):
        deidentify_folder(study, study / "out", KEY)
    with pytest.raises(OutputError, match="overlaps with the input"):
        deidentify_folder(study / "ct", study, KEY)
    with pytest.raises(OutputError, match="exists; give another"):
        deidentify_folder(study / "ct", study / "mr", KEY)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoImageError, match="no DICOM files"):
        deidentify_folder(tmp_path / "empty", tmp_path / "out", KEY)
    assert not (tmp_path / "out").exists()


def test_a_file_that_may_not_be_read_is_refused(study: Path, tmp_path: Path) -> None:
    slices(study / "ct")[0].chmod(0)
    (tmp_path / "free").mkdir()
    (tmp_path / "free").chmod(0o777)
    with as_nobody(study), pytest.raises(InputError, match="no permission to read"):
        deidentify_folder(study, tmp_path / "free" / "out", KEY)
