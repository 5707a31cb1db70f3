"""`radfuse dicom echo|send|find|get` against a real PACS."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest
from cli_kit import refused_in_a_line, run

from orthanc_kit import HOST, Orthanc, free_ports
from radfuse.errors import install_command
from radfuse.phantom.dicom import STUDY_DATE

WAYS = ("node", "web")


def place(orthanc: Orthanc, way: str) -> str:
    return str(orthanc.node if way == "node" else orthanc.web)


@pytest.fixture(scope="session")
def study(coarse_folders: tuple[Path, Path]) -> str:
    return str(pydicom.dcmread(sorted(coarse_folders[0].iterdir())[0]).StudyInstanceUID)


@pytest.mark.parametrize("way", WAYS)
def test_a_study_is_sent_found_and_fetched(
    orthanc: Orthanc, coarse_folders: tuple[Path, Path], study: str, tmp_path: Path, way: str
) -> None:
    pacs, folders = place(orthanc, way), coarse_folders
    count = sum(len(list(folder.iterdir())) for folder in folders)
    assert run("dicom", "echo", "--to", pacs).stdout == "the PACS responds\n"

    sent = run("dicom", "send", *folders, "--to", pacs, "--quiet")
    assert sent.exit_code == 0, sent.output
    assert sent.output == f"{count} sent, 0 other files skipped\n"

    found = run("dicom", "find", "--from", pacs, "--patient-id", "PHANTOM-7")
    heads, line, total = found.stdout.splitlines()
    assert heads.split() == [
        "name", "ID", "date", "description", "accession", "modalities", "objects", "study", "UID",
    ]  # fmt: skip
    assert line.split()[:3] == ["Phantom^Seed7", "PHANTOM-7", STUDY_DATE]
    assert line.rstrip().endswith(study)
    assert total == "1 found"

    listed = json.loads(run("dicom", "find", "--from", pacs, "--study-uid", study, "--json").stdout)
    assert {row["Modality"] for row in listed["matches"]} == {"CT", "MR"}

    out = tmp_path / "OUT"
    got = run("dicom", "get", "--from", pacs, "--study-uid", study, "-o", out, "--json", "--quiet")
    assert got.exit_code == 0, got.output
    assert sum(series["files"] for series in json.loads(got.stdout)["series"]) == count
    refused_in_a_line(
        run("dicom", "get", "--from", pacs, "--study-uid", study, "-o", out, "--quiet"),
        "exists; give another --output",
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_send_that_fails_in_part_names_what_did_not_go(
    orthanc: Orthanc, coarse_folders: tuple[Path, Path], tmp_path: Path, way: str
) -> None:
    whole, cut = sorted(coarse_folders[0].iterdir())[:2]
    (tmp_path / "whole.dcm").write_bytes(whole.read_bytes())
    (tmp_path / "cut.dcm").write_bytes(cut.read_bytes()[:100])
    (tmp_path / "readme.txt").touch()
    result = run("dicom", "send", tmp_path, "--to", place(orthanc, way), "--json", "--quiet")
    assert result.exit_code == 2
    assert json.loads(result.stdout) == {
        "sent": 1,
        "skipped": 1,
        "failed": [{"path": str(tmp_path / "cut.dcm"), "reason": "damaged, or not a DICOM file"}],
    }
    assert result.stderr.splitlines() == [
        "radfuse: 1 files were not sent:",
        f"  {tmp_path / 'cut.dcm'}: damaged, or not a DICOM file",
    ]
    assert orthanc.count() == 1


def test_an_error_names_some_files_and_counts_the_rest(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number}.dcm").write_bytes(b"junk")
    result = run("dicom", "send", tmp_path, "--to", f"PACS@{HOST}:104", "--quiet")
    assert result.stderr.splitlines()[-1] == "  and 5 more; --json lists all"


def test_a_pacs_that_is_not_there_is_one_line_and_status_2(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    for address in (f"PACS@{HOST}:{port}", f"http://{HOST}:{port}/dicom-web"):
        refused_in_a_line(run("dicom", "echo", "--to", address), "no connection")
        refused_in_a_line(run("dicom", "find", "--from", address), "no connection")
        refused_in_a_line(
            run("dicom", "get", "--from", address, "--study-uid", "1.2", "-o", tmp_path / "OUT",
                "--quiet"),
            "no connection",
        )  # fmt: skip


def test_the_program_itself_prints_no_more_than_that_line() -> None:
    (port,) = free_ports(1)
    for address in (f"PACS@{HOST}:{port}", f"http://{HOST}:{port}/dicom-web"):
        command = [sys.executable, "-m", "radfuse", "dicom", "echo", "--to", address]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("scheme", ["PACS@", "http://"])
def test_ctrl_c_ends_a_fetch_at_once_and_leaves_nothing(tmp_path: Path, scheme: str) -> None:
    with socket.create_server((HOST, 0)) as silent:
        address = f"{scheme}{HOST}:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "radfuse", "dicom", "get", "--from", address]
        command += ["--timeout", "60", "--study-uid", "1.2", "--quiet", "-o", tmp_path / "OUT"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not any(tmp_path.iterdir()):
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, len(errors.splitlines())) == (130, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--study-date", "yesterday"], "--study-date yesterday: give YYYYMMDD"),
        (["--level", "series"], "give --study-uid"),
        (["--tls-key", "key.pem"], "give --tls-cert as well"),
        (["--ae-title", "A\\B"], "--ae-title"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: list[str], words: str) -> None:
    refused_in_a_line(run("dicom", "find", "--from", f"PACS@{HOST}:104", *options), words)


def test_a_missing_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pynetdicom'] = None; sys.argv = ['radfuse', 'dicom', 'echo', "
        f"'--to', 'PACS@{HOST}:104']; from radfuse.cli import main; main()"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == f"radfuse: pynetdicom is missing; {install_command('pacs')}\n"


def test_help_needs_none_of_the_network() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from radfuse.cli import main; "
        "assert CliRunner().invoke(main, ['dicom', '--help']).exit_code == 0; "
        "assert not {'pynetdicom', 'requests', 'pydicom'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
