"""Throughput of `radfuse batch`, compared with a loop that calls `radfuse fuse` for each patient.

    python benchmarks/batch.py [--patients 40] [--workers 2] [--spacing 4] [--kill]

Fuses synthetic phantoms three times in one run: in a loop, by a batch with one worker, and by a
batch with several. The overhead is the time of a batch of as many patients whose files have no
image: start, imports, hashes, processes, list and reports. With `--kill` a batch is killed in the
middle and resumed, and the patients that were begun twice are counted. The load of the machine,
which affects the figures, is printed before and after.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from radfuse.cli.batch import REFUSED_STATUS
from radfuse.io.volumes import write_volume
from radfuse.jobs.batch import stored_jobs
from radfuse.jobs.job import JobState
from radfuse.phantom.head import make_phantom

OPTIONS = ("--method", "average", "--accept-registration", "--quiet")
"""A quick method: what it costs to fuse does not hide what a batch costs."""

MIN_RATIO, MAX_OVERHEAD = 1.6, 0.03
"""Throughput of two workers relative to the loop; share of a patient's time outside its fusion."""

RADFUSE = (sys.executable, "-m", "radfuse")


def write_patients(folder: Path, count: int, spacing_mm: float) -> Path:
    """A table of synthetic phantoms, which are beside it."""
    rows = ["id,ct,mr"]
    for seed in range(1, count + 1):
        phantom = make_phantom(seed, spacing_mm=spacing_mm)
        write_volume(folder / f"ct{seed}.nii.gz", phantom.ct.image)
        write_volume(folder / f"mr{seed}.nii.gz", phantom.mr.image)
        rows.append(f"{seed},ct{seed}.nii.gz,mr{seed}.nii.gz")
    table = folder / "patients.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def loop_seconds(folder: Path, count: int) -> float:
    """Seconds of a shell's loop."""
    began = time.perf_counter()
    for number in range(1, count + 1):
        ct, mr = (str(folder / f"{part}{number}.nii.gz") for part in ("ct", "mr"))
        output = folder / "loop" / f"fused{number}.nii.gz"
        command = [*RADFUSE, "fuse", "--ct", ct, "--mr", mr, "-o", str(output), *OPTIONS]
        subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def batch_command(table: Path, output: Path, workers: int) -> list[str]:
    """The command line of a batch."""
    options = ["-o", str(output), "--workers", str(workers), *OPTIONS]
    return [*RADFUSE, "batch", str(table), *options]


def batch_seconds(table: Path, output: Path, workers: int, *, status: int = 0) -> float:
    """Seconds of a batch, which ends with a status."""
    began = time.perf_counter()
    command = batch_command(table, output, workers)
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if done.returncode != status:
        raise SystemExit(f"a batch ended with {done.returncode}, not {status}")
    return time.perf_counter() - began


def refused_seconds(folder: Path, count: int) -> float:
    """Seconds of a batch of as many patients, whose files have no image: what a batch costs."""
    folder.mkdir()
    rows = ["id,ct,mr"]
    for number in range(1, count + 1):
        for part in ("ct", "mr"):
            (folder / f"{part}{number}.nii.gz").write_text(f"no {part} of {number}")
        rows.append(f"{number},ct{number}.nii.gz,mr{number}.nii.gz")
    table = folder / "patients.csv"
    table.write_text("\n".join(rows) + "\n")
    return batch_seconds(table, folder / "out", 1, status=REFUSED_STATUS)


def lost_by_kill(table: Path, output: Path, workers: int, after_s: float) -> int:
    """Patients that were done, or had begun, when a batch was killed and were begun again."""
    running = subprocess.Popen(batch_command(table, output, workers), stdout=subprocess.DEVNULL)
    time.sleep(after_s)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*_fused.nii.gz")}
    begun = [one for one in stored_jobs(output) if one.state is not JobState.WAITING]
    batch_seconds(table, output, workers)
    kept = sum(path.stat().st_mtime_ns == old for path, old in before.items())
    return len(begun) - kept


def print_load(when: str) -> None:
    """The load of the last minute, on how many cores."""
    print(f"load {when}: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def main() -> None:
    """Print throughput, overhead and, if asked for, what a killed batch loses."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--spacing", type=float, default=4.0, help="voxels in mm")
    parser.add_argument("--kill", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        table = write_patients(folder, asked.patients, asked.spacing)
        print_load("before")
        measure(table, folder, asked)
        print_load("after")


def measure(table: Path, folder: Path, asked: argparse.Namespace) -> None:
    """Print a line for each measurement."""
    loop = loop_seconds(folder, asked.patients)
    print(f"loop of radfuse fuse: {loop:.1f} s, {loop / asked.patients:.2f} s a patient")
    alone = batch_seconds(table, folder / "alone", 1)
    empty = refused_seconds(folder / "refused", asked.patients)
    print(
        f"batch with 1 worker: {alone:.1f} s, {loop / alone:.2f} times the throughput of the loop; "
        f"of which the batch itself {empty:.1f} s: overhead {empty / asked.patients:.3f} s a "
        f"patient, {empty / alone:.1%} (at most {MAX_OVERHEAD:.0%})"
    )
    several = batch_seconds(table, folder / "several", asked.workers)
    print(
        f"batch with {asked.workers} workers: {several:.1f} s, {loop / several:.2f} times the "
        f"throughput of the loop (at least {MIN_RATIO} with 2)"
    )
    if asked.kill:
        lost = lost_by_kill(table, folder / "killed", asked.workers, several / 2)
        print(f"killed in the middle and resumed: {lost} begun again (at most {asked.workers})")


if __name__ == "__main__":
    main()
