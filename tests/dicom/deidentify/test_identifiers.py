"""Names and IDs of patients: found in headers, hidden in paths and sentences."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from dicom_kit import as_nobody, change, put, put_raw, slices, volume, write
from radfuse.dicom.deidentify.identifiers import (
    HIDDEN,
    Identifiers,
    identifiers_below,
    identifiers_in,
    identifiers_of,
)
from radfuse.pipeline.read import read

SMITH = Identifiers(frozenset({"Smith", "John"}), frozenset({"AB-123"}))


def header(name: str = "", number: str = "") -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = name, number
    return dataset


def test_parts_of_names_and_ids_are_hidden_but_short_parts() -> None:
    found = identifiers_of(header("Smith^John^J^Dr", " AB-123 "), header("van der Berg=山田^太郎"))
    assert found.names == {"Smith", "John", "van", "der", "Berg", "山田", "太郎"}
    assert found.ids == {"AB-123"}


def test_other_ids_and_names_count() -> None:
    dataset = header()
    dataset.OtherPatientIDs = ["OLD1", "OLD2"]
    dataset.PatientBirthName = "Miller"
    dataset.OtherPatientNames = ["Jones^A", "Baker^B"]
    found = identifiers_of(dataset)
    assert found.ids == {"OLD1", "OLD2"}
    assert found.names == {"Miller", "Jones", "Baker"}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/data/SMITH_JOHN_123/ct", f"/data/{HIDDEN}/ct"),
        ("/data/j.o.h.n/ct", f"/data/{HIDDEN}/ct"),
        ("/data/ab123/mr", f"/data/{HIDDEN}/mr"),
        ("/data/x_AB 12 3-ct.nii.gz", f"/data/{HIDDEN}"),
        ("C:\\scans\\Smith\\ct", f"C:\\scans\\{HIDDEN}\\ct"),
        ("/data/jon/ct", "/data/jon/ct"),
        ("smithy", HIDDEN),
    ],
)
def test_a_component_with_an_identifier_is_hidden(path: str, shown: str) -> None:
    assert SMITH.hide_in_path(path) == shown


def test_accents_and_case_do_not_matter() -> None:
    found = identifiers_of(header("Müller^Zoë"))
    assert found.hide_in_path("/a/MULLER/b") == f"/a/{HIDDEN}/b"
    assert found.hide_in_path("/a/zoe1/b") == f"/a/{HIDDEN}/b"


def test_a_short_id_must_be_a_whole_word() -> None:
    found = identifiers_of(header("", "7"))
    assert found.hide_in_path("/data/17/head_7/70") == f"/data/17/{HIDDEN}/70"


def test_an_id_of_separators_alone_hides_nothing() -> None:
    assert identifiers_of(header("", "--")).hide_in_path("/a--b/c") == "/a--b/c"


def test_names_in_a_sentence_are_hidden_as_words() -> None:
    text = "no CT of Smith (AB-123) in /data/smith_1/ct: smith is a trade, SMITH a name, Smithson"
    assert SMITH.hide(text) == (
        f"no CT of {HIDDEN} ({HIDDEN}) in /data/{HIDDEN}/ct: smith is a trade, {HIDDEN} a name, "
        "Smithson"
    )


def test_a_patient_called_may_leaves_verbs_alone() -> None:
    found = identifiers_of(header("MAY^Lin"))
    assert found.hide("a slice may be missing in line 3") == "a slice may be missing in line 3"
    assert found.hide("of May") == f"of {HIDDEN}"


def test_ideographic_names_are_hidden_in_sentences() -> None:
    found = identifiers_of(header("Yamada=山田^太郎"))
    assert found.hide("scan of 山田 today") == f"scan of {HIDDEN} today"


def test_a_known_path_with_spaces_is_hidden_by_its_components() -> None:
    path = "/data/ab 123 head/ct"
    assert SMITH.hide(f"{path}: nothing", [path]) == f"/data/{HIDDEN}/ct: nothing"


@given(st.text(max_size=60))
def test_without_identifiers_nothing_is_hidden(text: str) -> None:
    assert Identifiers().hide(text) == text
    assert Identifiers().hide_in_path(text) == text


@given(st.sampled_from(["Smith", "smith", "S_M-I TH", "AB123", "xJOHNx"]), st.sampled_from("/\\"))
def test_hiding_twice_is_hiding_once(word: str, slash: str) -> None:
    once = SMITH.hide_in_path(f"a{slash}{word}{slash}b")
    assert once == f"a{slash}{HIDDEN}{slash}b"
    assert SMITH.hide_in_path(once) == once


def test_a_folder_names_the_patients_of_all_its_files(tmp_path: Path) -> None:
    write(tmp_path / "a", volume(count=3))
    for number, path in enumerate(slices(tmp_path / "a")):
        change(path, put("PatientName", f"{['Adam', 'Berta', 'Carla'][number]}^Q"))
    (tmp_path / "a" / "junk.txt").write_text("Dora")
    (tmp_path / "a" / "empty").touch()
    assert identifiers_below(tmp_path).names == {"Adam", "Berta", "Carla"}
    assert identifiers_below(tmp_path / "a" / "0001.dcm").names == {"Adam"}
    assert identifiers_below(tmp_path / "nowhere") == Identifiers()


def test_a_damaged_file_names_nobody(tmp_path: Path) -> None:
    path = slices(write(tmp_path / "a"))[0]
    path.write_bytes(path.read_bytes()[:140] + b"\xff" * 50)
    change(slices(tmp_path / "a")[1], put_raw("PatientName", b"\xff\xfe\xfd"))
    assert identifiers_below(tmp_path).ids == {"T1"}


def test_a_folder_that_may_not_be_read_names_nobody(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    folder.chmod(0)
    try:
        with as_nobody(tmp_path):
            assert identifiers_below(tmp_path) == Identifiers()
    finally:
        folder.chmod(0o755)


def test_a_series_names_its_patient(tmp_path: Path) -> None:
    found = identifiers_in(read(write(tmp_path / "a"), "CT"))
    assert found == Identifiers(frozenset({"Test", "Nobody"}), frozenset({"T1"}))
