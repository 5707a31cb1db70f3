"""The patients of a batch, by a table or by folders."""

from pathlib import Path

import pytest

from radfuse.errors import InputError
from radfuse.jobs.case import Case, case_name
from radfuse.jobs.cases import read_cases
from radfuse.recipe import Recipe


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("ct", "t1", "t2", "pet"):
        (tmp_path / f"{name}.nii").write_bytes(name.encode())
    return tmp_path


def cases(folder: Path, text: str, name: str = "patients.csv") -> list[Case]:
    (folder / name).write_text(text, encoding="utf-8")
    return read_cases(folder / name, Recipe())


def test_a_table_names_images_relative_to_itself(images: Path) -> None:
    (case,) = cases(images, "id,session,ct,mr,pet\n01,2,ct.nii,t1.nii; t2.nii,pet.nii\n")
    assert case.name == "sub-01_ses-2"
    assert case.images is not None
    assert case.images.ct == images / "ct.nii"
    assert case.images.mrs == (images / "t1.nii", images / "t2.nii")
    assert case.images.pet == images / "pet.nii"


def test_tables_of_tabulators_and_of_excel_are_read(images: Path) -> None:
    (one,) = cases(images, "id\tct\tmr\nA\tct.nii\tt1.nii\n", "patients.tsv")
    (other,) = cases(images, "\ufeffid,ct,mr\r\nA,ct.nii,t1.nii\r\n")
    assert one == other


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1,ct.nii,", "no mr in the table"),
        ("1,,t1.nii", "no ct in the table"),
        ("1,ct.nii,none.nii", "none.nii does not exist"),
        ("1,ct.nii;t2.nii,t1.nii", "several ct; give one"),
        ("1,ct.nii", "no mr in the table"),
    ],
)
def test_what_a_patient_lacks_is_stated(images: Path, row: str, problem: str) -> None:
    (case,) = cases(images, f"id,ct,mr\n{row}\n")
    assert case.images is None
    assert problem in case.problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,ct\n1,ct.nii\n", "no column mr"),
        ("id,ct,mr,age\n1,ct.nii,t1.nii,5\n", "unknown column 'age'"),
        ("id,ct,mr\n", "no patient"),
        ("id,ct,mr\n1,ct.nii,t1.nii\nsub-1,ct.nii,t2.nii\n", "sub-1 is there twice"),
        ("id,ct,mr\n--,ct.nii,t1.nii\n", "no letter or digit"),
        ("", "no column id"),
    ],
)
def test_a_wrong_table_is_refused(images: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cases(images, text)


def test_other_files_are_refused(images: Path) -> None:
    for path in (images / "ct.nii", images / "none.csv"):
        with pytest.raises(InputError):
            read_cases(path, Recipe())
    (images / "latin.csv").write_bytes("id,ct,mr\nMüller,a,b\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read_cases(images / "latin.csv", Recipe())


def test_names_are_those_of_bids() -> None:
    assert case_name("sub-01") == case_name("0_1") == "sub-01"
    assert case_name("A b", "ses-2.1") == "sub-Ab_ses-21"


def test_a_folder_without_a_pair_states_why(tmp_path: Path) -> None:
    (tmp_path / "Anna").mkdir()
    (case,) = read_cases(tmp_path, Recipe())
    assert case.name == "sub-Anna"
    assert case.images is None
    assert case.problem
