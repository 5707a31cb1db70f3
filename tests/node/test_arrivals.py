"""What arrives is judged once it is complete, and one faulty patient keeps nobody waiting."""

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from node_kit import (
    Site,
    has_reported_all,
    patient_files,
    patients_settled,
    proxy_of,
    states,
    wait_until,
)
from radfuse.node.arrivals import Arrivals
from radfuse.node.node import Node
from radfuse.node.state import FusionState, PatientState

DAY_S = 86400.0


@pytest.fixture
def node(site: Site) -> Iterator[Node]:
    """Without workers; what is planned remains planned."""
    with site.ticked() as node:
        node.suspend("test", suspended=True)
        yield node


def test_an_mr_may_arrive_a_day_later(site: Site, node: Node, phantom: Path) -> None:
    now = [0.0]
    settings = site.settings.model_copy(update={"quiet_s": 30.0})
    arrivals = Arrivals(node.orthanc, node.store, node.audit, settings, lambda: now[0])

    def patient() -> PatientState:
        arrivals.follow()
        arrivals.apply_rules(node.rules.rules)
        return node.store.patients(list(PatientState))[0].state

    files = patient_files(phantom, site.folder, 1)
    site.add(*files["CT"])
    wait_until(lambda: all(one["IsStable"] for one in site.first.ask("/series?expand")))
    assert patient() is PatientState.ARRIVING
    now[0] += 29
    assert patient() is PatientState.ARRIVING
    now[0] += 1
    assert patient() is PatientState.UNMATCHED
    (unmatched,) = node.store.patients([PatientState.UNMATCHED])
    assert unmatched.reason == "head: the patient has no MR of a scanner"
    now[0] += DAY_S
    assert patient() is PatientState.UNMATCHED
    site.add(*files["MR"])
    wait_until(lambda: all(one["IsStable"] for one in site.first.ask("/series?expand")))
    assert patient() is PatientState.ARRIVING
    now[0] += 30
    assert patient() is PatientState.MATCHED
    assert states(site) == [FusionState.PLANNED]


@pytest.mark.slow
def test_a_series_that_is_not_stable_is_waited_for(site: Site, node: Node, phantom: Path) -> None:
    files = patient_files(phantom, site.folder, 1)
    site.add(*files["CT"], *files["MR"])
    node.tick()
    assert len(node.store.patients([PatientState.ARRIVING])) == 1
    # an Orthanc that was restarted sends no change when a series becomes stable
    site.first.program.kill()
    node.tick()
    assert "is it running?" in node.problem
    site.first.program.start()
    wait_until(lambda: patients_settled(node))
    assert not node.problem
    assert states(site) == [FusionState.PLANNED]


@pytest.mark.slow
def test_an_emptied_index_is_read_from_its_beginning(site: Site, node: Node, phantom: Path) -> None:
    site.add(*patient_files(phantom, site.folder, 1)["CT"])
    wait_until(lambda: patients_settled(node))
    position = node.store.position() or 0
    site.first.program.lose_data()
    node.tick()
    assert (node.store.position() or 0) < position
    # and one that has more changes than the old one had, when the node asks
    site.add(*patient_files(phantom, site.folder, 2)["CT"])
    wait_until(lambda: patients_settled(node))
    site.first.program.lose_data()
    for number in (3, 4, 5):
        files = patient_files(phantom, site.folder, number)
        site.add(*files["CT"], *files["MR"])
    wait_until(lambda: patients_settled(node) and len(states(site)) == 3)
    assert len(node.store.patients(list(PatientState))) == 5


def test_a_faulty_patient_keeps_nobody_waiting(site: Site, phantom: Path) -> None:
    with proxy_of(site.first) as proxy, site.ticked(orthanc=proxy.url) as node:
        node.suspend("test", suspended=True)
        for number in (1, 2):
            files = patient_files(phantom, site.folder, number)
            site.add(*files["CT"], *files["MR"])
        bad, good = site.first.ask("/patients")

        def arriving() -> list[str]:
            return [one.patient for one in node.store.patients([PatientState.ARRIVING])]

        for wrong in ((500, b""), (200, b"<html>"), (200, b"[]"), (200, b"{}")):
            proxy.wrong = {f"/patients/{bad}/s": wrong}
            wait_until(lambda: not patients_settled(node) and arriving() == [bad])
            assert [one.patient for one in site.fusions()] == [good]
            (waiting,) = node.store.patients([PatientState.ARRIVING])
            assert "Orthanc" in waiting.reason
        proxy.wrong = {}
        wait_until(lambda: patients_settled(node) and len(states(site)) == 2)
        assert not node.problem
        assert {one.reason for one in node.store.patients(list(PatientState))} == {""}


