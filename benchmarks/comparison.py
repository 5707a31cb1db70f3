"""Programs that run alternately, so that other load of the machine affects all of them alike."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 1024
"""KiB."""

RATIO = "ratio"
"""Of `noted`."""


@dataclass(frozen=True)
class Run:
    """What a program took."""

    wall_s: float
    cpu_s: float
    """Processor time of all its threads and children."""

    peak_mib: float
    """Largest resident memory of one of its processes."""


@dataclass(frozen=True)
class Result:
    """Of all runs of a program."""

    runs: tuple[Run, ...]

    @property
    def wall_s(self) -> float:
        """Median."""
        return median(run.wall_s for run in self.runs)

    @property
    def spread_s(self) -> float:
        """Longest less shortest."""
        taken = [run.wall_s for run in self.runs]
        return max(taken) - min(taken)

    @property
    def cpu_s(self) -> float:
        """Median."""
        return median(run.cpu_s for run in self.runs)

    @property
    def peak_mib(self) -> float:
        """Largest."""
        return max(run.peak_mib for run in self.runs)


def run(command: Sequence[str | Path], folder: Path) -> Run:
    """Run a command in a folder; `SystemExit` with what it printed where it fails."""
    began = time.perf_counter()
    with (folder / "printed.txt").open("w") as printed:
        process = subprocess.Popen(command, cwd=folder, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command}: {(folder / 'printed.txt').read_text()}")
    return Run(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / MIB)


def alternately(
    commands: Mapping[str, Sequence[str | Path]], folder: Path, rounds: int
) -> dict[str, Result]:
    """Run each command once in every round; each has a folder of its own."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            own = folder / f"{name}-{number}".replace(" ", "-")
            own.mkdir()
            runs[name].append(run(command, own))
    return {name: Result(tuple(taken)) for name, taken in runs.items()}


def noted(name: str, share: float) -> str:
    """Our time over another's, invisible in Markdown; `all.py` compares it with the last one."""
    return f"<!-- {RATIO} {name}: {share:.4f} -->"
