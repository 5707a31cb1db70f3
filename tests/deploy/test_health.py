"""The health check of the container: status 0 only for a node that answers 200."""

import importlib.util
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

from orthanc_kit import free_ports, self_signed

SCRIPT = Path(__file__).parents[2] / "deploy" / "health.py"


@contextmanager
def answering(status: int, certificate: Path | None = None) -> Iterator[int]:
    """A server whose `/healthz` has a status; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, certificate.parent / "key.pem")
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
            server.handle_error = lambda *_: None  # type: ignore[method-assign]  # of plain HTTP
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def health() -> ModuleType:
    spec = importlib.util.spec_from_file_location("health", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (204, False), (503, False)])
def test_only_status_200_is_healthy(health: ModuleType, status: int, healthy: bool) -> None:
    with answering(status) as port:
        assert health.is_healthy(str(port)) is healthy


def test_nothing_that_listens_is_not_healthy(health: ModuleType) -> None:
    (port,) = free_ports(1)
    assert not health.is_healthy(str(port))


def test_certificate_of_any_name_is_accepted(health: ModuleType, tmp_path: Path) -> None:
    with answering(200, self_signed(tmp_path).ca) as port:
        assert health.is_healthy(str(port))


def test_script_reads_the_port_from_the_environment() -> None:
    with answering(200) as port:
        environment = {"RADFUSE_NODE_PORT": str(port)}
        subprocess.run([sys.executable, "-I", str(SCRIPT)], env=environment, check=True)
