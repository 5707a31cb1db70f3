"""The command `radfuse view`."""

import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from radfuse.cli import main
from radfuse.cli.view import UNENCRYPTED
from radfuse.recipe import Recipe
from radfuse.record import NOTICE
from radfuse.service.stores.lock import locked
from radfuse.service.stores.studies import Studies

VIEW = [sys.executable, "-m", "radfuse", "view", "--no-browser"]


def test_command_prints_working_url_and_ends_on_ctrl_c(
    coarse_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    command = [*VIEW, "--folder", tmp_path, coarse_folders[0].parent]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            url = process.stdout.readline().strip()
            found = re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}#([0-9a-f]{12})", url)
            assert found is not None, url
            with httpx.Client(follow_redirects=True, trust_env=False) as browser:
                response = browser.get(url)
            assert response.status_code == 200
            assert NOTICE in response.text
            assert f"Ctrl-C ends the viewer.\n{NOTICE}\n" == "".join(
                process.stdout.readline() for _ in range(2)
            )
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""
    assert (tmp_path / "studies" / found[1] / "study.json").is_file()


def test_host_beyond_loopback_warns_of_no_encryption(tmp_path: Path) -> None:
    command = [*VIEW, "--folder", tmp_path, "--host", "0.0.0.0"]  # noqa: S104
    (tmp_path / "token").write_text("x" * 16)
    command += ["--token-file", str(tmp_path / "token")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline() == f"warning: {UNENCRYPTED}\n"
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_token_of_a_file_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n")
    command = [*VIEW, "--folder", tmp_path / "view", "--token-file", tmp_path / "token"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
            with httpx.Client(follow_redirects=True, trust_env=False) as browser:
                assert browser.get(url).status_code == 401
                assert browser.get(f"{url}?token=0123456789abcdef").status_code == 200
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ct", "a"], "give --ct and --mr"),
        (["a", "--ct", "a", "--mr", "b"], "or a STUDY"),
        (["nowhere"], "no such file or folder"),
        (["--host", "127.0.0.2", "--token-file", "/dev/null"], "at least 16"),
        (["--token", "x" * 16], "other users of this machine can read the command line"),
        (["--token-file", "nowhere"], "--token-file nowhere: cannot be read"),
        (["--behind-proxy", "--token-file", "/dev/null"], "at least 16"),
        (["--pacs", "nowhere"], "nowhere: cannot be read as TOML settings"),
        (["--port", "70000"], "choose another --host or --port"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    command = ["view", "--no-browser", "--folder", str(tmp_path), *arguments]
    ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("radfuse: ")
    assert words in line


def test_second_server_of_a_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    running = studies.create("Running", tmp_path, tmp_path, Recipe())
    studies.change(running.id, state="running")
    command = ["view", "--no-browser", "--folder", str(tmp_path)]
    with locked(tmp_path):
        ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"radfuse: {tmp_path}: another `radfuse view` uses this folder")
    assert "pass another --folder" in line
    assert studies.get(running.id).state == "running"


def test_unwritable_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    ended = CliRunner().invoke(main, ["view", "--no-browser", "--folder", str(file / "in")])
    assert ended.exit_code == 2
    (line,) = ended.stderr.splitlines()
    assert "not writable (Not a directory); pass another --folder" in line


def test_token_is_in_no_argument_log_or_message(
    coarse_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """Of the server and its processes, while images are opened; all files are the user's alone."""
    token, log = "0123456789abcdefgh", tmp_path / "log.jsonl"
    (tmp_path / "token").write_text(token)
    command = [
        sys.executable, "-m", "radfuse", "--log-level", "debug", "--log-file", str(log), "view",
        "--no-browser", "--folder", str(tmp_path / "view"), "--token-file", str(tmp_path / "token"),
    ]  # fmt: skip
    arguments = b""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            options: dict[str, Any] = {"trust_env": False, "follow_redirects": True, "timeout": 120}
            with httpx.Client(base_url=url, **options) as client:
                assert client.get("/", params={"token": token}).status_code == 200
                assert client.get("/nowhere", params={"token": token}).status_code == 404
                listing = {"paths": [str(coarse_folders[0])]}
                assert client.post("/api/v1/series", json=listing).status_code == 200
                uploaded = client.post("/api/v1/uploads", files={"files": ("a.nii", b"content")})
                assert uploaded.status_code == 201
                both = dict(zip(("ct", "mr"), map(str, coarse_folders), strict=True))
                study = client.post("/api/v1/studies", json=both).json()["id"]
                client.post(f"/api/v1/studies/{study}/prepare")
                assert "event: done" in client.get(f"/api/v1/studies/{study}/events").text
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    arguments += path.read_bytes()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert token not in process.stdout.read()
    assert b"--token-file" in arguments
    assert token.encode() not in arguments
    assert log.stat().st_size
    assert token not in log.read_text()
    stored = list((tmp_path / "view").rglob("*"))
    assert {"study.json", "identity.json", "ct.nii", "jobs.sqlite"} <= {one.name for one in stored}
    assert all(not one.stat().st_mode & 0o077 for one in stored)
    assert all(token.encode() not in one.read_bytes() for one in stored if one.is_file())
