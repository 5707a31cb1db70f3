"""Nothing of the patient in records, QA sheets, logs and results on stdout, unless asked."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from cli_kit import refused_in_a_line, run
from click.testing import Result

from radfuse.dicom.validate import dciodvfy
from radfuse.dicom.validate.check import check
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.read import read
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform
from radfuse.series import Series

NAME, NUMBER, BIRTH_DATE = "Montgomery^Bartholomew", "ZX-4711-KQ", "19031224"

ODD = b"Mon^"
"""A value that pydicom complains of, and would quote."""

WORDS = ("montgomery", "bartholomew", "zx-4711-kq", "zx4711kq", "mon^", BIRTH_DATE)

NOTES = ["1 image left out: duplicates"]
"""On reading the CT."""

LABELS = ("SeriesDescription", "StudyDescription", "PatientComments", "ImageComments",
          "ProtocolName", "InstitutionName", "ReferringPhysicianName", "OperatorsName",
          "OtherPatientIDs")  # fmt: skip


def of_patient(text: str) -> list[str]:
    """What of the patient is in a text."""
    return [word for word in WORDS if word in text.lower()]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A patient whose name and ID stand in every plausible header, and in names of folders."""
    phantom = make_phantom(7, spacing_mm=6.0)
    folder = tmp_path_factory.mktemp("hospital") / "MONTGOMERY_B" / "zx4711kq"
    sources = write_phantom(phantom, tmp_path_factory.mktemp("coarse"))
    for source in sources:
        shutil.copytree(source, folder / f"{source.name}_montgomery")
        for path in (folder / f"{source.name}_montgomery").iterdir():
            header = pydicom.dcmread(path)
            for keyword in LABELS:
                setattr(header, keyword, f"{NAME} {NUMBER}")
            header.StudyID = "ZX-4711-KQ"
            header.AccessionNumber = "Montgomery"
            header.PatientName, header.PatientID = NAME, NUMBER
            header.PatientBirthDate = BIRTH_DATE
            header.save_as(path)
            path.write_bytes(path.read_bytes().replace(b"CS\x04\0HEAD", b"CS\x04\0" + ODD))
    first = folder / "CT_montgomery" / "0001.dcm"
    shutil.copy(first, first.with_name("montgomery_copy.dcm"))
    write_transform(folder / "montgomery.tfm", phantom.mr_from_ct)
    return folder


def fused(hospital: Path, output: Path, *options: object, log: tuple[object, ...] = ()) -> Result:
    return run(
        *log, "fuse", "--ct", hospital / "CT_montgomery", "--mr", hospital / "MR_montgomery",
        "--transform", hospital / "montgomery.tfm", "--method", "average", "-o", output,
        "--accept-registration", *options,
    )  # fmt: skip


def texts(folder: Path) -> dict[str, str]:
    return {
        name: re.sub(r"base64,[A-Za-z0-9+/=]*", "", (folder / name).read_text())
        for name in ("record.json", "qa.html", "from-MR_to-CT_mode-image_xfm.tfm")
    }


@dataclass(frozen=True)
class Fused:
    """One fusion of the patient, without `--show-identifiers`."""

    result: Result
    output: Path
    log: str


@pytest.fixture(scope="module")
def fusion(hospital: Path, tmp_path_factory: pytest.TempPathFactory) -> Fused:
    folder = tmp_path_factory.mktemp("fusion")
    log = ("--log-level", "debug", "--log-file", folder / "log.jsonl")
    result = fused(hospital, folder / "out", "--quiet", log=log)
    return Fused(result, folder / "out", (folder / "log.jsonl").read_text())


def test_fusion_stores_nothing_of_the_patient(fusion: Fused, hospital: Path) -> None:
    assert fusion.result.exit_code == 0, fusion.result.output
    assert of_patient(fusion.result.output) == []
    for name, text in texts(fusion.output).items():
        assert of_patient(text) == [], name
    record = json.loads(texts(fusion.output)["record.json"])
    assert re.fullmatch(r"DICOM series of \d+ files", record["inputs"][0]["source"])
    transform = record["recipe"]["transform"]
    assert re.fullmatch(r"sha256:[0-9a-f]{64} \(transform file\)", transform)
    assert [source["notes"] for source in record["inputs"]] == [NOTES, []]
    header = pydicom.dcmread(fusion.output / "FUSED_average" / "0001.dcm")
    assert (header.PatientName, header.PatientID) == (NAME, NUMBER)
    report = check(fusion.output / "FUSED_average", with_dciodvfy=dciodvfy.is_installed())
    assert report.errors == 0, report.problems


def test_log_of_a_fusion_has_no_identifiers(fusion: Fused) -> None:
    events = {json.loads(line)["event"] for line in fusion.log.splitlines()}
    assert events >= {
        "command started", "folder scanned", "series read", "registration assessed", "stage ended",
        "outputs written", "command ended",
    }  # fmt: skip
    assert of_patient(fusion.log) == []


@pytest.fixture(scope="module")
def pair(hospital: Path) -> tuple[Series, Series]:
    return read(hospital / "CT_montgomery", "CT"), read(hospital / "MR_montgomery", "MR")


