"""Peers that respond as a hostile or a broken PACS."""

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from orthanc_kit import HOST
from radfuse.dicom.network.address import DicomwebService, DimseNode, Tls

PENDING, SUCCESS = 0xFF00, 0x0000


@contextmanager
def peer(
    found: Callable[[str], Sequence[Dataset]], given: Sequence[Dataset | None]
) -> Iterator[DimseNode]:
    """A node that answers queries by level with `found`, and every retrieval with `given`.

    It aborts the association at None.
    """

    def find(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        for answer in found(event.identifier.QueryRetrieveLevel):
            yield PENDING, answer

    def get(event: Event) -> Iterator[object]:
        yield len(given)
        for dataset in given:
            if dataset is None:
                event.assoc.abort()
            yield PENDING, dataset

    entity = AE("HOSTILE")
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
    entity.add_supported_context(
        CTImageStorage, ExplicitVRLittleEndian, scu_role=True, scp_role=True
    )
    server = entity.start_server(
        (HOST, 0), block=False, evt_handlers=[(evt.EVT_C_FIND, find), (evt.EVT_C_GET, get)]
    )
    try:
        yield DimseNode("HOSTILE", HOST, server.server_address[1])
    finally:
        server.shutdown()


@contextmanager
def store_peer(crashes: Callable[[int, AE], bool]) -> Iterator[DimseNode]:
    """A node that accepts CT images, and aborts at the numbers for which `crashes` is true."""
    count = 0

    def store(event: Event) -> int:
        nonlocal count
        count += 1
        if crashes(count, entity):
            event.assoc.abort()
        return SUCCESS

    entity = AE("FRAGILE")
    entity.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    server = entity.start_server((HOST, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield DimseNode("FRAGILE", HOST, server.server_address[1])
    finally:
        server.shutdown()


@contextmanager
def listener(answer: bytes | None, certificate: Tls | None = None) -> Iterator[int]:
    """A port that sends the same response to every client, or none."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(certificate.certificate), certificate.key)
    with socket.create_server((HOST, 0)) as server, ExitStack() as open_ends:

        def serve() -> None:
            while True:
                try:
                    connection = open_ends.enter_context(server.accept()[0])
                except OSError:
                    return
                with suppress(OSError):
                    if context:
                        connection = context.wrap_socket(connection, server_side=True)
                    if answer is not None:
                        connection.recv(65536)
                        connection.sendall(answer)
                        connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def encrypted(port: int, certificate: Tls) -> Iterator[int]:
    """A TLS port that forwards to a port without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate.certificate), certificate.key)

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as outside,
                socket.create_connection((HOST, port)) as inside,
            ):
                back = threading.Thread(target=_forward, args=(inside, outside))
                back.start()
                _forward(outside, inside)
                back.join()

    class Relays(socketserver.ThreadingTCPServer):
        daemon_threads = True  # a client that leaves its connection open does not hold up the end

    with Relays((HOST, 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def web_peer(
    found: Sequence[dict[str, object]], given: Sequence[bytes], statuses: Sequence[int] = ()
) -> Iterator[DicomwebService]:
    """A DICOMweb service that answers every query with `found`, every retrieval with `given`.

    `statuses` are its HTTP statuses for stored objects, one after the other.
    """
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "offset" in self.path:
                kind = "application/dicom+json"
                body = json.dumps(found if "offset=0" in self.path else []).encode()
            else:
                kind = 'multipart/related; type="application/dicom"; boundary=XX'
                parts = [
                    b"--XX\r\nContent-Type: application/dicom\r\n\r\n" + part for part in given
                ]
                body = b"\r\n".join([*parts, b"--XX--"])
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(left.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield DicomwebService(f"http://{HOST}:{server.server_address[1]}")
        server.shutdown()
        thread.join()
