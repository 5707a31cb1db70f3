"""`radfuse view` as a process, for the benchmark of the viewer, and the cost of processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

TOKEN = "benchmark-on-loopback"  # noqa: S105  # on loopback, for a minute
PORT = 8799


def memory_mb(pid: int, name: str = "VmHWM") -> float:
    """Largest resident memory of a process so far, or another line of its status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """`radfuse view` as a user starts it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(TOKEN)
        command = [
            sys.executable, "-m", "radfuse", "view", "--folder", str(folder), "--port", str(PORT),
            "--token-file", str(folder / "token"), "--no-browser",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{PORT}/api/v1",
            headers={"x-radfuse-token": TOKEN},
            timeout=600,
            trust_env=False,
        )

    def __enter__(self) -> "Server":
        for _ in range(600):
            try:
                self.client.get("/info")
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait()

    def settled(self, identifier: str) -> dict[str, Any]:
        """The study after its job has ended."""
        while True:
            study = dict(self.client.get(f"/studies/{identifier}").json())
            if study["state"] not in {"queued", "running"}:
                return study
            time.sleep(0.1)

    def largest_child_mb(self, identifier: str) -> float:
        """Largest memory of the processes below the server while a study runs."""
        largest = 0.0
        while True:
            for child in self._children():
                try:
                    largest = max(largest, memory_mb(child))
                except (OSError, StopIteration):
                    continue
            study = self.client.get(f"/studies/{identifier}").json()
            if study["state"] not in {"queued", "running"}:
                return largest
            time.sleep(0.2)

    def _children(self) -> Iterable[int]:
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            children = task / "children"
            yield from map(int, children.read_text().split() if children.exists() else ())
