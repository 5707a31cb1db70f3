"""The container image runs radfuse as a user without rights on a read-only root."""

import json
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from container_kit import BASE, IMAGE, Podman, built_image

from orthanc_kit import HOST, free_ports, running_orthanc
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom

DEPLOY = Path(__file__).parents[2] / "deploy"

MAX_BYTES = 900 * 10**6
"""Size of the image without its base."""

ABSENT = """
import importlib.util, pathlib, shutil
assert not any(importlib.util.find_spec(name) for name in ("torch", "pip", "setuptools", "pytest"))
assert not any(shutil.which(name) for name in ("gcc", "pip"))
assert not [path for path in pathlib.Path("/opt/radfuse").rglob("tests")]
assert importlib.util.find_spec("pynetdicom") and importlib.util.find_spec("fastapi")
print("absent")
"""


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with built_image() as found:
        yield found


@pytest.mark.slow
def test_image_without_its_base_is_small(podman: Podman) -> None:
    assert 100e6 < podman.size(IMAGE) - podman.size(BASE) < MAX_BYTES


@pytest.mark.slow
def test_demo_runs_in_the_hardened_container(podman: Podman) -> None:
    written = podman.run("demo", "--output", "/tmp/demo", "--spacing", "4")  # noqa: S108
    assert "/tmp/demo/fused/FUSED_signed_detail" in written  # noqa: S108


@pytest.mark.slow
def test_container_has_no_root_and_no_capabilities(podman: Podman) -> None:
    options = ("--entrypoint", "sh")
    status = podman.run("-c", "id -u; id -g; cat /proc/self/status", options=options)
    assert status.split()[:2] == ["10001", "10001"]
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    with pytest.raises(AssertionError, match="Read-only file system"):
        podman.run("/opt/radfuse/new", options=("--entrypoint", "touch"))


@pytest.mark.slow
def test_image_has_no_compiler_package_tool_or_cache(podman: Podman) -> None:
    assert podman.run("-c", ABSENT, options=("--entrypoint", "python")) == "absent\n"


USER, PASSWORD = "radfuse", "a password"

RULES = """
[[rules]]
name = "head"
recipe = {method = "average", register_rigidly = false, accept_registration = true}
"""

WAIT_S = 120.0


def asked(port: int, path: str, data: bytes | None = None) -> Any:
    """The answer of an Orthanc with a password."""
    credentials = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", data)
    request.add_header("Authorization", f"Basic {credentials}")
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, f"not within {WAIT_S:g} s"
        time.sleep(0.5)


@pytest.mark.slow
def test_node_in_the_container_is_healthy_and_fuses(podman: Podman, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "rules.toml").write_text(RULES)
    (config / "password").write_text(PASSWORD)
    (config / "node.toml").write_text((DEPLOY / "config/node.toml").read_text())
    folders = write_phantom(make_phantom(1, spacing_mm=6.0), tmp_path / "phantom")
    ct, mr = (sorted(folder.glob("*.dcm")) for folder in folders)
    users = {"RegisteredUsers": {USER: PASSWORD}, "AuthenticationEnabled": True}
    with running_orthanc(tmp_path, StableAge=1, **users) as orthanc:
        (port,) = free_ports(1)
        environment = {
            "RADFUSE_NODE_ORTHANC": f"http://{HOST}:{orthanc.http_port}",
            "RADFUSE_NODE_ORTHANC_PASSWORD_FILE": "/etc/radfuse/password",
            "RADFUSE_NODE_PORT": str(port),
            "RADFUSE_NODE_QUIET_S": "0.1",
            "RADFUSE_NODE_MIN_FREE_BYTES": "0",
        }
        with podman.node(config, environment) as name:
            wait_until(lambda: podman("healthcheck", "run", name, check=False).returncode == 0)
            for path in (*ct, *mr):
                asked(orthanc.http_port, "/instances", path.read_bytes())
            expected = len(ct) + len(mr) + 3 * len(ct) + 1
            wait_until(lambda: len(asked(orthanc.http_port, "/instances")) == expected)
            log = podman("logs", name)
            assert PASSWORD not in log.stdout + log.stderr
            podman("stop", "--time", "60", name)
            state = json.loads(podman("inspect", name).stdout)[0]["State"]
            assert state["ExitCode"] == 0, podman("logs", name).stderr[-2000:]
