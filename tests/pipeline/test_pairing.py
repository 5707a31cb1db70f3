"""The CT and MR of a folder that are fused, and the message where several could be."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydicom import Dataset

from dicom_kit import AXIAL, CORONAL, SAGITTAL, change, change_all, put, volume, write
from radfuse.cli import main
from radfuse.dicom.uids import derive_uid
from radfuse.errors import GeometryError, InputError, NoImageError
from radfuse.phantom.head import Phantom
from radfuse.pipeline.align import align
from radfuse.pipeline.pairing import choose_pair
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform
from radfuse.series import Series

PLAIN = Recipe()


def series(folder: Path, modality: str, name: str, **values: object) -> str:
    """Write a small series with some attributes; return its UID."""
    write(folder / f"{modality}-{name}", volume(modality), modality, name)
    for keyword, value in values.items():
        change_all(folder / f"{modality}-{name}", put(keyword, value))
    return derive_uid("test", modality, name)


def chosen(folder: Path, recipe: Recipe = PLAIN) -> tuple[str, str]:
    pair = choose_pair(folder, recipe)
    return pair.ct.volume.uid, pair.mr.volume.uid


def test_the_only_pair_is_chosen_and_named(tmp_path: Path) -> None:
    ct, mr = series(tmp_path, "CT", "a"), series(tmp_path, "MR", "b")
    assert chosen(tmp_path) == (ct, mr)
    sentence = choose_pair(tmp_path, PLAIN).sentence()
    assert sentence.startswith(f"chosen: CT 'a', 6 images, UID {ct} and MR 'b', 6 images, UID {mr}")


def test_patients_are_not_mixed(tmp_path: Path) -> None:
    series(tmp_path, "CT", "a", PatientID="1")
    ct, mr = series(tmp_path, "CT", "b", PatientID="2"), series(tmp_path, "MR", "c", PatientID="2")
    assert chosen(tmp_path) == (ct, mr)
    shutil.rmtree(tmp_path / "CT-b")
    with pytest.raises(NoImageError, match="no CT and MR of one patient with a region"):
        choose_pair(tmp_path, PLAIN)


def localizer(folder: Path, count: int) -> str:
    """Three orthogonal stacks in one MR series that ImageType does not call a localizer."""
    uid = derive_uid("test", "plan")
    for number, angles in enumerate((AXIAL, CORONAL, SAGITTAL)):
        write(folder / f"plan{number}", volume("MR", angles, count=count), "MR", f"{number}")
        change_all(folder / f"plan{number}", put("SeriesInstanceUID", uid))
    return uid


@pytest.mark.parametrize("count", [1, 3])
def test_thin_stacks_of_a_localizer_are_not_candidates(tmp_path: Path, count: int) -> None:
    localizer(tmp_path, count)
    ct = series(tmp_path, "CT", "head")
    with pytest.raises(NoImageError, match="fewer than 4 slices"):
        choose_pair(tmp_path, PLAIN)
    mr = series(tmp_path, "MR", "brain")
    assert chosen(tmp_path) == (ct, mr)


def test_stacks_of_a_localizer_are_offered(tmp_path: Path) -> None:
    uid, ct = localizer(tmp_path, 5), series(tmp_path, "CT", "head")
    with pytest.raises(InputError, match="3 pairs of CT and MR; choose with --mr-series UID"):
        choose_pair(tmp_path, PLAIN)
    assert chosen(tmp_path, Recipe(mr_series=f"{uid}#2")) == (ct, f"{uid}#2")


def test_other_parts_of_the_body_and_localizers_are_ignored(tmp_path: Path) -> None:
    series(tmp_path, "CT", "chest", BodyPartExamined="CHEST")
    series(tmp_path, "CT", "scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    ct = series(tmp_path, "CT", "head", BodyPartExamined="HEADNECK")
    mr = series(tmp_path, "MR", "brain", BodyPartExamined="BRAIN")
    assert chosen(tmp_path) == (ct, mr)


@pytest.mark.parametrize("part", ["CARDIAC", "ILIAC", "SACROILIAC", "CSPINE"])
def test_no_letters_inside_a_word_make_a_head(tmp_path: Path, part: str) -> None:
    series(tmp_path, "CT", "other", BodyPartExamined=part)
    series(tmp_path, "MR", "mr")
    uid = derive_uid("test", "CT", "other")
    with pytest.raises(NoImageError, match="no CT of a head") as caught:
        choose_pair(tmp_path, PLAIN)
    (line,) = str(caught.value).splitlines()
    assert line.endswith(
        f"UID {uid}: BodyPartExamined is {part}; if it shows the head, choose it with --ct-series "
        "UID"
    )
    assert line.count(uid) == 1
    assert chosen(tmp_path, Recipe(ct_series=uid))[0] == uid


@pytest.mark.parametrize(
    "part", ["IAC", "SINUS", "KOPF", "TEMPORALBONE", "WHOLEBODY", "UNKNOWN", "WHOLE BODY"]
)
def test_every_word_for_a_head_is_one(tmp_path: Path, part: str) -> None:
    ct, mr = series(tmp_path, "CT", "ct", BodyPartExamined=part), series(tmp_path, "MR", "mr")
    assert chosen(tmp_path) == (ct, mr)


def test_one_slice_with_another_body_part_changes_nothing(tmp_path: Path) -> None:
    ct, mr = series(tmp_path, "CT", "ct", BodyPartExamined="HEAD"), series(tmp_path, "MR", "mr")
    for path in sorted((tmp_path / "CT-ct").iterdir())[:2]:
        change(path, put("BodyPartExamined", "CHEST"))
        change(path, put("StudyDate", "19990101"))
    assert chosen(tmp_path) == (ct, mr)
    assert choose_pair(tmp_path, PLAIN).ct.day is None


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImageOrientationPatient"])
def test_a_part_that_makes_no_volume_is_not_dropped(tmp_path: Path, keyword: str) -> None:
    """Two slices without a geometry may be the top of the head."""
    series(tmp_path, "CT", "ct")
    series(tmp_path, "MR", "mr")
    for path in sorted((tmp_path / "CT-ct").iterdir())[4:]:
        change(path, put(keyword, None))
    with pytest.raises(GeometryError, match="of 6 images contains 2 volumes; choose one"):
        choose_pair(tmp_path, PLAIN)


def test_a_fragment_with_another_series_uid_is_not_dropped(tmp_path: Path) -> None:
    ct, mr = series(tmp_path, "CT", "ct"), series(tmp_path, "MR", "mr")
    for path in sorted((tmp_path / "CT-ct").iterdir())[4:]:
        change(path, put("SeriesInstanceUID", "1.2.3"))
        change(path, put("PixelSpacing", [1.5, 1.5]))
    with pytest.raises(GeometryError, match="may continue in 1 others of its number and descr"):
        choose_pair(tmp_path, PLAIN)
    assert chosen(tmp_path, Recipe(ct_series=ct)) == (ct, mr)


def test_a_series_that_makes_no_volume_is_told(tmp_path: Path) -> None:
    series(tmp_path, "CT", "ct")
    series(tmp_path, "MR", "flair")
    write(tmp_path / "MR-t1", volume("MR", count=9), "MR", "t1")
    for path in sorted((tmp_path / "MR-t1").iterdir())[3:6]:
        path.unlink()
    assert "rejected: " in choose_pair(tmp_path, PLAIN).sentence()
    assert "mm without data" in choose_pair(tmp_path, PLAIN).sentence()


def test_a_missing_patient_id_is_no_other_patient(tmp_path: Path) -> None:
    ct, mr = series(tmp_path, "CT", "ct", PatientID=""), series(tmp_path, "MR", "mr")
    assert chosen(tmp_path) == (ct, mr)
    change_all(tmp_path / "CT-ct", put("PatientID", "2"))
    with pytest.raises(NoImageError, match="no CT and MR of one patient"):
        choose_pair(tmp_path, PLAIN)
    assert chosen(tmp_path, Recipe(accept_patients=True)) == (ct, mr)


@pytest.mark.parametrize("keyword", ["PatientName", "PatientBirthDate"])
def test_without_ids_two_names_or_birth_dates_are_no_pair(tmp_path: Path, keyword: str) -> None:
    values = {"PatientName": ("DOE", "ROE"), "PatientBirthDate": ("19700101", "19700102")}[keyword]
    ct = series(tmp_path, "CT", "ct", PatientID="", **{keyword: values[0]})
    mr = series(tmp_path, "MR", "mr", PatientID="", **{keyword: values[1]})
    with pytest.raises(NoImageError, match="no CT and MR of one patient") as caught:
        choose_pair(tmp_path, PLAIN)
    assert not any(value in str(caught.value) for value in values)
    assert chosen(tmp_path, Recipe(accept_patients=True)) == (ct, mr)


def test_the_nearest_in_time_is_chosen(tmp_path: Path) -> None:
    series(tmp_path, "CT", "old", StudyDate="20200101")
    ct = series(tmp_path, "CT", "new", StudyDate="20240301")
    mr = series(tmp_path, "MR", "mr", StudyDate="20240228")
    assert chosen(tmp_path) == (ct, mr)
    assert choose_pair(tmp_path, PLAIN).sentence().endswith(", 2 days apart")


def test_one_frame_of_reference_without_overlap_is_no_pair(tmp_path: Path) -> None:
    series(tmp_path, "CT", "ct", FrameOfReferenceUID="1.2.3")
    series(tmp_path, "MR", "mr", FrameOfReferenceUID="1.2.3")
    change_all(tmp_path / "MR-mr", lambda header: put(
        "ImagePositionPatient", [0, 500, header.ImagePositionPatient[2]])(header))  # fmt: skip
    with pytest.raises(NoImageError, match="with a region in common; give --ct and --mr"):
        choose_pair(tmp_path, PLAIN)


def test_ambiguity_is_asked_back_and_a_uid_answers_it(tmp_path: Path) -> None:
    ct = series(tmp_path, "CT", "ct")
    t1, t2 = series(tmp_path, "MR", "T1"), series(tmp_path, "MR", "T2")
    with pytest.raises(InputError) as caught:
        choose_pair(tmp_path, PLAIN)
    first, *listed = str(caught.value).splitlines()
    assert first == f"{tmp_path}: 2 pairs of CT and MR; choose with --mr-series UID:"
    assert listed == [
        f"  MR '{name}', 6 images, UID {uid}" for name, uid in (("T1", t1), ("T2", t2))
    ]
    assert chosen(tmp_path, Recipe(mr_series=t2)) == (ct, t2)


def test_a_folder_without_an_mr_lists_what_there_is(tmp_path: Path) -> None:
    series(tmp_path, "CT", "ct")
    with pytest.raises(NoImageError, match=r"no MR of a head that can be read; .*\n  CT 'ct'"):
        choose_pair(tmp_path, PLAIN)
    with pytest.raises(InputError, match="nothing: no such file or folder"):
        choose_pair(tmp_path / "nothing", PLAIN)


def test_a_real_study_without_an_mr_says_so(heads: Path) -> None:
    with pytest.raises(NoImageError, match="no MR of a head"):
        choose_pair(heads / "ct_ge_mixed_series_jpegll", PLAIN)


def test_a_study_is_fused_from_a_zip_archive(
    coarse_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", coarse_folders[0].parent)
    words = ["fuse", "--study", archive, "-o", str(tmp_path / "fused.nii.gz"), "--no-register"]
    words += ["--accept-registration", "--method", "average", "--quiet"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "chosen: CT 'CT head, phantom', " in result.stderr
    assert (tmp_path / "fused.nii.gz").is_file()


@pytest.mark.parametrize(
    "words", [[], ["--ct", "a"], ["--study", "s", "--ct", "a"], ["--study", "s", "--mr", "b"]]
)
def test_both_sources_or_a_study_are_asked_for(words: list[str]) -> None:
    result = CliRunner().invoke(main, ["fuse", *words, "-o", "out"])
    assert result.exit_code == 2
    assert "give --ct and --mr, or --study with both" in result.stderr


def in_one_frame(phantom: Phantom) -> tuple[Series, Series]:
    header = Dataset()
    header.FrameOfReferenceUID = "1.2.3"
    return replace(phantom.ct, headers=(header,)), replace(phantom.mr, headers=(header,))


@pytest.fixture
def near(coarse_phantom: Phantom, tmp_path: Path) -> Recipe:
    """An initial transform from which the search is short."""
    write_transform(tmp_path / "near.tfm", coarse_phantom.mr_from_ct)
    return Recipe(initial_transform=tmp_path / "near.tfm", accept_registration=True)


def test_headers_with_one_frame_of_reference_are_assessed(
    coarse_phantom: Phantom, near: Recipe
) -> None:
    alignment = align(*in_one_frame(coarse_phantom), near, lambda _: None)
    assert (
        "CT and MR share a frame of reference; the headers' alignment is " in alignment.header_note
    )
    assert " mm away, registration QA " in alignment.header_note
    assert alignment.header_note.endswith("; pass --no-register to use it")
    assert alignment.facts()["header_alignment"] == alignment.header_note


def test_headers_with_two_frames_are_not_assessed(coarse_phantom: Phantom, near: Recipe) -> None:
    alignment = align(coarse_phantom.ct, coarse_phantom.mr, near, lambda _: None)
    assert alignment.header_note == ""
    assert "header_alignment" not in alignment.facts()
