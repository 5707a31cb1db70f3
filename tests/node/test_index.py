"""The position in the changes of an Orthanc whose newest changes, or whole index, are gone."""

from pathlib import Path

from node_kit import (
    Site,
    has_reported_all,
    patient_files,
    patients_settled,
    running_site,
    wait_until,
)
from radfuse.node.node import Node
from radfuse.node.state import PatientState
from radfuse.node.store import NodeStore


def delete(site: Site, patient_id: str) -> None:
    for one in site.first.ask("/patients"):
        if site.first.ask(f"/patients/{one}")["MainDicomTags"]["PatientID"] == patient_id:
            site.first.ask(f"/patients/{one}", "DELETE")


def known(node: Node) -> int:
    """Number of patients that the node has considered."""
    return sum(node.store.patient_counts().values())


def test_old_patients_stay_old_when_the_newest_is_deleted(phantom: Path, tmp_path: Path) -> None:
    """Those of before the first start are not taken, whatever an operator deletes."""
    old, new, later = (patient_files(phantom, tmp_path, number)["CT"] for number in (1, 2, 3))
    with running_site(tmp_path, from_beginning=False) as site:
        site.add(*old)
        wait_until(lambda: has_reported_all(site))
        with site.node() as node:
            wait_until(lambda: node.store.position() == node.orthanc.last_change())
            site.add(*new)
            wait_until(lambda: known(node) == 1 and patients_settled(node))
            delete(site, "P0002")
            wait_until(lambda: node.store.position() == node.orthanc.last_change())
            site.add(*later)
            wait_until(lambda: known(node) == 2 and patients_settled(node))
            assert not node.store.patients([PatientState.MATCHED])


def test_an_operator_forces_while_the_rules_are_applied(tmp_path: Path) -> None:
    store = NodeStore(tmp_path / "node.sqlite")
    store.advance(1, ["patient"])
    store.force("patient")
    store.settle("patient", PatientState.UNMATCHED, "no rule", "")
    assert store.plan("patient", "head", "", forced=False) is None
    found = store.patient("patient")
    assert found is not None
    assert (found.state, found.is_forced) == (PatientState.ARRIVING, True)
    assert store.plan("patient", "head", "", forced=True) == 1
    store.advance(2, ["patient"])  # more arrives before the images were retrieved
    assert store.plan("patient", "head", "", forced=False) == 2
    assert [one.is_forced for one in store.fusions()] == [True, True]
    store.close()