def test_an_idle_round_asks_orthanc_once(site: Site, phantom: Path) -> None:
    with proxy_of(site.first) as proxy, site.ticked(orthanc=proxy.url) as node:
        site.add(*patient_files(phantom, site.folder, 1)["CT"])
        wait_until(lambda: patients_settled(node))
        wait_until(lambda: has_reported_all(site))
        node.tick()
        wait_until(lambda: patients_settled(node))
        proxy.requests.clear()
        for _ in range(5):
            node.tick()
        assert len(proxy.requests) == 5


def test_a_deleted_patient_is_listed_as_deleted(site: Site, node: Node, phantom: Path) -> None:
    site.add(*patient_files(phantom, site.folder, 1)["CT"])
    node.tick()
    site.first.empty()
    wait_until(lambda: patients_settled(node))
    (patient,) = node.store.patients([PatientState.UNMATCHED])
    assert patient.reason == "deleted from the Orthanc"


HOUR = datetime.now().hour
CLOSED = f"{(HOUR + 2) % 24:02}:00-{(HOUR + 3) % 24:02}:00"
ANY = f"[[rules]]\nname = 'any'\nhours = '{CLOSED}'\n"
FOOT = "[[rules]]\nname = 'foot'\nct = {description = 'foot'}\n"


@pytest.mark.parametrize(
    ("rules", "state", "fusions"),
    [
        (ANY, PatientState.MATCHED, [FusionState.UNNEEDED, FusionState.PLANNED]),
        (FOOT, PatientState.UNMATCHED, [FusionState.UNNEEDED]),
    ],
)
def test_a_removed_rule_leaves_its_patients_to_others(
    site: Site, node: Node, phantom: Path, rules: str, state: PatientState,
    fusions: list[FusionState],
) -> None:  # fmt: skip
    files = patient_files(phantom, site.folder, 1)
    site.add(*files["CT"], *files["MR"])
    wait_until(lambda: patients_settled(node) and states(site) == [FusionState.PLANNED])
    node.suspend("test", suspended=False)
    site.settings.rules.write_text(rules)
    node.tick()
    wait_until(lambda: patients_settled(node))
    assert [one.state for one in node.store.patients(list(PatientState))] == [state]
    assert states(site) == fusions
    assert site.fusions()[0].reason == "there is no rule head any more"


def test_a_wrong_rule_file_leaves_the_earlier_rules(site: Site, node: Node) -> None:
    rules, earlier = site.settings.rules, node.rules.rules
    good = rules.read_text()
    for wrong in ("[[rules]", "rules = 1", "[[rules]]\nname = 'a'\nmr = {description = '('}\n", ""):
        rules.write_text(wrong)
        node.tick()
        assert node.rules.rules == earlier
        assert any("the earlier rules remain in force" in one for one in node.problems())
    rules.unlink()
    node.tick()
    assert node.rules.rules == earlier
    rules.write_text(good.replace('"head"', '"neck"'))
    node.tick()
    assert [one.name for one in node.rules.rules] == ["neck"]
    assert node.problems() == ["suspended by an operator"]


def test_no_round_reads_a_whole_table(site: Site, phantom: Path) -> None:
    statements: dict[str, tuple[sqlite3.Connection, str]] = {}
    with site.ticked() as node:
        connections = [one._file._connection for one in (node.store, node.jobs)]
        for connection in connections:
            connection.set_trace_callback(
                lambda text, own=connection: statements.setdefault(text, (own, text))
            )
        files = patient_files(phantom, site.folder, 1)
        site.add(*files["CT"], *files["MR"])
        wait_until(lambda: patients_settled(node) and states(site) == [FusionState.QUEUED])
        assert node.jobs.take("worker", 60)
        for connection in connections:
            connection.set_trace_callback(None)
        plans = [
            (text, str(row["detail"]))
            for own, text in statements.values()
            if text.startswith(("SELECT", "UPDATE"))
            for row in own.execute(f"EXPLAIN QUERY PLAN {text}")
        ]
    assert plans
    whole = [one for one in plans if one[1].startswith("SCAN") and "json_each" not in one[1]]
    # the position is one of the few rows of a table of settings
    assert [one for one in whole if "FROM node" not in one[0]] == []
