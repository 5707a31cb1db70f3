"""The container image runs radfuse as a user without rights on a read-only root."""

from collections.abc import Iterator

import pytest
from container_kit import BASE, IMAGE, Podman, built_image

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
