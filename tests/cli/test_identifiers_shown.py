"""No name or ID of a patient on the screen, in the record or on the QA sheet, unless asked."""

import json
import re
import shutil
from pathlib import Path

import pydicom
import pytest
from cli_kit import refused_in_a_line, run
from click.testing import Result

from radfuse.dicom.deidentify.identifiers import HIDDEN
from radfuse.dicom.validate import dciodvfy
from radfuse.dicom.validate.check import check
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.registration.transforms import write_transform

NAME, NUMBER = "Montgomery^Bartholomew", "ZX-4711-KQ"

ODD = b"Mon^"
"""A value that pydicom complains of, and would quote."""

WORDS = ("montgomery", "bartholomew", "zx-4711-kq", "zx4711kq", "mon^")

LABELS = ("SeriesDescription", "StudyDescription", "PatientComments", "ImageComments",
          "ProtocolName", "InstitutionName", "ReferringPhysicianName", "OperatorsName",
          "OtherPatientIDs")  # fmt: skip


def told(text: str) -> list[str]:
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
            header.save_as(path)
            path.write_bytes(path.read_bytes().replace(b"CS\x04\0HEAD", b"CS\x04\0" + ODD))
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


def test_a_fusion_tells_nobody_who_the_patient_is(hospital: Path, tmp_path: Path) -> None:
    output = hospital.parent / "out"
    result = fused(hospital, output)
    assert result.exit_code == 0, result.output
    assert told(result.stdout + result.stderr) == []
    for name, text in texts(output).items():
        assert told(text) == [], name
    record = json.loads(texts(output)["record.json"])
    assert record["inputs"][0]["source"].endswith(f"/{HIDDEN}/{HIDDEN}/{HIDDEN}")
    assert record["recipe"]["transform"].endswith(f"/{HIDDEN}")
    header = pydicom.dcmread(output / "FUSED_average" / "0001.dcm")
    assert (header.PatientName, header.PatientID) == (NAME, NUMBER)
    report = check(output, with_dciodvfy=dciodvfy.is_installed())
    assert report.errors == 0, report.problems


def test_a_log_of_a_fusion_has_no_identifiers(hospital: Path, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = ("--log-level", "debug", "--log-file", path)
    assert fused(hospital, tmp_path / "montgomery", log=log).exit_code == 0
    events = {json.loads(line)["event"] for line in path.read_text().splitlines()}
    assert events >= {
        "command started", "folder scanned", "series read", "registration assessed", "stage ended",
        "outputs written", "command ended",
    }  # fmt: skip
    assert told(path.read_text()) == []


def test_output_named_like_patient_is_hidden_and_replaceable(
    hospital: Path, tmp_path: Path
) -> None:
    for options in ((), ("--overwrite",)):
        result = fused(hospital, tmp_path / "montgomery.nii.gz", "--json", "--quiet", *options)
        assert result.exit_code == 0, result.output
        assert told(result.stdout + (tmp_path / "montgomery.json").read_text()) == []
        facts = json.loads(result.stdout)
        assert {output["path"] for output in facts["outputs"]} == {HIDDEN}


def test_the_patient_is_shown_on_request(hospital: Path, tmp_path: Path) -> None:
    result = fused(hospital, tmp_path / "out", "--show-identifiers", "--json", "--quiet")
    facts = json.loads(result.stdout)
    assert facts["inputs"][0]["source"] == str(hospital / "CT_montgomery")
    assert "Montgomery^Bartholomew (ZX-4711-KQ)" in texts(tmp_path / "out")["qa.html"]


def test_a_deidentified_fusion_has_the_patient_nowhere(hospital: Path, tmp_path: Path) -> None:
    uid = pydicom.dcmread(hospital / "CT_montgomery" / "0001.dcm").SeriesInstanceUID
    result = fused(hospital, tmp_path / "out", "--deidentify", "--ct-series", uid)
    assert result.exit_code == 0, result.output
    assert told(result.stdout + result.stderr) == []
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        bytes_ = path.read_bytes().lower()
        assert [word for word in (*WORDS, uid) if word.encode() in bytes_] == [], path
    record = json.loads(texts(tmp_path / "out")["record.json"])
    assert [source["source"] for source in record["inputs"]] == [HIDDEN, HIDDEN]
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
    result = fused(two_patients, tmp_path / "out", "--accept-patients")
    assert result.exit_code == 0, result.output
    sheet = texts(tmp_path / "out")["qa.html"]
    assert "DIFFERENT PATIENT IN THE MR" in sheet
    assert told(sheet) == []
    assert "OTHER-99" not in sheet


def test_an_error_hides_the_patient_in_paths_and_descriptions(
    hospital: Path, tmp_path: Path
) -> None:
    words = ["fuse", "--ct", hospital, f"--mr={hospital / 'CT_montgomery'}", "--quiet",
             "-o", tmp_path / "out"]  # fmt: skip
    result = run(*words)
    assert result.exit_code == 2
    assert f"/{HIDDEN}/{HIDDEN}/{HIDDEN}: no MR series" in result.stderr
    assert told(result.stderr) == []
    assert str(hospital) in run(*words, "--show-identifiers").stderr


def test_an_evaluation_hides_the_patient_in_its_errors(hospital: Path) -> None:
    ct = hospital / "CT_montgomery"
    words = ["evaluate", "--fused", ct, "--ct", ct, "--mr", hospital / "MR_montgomery", "--quiet"]
    result = run(*words)
    assert result.exit_code == 2
    assert told(result.stderr) == []
    assert told(run(*words, "--show-identifiers").stderr) != []


def test_a_registration_hides_the_patient_in_its_output_path(
    hospital: Path, tmp_path: Path
) -> None:
    result = run(
        "register", "--ct", hospital / "CT_montgomery", "--mr", hospital / "MR_montgomery",
        "-o", tmp_path / "montgomery.tfm", "--initial-transform", hospital / "montgomery.tfm",
        "--accept-registration", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert f"{tmp_path}/{HIDDEN}" in result.stdout
    assert told(result.output) == []
