"""A node with many patients: its memory is constant, and its own work small."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from program_kit import NodeProgram, children, grandchildren

from node_kit import RULES, Site, patient_files, states, wait_until
from radfuse.node.state import FusionState

PATIENTS = int(os.environ.get("RADFUSE_TEST_PATIENTS", "1000"))
SECONDS_EACH = 60.0
"""A patient takes less, on any machine."""

WARM_UP = 0.2
"""Part of the run in which memory grows: libraries are loaded, and connections opened."""

MAX_GROWTH, MAX_OWN_CPU = 0.1, 0.02


def memory_bytes(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_s(process: int, *, with_ended: bool) -> float:
    """User and system time of a process; `with_ended` of its ended children, too."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(map(int, fields[11 : 15 if with_ended else 13]))
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_memory_is_constant_and_bookkeeping_cheap(
    site: Site, phantom: Path, tmp_path: Path
) -> None:
    site.settings.rules.write_text(RULES.replace('destinations = ["SECOND"]\n', ""))
    node = NodeProgram(site, poll_s=1.0)
    memory = []
    try:
        began = time.monotonic()
        for number in range(1, PATIENTS + 1):
            files = patient_files(phantom, tmp_path / "files", number)
            site.add(*files["CT"], *files["MR"])
            wait_until(lambda: len(unfinished(site)) < 20, SECONDS_EACH * 20)
            memory.append(memory_bytes(node.process.pid))
        wait_until(lambda: states(site).count(FusionState.DELIVERED) == PATIENTS, SECONDS_EACH * 20)
        memory.append(memory_bytes(node.process.pid))
        seconds = time.monotonic() - began
        own = cpu_s(node.process.pid, with_ended=False)
        fusing = sum(
            cpu_s(one, with_ended=True)
            for one in (*children(node.process.pid), *grandchildren(node.process.pid))
        )
    finally:
        node.kill()
    steady = np.array(memory[int(WARM_UP * len(memory)) :]) / (1 << 20)
    print(  # noqa: T201
        f"{PATIENTS} patients in {seconds:.0f} s; memory {steady.min():.0f} to {steady.max():.0f} "
        f"MiB; CPU of the node {own:.1f} s, of fusing {fusing:.1f} s"
    )
    assert steady.max() <= steady.min() * (1 + MAX_GROWTH)
    assert own <= MAX_OWN_CPU * fusing


def unfinished(site: Site) -> list[FusionState]:
    """Of the patients that were sent, those whose result is not stored."""
    done = (FusionState.DELIVERED, FusionState.REFUSED, FusionState.FAILED, FusionState.UNNEEDED)
    return [one for one in states(site) if one not in done]
