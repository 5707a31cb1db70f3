"""A node beside a real Orthanc that sends to a second one; phantoms as patients."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from orthanc_kit import HOST, Orthanc, running_orthanc
from radfuse.dicom.uids import derive_uid
from radfuse.node.node import Node
from radfuse.node.settings import NodeSettings
from radfuse.node.state import Fusion, FusionState, PatientState
from radfuse.node.store import NodeStore

STABLE_S = 1
"""Age at which these Orthancs call a series stable."""

RULES = """
[[rules]]
name = "head"
ct = {description = "CT head"}
mr = {description = "T1"}
recipe = {method = "average", register_rigidly = false, accept_registration = true}
destinations = ["SECOND"]
"""

WAIT_S = 120.0


@dataclass
class Site:
    """An Orthanc with a node beside it, and one that results are sent to."""

    first: Orthanc
    second: Orthanc
    folder: Path
    settings: NodeSettings

    def add(self, *paths: Path) -> None:
        """Store files in the first Orthanc, by its REST API."""
        for path in paths:
            url = f"http://{HOST}:{self.first.http_port}/instances"
            urllib.request.urlopen(url, data=path.read_bytes()).close()

    def send(self, *paths: Path) -> None:
        """Send files to the first Orthanc in one association."""
        entity = AE("SCANNER")
        headers = [pydicom.dcmread(path) for path in paths]
        for uid in {one.SOPClassUID for one in headers}:
            entity.add_requested_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
        association = entity.associate(HOST, self.first.dicom_port, ae_title="ORTHANC")
        assert association.is_established
        assert {association.send_c_store(one).Status for one in headers} == {0}
        association.release()

    def fusions(self) -> list[Fusion]:
        """The fusions of the node."""
        store = NodeStore(self.settings.data / "node.sqlite")
        found = store.fusions()
        store.close()
        return found

    def leftovers(self) -> list[str]:
        """Images and series in the data folder; only records and sheets are to stay."""
        data = self.settings.data
        found = [*(data / "images").glob("*"), *(data / "results").glob("*/*/")]
        found += (data / "results").glob(".*")
        return sorted(str(path.relative_to(data)) for path in found)

    @contextmanager
    def ticked(self, **changes: Any) -> Iterator[Node]:
        """A node without workers, whose rounds the test makes."""
        node = Node(self.settings.model_copy(update=changes))
        try:
            yield node
        finally:
            node.close()

    @contextmanager
    def node(self, **changes: Any) -> Iterator[Node]:
        """A running node; it is stopped and closed at the end."""
        node, stop = Node(self.settings.model_copy(update=changes)), Event()
        thread = Thread(target=node.run, args=(stop,))
        thread.start()
        try:
            yield node
        finally:
            stop.set()
            thread.join()
            node.close()


@contextmanager
def running_site(folder: Path, rules: str = RULES, **settings: Any) -> Iterator[Site]:
    """Two Orthancs, and the settings of a node for the first."""
    for name in ("first", "second"):
        (folder / name).mkdir(parents=True)
    (folder / "rules.toml").write_text(rules)
    with running_orthanc(folder / "second", StableAge=STABLE_S) as second:
        peer = {"SECOND": ["ORTHANC", HOST, second.dicom_port]}
        with running_orthanc(folder / "first", StableAge=STABLE_S, DicomModalities=peer) as first:
            node = {
                "orthanc": f"http://{HOST}:{first.http_port}", "data": folder / "node",
                "rules": folder / "rules.toml", "quiet_s": 0.1, "poll_s": 0.1,
                "min_free_bytes": 0, "from_beginning": True, "retry_s": 0.1,
            }  # fmt: skip
            yield Site(first, second, folder, NodeSettings(**{**node, **settings}))


def patient_files(
    phantom: Path, target: Path, number: int, *, scan: str = "", **values: str
) -> dict[str, list[Path]]:
    """The CT and the MR of a phantom as those of another patient, by modality.

    Another `scan` has other UIDs; `values` are those of other attributes.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(phantom.rglob("*.dcm")):
        header = pydicom.dcmread(path)
        header.PatientID = header.PatientName = f"P{number:04}"
        for keyword in (
            "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID",
        ):  # fmt: skip
            header[keyword].value = derive_uid(str(header[keyword].value), f"{number}{scan}")
        for keyword, value in values.items():
            setattr(header, keyword, value)
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        folder = target / f"{number}{scan}" / header.Modality
        folder.mkdir(parents=True, exist_ok=True)
        header.save_as(folder / path.name)
        found.setdefault(header.Modality, []).append(folder / path.name)
    return found


def wait_until(holds: Callable[[], bool], seconds: float = WAIT_S) -> None:
    """Fail unless something holds within some seconds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.05)


def descriptions(orthanc: Orthanc) -> list[str]:
    """SeriesDescription of all series, sorted."""
    series = (orthanc.ask(f"/series/{one}") for one in orthanc.ask("/series"))
    return sorted(one["MainDicomTags"].get("SeriesDescription", "") for one in series)


def received(orthanc: Orthanc) -> list[pydicom.Dataset]:
    """All objects of an Orthanc."""
    base = f"http://{HOST}:{orthanc.http_port}"
    found = []
    for one in orthanc.ask("/instances"):
        with urllib.request.urlopen(f"{base}/instances/{one}/file") as answer:  # noqa: S310
            found.append(pydicom.dcmread(BytesIO(answer.read())))
    return found


def patients_settled(node: Node) -> bool:
    """Whether a rule was applied to all patients, after another round of the node."""
    node.tick()
    known = node.store.patients(list(PatientState))
    return bool(known) and all(one.state is not PatientState.ARRIVING for one in known)


def has_reported_all(site: Site) -> bool:
    """Whether Orthanc has no change of a patient to report any more."""
    changes = site.first.ask("/changes?limit=1000")["Changes"]
    return bool(changes[-1]["ChangeType"] == "StablePatient")


def states(site: Site) -> list[FusionState]:
    """How far the fusions are."""
    return [one.state for one in site.fusions()]


class Proxy(ThreadingHTTPServer):
    """Passes requests on to an Orthanc, counts them, and answers some wrongly."""

    def __init__(self, orthanc: Orthanc) -> None:
        super().__init__((HOST, 0), _Forward)
        self.target = f"http://{HOST}:{orthanc.http_port}"
        self.wrong: dict[str, tuple[int, bytes]] = {}
        """Status and content by a part of the path."""
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.server_address[1]}"


class _Forward(BaseHTTPRequestHandler):
    server: Proxy

    def _answer(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        wrong = [answer for part, answer in self.server.wrong.items() if part in self.path]
        if wrong:
            status, content = wrong[0]
        else:
            url = self.server.target + self.path
            request = urllib.request.Request(  # noqa: S310
                url, data=body, method=self.command
            )
            try:
                with urllib.request.urlopen(request) as answer:  # noqa: S310
                    status, content = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                status, content = error.code, error.read()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # names of http.server

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def proxy_of(orthanc: Orthanc) -> Iterator[Proxy]:
    """A running proxy."""
    with Proxy(orthanc) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()
