"""A real server on loopback for the tests of the service."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import numpy as np
import uvicorn
from hypothesis import HealthCheck, Phase, settings
from numpy.typing import NDArray

from radfuse.service.app import make_app
from radfuse.service.identification import Identification
from radfuse.service.routes.dependencies import Dependencies
from radfuse.service.security import TOKEN_HEADER, Access
from radfuse.service.sockets import bind
from radfuse.service.stores.view_volumes import DATA_OFFSET

TOKEN = "a token for the tests"  # noqa: S105
MAX_UPLOAD_BYTES = 20_000_000
END_S = 120.0


@dataclass(frozen=True)
class Site:
    """A running server and a client with its token."""

    access: Access
    folder: Path
    client: httpx.Client
    deps: Dependencies | None = None
    """Of a server in this process."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.access.port}"

    def bare(self, **headers: str) -> httpx.Client:
        """A client without the token."""
        return httpx.Client(base_url=self.base, headers=headers, trust_env=False)

    def make(self, **asked: Any) -> str:
        answer = self.client.post("/api/v1/studies", json=asked)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def fuse(self, identifier: str, **asked: Any) -> list[tuple[str, dict[str, Any]]]:
        """Fuse a study; returns the events."""
        answer = self.client.post(f"/api/v1/studies/{identifier}/fuse", json=asked)
        assert answer.status_code == 202, answer.text
        return list(self.events(identifier))

    def prepare(self, identifier: str) -> list[tuple[str, dict[str, Any]]]:
        """Prepare a study; returns the events."""
        answer = self.client.post(f"/api/v1/studies/{identifier}/prepare")
        assert answer.status_code == 202, answer.text
        return list(self.events(identifier))

    def sign(self, identifier: str, state: str, name: str = "A") -> httpx.Response:
        """Sign off the current run of a study."""
        signoff = {"state": state, "name": name, "run": self.study(identifier)["current"]}
        return self.client.put(f"/api/v1/studies/{identifier}/signoff", json=signoff)

    def view(self, identifier: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/v1/studies/{identifier}/view")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def volume(self, identifier: str, name: str) -> NDArray[np.int16]:
        """Values of a volume, (slices, rows, columns)."""
        answer = self.client.get(f"/api/v1/studies/{identifier}/volumes/{name}.nii")
        assert answer.status_code == 200, answer.text
        columns, rows, slices = self.view(identifier)[name]["size"]
        values = np.frombuffer(answer.content, "<i2", offset=DATA_OFFSET)
        return values.reshape(slices, rows, columns)

    def events(self, identifier: str) -> Iterator[tuple[str, dict[str, Any]]]:
        with self.client.stream(
            "GET", f"/api/v1/studies/{identifier}/events", timeout=END_S
        ) as stream:
            kind = ""
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)

    def run_of(self, identifier: str) -> Path:
        """Folder of the current run."""
        return self.folder / "studies" / identifier / "results" / self.study(identifier)["current"]

    def study(self, identifier: str) -> dict[str, Any]:
        return dict(self.client.get(f"/api/v1/studies/{identifier}").json())


def refused(answer: httpx.Response, status: int, words: str) -> None:
    """Assert that a request was refused with one sentence that has some words."""
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert list(answer.json()) == ["error"]


def stored_upload(site: Site, path: str) -> Path:
    """Where the server keeps an upload."""
    return site.folder / "uploads" / path.removeprefix("upload:")


@contextmanager
def running(
    folder: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    behind_proxy: bool = False,
    roots: tuple[Path, ...] | None = None,
    identification: Identification | None = None,
) -> Iterator[Site]:
    """Serve the studies of a folder on loopback, by default on a free port."""
    with bind("127.0.0.1", port) as sock:
        bound = sock.getsockname()[1]
        access = Access(host, bound, TOKEN, MAX_UPLOAD_BYTES, behind_proxy, roots, identification)
        app = make_app(access, folder)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        headers = {TOKEN_HEADER: TOKEN}
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            base = f"http://127.0.0.1:{access.port}"
            with httpx.Client(
                base_url=base, headers=headers, timeout=END_S, trust_env=False
            ) as client:
                yield Site(access, folder, client, app.state.deps)
        finally:
            server.should_exit = True
            thread.join()


def fuzzing(examples: int) -> settings:
    """Settings of generated requests: the same in each run, none stored or shrunk.

    Outside of `make study` only a quarter of them.
    """
    is_study = settings.get_current_profile_name() == "study"
    return settings(
        max_examples=examples if is_study else -(-examples // 4),
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
