"""A node with many patients: its memory is constant, and its own work small."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pytest
from program_kit import NodeProgram, children, grandchildren

from node_kit import RULES, Site, patient_files, states
from orthanc_kit import HOST
from radfuse.node.orthanc import Orthanc
from radfuse.node.state import FusionState

PATIENTS = int(os.environ.get("RADFUSE_TEST_PATIENTS", "1000"))
SECONDS_EACH = 60.0
"""A patient takes less, on any machine."""

MAX_AHEAD = 20
"""Patients that are sent before others have come back."""

WARM_UP = 0.2
"""Part of the run in which memory grows: libraries are loaded, and connections opened."""

WORKERS = 2
"""One for each core."""

MAX_GROWTH = 0.1

TRANSFERRED = 5
"""Patients whose transfer is measured by itself."""

SERIES_EACH = 6
"""CT and MR, and what comes back: fused, MR on CT, colour and the registration."""

MAX_BOOKKEEPING = 0.02
"""Of the CPU of fusing the smallest phantom, 3 s; a usual patient takes ten times as long."""


@dataclass(frozen=True)
class Sample:
    """What the node has used."""

    patients: int
    memory_mib: float
    own_s: float
    """CPU of its process."""
    fusing_s: float
    """CPU of the processes that it has started."""


def sample(process: int, patients: int) -> Sample:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    started = (*children(process), *grandchildren(process))
    return Sample(
        patients,
        pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20),
        cpu_s(process, with_ended=False),
        sum(cpu_s(one, with_ended=True) for one in started),
    )


def cpu_s(process: int, *, with_ended: bool) -> float:
    """User and system time of a process; `with_ended` of its ended children, too.

    0 for one that has ended meanwhile: its time is that of an ended child.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    ticks = sum(map(int, fields[11 : 15 if with_ended else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def transfer_s(site: Site) -> float:
    """CPU that it takes to retrieve the sources of a patient, and to store the results.

    It is measured while the node works, so that both have the same caches and clock rates.
    """
    folder = site.folder / "transferred"
    first, second = (Orthanc(f"http://{HOST}:{one.http_port}") for one in (site.first, site.second))
    series = [first.series_of(patient) for patient in first.patients()]
    whole = [one for one in series if len(one) == SERIES_EACH][:TRANSFERRED]
    seconds = 0.0
    for one in (one for of_patient in whole for one in of_patient):
        is_result = "RESEARCH" in one.facts["SeriesDescription"]
        began = time.thread_time()
        first.download(one.resource, folder / one.resource)
        seconds += 0.0 if is_result else time.thread_time() - began
        for path in (folder / one.resource).iterdir() if is_result else ():
            began = time.thread_time()
            second.store(path.read_bytes())
            seconds += time.thread_time() - began
    first.close()
    second.close()
    return seconds / len(whole)


@pytest.mark.slow
def test_memory_is_constant_and_bookkeeping_cheap(
    site: Site, phantom: Path, tmp_path: Path
) -> None:
    site.settings.rules.write_text(RULES.replace('destinations = ["SECOND"]\n', ""))
    node, samples = NodeProgram(site, poll_s=1.0, workers=WORKERS), []
    began = time.monotonic()
    try:
        sent = delivered = 0
        transfers: list[float] = []
        while delivered < PATIENTS:
            if sent < min(PATIENTS, delivered + MAX_AHEAD):
                sent += 1
                files = patient_files(phantom, tmp_path / "files", sent)
                site.add(*files["CT"], *files["MR"])
            else:
                time.sleep(1.0)
            delivered = states(site).count(FusionState.DELIVERED)
            samples.append(sample(node.process.pid, delivered))
            if delivered >= (len(transfers) + 1) * WARM_UP * PATIENTS:
                transfers.append(transfer_s(site))
            assert time.monotonic() - began < PATIENTS * SECONDS_EACH
    finally:
        node.kill()
    seconds = time.monotonic() - began
    steady = [one for one in samples if one.patients >= WARM_UP * PATIENTS]
    memory = [one.memory_mib for one in steady]
    first, last = steady[0], steady[-1]
    patients = last.patients - first.patients
    own, fusing = (
        (last.own_s - first.own_s) / patients,
        (last.fusing_s - first.fusing_s) / patients,
    )
    transfer = fmean(transfers)
    print(  # noqa: T201
        f"{PATIENTS} patients in {seconds:.0f} s; memory {min(memory):.0f} to {max(memory):.0f} "
        f"MiB; CPU for each: {own:.3f} s of the node, {transfer:.3f} s of them transfer, "
        f"{fusing:.2f} s fusing"
    )
    assert max(memory) <= min(memory) * (1 + MAX_GROWTH)
    assert own - transfer <= MAX_BOOKKEEPING * fusing
