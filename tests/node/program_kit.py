"""`radfuse node run` as a program that tests kill."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from node_kit import Site


class NodeProgram:
    """`radfuse node run`; it can be killed, and started again."""

    def __init__(self, site: Site, poll_s: float = 0.1, workers: int = 1) -> None:
        self.site, settings = site, site.settings
        self.config = site.folder / "node.toml"
        paths = {"data": settings.data, "rules": settings.rules, "orthanc": settings.orthanc}
        self.config.write_text(
            "".join(f'{name} = "{value}"\n' for name, value in paths.items())
            + f"workers = {workers}\npoll_s = {poll_s}\nquiet_s = 0.1\nretry_s = 0.1\n"
            "min_free_bytes = 0\nport = 0\nfrom_beginning = true\n"
        )
        self.start()

    def start(self) -> None:
        with (self.site.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "radfuse", "node", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self.process.poll() is None, (self.site.folder / "node.log").read_text()[-2000:]
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def handles_sigterm(self) -> bool:
        """Whether it has started so far that SIGTERM ends it in order."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)

    def kill_worker(self) -> bool:
        """Kill a process that fuses or reads, unless its job has ended two of them."""
        found = grandchildren(self.process.pid)
        if found and most_attempts(self.site) < 2:  # the third would make it fail, rightly
            os.kill(found[0], signal.SIGKILL)
            return True
        return False


def children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(one) for one in text.split()]


def grandchildren(process: int) -> list[int]:
    """What the server of new processes has started, at most one."""
    return [one for child in children(process) for one in children(child)][:1]


ATTEMPTS = {
    "jobs.sqlite": "SELECT MAX(attempts) FROM jobs WHERE state = 'running'",
    "node.sqlite": "SELECT MAX(attempts) FROM fusions WHERE state = 'planned'",
}
"""How often a job, or the reading of its images, has been tried."""


def most_attempts(site: Site) -> int:
    most = 0
    for name, query in ATTEMPTS.items():
        path = site.settings.data / name
        if path.exists():
            with sqlite3.connect(path) as connection:
                most = max(most, connection.execute(query).fetchone()[0] or 0)
    return most
