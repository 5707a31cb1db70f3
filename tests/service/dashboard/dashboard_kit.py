"""The dashboard of a node on loopback, for tests."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import uvicorn

from radfuse.node.node import Node
from radfuse.node.settings import NodeSettings
from radfuse.service.dashboard.app import make_dashboard
from radfuse.service.dashboard.health import Health
from radfuse.service.sockets import Server, bind
from radfuse.service.users import Role, Users, line_of

HOST = "127.0.0.1"

NOBODY = f"http://{HOST}:9"
"""An address where no Orthanc answers."""

TOKENS = {role.value: f"a token of the {role} for the tests" for role in Role}

RULES = '[[rules]]\nname = "head"\nct = {description = "CT head"}\nmr = {description = "T1"}\n'


@dataclass(frozen=True)
class Dashboard:
    """A dashboard, and the node that it is of, whose control loop does not run."""

    node: Node
    base: str
    users: Users

    def client(self, role: str = "", **headers: str) -> httpx.Client:
        """A client, by default without a token."""
        if role:
            headers["authorization"] = f"Bearer {TOKENS[role]}"
        return httpx.Client(
            base_url=self.base, headers=headers, trust_env=False, timeout=30,
            verify=False,  # noqa: S501  # no TLS; without it a client is made in milliseconds
        )  # fmt: skip


def settings_in(folder: Path, orthanc: str = NOBODY, **values: Any) -> NodeSettings:
    """Settings of a node in a folder."""
    (folder / "rules.toml").write_text(RULES)
    lines = [line_of(role.value, role, TOKENS[role]) for role in Role]
    (folder / "users").write_text("\n".join(["# users of the tests", "", *lines]))
    chosen = {
        "orthanc": orthanc, "data": folder / "node", "rules": folder / "rules.toml", "port": 0,
        "min_free_bytes": 0, "poll_s": 0.1, "users": folder / "users",
    }  # fmt: skip
    return NodeSettings(**{**chosen, **values})


@contextmanager
def running_dashboard(settings: NodeSettings) -> Iterator[Dashboard]:
    """Serve the dashboard of a node on a free port."""
    with (
        closing(Node(settings)) as node, closing(Health.of(node)) as health, bind(HOST, 0) as sock
    ):  # fmt: skip
        users = Users(settings.users)
        app = make_dashboard(health, users)
        ready = Event()
        server = Server(uvicorn.Config(app, log_level="warning"), ready.set)
        thread = Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        assert ready.wait(30)
        try:
            yield Dashboard(node, f"http://{HOST}:{sock.getsockname()[1]}", users)
        finally:
            server.should_exit = True
            thread.join()
