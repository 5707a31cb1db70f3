"""What the commands of a document start or connect to: a PACS, a node, clusters, a browser."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from pydicom import Dataset

from dicom_kit import change_all
from docs_images import TOKEN, Images
from orthanc_kit import HOST, Orthanc, free_ports, running_orthanc
from slurm_kit import running_slurm

START_TIMEOUT_S = 300.0
"""Until a server answers, on a busy machine."""

STARTED = {
    "radfuse view ": r"http://127\.0\.0\.1:\d+\S*",
    "radfuse node run ": r"http://127\.0\.0\.1:\d+\S*",
    "Orthanc ": "Orthanc has started",
    "dask scheduler ": "Scheduler at",
    "dask worker ": "Registered to",
}
"""Commands that run until they are stopped, and what each prints when it has started."""

IN_A_PACS = r"\.clinic\b|@(host|HOST):104|ORTHANC@127"
"""Addresses of a PACS in a document."""

PATIENT_ID, STUDY_UID, STUDY_DATE = "4711", "1.2.3.4", "20260701"
"""Of the patient in the PACS, as the documents name them."""

FOR_THE_PROXY = {"X-Radfuse-Token": TOKEN, "X-Remote-User": "anna"}
"""What a proxy before the viewer adds to requests."""

STABLE_S = 2
"""Instead of half a minute."""


@dataclass(frozen=True)
class Surroundings:
    """Programs around the commands of one document, which end with it."""

    addresses: Mapping[str, str]
    """What documents write, as regular expressions, and what it is here."""
    environment: Mapping[str, str]
    stack: ExitStack
    pacs: Orthanc | None = None

    def here(self, text: str) -> str:
        """A text with the addresses of this machine."""
        for pattern, address in self.addresses.items():
            text = re.sub(pattern, address, text)
        return text

    def serve(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Start a server; a viewer is opened as a browser does, and ended by Ctrl-C."""
        name, started = next(one for one in STARTED.items() if command.startswith(one[0]))
        log = folder / f".{name.strip().replace(' ', '-')}-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command.removesuffix('&')}"],
                cwd=folder, env=environment, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        end = partial(_end, process)
        try:
            url = _wait(process, log, started)
        except BaseException:
            end()
            raise
        if name != "radfuse view ":
            self.stack.callback(end)
            return
        try:
            _visit(url)
        finally:
            status = end()
        assert status == 0, f"{command}\n{log.read_text()}"


def is_server(command: str) -> bool:
    """Whether a command runs until it is stopped."""
    return command.startswith(tuple(STARTED))


def _wait(process: subprocess.Popen[bytes], log: Path, started: str) -> str:
    """What a program prints when it has started."""
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(started, log.read_text(errors="replace")):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not start:\n{log.read_text(errors='replace')}")


def _end(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _visit(url: str) -> None:
    """Open the viewer; without a token in the URL, its form to sign in, or as a proxy."""
    with httpx.Client(follow_redirects=True, trust_env=False, headers=FOR_THE_PROXY) as browser:
        answer = browser.get(url.partition("#")[0], headers={"Accept": "text/html"})
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:500]}"
    assert "radfuse" in answer.text


@contextmanager
def surroundings(text: str, folder: Path, images: Images) -> Iterator[Surroundings]:
    """What the commands of a document need, by the addresses and programs that it names."""
    with ExitStack() as stack:
        addresses = {
            r"(?<=[\s=])/data/": "data/",
            r"/etc/radfuse/(node|rules)\.toml": r"deploy/config/\1.toml",
            r"/etc/radfuse/secrets/": "deploy/secrets/",
        }
        environment = {
            "BROWSER": "true",
            "PIP_DRY_RUN": "1",
            "PIP_NO_INDEX": "1",
            "XDG_DATA_HOME": str(folder / "data"),
            "RADFUSE_NODE_QUIET_S": str(STABLE_S),
            "RADFUSE_NODE_MIN_FREE_BYTES": "0",
            "RADFUSE_NODE_PORT": "0",
        }
        pacs = None
        if re.search(IN_A_PACS, text):
            pacs = stack.enter_context(_pacs(folder, images))
            addresses |= _of_the_pacs(pacs)
        for name, add in SITES.items():
            if name in text:
                add(stack, folder, addresses, environment)
        yield Surroundings(addresses, environment, stack, pacs)


@contextmanager
def _pacs(folder: Path, images: Images) -> Iterator[Orthanc]:
    """An Orthanc with any AE title that has one patient."""
    storage = folder / "pacs"
    storage.mkdir()
    with running_orthanc(storage, DicomCheckCalledAet=False) as pacs:
        for name in ("CT", "MR"):
            series = folder / "patient" / name
            series.parent.mkdir(exist_ok=True)
            images.copy(name, series)
            change_all(series, _of_the_patient)
            for path in series.iterdir():
                url = f"http://{HOST}:{pacs.http_port}/instances"
                httpx.post(url, content=path.read_bytes(), trust_env=False).raise_for_status()
        yield pacs


def _of_the_patient(header: Dataset) -> None:
    header.PatientID, header.StudyInstanceUID = PATIENT_ID, STUDY_UID
    header.StudyDate = STUDY_DATE


def _of_the_pacs(pacs: Orthanc) -> dict[str, str]:
    return {
        r"@(pacs\.clinic|planning\.clinic|host|HOST):104": f"@{HOST}:{pacs.dicom_port}",
        r"ORTHANC@127\.0\.0\.1:4242": f"ORTHANC@{HOST}:{pacs.dicom_port}",
        r"http://127\.0\.0\.1:8042": f"http://{HOST}:{pacs.http_port}",
        r"https://pacs\.clinic/dicom-web": pacs.web.url,
        r'"pacs\.clinic", 104': f'"{HOST}", {pacs.dicom_port}',
    }


Add = Callable[[ExitStack, Path, dict[str, str], dict[str, str]], None]


def _orthanc(
    stack: ExitStack, folder: Path, addresses: dict[str, str], environment: dict[str, str]
) -> None:
    """Free ports of an Orthanc that the document starts; series are stable after seconds."""
    del stack, folder, environment
    dicom_port, http_port = free_ports(2)
    addresses |= {
        r"\b4242\b": str(dicom_port),
        r"\b8042\b": str(http_port),
        r'"StableAge": 30': f'"StableAge": {STABLE_S}',
    }


def _dask(
    stack: ExitStack, folder: Path, addresses: dict[str, str], environment: dict[str, str]
) -> None:
    """This machine is all machines of a cluster."""
    del stack
    (port,) = free_ports(1)
    addresses |= {r"10\.0\.0\.1": HOST, r"\b8786\b": str(port)}
    environment["DASK_TEMPORARY_DIRECTORY"] = str(folder)
    environment["DASK_DISTRIBUTED__SCHEDULER__DASHBOARD__ENABLED"] = "false"


def _slurm(
    stack: ExitStack, folder: Path, addresses: dict[str, str], environment: dict[str, str]
) -> None:
    del addresses
    slurm = folder / "slurm"
    slurm.mkdir()
    started = stack.enter_context(running_slurm(slurm, "short", 4))
    environment["SLURM_CONF"] = started["SLURM_CONF"]


SITES: Mapping[str, Add] = {"Orthanc orthanc.json": _orthanc, "10.0.0.1": _dask, "--slurm": _slurm}
"""By a word of the document that needs it."""
