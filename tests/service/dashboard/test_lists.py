"""Lists are complete, in steps, and fast however many there are; progress and actions."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from dashboard_kit import TOKENS, Dashboard, running_dashboard, settings_in
from hypothesis import given
from service_kit import fuzzing

from radfuse.node.state import DeliveryState, FusionState, PatientState

MANY, MAX_S = 100_000, 0.2
"""Finished fusions, and the longest time of a list."""

DESCRIPTION = '{"identity": "%s"' + " " * 1500 + "}"
"""A description of a job of the usual length."""


@pytest.fixture(scope="module")
def full(orthanc_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with many fusions, jobs, patients and deliveries, each of which is done."""
    folder = tmp_path_factory.mktemp("full")
    with running_dashboard(settings_in(folder, orthanc_url)) as dashboard:
        numbers = range(1, MANY + 1)
        with sqlite3.connect(folder / "node" / "node.sqlite") as connection:
            connection.executemany(
                "INSERT INTO fusions (number, patient, rule, state, identity, created, changed) "
                "VALUES (?, ?, 'head', ?, ?, ?, ?)",
                (
                    (
                        one,
                        f"patient-{one}",
                        "refused" if one % 100 == 0 else "delivered",
                        one,
                        one,
                        one,
                    )
                    for one in numbers
                ),
            )
            connection.executemany(
                "INSERT INTO patients (patient, state, changed) VALUES (?, 'unmatched', ?)",
                ((f"patient-{one}", one) for one in numbers),
            )
            connection.executemany(
                "INSERT INTO deliveries (fusion, destination, state) VALUES (?, 'PACS', 'done')",
                ((one,) for one in numbers),
            )
        with sqlite3.connect(folder / "node" / "jobs.sqlite") as connection:
            connection.executemany(
                "INSERT INTO jobs (identity, case_name, description, state, seconds, changed) "
                "VALUES (?, ?, ?, 'done', 30, 0)",
                ((str(one), f"fusion-{one}", DESCRIPTION % one) for one in numbers),
            )
        yield dashboard


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/fusions", "/api/v1/fusions?most=100&after=50", "/api/v1/fusions?state=refused",
        "/api/v1/fusions?state=delivered&state=stored&most=100&after=50000",
        "/api/v1/fusions?state=planned&state=queued", "/api/v1/status", "/metrics",
        "/api/v1/patients?after=90000", "/api/v1/deliveries", "/api/v1/fusions/70000",
    ],
)  # fmt: skip
def test_many_finished_fusions_slow_no_list(full: Dashboard, path: str) -> None:
    times_s = []
    with full.client("operator") as client:
        for _ in range(3):
            began = time.perf_counter()
            assert client.get(path).status_code == 200
            times_s.append(time.perf_counter() - began)
    assert min(times_s) <= MAX_S, times_s


def test_steps_show_each_fusion_once(dashboard: Dashboard) -> None:
    for number in range(1, 8):
        dashboard.node.store.plan(f"patient-{number}", "head", "", forced=False)
    dashboard.node.store.change(3, state=FusionState.FAILED, reason="x")
    shown, after = [], 0
    with dashboard.client("viewer") as client:
        while after is not None:
            answer = client.get("/api/v1/fusions", params={"most": 3, "after": after}).json()
            shown += [one["number"] for one in answer["fusions"]]
            after = answer["next"]
        failed = client.get("/api/v1/fusions", params={"state": "failed"}).json()
    assert shown == [7, 6, 5, 4, 3, 2, 1]
    assert [one["number"] for one in failed["fusions"]] == [3]


def test_a_running_fusion_has_its_progress(dashboard: Dashboard) -> None:
    store = dashboard.node.store
    store.plan("patient-1", "head", "", forced=False)
    store.change(1, state=FusionState.QUEUED, identity="abc")
    with dashboard.client("viewer") as client:
        assert client.get("/api/v1/fusions/1").json()["state"] == "queued"
        with dashboard.node.progress.running("abc") as job:
            job.report("registering", 0.5)
            found = client.get("/api/v1/fusions/1").json()
            assert found["state"] == "running"
            assert found["progress"]["stage"] == "registering"
            assert found["progress"]["fraction"] == 0.5
        assert client.get("/api/v1/fusions/1").json()["progress"] is None


