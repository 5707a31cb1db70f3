"""Container images for the tests: built with podman, from a base that debootstrap makes."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PACKAGES = {"debootstrap": "debootstrap", "podman": "podman", "runc": "runc", "make": "make"}
"""Programs, and their Debian packages."""

SUITE = "bookworm"
"""The Debian with Python 3.11."""

BASE, IMAGE = "localhost/base:test", "localhost/radfuse:test"

CERTIFICATES = Path("/etc/ssl/certs")
"""The CA certificates of this machine, for a mirror of packages with one of its own."""

PIP_SETTINGS = re.compile(r"(?:global|:env:)\.(index-url|trusted-host|cert)='(.*)'")
"""Settings that pip inside a build needs, as `pip config list` prints them."""

LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
"""Below those of this machine: without CAP_SYS_RESOURCE nobody may raise them."""

HARDENED = (
    "--read-only", "--tmpfs", "/tmp", "--cap-drop", "all",  # noqa: S108  # inside the container
    "--security-opt", "no-new-privileges",
)  # fmt: skip


@dataclass(frozen=True)
class Podman:
    """podman with images and containers in a folder of its own."""

    folder: Path

    @property
    def command(self) -> list[str]:
        places = ["--root", str(self.folder / "store"), "--runroot", str(self.folder / "run")]
        return ["podman", *places, "--cgroup-manager", "cgroupfs", "--runtime", "runc"]

    def __call__(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [*self.command, *words]
        return subprocess.run(command, capture_output=True, text=True, check=check)

    def run(self, *words: str, options: tuple[str, ...] = ()) -> str:
        """Run the image, hardened; returns what it prints."""
        shared = ("--network", "host", "--no-healthcheck", *LIMITS, *HARDENED)
        done = self("run", "--rm", *shared, *options, IMAGE, *words, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    @contextmanager
    def node(self, config: Path, environment: Mapping[str, str]) -> Iterator[str]:
        """The node in a hardened container, as `podman run` starts it; yields its name."""
        name = "node"
        options = [word for pair in environment.items() for word in ("--env", "=".join(pair))]
        volumes = ("--volume", f"{config}:/etc/radfuse:ro", "--health-interval", "disable")
        shared = ("--detach", "--network", "host", *LIMITS, *HARDENED, *volumes, *options)
        try:
            self("run", "--name", name, *shared, IMAGE)
            yield name
        finally:
            self("rm", "--force", "--volumes", name, check=False)

    def size(self, image: str) -> int:
        """Bytes of an image, with its base."""
        (found,) = json.loads(self("image", "inspect", image).stdout)
        return int(found["Size"])


@contextmanager
def built_image() -> Iterator[Podman]:
    """The image, by `make image` on a base without anything but Python and CA certificates."""
    missing = [name for program, name in PACKAGES.items() if shutil.which(program) is None]
    if missing:
        pytest.skip(f"no container is built here: apt-get install {' '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("no container is built here: debootstrap needs root")
    with tempfile.TemporaryDirectory(prefix="radfuse-image-") as name:
        podman = Podman(Path(name))
        try:
            _import_base(podman)
            _make_image(podman)
            yield podman
        finally:
            podman("rm", "--all", "--force", check=False)
            podman("rmi", "--all", "--force", check=False)
            podman("unmount", "--all", check=False)


def _import_base(podman: Podman) -> None:
    system, packages = podman.folder / "base", "python3-venv,ca-certificates"
    command = ["debootstrap", "--variant=minbase", f"--include={packages}", SUITE, str(system)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"debootstrap cannot make a base here: {done.stdout[-300:]}")
    archive = podman.folder / "base.tar"
    subprocess.run(["tar", "-C", str(system), "-cf", str(archive), "."], check=True)
    shutil.rmtree(system)
    imported = podman("import", str(archive), BASE, check=False)
    if imported.returncode != 0:
        pytest.skip(f"podman may not be used here: {imported.stderr[-300:]}")
    archive.unlink()


def _make_image(podman: Podman) -> None:
    settings = podman.folder / "pip.conf"
    settings.write_text(pip_settings())
    options = f"--isolation chroot --layers=false --secret id=pip,src={settings}"
    if CERTIFICATES.is_dir():
        options += f" --volume {CERTIFICATES}:{CERTIFICATES}:ro"
    builder = " ".join([*podman.command, "build", "--format", "docker"])
    chosen = (f"BASE={BASE}", f"IMAGE={IMAGE}", f"IMAGE_OPTIONS={options}", f"BUILDER={builder}")
    done = subprocess.run(
        ["make", "image", *chosen], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def pip_settings() -> str:
    """A pip.conf with the index of this machine's pip, for a build."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = [PIP_SETTINGS.fullmatch(line) for line in listed.splitlines()]
    lines = {one[1]: one[2] for one in found if one}
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in lines.items())]) + "\n"
