"""Node, worker and Orthanc are killed at any moment: each patient comes back once and whole."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from program_kit import NodeProgram, grandchildren

from node_kit import Site, patient_files, received, states, wait_until
from orthanc_kit import Orthanc
from radfuse.node.state import FusionState

SERIES = 4
"""Of a result."""

KILLS, PATIENTS, SEED = 30, 10, 7


def restart(orthanc: Orthanc) -> None:
    orthanc.program.kill()
    orthanc.program.start()


def problems_of(site: Site, patients: int) -> list[str]:
    """What is not as it should be at the end."""
    series = Counter()
    instances = Counter()
    uids = Counter()
    for one in received(site.second):
        series[one.PatientID, one.SeriesInstanceUID] += 1
        instances[one.PatientID] += 1
        uids[one.SOPInstanceUID] += 1
    of_patient = Counter(patient for patient, _ in series)
    found = [f"{uid} twice" for uid, number in uids.items() if number > 1]
    found += [f"{one}: {n} series" for one, n in of_patient.items() if n != SERIES]
    found += [] if len(of_patient) == patients else [f"{len(of_patient)} patients"]
    found += [] if len(set(instances.values())) == 1 else [f"instances differ: {instances}"]
    counts = {uid: number for (_, uid), number in series.items()}
    first = {
        one["MainDicomTags"]["SeriesInstanceUID"]: len(one["Instances"])
        for one in site.first.ask("/series?expand")
    }
    found += [
        f"{uid}: {n}, not {first.get(uid)}" for uid, n in counts.items() if first.get(uid) != n
    ]
    sources = 2 * patients
    if len(first) != SERIES * patients + sources:
        found.append(f"{len(first)} series in the first Orthanc")
    return found + site.leftovers()


def run_to_the_end(
    site: Site, phantom: Path, patients: int, kill: Callable[[NodeProgram], bool]
) -> None:
    """Let patients arrive, and kill until `kill` returns False."""
    node = NodeProgram(site)
    try:
        for number in range(1, patients + 1):
            files = patient_files(phantom, site.folder, number)
            site.add(*files["CT"], *files["MR"])
        while kill(node):
            pass
        wait_until(lambda: states(site).count(FusionState.DELIVERED) == patients, 900)
        assert set(states(site)) == {FusionState.DELIVERED}
        wait_until(lambda: site.leftovers() == [], 5)
        wait_until(node.handles_sigterm)
        node.process.terminate()
        assert node.process.wait(60) == 0
    finally:
        node.process.kill()
        node.process.wait()
    assert problems_of(site, patients) == []


def test_one_kill_of_each_kind_loses_nothing(site: Site, phantom: Path) -> None:
    def kill(node: NodeProgram) -> bool:
        wait_until(lambda: bool(grandchildren(node.process.pid)))
        node.kill_worker()
        wait_until(lambda: bool(grandchildren(node.process.pid)))
        restart(site.first)
        node.restart()
        return False

    run_to_the_end(site, phantom, 1, kill)


@pytest.mark.slow
def test_random_kills_lose_nothing(site: Site, phantom: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311  # the moments are to be the same again
    kinds = ["node", "worker", "orthanc"] * (KILLS // 3)
    chance.shuffle(kinds)
    done = Counter[str]()

    def kill(node: NodeProgram) -> bool:
        time.sleep(chance.uniform(0.5, 12.0))
        kind = kinds.pop()
        if kind == "node":
            node.restart()
        elif kind == "orthanc":
            restart(chance.choice([site.first, site.second]))
        done[kind] += kind != "worker" or node.kill_worker()
        return bool(kinds)

    run_to_the_end(site, phantom, PATIENTS, kill)
    print(f"killed: {dict(done)}")  # noqa: T201
