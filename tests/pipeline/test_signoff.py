"""Sign-off of a result in all its parts."""

import dataclasses
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from radfuse.dicom.validate import dciodvfy
from radfuse.errors import InputError, OutputError
from radfuse.phantom.head import Phantom
from radfuse.pipeline.outputs import check_output, files_of, write_result
from radfuse.pipeline.qa.signoff import RESEND_NOTE, sign_result
from radfuse.pipeline.result import Result
from radfuse.recipe import Recipe
from radfuse.record import Record, Signoff, digest

TIME = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ACCEPTED = Signoff(state="accepted", name="A. Physicist", time=TIME)
REJECTED = Signoff(state="rejected", name="Zoë <b> & Łukasz; registration QA ", time=TIME)
SLICES = 3
SERIES = ("FUSED_bone_blend", "MR_on_CT", "COLOUR_CT_MR", "REG")


@pytest.fixture(scope="module")
def unsigned(ladder: Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result with the first slices of each series alone."""
    assert ladder.written is not None

    def surplus(_folder: str, names: list[str]) -> list[str]:
        return sorted(name for name in names if name.endswith(".dcm"))[SLICES:]

    folder = tmp_path_factory.mktemp("unsigned") / "result"
    return shutil.copytree(ladder.written.parent, folder, ignore=surplus)


@pytest.fixture
def result(unsigned: Path, tmp_path: Path) -> Path:
    return shutil.copytree(unsigned, tmp_path / "result")


def headers(folder: Path) -> dict[str, pydicom.Dataset]:
    """The first object of each series."""
    return {name: pydicom.dcmread(min((folder / name).iterdir())) for name in SERIES}


def comment_of(header: pydicom.Dataset) -> str:
    maker = header.ContributingEquipmentSequence[0].ContributionDescription
    return str(header.get("ImageComments", maker))


def test_the_signoff_is_in_objects_sheet_and_record(unsigned: Path, result: Path) -> None:
    assert sign_result(result / "record.json", ACCEPTED) == RESEND_NOTE
    for name, header in headers(result).items():
        assert "accepted by A. Physicist, 2026-03-04 05:06 UTC; registration QA" in comment_of(
            header
        ), name
        assert "unreviewed" not in str(header), name
    assert headers(result)["REG"].ContentDescription.endswith(", accepted")
    sheet = (result / "qa.html").read_text(encoding="utf-8")
    assert "&#9746; accepted" in sheet
    assert "&#9744; rejected" in sheet
    for fact in ("A. Physicist", "2026-03-04 05:06 UTC"):
        assert f"<span>{fact}</span>" in sheet
    record = Record.model_validate_json((result / "record.json").read_bytes())
    assert record.signoff == ACCEPTED
    assert {path.name for path in result.iterdir()} == {path.name for path in unsigned.iterdir()}
    for output in record.outputs:
        assert output.sha256 == digest(files_of(result / output.path)), output.role


def test_signed_objects_are_new_instances_with_the_same_image(unsigned: Path, result: Path) -> None:
    sign_result(result / "record.json", ACCEPTED)
    for name in SERIES:
        pairs = zip(*(sorted((folder / name).iterdir()) for folder in (unsigned, result)),
                    strict=True)  # fmt: skip
        old, new = zip(*((pydicom.dcmread(a), pydicom.dcmread(b)) for a, b in pairs), strict=True)
        assert len({header.SeriesInstanceUID for header in new}) == 1
        assert new[0].SeriesInstanceUID != old[0].SeriesInstanceUID
        uids = [header.SOPInstanceUID for header in (*old, *new)]
        assert len(set(uids)) == len(uids)
        for before, after in zip(old, new, strict=True):
            assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
            assert before.get("PixelData") == after.get("PixelData")
            assert before.get("ImagePositionPatient") == after.get("ImagePositionPatient")
            assert before.StudyInstanceUID == after.StudyInstanceUID


@pytest.mark.skipif(not dciodvfy.is_installed(), reason="dciodvfy is not installed")
def test_objects_signed_twice_are_valid(result: Path) -> None:
    for verdict in (REJECTED, REJECTED):
        sign_result(result / "record.json", verdict)
    for name, header in headers(result).items():
        assert comment_of(header).count(" by ") == 1
        assert "rejected by Zoë <b> & Łukasz; registration QA , 2026" in comment_of(header), name
        for path in (min((result / name).iterdir()), max((result / name).iterdir())):
            assert list(dciodvfy.errors_of(path)) == []
    sheet = (result / "qa.html").read_text(encoding="utf-8")
    assert "Zoë &lt;b&gt; &amp; Łukasz" in sheet
    assert len(re.findall('id="verdict"', sheet)) == 1


def test_names_in_other_character_sets_are_kept(result: Path) -> None:
    for path in (result / "REG").iterdir():
        header = pydicom.dcmread(path)
        header.SpecificCharacterSet, header.PatientName = "ISO_IR 100", "Grün^Jörg"
        header.save_as(path)
    sign_result(result / "record.json", REJECTED)
    header = headers(result)["REG"]
    assert header.SpecificCharacterSet == "ISO_IR 192"
    assert header.PatientName == "Grün^Jörg"


def nothing_is_signed(result: Path) -> None:
    before = {path: path.read_bytes() for path in result.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="run the fusion again"):
        sign_result(result / "record.json", ACCEPTED)
    assert {path: path.read_bytes() for path in result.rglob("*") if path.is_file()} == before
    assert [path.name for path in result.parent.iterdir()] == ["result"]


@pytest.mark.parametrize("name", ["REG/0001.dcm", "record.json"])
def test_a_damaged_result_is_not_signed_and_nothing_changes(result: Path, name: str) -> None:
    (result / name).write_bytes((result / name).read_bytes()[:300])
    nothing_is_signed(result)


@pytest.mark.parametrize(
    "keyword", ["ImageComments", "ContentDescription", "ContributionDescription"]
)
def test_an_object_without_a_review_state_is_not_signed(result: Path, keyword: str) -> None:
    for path in result.rglob("*.dcm"):
        header = pydicom.dcmread(path)
        for part in (header, header.ContributingEquipmentSequence[0]):
            if keyword in part:
                part[keyword].value = "changed by another program"
        header.save_as(path)
    nothing_is_signed(result)


def test_a_sheet_without_signoff_lines_is_not_signed(result: Path) -> None:
    sheet = result / "qa.html"
    sheet.write_text(sheet.read_text().replace('id="verdict"', 'id="mine"'))
    nothing_is_signed(result)


def test_a_full_disk_leaves_the_result_unsigned(
    result: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    before = {path: path.read_bytes() for path in result.rglob("*") if path.is_file()}
    with full_disk(1000), pytest.raises(OutputError):
        sign_result(result / "record.json", ACCEPTED)
    assert {path: path.read_bytes() for path in result.rglob("*") if path.is_file()} == before


def test_a_result_in_files_has_no_note_to_send_again(
    ladder: Result, phantom: Phantom, tmp_path: Path
) -> None:
    bare = dataclasses.replace(ladder, ct=phantom.ct, mr=phantom.mr)
    folder = tmp_path / "result"
    folder.mkdir()
    target = check_output(folder / "fused.nii.gz", bare.ct, bare.mr, Recipe(), overwrite=False)
    assert target is not None
    write_result(target, bare)
    assert sign_result(folder / "fused.json", ACCEPTED) == ""
    assert "A. Physicist" in (folder / "fused_qa.html").read_text(encoding="utf-8")
    record = Record.model_validate_json((folder / "fused.json").read_bytes())
    assert record.signoff == ACCEPTED
    for output in record.outputs:
        assert output.sha256 == digest(files_of(folder / output.path)), output.role
