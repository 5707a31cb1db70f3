"""A node beside a real Orthanc that sends to a second one; phantoms as patients."""

import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pydicom

from orthanc_kit import HOST, Orthanc, running_orthanc
from radfuse.dicom.uids import derive_uid
from radfuse.node.node import Node
from radfuse.node.settings import NodeSettings

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

WAIT_S = 300.0


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
        (folder / name).mkdir()
    (folder / "rules.toml").write_text(rules)
    with running_orthanc(folder / "second", StableAge=STABLE_S) as second:
        peer = {"SECOND": ["ORTHANC", HOST, second.dicom_port]}
        with running_orthanc(folder / "first", StableAge=STABLE_S, DicomModalities=peer) as first:
            node = {
                "orthanc": f"http://{HOST}:{first.http_port}", "data": folder / "node",
                "rules": folder / "rules.toml", "quiet_s": 0.1, "poll_s": 0.1,
                "min_free_bytes": 0, "from_beginning": True,
            }  # fmt: skip
            yield Site(first, second, folder, NodeSettings(**{**node, **settings}))


def patient_files(phantom: Path, target: Path, number: int) -> dict[str, list[Path]]:
    """The CT and the MR of a phantom as those of another patient, by modality."""
    found: dict[str, list[Path]] = {}
    for path in sorted(phantom.rglob("*.dcm")):
        header = pydicom.dcmread(path)
        header.PatientID = header.PatientName = f"P{number:04}"
        for keyword in (
            "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID",
        ):  # fmt: skip
            header[keyword].value = derive_uid(str(header[keyword].value), str(number))
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        folder = target / str(number) / header.Modality
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
