"""Health, readiness and metrics, and how a node ends."""

import re
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import httpx
import pytest
from click.testing import CliRunner
from dashboard_kit import NOBODY, RULES, TOKENS, Dashboard, running_dashboard, settings_in
from prometheus_client.parser import text_string_to_metric_families

from orthanc_kit import self_signed
from radfuse.cli import main
from radfuse.errors import InputError
from radfuse.node.settings import NodeSettings
from radfuse.node.state import FusionState
from radfuse.service.dashboard.server import check_address, serve_node, url_of


def metrics_of(dashboard: Dashboard) -> dict[str, float]:
    """The samples of /metrics by name and labels."""
    with dashboard.client() as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_node_that_works_is_healthy_and_ready(dashboard: Dashboard) -> None:
    with dashboard.client() as client:
        for path in ("/healthz", "/readyz"):
            answer = client.get(path)
            assert (answer.status_code, answer.text) == (200, "ok\n")
            assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_node_whose_loop_hangs_is_not_healthy(dashboard: Dashboard) -> None:
    dashboard.node._ticked -= 1000
    with dashboard.client() as client:
        assert client.get("/healthz").status_code == 503
        assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("case", ["suspended", "rules", "disk"])
def test_a_node_that_takes_no_patient_is_not_ready(
    case: str, orthanc_url: str, tmp_path: Path
) -> None:
    full = {"min_free_bytes": 1 << 60} if case == "disk" else {}
    settings = settings_in(tmp_path, orthanc_url, **full)
    with running_dashboard(settings) as dashboard, dashboard.client() as client:
        if case == "suspended":
            dashboard.node.suspend("A", suspended=True)
        elif case == "rules":
            settings.rules.write_text("nonsense")
            dashboard.node.rules.refresh()
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "not ok\n")
        assert client.get("/healthz").status_code == 200
        assert metrics_of(dashboard)[
            f"radfuse_node_{'rules_wrong' if case == 'rules' else 'paused'}"
        ]


def test_a_node_without_orthanc_is_not_ready(tmp_path: Path) -> None:
    with running_dashboard(settings_in(tmp_path)) as dashboard, dashboard.client() as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "not ok\n")
        assert NOBODY not in answer.text
        assert metrics_of(dashboard)["radfuse_node_orthanc_up"] == 0


def test_a_lost_data_folder_is_no_crash(dashboard: Dashboard) -> None:
    shutil.rmtree(dashboard.node.settings.data)
    with dashboard.client("viewer") as client:
        for path in ("/readyz", "/metrics"):
            answer = client.get(path)
            assert (answer.status_code, answer.text) == (503, "not ok\n")
        answer = client.get("/api/v1/status")
    assert answer.status_code == 503
    assert "the data folder cannot be used" in answer.json()["error"]


def test_metrics_count_fusions_jobs_and_seconds(dashboard: Dashboard) -> None:
    node = dashboard.node
    for number in range(3):
        node.store.plan(f"patient-{number}", "head", "", forced=False)
    node.store.change(1, state=FusionState.FUSED)
    node.store.store_result(1, [], ["A", "B"])
    with node.progress.running("x") as job:
        job.has_ended = True
    with node.progress.running("y"):
        pass
    found = metrics_of(dashboard)
    assert found["radfuse_node_fusions planned"] == 2
    assert found["radfuse_node_fusions stored"] == 1
    assert found["radfuse_node_fusions failed"] == 0
    assert found["radfuse_node_jobs running"] == 0
    assert found["radfuse_node_deliveries_waiting"] == 2
    assert found["radfuse_node_fusion_seconds_count"] == 1
    assert 0 <= found["radfuse_node_fusion_seconds_sum"] < 5
    assert found["radfuse_node_free_bytes"] > 0
    assert found["radfuse_node_orthanc_up"] == 1
    with dashboard.client() as client:
        text = client.get("/metrics").text
    assert "radfuse_node_build_info" in text
    assert "patient-" not in text


