"""Logs are structured, silent unless asked for, and cannot name a patient."""

import ast
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner, Result
from pydicom.uid import ImplicitVRLittleEndian

import dicom_kit
from radfuse.cli import main
from radfuse.log import LogSettings, configure_logging, current_settings, log_warning

SOURCE = Path(__file__).parents[1] / "src/radfuse"

FIELDS = {
    "cases", "category", "command", "ct", "damaged", "end", "error", "files", "fit", "fusion",
    "host",
    "initial_pose", "kind", "methods", "modality", "mr", "notes", "other", "port", "problems",
    "registration_id", "roles", "rule", "rules", "seconds", "series", "size", "source", "stage",
    "state", "status", "study",
}  # fmt: skip
"""Fields of events: counts, times, kinds, random identifiers; nothing that names a patient."""


PRIVATE = "1.2.840.113619.5.2"
"""A private transfer syntax of GE: implicit VR, pixels big endian."""


@pytest.fixture(autouse=True)
def silence_afterwards() -> Iterator[None]:
    yield
    configure_logging(LogSettings())


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="LOG"))):
                    yield path.relative_to(SOURCE).as_posix(), node


def test_without_log_options_nothing_is_logged() -> None:
    plain = run("methods", "nonesuch")
    assert plain.stdout == ""
    assert plain.stderr.count("\n") == 1


def test_log_level_writes_key_values_to_stderr_only() -> None:
    logged, plain = run("--log-level", "info", "methods", "average"), run("methods", "average")
    assert logged.stdout == plain.stdout
    first, last = logged.stderr.splitlines()
    assert 'level="info" logger="radfuse.cli" event="command started" command="methods"' in first
    assert 'event="command ended"' in last


def test_log_level_leaves_out_lesser_events() -> None:
    stderr = run("--log-level", "error", "methods", "nonesuch").stderr
    assert 'event="command failed" error="InputError"' in stderr
    assert stderr.count("event=") == 1


def test_log_file_gets_json_lines_and_stderr_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for _ in range(2):
        assert run("--log-file", str(path), "methods", "average").stderr == ""
    found = events(path)
    assert [one["event"] for one in found] == ["command started", "command ended"] * 2
    assert found[1].keys() == {"time", "level", "logger", "event", "command", "seconds"}


def test_unwritable_log_file_ends_in_one_line(tmp_path: Path) -> None:
    result = run("--log-file", str(tmp_path / "no" / "log"), "methods")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "--log-file" in result.stderr


@pytest.mark.parametrize("level", [None, "debug", "warning"])
@pytest.mark.parametrize("to_file", [False, True])
def test_a_child_process_can_log_as_its_parent(level: Any, to_file: bool, tmp_path: Path) -> None:
    settings = LogSettings(level, tmp_path / "log" if to_file else None)
    configure_logging(settings)
    assert current_settings() == LogSettings(
        "info" if to_file and not level else level, settings.file
    )


def test_warnings_are_logged_without_text_not_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    configure_logging(LogSettings("debug", path))
    with warnings.catch_warnings(action="always"):
        warnings.showwarning = log_warning  # pytest puts its own in the way
        warnings.warn("Montgomery^Bartholomew", UserWarning, stacklevel=1)
    assert capfd.readouterr().err == ""
    (event,) = events(path)
    assert event["category"] == "UserWarning"
    assert "Montgomery" not in path.read_text()


def test_user_sees_no_warning_of_a_library(tmp_path: Path) -> None:
    folder = dicom_kit.write(tmp_path / "ct")
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        pydicom.dcmwrite(path, header, implicit_vr=True, little_endian=True)
        implicit, private = f"{ImplicitVRLittleEndian}\0".encode(), PRIVATE.encode()
        path.write_bytes(path.read_bytes().replace(implicit, private, 1))
    words = ["fuse", "--ct", folder, "--mr", folder, "-o", tmp_path / "out.nii.gz", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "radfuse", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert PRIVATE in done.stderr


def test_events_are_fixed_texts_with_known_fields() -> None:
    count = 0
    for path, call in log_calls():
        assert isinstance(call.args[0], ast.Constant), path
        for keyword in call.keywords:
            assert keyword.arg == "extra", path
            for node in ast.walk(keyword.value):
                if isinstance(node, ast.Dict):
                    keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                    assert keys <= FIELDS, path
        count += 1
    assert count > 15


def test_every_logger_bears_the_name_of_its_module() -> None:
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        if "getLogger" in text and "LOG." in text and path.name != "log.py":
            assert "LOG = logging.getLogger(__name__)" in text, path
    assert logging.getLogger("radfuse").handlers