def test_deliveries_wait_with_reason_and_attempt(dashboard: Dashboard) -> None:
    store = dashboard.node.store
    store.plan("patient-1", "head", "", forced=False)
    store.change(1, state=FusionState.FUSED)
    store.store_result(1, [], ["PACS", "OTHER"])
    (first, second) = store.deliveries(1)
    store.change_delivery(first.number, state=DeliveryState.DONE)
    store.change_delivery(
        second.number, state=DeliveryState.WAITING, reason="cannot connect", next_attempt=5.0
    )
    with dashboard.client("operator") as client:
        (found,) = client.get("/api/v1/deliveries").json()["deliveries"]
    assert (found["destination"], found["reason"]) == (second.destination, "cannot connect")
    assert found["next_attempt"] == 5.0


def test_actions_of_an_operator_are_in_the_audit_log(dashboard: Dashboard) -> None:
    dashboard.node.store.plan("patient-1", "head", "", forced=False)
    with dashboard.client("operator") as client:
        assert client.post("/api/v1/fusions/1/cancel").status_code == 204
        again = client.post("/api/v1/fusions/1/cancel")
        assert (again.status_code, "is cancelled" in again.text) == (400, True)
        assert client.post("/api/v1/fusions/1/run-again").status_code == 204
        assert client.put("/api/v1/suspended", json={"suspended": True}).status_code == 204
        assert client.get("/api/v1/status").json()["suspended"] is True
    with dashboard.client("admin") as client:
        answer = client.get("/api/v1/audit", params={"most": 2}).json()
        assert [one["what"] for one in answer["entries"]] == ["suspended", "run again"]
        assert {one["who"] for one in answer["entries"]} == {"operator"}
        rest = client.get("/api/v1/audit", params={"after": answer["next"]}).json()
        assert [one["what"] for one in rest["entries"]] == ["cancelled"]
        assert rest["next"] is None


def test_unmatched_patients_have_the_reason(dashboard: Dashboard) -> None:
    store = dashboard.node.store
    store.advance(1, ["a", "b"])
    store.settle("a", PatientState.UNMATCHED, "head: no CT", "")
    with dashboard.client("operator") as client:
        (found,) = client.get("/api/v1/patients").json()["patients"]
    assert (found["patient"], found["reason"]) == ("a", "head: no CT")


def test_without_orthanc_a_search_says_so(tmp_path: Path) -> None:
    with running_dashboard(settings_in(tmp_path)) as dashboard, dashboard.client("admin") as client:
        answer = client.post("/api/v1/patients/search", json={"patient": "4711"})
        assert answer.status_code == 424
        assert "does not answer" in answer.json()["error"]
        problems = client.get("/api/v1/status").json()["problems"]
        assert any("does not answer" in one for one in problems)


@pytest.mark.slow
def test_the_dashboard_never_fails(orthanc_url: str, tmp_path: Path) -> None:
    with running_dashboard(settings_in(tmp_path, orthanc_url)) as dashboard:
        token = {"authorization": f"Bearer {TOKENS['admin']}"}
        schema = schemathesis.openapi.from_url(
            f"{dashboard.base}/api/v1/openapi.json", headers=token
        )
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) >= 20
        for operation in operations:

            @fuzzing(12)
            @given(case=operation.as_strategy())
            def check(case: Any) -> None:
                answer = case.call(headers=token)
                # 503 is what /readyz says of a suspended node
                assert answer.status_code < 500 or answer.status_code == 503, (case, answer.text)
                assert "Traceback" not in answer.text
                bare = case.call()
                is_open = not case.path.startswith("/api/") or case.path == "/api/v1/session"
                assert is_open or bare.status_code in {400, 401, 403}, (case, bare.text)

            check()


def test_a_body_without_length_is_limited(dashboard: Dashboard) -> None:
    def parts() -> Iterator[bytes]:
        yield from (b"x" * 100_000 for _ in range(30))

    with dashboard.client("admin") as client:
        try:
            answer = client.put("/api/v1/suspended", content=parts())
        except httpx.WriteError:  # the server has closed the connection
            return
    assert answer.status_code == 413