def test_an_oversized_body_is_refused(dashboard: Dashboard) -> None:
    with dashboard.client() as client:
        assert client.post("/healthz", content=b"x" * 2_000_000).status_code == 413
        assert client.post("/healthz", content=b"x").status_code == 405
        assert list(client.get("/nothing").json()) == ["error"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"host": "0.0.0.0"}, "without encryption"),  # noqa: S104
        ({"host": "node.hospital.example"}, "set behind_proxy"),
        ({"behind_proxy": True, "users": None}, "give a file of users"),
        ({"host": "a.b", "certificate": Path("a"), "key": Path("b"), "users": None}, "of users"),
        ({"certificate": Path("a.pem")}, "both certificate and key"),
        ({"key": Path("a.pem")}, "both certificate and key"),
    ],
)
def test_another_host_needs_encryption(
    values: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        check_address(settings_in(tmp_path, **values))


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"host": "::1"}, "http://[::1]:8044/"),
        ({"host": "0.0.0.0", "behind_proxy": True}, "http://0.0.0.0:8044/"),  # noqa: S104
        ({"certificate": Path("a"), "key": Path("b"), "host": "a.b"}, "https://a.b:8044/"),
    ],
)
def test_addresses_that_are_permitted(values: dict[str, object], url: str, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, **values)
    check_address(settings)
    assert url_of(settings, 8044) == url


def started(folder: Path, **settings: object) -> tuple[subprocess.Popen[str], str]:
    """`radfuse node run` in another process, and its URL."""
    (folder / "rules.toml").write_text(RULES)
    values = {"orthanc": NOBODY, "data": "node", "min_free_bytes": 0, **settings}
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    (folder / "node.toml").write_text("\n".join([*lines, 'rules = "rules.toml"']))
    command = [
        sys.executable, "-m", "radfuse", "node", "run", "--config", str(folder / "node.toml"),
        "--port", "0",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.search(r"https?://[\w.:]+/", first)
    if found is None:
        process.kill()
        pytest.fail(first + process.communicate()[0])
    return process, found[0]


def test_sigterm_ends_the_dashboard_and_the_node(tmp_path: Path) -> None:
    process, url = started(tmp_path)
    assert httpx.get(f"{url}healthz", trust_env=False).status_code == 200
    assert (tmp_path / "node" / "node.sqlite").stat().st_mode & 0o077 == 0
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}healthz", trust_env=False)
    lines = (tmp_path / "node" / "audit.jsonl").read_text()
    assert "node ended" in lines


@contextmanager
def served(settings: NodeSettings) -> Iterator[str]:
    """Run a node with its dashboard in this process; gives the URL."""
    stop, urls = Event(), Queue[str]()
    thread = Thread(target=serve_node, args=(settings, stop, urls.put))
    thread.start()
    try:
        yield urls.get(timeout=30)
    finally:
        stop.set()
        thread.join()


def test_tls_is_served_with_a_certificate(tmp_path: Path) -> None:
    tls = self_signed(tmp_path)
    settings = settings_in(tmp_path, certificate=tls.certificate, key=tls.key)
    context = ssl.create_default_context(cafile=tls.certificate)
    with served(settings) as url, httpx.Client(verify=context, trust_env=False) as client:
        assert url.startswith("https://")
        assert client.get(f"{url}healthz").text == "ok\n"
        answer = client.post(f"{url}api/v1/session", json={"token": TOKENS["viewer"]})
        assert "secure" in answer.headers["set-cookie"].lower()
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{url}healthz".replace("https", "http"))


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_text("no certificate")
    settings = settings_in(tmp_path, certificate=path, key=path)
    with pytest.raises(InputError, match=r"a\.pem.*: not a certificate"):
        serve_node(settings, Event(), print)


def test_another_host_is_refused_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('rules = "rules.toml"')
    config = str(tmp_path / "node.toml")
    run = CliRunner().invoke(main, ["node", "run", "--config", config, "--host", "a.b"])
    assert "host a.b is reachable from other machines without encryption" in run.output
