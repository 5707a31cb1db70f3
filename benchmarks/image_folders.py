"""Folders of 2-D PET-MR pairs: by one command, by a command each, and after a kill.

    python benchmarks/image_folders.py [--pairs 500] [--single 20] [--method uptake_over_mr]

Writes pairs of 256x256 of synthetic phantoms, each shifted at random, to a temporary folder, and
fuses them by one command on the folders. Some pairs are also fused by a command each, and their
mean is taken for all. Then the command is killed (SIGKILL) when half of the pairs is written, and
started again: every image must be as that of the whole run, byte for byte, and nothing else be
left. Prints a Markdown table, and the load of the machine, which affects the figures.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk
from PIL import Image
from scipy.ndimage import gaussian_filter

from radfuse.arrays import Float32Array
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.intensity import WINDOWS, grey_levels
from radfuse.phantom.head import make_phantom
from radfuse.phantom.uptake import FDG
from radfuse.pipeline.volume import scale_volumes
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD

SIDE = 256
SEEDS = (301,)
SPACING_MM = 1.0
MAX_SHIFT_PX = 12
POLL_S = 0.01


def slices_of(seed: int) -> Iterator[tuple[Float32Array, Float32Array]]:
    """Uptake and MR of the slices of a phantom with brain, in [0, 1]."""
    phantom = make_phantom(seed, spacing_mm=SPACING_MM)
    labels = sitk.GetArrayFromImage(phantom.labels)
    uptake = np.select([labels == one for one in FDG.uptake], list(FDG.uptake.values()), 0.0)
    uptake = np.clip(gaussian_filter(uptake, 2.0 / SPACING_MM), 0, 1).astype(np.float32)
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
    uptake = uptake[scaled.box]
    for z in np.flatnonzero((uptake > 0.5).any(axis=(1, 2))):
        yield framed(uptake[z]), framed(scaled.mr[z])


def framed(image: Float32Array) -> Float32Array:
    """The middle of a slice, in a square of the side."""
    square = np.zeros((SIDE, SIDE), np.float32)
    rows, columns = (min(length, SIDE) for length in image.shape)
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    down, right = (SIDE - rows) // 2, (SIDE - columns) // 2
    part = image[top : top + rows, left : left + columns]
    square[down : down + rows, right : right + columns] = part
    return square


def write_pairs(folder: Path, count: int) -> None:
    """PET/NAME.png in colour and MRI/NAME.png."""
    rng = np.random.default_rng(1)
    slices = [pair for seed in SEEDS for pair in slices_of(seed)]
    for kind in ("PET", "MRI"):
        (folder / kind).mkdir()
    for index in range(count):
        shift = tuple(rng.integers(-MAX_SHIFT_PX, MAX_SHIFT_PX + 1, 2))
        uptake, mr = (np.roll(one, shift, (0, 1)) for one in slices[index % len(slices)])
        rgb = COLOUR_MAPS["atlas-pet"].colours(uptake)
        for kind, image in (("PET", rgb), ("MRI", mr)):
            Image.fromarray(grey_levels(image)).save(folder / kind / f"{index:03d}.png")


def command(pet: Path, mr: Path, output: Path, method: str) -> list[str]:
    """The command that fuses two files or two folders."""
    paths = ["--pet", str(pet), "--mr", str(mr), "-o", str(output)]
    return [
        sys.executable,
        "-m",
        "radfuse",
        "fuse",
        *paths,
        "--method",
        method,
        "--json",
        "--quiet",
    ]


@dataclass(frozen=True)
class Seconds:
    """Of a command: by the clock, which other programs lengthen, and of the processor."""

    clock: float
    processor: float


def processor_s() -> float:
    """Processor seconds of all commands so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def timed(arguments: list[str]) -> tuple[Seconds, str]:
    """Seconds of a command, and what it prints."""
    start, before = time.perf_counter(), processor_s()
    printed = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Seconds(time.perf_counter() - start, processor_s() - before), printed


def row(what: str, seconds: Seconds) -> None:
    """Print a row of the table."""
    print(f"| {what} | {seconds.clock:.4g} | {seconds.processor:.4g} |", flush=True)


def kill_halfway(arguments: list[str], output: Path, count: int) -> int:
    """Kill a command when half of the images is written; how many records there are."""
    with subprocess.Popen(arguments, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(output.glob("*.json"))) < count // 2:
            time.sleep(POLL_S)
        os.killpg(process.pid, signal.SIGKILL)
    return len(list(output.glob("*.json")))


def differing(first: Path, second: Path) -> list[str]:
    """Names that are in one folder only, and images that differ."""
    names = [{path.name for path in folder.iterdir()} for folder in (first, second)]
    images = (path.name for path in first.glob("*.png") if path.name in names[1])
    changed = (
        name for name in images if (first / name).read_bytes() != (second / name).read_bytes()
    )
    return sorted({*(names[0] ^ names[1]), *changed})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--single", type=int, default=20, help="pairs by a command each")
    parser.add_argument("--method", default=DEFAULT_FUNCTIONAL_METHOD)
    options = parser.parse_args()
    count, method = options.pairs, options.method
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pairs(folder, count)
        pet, mr = folder / "PET", folder / "MRI"
        print(f"load before: {os.getloadavg()[0]:.1f}\n")
        print("| what | clock, s | processor, s |\n|---|--:|--:|", flush=True)
        whole_s, _ = timed(command(pet, mr, folder / "whole", method))
        row(f"{count} pairs by one command", whole_s)
        names = [
            f"{index:03d}.png" for index in np.linspace(0, count - 1, options.single, dtype=int)
        ]
        (folder / "single").mkdir()
        single = [
            timed(command(pet / name, mr / name, folder / "single" / name, method))[0]
            for name in names
        ]
        each_s = Seconds(
            float(np.mean([one.clock for one in single])),
            float(np.mean([one.processor for one in single])),
        )
        row(f"a pair by a command of its own, mean of {len(names)}", each_s)
        row(
            f"{count} such commands, extrapolated",
            Seconds(count * each_s.clock, count * each_s.processor),
        )
        row(
            "ratio to one command",
            Seconds(
                count * each_s.clock / whole_s.clock, count * each_s.processor / whole_s.processor
            ),
        )
        resumed = command(pet, mr, folder / "resumed", method)
        written = kill_halfway(resumed, folder / "resumed", count)
        again_s, printed = timed(resumed)
        facts = json.loads(printed)
        row(f"killed after {written} pairs; the restart fuses {len(facts['fused'])}", again_s)
        differ = differing(folder / "whole", folder / "resumed")
        print(f"\nnames or images that differ from the whole run: {len(differ)}")
        print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
