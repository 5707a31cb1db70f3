"""A real PACS for the tests: Debian's Orthanc on free ports of this machine."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from radfuse.dicom.network.address import DicomwebService, DimseNode, Tls

HOST = "127.0.0.1"
PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_TIMEOUT_S = 20.0
ATTEMPTS = 3


class Program:
    """The process of an Orthanc; it can be killed, and started again with its ports and data."""

    def __init__(
        self, folder: Path, dicom_port: int, http_port: int, settings: dict[str, Any]
    ) -> None:
        self.folder, self._ports, self._settings = folder, (dicom_port, http_port), settings
        self._process = _start(folder, *self._ports, settings)

    def answers(self) -> bool:
        """Whether it listens on its ports before it ends or the timeout."""
        return _answers(self._process, *self._ports)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def start(self) -> None:
        """Start it again."""
        self._process = _start(self.folder, *self._ports, self._settings)
        if not self.answers():
            pytest.fail(
                f"Orthanc does not start again: {(self.folder / 'log').read_text()[-2000:]}"
            )

    def lose_data(self) -> None:
        """Start it again without its index and files."""
        self.kill()
        shutil.rmtree(self.folder / "data")
        self.start()


@dataclass(frozen=True)
class Orthanc:
    dicom_port: int
    http_port: int
    tls: Tls | None
    program: Program

    @property
    def node(self) -> DimseNode:
        return DimseNode("ORTHANC", HOST, self.dicom_port, tls=self.tls)

    @property
    def web(self) -> DicomwebService:
        scheme = "https" if self.tls else "http"
        return DicomwebService(f"{scheme}://{HOST}:{self.http_port}/dicom-web", tls=self.tls)

    def ask(self, path: str, method: str = "GET") -> Any:
        """Call Orthanc's own REST API, independent of the tested code."""
        request = urllib.request.Request(f"http://{HOST}:{self.http_port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=START_TIMEOUT_S) as answer:  # noqa: S310
            return json.load(answer)

    def empty(self) -> None:
        for patient in self.ask("/patients"):
            self.ask(f"/patients/{patient}", "DELETE")

    def count(self) -> int:
        return len(self.ask("/instances"))


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in held]


@contextmanager
def running_orthanc(folder: Path, tls: Tls | None = None, **settings: Any) -> Iterator[Orthanc]:
    """Orthanc without authentication, with its data in a folder."""
    if PROGRAM is None or not PLUGIN.exists():
        pytest.skip("no Orthanc with DICOMweb here: apt-get install orthanc orthanc-dicomweb")
    for _ in range(ATTEMPTS):  # another process may take a free port in between
        dicom_port, http_port = free_ports(2)
        program = Program(folder, dicom_port, http_port, settings)
        try:
            if program.answers():
                yield Orthanc(dicom_port, http_port, tls, program)
                return
        finally:
            program.kill()
    pytest.fail(f"Orthanc does not start: {(folder / 'log').read_text()[-2000:]}")


def _start(
    folder: Path, dicom_port: int, http_port: int, settings: dict[str, Any]
) -> subprocess.Popen[bytes]:
    chosen = {
        "StorageDirectory": str(folder / "data"),
        "IndexDirectory": str(folder / "data"),
        "Plugins": [str(PLUGIN)],
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomPort": dicom_port,
        "HttpPort": http_port,
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": False,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(chosen | settings))
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [str(PROGRAM), str(folder / "orthanc.json")],
            stdout=log,
            stderr=log,
            restore_signals=False,  # as under systemd, a broken connection does not end it
            env=os.environ | {"TCP_NODELAY": "1"},  # DCMTK's; 4 ms for an instance, not 90
        )


def _answers(process: subprocess.Popen[bytes], *ports: int) -> bool:
    """Whether it listens on its ports before it ends or the timeout."""
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        if all(_listens(port) for port in ports):
            return process.poll() is None
        time.sleep(0.05)
    return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1.0).close()
    except OSError:
        return False
    return True


def self_signed(folder: Path) -> Tls:
    """A self-signed certificate for this machine."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate: apt-get install openssl")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return Tls(certificate, certificate, key)
