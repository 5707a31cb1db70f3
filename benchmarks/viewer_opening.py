"""Seconds from opening a CT of thin slices in the viewer to its first image, and memory.

    python benchmarks/viewer_opening.py [--slices 600] [--data FOLDER] [--no-browser]

Writes a synthetic CT of 512 x 512 pixels of 0.5 mm as DICOM, and an MR, unless the folder has them.
Opens both in a server of its own and in headless Chromium without a GPU. Prints wall seconds of
each step, the seconds of the server's processors, which other programs on the machine change less,
and the largest memory of the server and its processes together, in MiB.
"""

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import image_on
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from viewer_server import PORT, TOKEN, Server

KITS = [Path(__file__).parents[1] / "tests" / part for part in ("", "service")]
"""Folders of `browser_kit`."""

PIXELS, SPACING_MM = 512, 0.5
NOISE_HU = 10
SAMPLED_S = 0.05
TICKS = os.sysconf("SC_CLK_TCK")


def write_data(folder: Path, slices: int) -> None:
    """The head of a phantom on a fine grid, with noise, so that nothing compresses well."""
    phantom = make_phantom(7, spacing_mm=3.0)
    ct = phantom.ct.image
    centre = ct.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in ct.GetSize()])
    size = np.array([PIXELS, PIXELS, slices])
    grid = sitk.Image(size.tolist(), sitk.sitkUInt8)
    grid.SetSpacing([SPACING_MM] * 3)
    grid.SetOrigin((np.array(centre) - SPACING_MM * (size - 1) / 2).tolist())
    fine = sitk.Resample(ct, grid, sitk.Transform(), sitk.sitkLinear, -1000.0, sitk.sitkFloat32)
    values = sitk.GetArrayFromImage(fine)
    values += np.random.default_rng(1).integers(-NOISE_HU, NOISE_HU + 1, values.shape, np.int8)
    image = image_on(fine, np.clip(np.rint(values), -1024, 3071))
    write_phantom(replace(phantom, ct=replace(phantom.ct, image=image)), folder)


def processes(root: int) -> list[Path]:
    """The folders in /proc of a process and of all below it."""
    found, waiting = [], [root]
    while waiting:
        folder = Path(f"/proc/{waiting.pop()}")
        try:
            tasks = [path.read_text() for path in folder.glob("task/*/children")]
        except OSError:
            continue
        found.append(folder)
        waiting += [int(one) for text in tasks for one in text.split()]
    return found


def memory_mib(root: int) -> float:
    """Memory of a process and all below it, shared memory counted once."""
    total = 0
    for folder in processes(root):
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def processor_s(root: int) -> float:
    """Processor time of a process and all below it, ended ones included."""
    total = 0
    for folder in processes(root):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


@contextmanager
def peak_of(root: int) -> Iterator[list[float]]:
    """The largest memory meanwhile, as the only value of a list."""
    peak, is_ended = [0.0], Event()

    def sample() -> None:
        while not is_ended.wait(SAMPLED_S):
            peak[0] = max(peak[0], memory_mib(root))

    sampling = Thread(target=sample)
    sampling.start()
    try:
        yield peak
    finally:
        is_ended.set()
        sampling.join()


def step(server: Server, name: str, act: Callable[[], Any]) -> Any:
    """Print the seconds of a step, and return its result."""
    start, before = time.perf_counter(), processor_s(server.process.pid)
    result = act()
    wall, used = time.perf_counter() - start, processor_s(server.process.pid) - before
    print(f"{name:32} {wall:6.2f} s, server's processors {used:6.2f} s", flush=True)
    return result


def prepared(server: Server, identifier: str) -> None:
    """Prepare a study for the viewer, and wait for the end."""
    server.client.post(f"/studies/{identifier}/prepare")
    study = server.settled(identifier)
    if study["state"] != "ready":
        raise SystemExit(study["message"])


def measure(server: Server, data: Path, *, has_browser: bool) -> None:
    """Print a row for each step of opening."""
    paths = {"ct": str(data / "CT"), "mr": str(data / "MR")}
    listing = {"paths": list(paths.values())}
    step(server, "table of series", lambda: server.client.post("/series", json=listing).content)
    study = server.client.post("/studies", json=paths).json()["id"]
    step(server, "read and prepare", lambda: prepared(server, study))
    step(
        server, "send the CT", lambda: server.client.get(f"/studies/{study}/volumes/ct.nii").content
    )
    if not has_browser:
        return
    kit = importlib.import_module("browser_kit")
    with tempfile.TemporaryDirectory() as folder, kit.opened_browser(Path(folder)) as browser:
        viewer = kit.ViewerDriver(browser, Path(folder))
        viewer.open(f"http://127.0.0.1:{PORT}/?token={TOKEN}")
        study = server.client.post("/studies", json=paths).json()["id"]

        def shown() -> None:
            browser.execute_script("location.hash = arguments[0]; location.reload()", study)
            viewer.wait_until(lambda: viewer.body_data("loaded") == study, 120)

        step(server, "open to the first image", shown)


def main() -> None:
    """Print a row for each step, and the memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slices", type=int, default=600)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--no-browser", action="store_true")
    asked = parser.parse_args()
    sys.path[:0] = map(str, KITS)
    with tempfile.TemporaryDirectory() as parent:
        data = (asked.data or Path(parent) / "data").resolve()
        if not (data / "CT").is_dir():
            write_data(data, asked.slices)
        with Server(Path(parent) / "studies") as server, peak_of(server.process.pid) as peak:
            measure(server, data, has_browser=not asked.no_browser)
        print(f"{'memory of the server':32} {peak[0]:6.0f} MiB")


if __name__ == "__main__":
    main()
