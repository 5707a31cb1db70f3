"""Speed of the viewer of `radfuse view`, rendered without a GPU.

    python benchmarks/viewer.py CT MR [--method mfinet]

Prepares and fuses a study, opens it in headless Chromium and prints seconds to the first image,
slices per second when scrolling, seconds to a slice by another method, and the peak memory of the
server and of the fusion process.
"""

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

KITS = [Path(__file__).parents[1] / "tests" / part for part in ("", "service")]
"""Folders of `browser_kit`."""

TOKEN = "benchmark-on-loopback"  # noqa: S105  # on loopback, for a minute
PORT = 8799

SCROLL = """
const done = arguments[1], viewer = radfuse.viewer, times = [];
let left = arguments[0], last = performance.now(), up = 1;
const step = () => {
  const now = performance.now();
  times.push(now - last);
  last = now;
  if (viewer.crosshair[2] > viewer.ct.size[2] * 0.75) up = -1;
  if (viewer.crosshair[2] < viewer.ct.size[2] * 0.25) up = 1;
  if (left-- > 0) { viewer.move(0, 0, up); requestAnimationFrame(step); } else done(times.slice(1));
};
requestAnimationFrame(step);
"""
"""One axial slice per frame."""

FRAMES = 100


def memory_mb(pid: int, name: str = "VmHWM") -> float:
    """Largest resident memory of a process so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


class Server:
    """`radfuse view` as a user starts it."""

    def __init__(self, folder: Path) -> None:
        command = [
            sys.executable, "-m", "radfuse", "view", "--folder", str(folder), "--port", str(PORT),
            "--token", TOKEN, "--no-browser",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{PORT}/api/v1",
            headers={"x-radfuse-token": TOKEN},
            timeout=120,
            trust_env=False,
        )
        self.wait_for(lambda: self.client.get("/info"))

    @staticmethod
    def wait_for(call: Any) -> None:
        """Call until the server answers, half a minute at most."""
        for _ in range(300):
            try:
                call()
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return

    def settled(self, identifier: str) -> dict[str, Any]:
        """The study after its job has ended."""
        while True:
            study = dict(self.client.get(f"/studies/{identifier}").json())
            if study["state"] not in {"queued", "running"}:
                return study
            time.sleep(0.2)

    def largest_child_mb(self, identifier: str) -> float:
        """Largest memory of the processes below the server while a study runs."""
        largest = 0.0
        while True:
            for task in Path(f"/proc/{self.process.pid}/task").iterdir():
                children = task / "children"
                for child in children.read_text().split() if children.exists() else ():
                    try:
                        largest = max(largest, memory_mb(int(child)))
                    except (OSError, StopIteration):
                        continue
            study = self.client.get(f"/studies/{identifier}").json()
            if study["state"] not in {"queued", "running"}:
                return largest
            time.sleep(0.2)


def main() -> None:
    """Print a row per measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("ct", type=Path)
    parser.add_argument("mr", type=Path)
    parser.add_argument("--method", default="mfinet")
    asked = parser.parse_args()
    sys.path[:0] = map(str, KITS)
    kit = importlib.import_module("browser_kit")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        server = Server(folder / "studies")
        try:
            measure(server, kit, folder, asked)
        finally:
            server.process.terminate()
            server.process.wait()


def measure(server: Server, kit: Any, folder: Path, asked: argparse.Namespace) -> None:
    """Prepare and fuse a study, then time the viewer on it."""
    paths = {"ct": str(asked.ct.resolve()), "mr": str(asked.mr.resolve())}
    recipe = {"method": "average", "outputs": ["fused"]}
    made = server.client.post("/studies", json={**paths, "recipe": recipe}).json()
    identifier = made["id"]
    start = time.perf_counter()
    server.client.post(f"/studies/{identifier}/prepare")
    server.settled(identifier)
    row("prepare", time.perf_counter() - start, "s")
    start = time.perf_counter()
    server.client.post(f"/studies/{identifier}/fuse", json={})
    row("peak memory of the fusion's process", server.largest_child_mb(identifier), "MB")
    row("register and fuse (average)", time.perf_counter() - start, "s")
    with kit.opened_browser(folder) as browser:
        browser.set_script_timeout(120)
        viewer = kit.ViewerDriver(browser, folder)
        browser.get(f"http://127.0.0.1:{PORT}/?token={TOKEN}")
        start = time.perf_counter()
        browser.refresh()
        viewer.wait_until(lambda: viewer.body_data("loaded") == identifier)
        row("first image of the prepared study", time.perf_counter() - start, "s")
        viewer.wait_until(lambda: viewer.body_data("shown"))
        row("and the fused image", time.perf_counter() - start, "s")
        for overlay in ("fused", "mr-hot"):
            viewer.select("overlay", overlay)
            times = browser.execute_async_script(SCROLL, FRAMES)
            row(f"scrolling, {overlay} over the CT", 1000 / statistics.mean(times), "slices/s")
        for method in (asked.method, "bone_blend"):
            for state in ("first", "next"):
                start = time.perf_counter()
                index = 100 if state == "first" else 110
                answer = server.client.post(
                    f"/studies/{identifier}/slice-preview", json={"method": method, "index": index}
                )
                answer.raise_for_status()
                row(f"{state} slice by {method}", time.perf_counter() - start, "s")
    row("peak memory of the server", memory_mb(server.process.pid), "MB")


def row(words: str, value: float, unit: str) -> None:
    """Print one measurement."""
    print(f"{words:45} {value:8.2f} {unit}", flush=True)


if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before", flush=True)
    main()
