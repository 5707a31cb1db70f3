"""Health, readiness and metrics: for programs, without credentials and without identifiers."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from radfuse.errors import OutputError, PeerError, RadfuseError
from radfuse.node.node import Node
from radfuse.node.orthanc import Orthanc

TIMEOUT_S = 5.0
"""How long Orthanc may take to answer what a user waits for."""

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the text format of Prometheus."""

OPERATING = ("/healthz", "/readyz", "/metrics")
"""Paths that programs ask without credentials."""


@dataclass(frozen=True)
class Health:
    """What a node says of itself."""

    node: Node
    orthanc: Orthanc
    """A client of its own: what the dashboard asks does not wait for a retrieval."""

    @classmethod
    def of(cls, node: Node) -> "Health":
        """The health of a node; `close` it."""
        settings = node.settings
        orthanc = Orthanc(
            settings.orthanc, settings.orthanc_user, settings.password(), timeout_s=TIMEOUT_S
        )
        return cls(node, orthanc)

    def close(self) -> None:
        """Close the connections."""
        self.orthanc.close()

    def is_orthanc_up(self) -> bool:
        """Whether the Orthanc answers."""
        with suppress(PeerError):
            self.orthanc.name()
            return True
        return False

    def problems(self) -> list[str]:
        """Why the node does not take patients, or not all; a sentence each.

        Raises `OutputError` where the data folder cannot be used.
        """
        node = self.node
        self.free_bytes()
        alive = "" if node.is_alive else "the control loop does not respond; restart the node"
        try:
            self.orthanc.name()
        except PeerError as error:
            found = [alive, str(error), node.paused, node.rules.problem]
        else:
            found = [alive, *node.problems(self.orthanc)]
        return list(dict.fromkeys(filter(None, found)))

    def free_bytes(self) -> int:
        """Free space for the data of the node; `OutputError` where it cannot be used."""
        data = self.node.settings.data
        try:
            return shutil.disk_usage(data).free
        except OSError as error:
            raise OutputError(f"the data folder cannot be used ({error.strerror})", data) from error


class NodeMetrics(Collector):
    """The metrics of a node, read when they are asked for."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Counts and sizes; none of them identifies a patient."""
        health, node = self._health, self._health.node
        free_bytes = health.free_bytes()
        for name, text, counts in (
            ("fusions", "Fusions by state", node.store.counts()),
            ("patients", "Patients by state", node.store.patient_counts()),
            ("jobs", "Jobs by state", node.jobs.counts()),
        ):
            family = GaugeMetricFamily(f"radfuse_node_{name}", text, labels=["state"])
            for state, count in counts.items():
                family.add_metric([state], count)
            yield family
        seconds, ended = node.progress.totals()
        yield SummaryMetricFamily(
            "radfuse_node_fusion_seconds", "Seconds of fusions that have ended since the start",
            count_value=ended, sum_value=seconds,
        )  # fmt: skip
        for name, text, value in (
            ("deliveries_waiting", "Results that are not yet sent", node.store.delivery_count()),
            ("free_bytes", "Free space for the data", free_bytes),
            ("orthanc_up", "1 if the Orthanc answers", health.is_orthanc_up()),
            ("paused", "1 if no patient is taken", bool(node.paused)),
            ("rules_wrong", "1 if the file of the rules is wrong", bool(node.rules.problem)),
        ):
            yield GaugeMetricFamily(f"radfuse_node_{name}", text, value=float(value))
        yield InfoMetricFamily("radfuse_node_build", "The program", {"version": version("radfuse")})


api = APIRouter()


@api.get("/healthz")
def healthz(request: Request) -> Response:
    """200 while the control loop works, or 503."""
    health: Health = request.app.state.health
    return _short(is_ok=health.node.is_alive)


@api.get("/readyz")
def readyz(request: Request) -> Response:
    """200 if patients are taken, or 503; why not is for users alone."""
    health: Health = request.app.state.health
    try:
        return _short(is_ok=not health.problems())
    except RadfuseError:
        return _short(is_ok=False)


@api.get("/metrics")
def metrics(request: Request) -> Response:
    """The metrics in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(NodeMetrics(request.app.state.health))
    try:
        return Response(generate_latest(registry), media_type=METRICS_TYPE)
    except RadfuseError:
        return _short(is_ok=False)


def _short(*, is_ok: bool) -> Response:
    status = HTTPStatus.OK if is_ok else HTTPStatus.SERVICE_UNAVAILABLE
    return Response("ok\n" if is_ok else "not ok\n", status_code=status, media_type="text/plain")
