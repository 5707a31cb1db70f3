"""Uploads: on a disk with space, and a few at once."""

import errno
import io
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_kit import Site, refused

from radfuse.errors import DiskFullError, OutputError
from radfuse.io.staging import output_error
from radfuse.service.server import make_access, serve
from radfuse.service.sockets import bind
from radfuse.service.stores import uploads


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFullError), (errno.EDQUOT, DiskFullError), (errno.EACCES, OutputError)],
)
def test_full_disk_is_an_error_of_its_own(number: int, kind: type[OutputError]) -> None:
    assert output_error(OSError(number, "")) is kind


def test_upload_to_a_full_disk_is_answered_507(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MIN_FREE_BYTES", 1 << 60)
    answer = site.client.post("/api/v1/uploads", files={"files": ("a.nii", io.BytesIO(b"x"))})
    refused(answer, 507, "nearly full")


def test_upload_is_ended_when_the_disk_fills_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its length is not announced: the space is checked while it is received."""
    received = 0

    def content() -> Iterator[bytes]:
        nonlocal received
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        for _ in range(16):
            received += 1
            if received == 4:
                monkeypatch.setattr(uploads, "MIN_FREE_BYTES", 1 << 60)
            yield b"0" * 1_000_000
        yield b"\r\n--x--\r\n"

    monkeypatch.setattr(uploads, "CHECKED_BYTES", 1_000_000)
    before = set((site.folder / "uploads").glob("*"))
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = site.client.post("/api/v1/uploads", content=content(), headers=headers)
    refused(answer, 507, "nearly full")
    assert set((site.folder / "uploads").glob("*")) == before


def test_files_of_a_server_are_private_and_on_its_disk(tmp_path: Path) -> None:
    folder, seen = tmp_path / "studies", []

    def announce(*_: str) -> None:
        (folder / "patient").touch()
        seen.append(Path(tempfile.gettempdir()))
        raise KeyboardInterrupt

    before = tempfile.gettempdir()
    with bind("127.0.0.1", 0) as sock:
        serve(sock, make_access(sock, "127.0.0.1", None), folder, None, announce)
    assert seen == [folder / "spool"]
    assert not seen[0].exists()
    assert tempfile.gettempdir() == before
    assert stat.S_IMODE((folder / "patient").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (tmp_path / "after").touch()
    assert stat.S_IMODE((tmp_path / "after").stat().st_mode) != 0o600