def recorded(pair: tuple[Series, Series], number: str, name: str) -> dict[str, Any]:
    for header in (header for series in pair for header in series.headers):
        header.PatientID, header.PatientName = number, name
    recipe = Recipe(
        method="average", register_rigidly=False, accept_registration=True, deterministic=True
    )
    record = fuse_ct_mr(*pair, recipe=recipe).record
    return json.loads(record.model_dump_json(exclude={"created", "seconds"}))


@pytest.fixture(scope="module")
def nobody(pair: tuple[Series, Series]) -> dict[str, Any]:
    return recorded(pair, "", "")


@pytest.mark.parametrize(("number", "name"), [("1", "mm"), ("3", "The")])
def test_no_id_or_name_changes_the_record(
    pair: tuple[Series, Series], nobody: dict[str, Any], number: str, name: str
) -> None:
    """Its sentences have the same words and numbers, also those that are an ID or a name."""
    assert recorded(pair, number, name) == nobody


def test_the_patient_is_shown_on_request(hospital: Path, tmp_path: Path) -> None:
    result = fused(
        hospital, tmp_path / "out", "--show-identifiers", "--json", "--quiet", "--outputs", "fused"
    )
    facts = json.loads(result.stdout)
    assert facts["inputs"][0]["source"] == str(hospital / "CT_montgomery")
    sheet = " ".join(re.sub(r"<[^>]+>", " ", texts(tmp_path / "out")["qa.html"]).split())
    for field in (f"Patient {NAME}", f"Patient ID {NUMBER}", "Birth date 1903-12-24", "Sex O",
                  f"CT, series {NAME} {NUMBER}", "MR, date 2024-01-15"):  # fmt: skip
        assert field in sheet


def test_a_deidentified_fusion_has_the_patient_nowhere(hospital: Path, tmp_path: Path) -> None:
    uid = pydicom.dcmread(hospital / "CT_montgomery" / "0001.dcm").SeriesInstanceUID
    result = fused(hospital, tmp_path / "out", "--deidentify", "--ct-series", uid)
    assert result.exit_code == 0, result.output
    assert of_patient(result.stdout + result.stderr) == []
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        bytes_ = path.read_bytes().lower()
        assert [word for word in (*WORDS, uid) if word.encode() in bytes_] == [], path
    record = json.loads(texts(tmp_path / "out")["record.json"])
    assert all("DICOM series of " in source["source"] for source in record["inputs"])
    assert record["recipe"]["ct_series"].startswith("2.25.")
    header = pydicom.dcmread(tmp_path / "out" / "FUSED_average" / "0001.dcm")
    assert header.PatientIdentityRemoved == "YES"
    assert header.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert header.SeriesDescription.endswith("RESEARCH, NOT FOR DOSE CALC")
    report = check(tmp_path / "out", with_dciodvfy=dciodvfy.is_installed())
    assert report.errors == 0, report.problems


def test_removing_and_showing_identifiers_is_a_contradiction(
    hospital: Path, tmp_path: Path
) -> None:
    result = fused(hospital, tmp_path / "out", "--deidentify", "--show-identifiers")
    refused_in_a_line(result, "give deidentify or show_identifiers, not both")


@pytest.fixture
def two_patients(hospital: Path, tmp_path: Path) -> Path:
    """The MR is of somebody else."""
    folder = Path(shutil.copytree(hospital, tmp_path / "pair"))
    for path in (folder / "MR_montgomery").iterdir():
        header = pydicom.dcmread(path)
        header.PatientID = "OTHER-99"
        header.save_as(path)
    return folder


@pytest.mark.parametrize("command", ["fuse", "register"])
def test_two_patients_are_refused_without_naming_them(
    two_patients: Path, tmp_path: Path, command: str
) -> None:
    words = [command, "--ct", two_patients / "CT_montgomery", "--mr",
             two_patients / "MR_montgomery", "-o", tmp_path / "out.tfm", "--quiet"]  # fmt: skip
    if command == "fuse":
        words[-2] = tmp_path / "out"
    result = run(*words)
    refused_in_a_line(result, "CT and MR have different patient IDs; if they are one person")
    shown = run(*words, "--show-identifiers")
    refused_in_a_line(shown, "different patient IDs (ZX-4711-KQ and OTHER-99); if they are")


def test_two_accepted_patients_are_a_warning_without_names(
    two_patients: Path, tmp_path: Path
) -> None:
    result = fused(two_patients, tmp_path / "out", "--accept-patients", "--outputs", "fused")
    assert result.exit_code == 0, result.output
    sheet = texts(tmp_path / "out")["qa.html"]
    assert "DIFFERENT PATIENT IN THE MR" in sheet
    assert of_patient(sheet) == []
    assert "OTHER-99" not in sheet


def test_error_names_the_files_that_the_user_gave(hospital: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    result = run("--log-file", log, "fuse", "--ct", hospital, "--mr", hospital / "CT_montgomery",
                 "--quiet", "-o", tmp_path / "out")  # fmt: skip
    assert result.exit_code == 2
    assert f"{hospital / 'CT_montgomery'}: no MR series" in result.stderr
    assert of_patient(log.read_text()) == []
