"""Speed of the classical methods, compared with their authors' programs in GNU Octave.

    python benchmarks/classical_speed.py [--methods sparse csr] [--pairs 2004 16009 28011]
    python benchmarks/classical_speed.py --volume [--methods nsct curvelet]

Prints seconds a pair (median), processor seconds, and the ratio to the authors' programs; with
`--volume`, those of the Visible Human Female's whole CT (234 slices of 512x512), of which
`radfuse fuse` would only fuse the part with the head and the MR, and the memory of each. The load
of the machine, which affects the figures, is printed before and after.
`--data FOLDER` names the folder of the public data sets.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array
from radfuse.intensity import head_range, window_named
from radfuse.io.images import read_grey
from radfuse.methods.head import ArrayHead
from radfuse.methods.loading import load_method
from radfuse.modality import MR
from radfuse.parallel import WORKERS
from radfuse.pipeline.volume import fuse_head, scale_mr, whole
from radfuse.recipe import DEFAULT_WINDOW

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Default folder of the data sets."""

OCTAVE_SECONDS = {
    "curvelet": 3.9, "nsct": 4.1, "sparse": 53.8, "curvelet_sparse": 3.1, "nsct_sparse": 63.8,
    "nsst_papcnn": 10.7, "nsct_pc_lle": 3.6, "asr": 73.3, "csr": 150.9, "csmca": 168.6,
    "lp": 0.1, "rp": 0.1, "dwt_vote": 0.1, "dtcwt": 0.2, "lp_sparse": 0.2, "dwt_sparse": 0.2,
    "dtcwt_sparse": 0.9, "guided_filter": 0.5,
}  # fmt: skip
"""Mean seconds a 256x256 pair of the authors' programs, in GNU Octave 7.3 with image 2.14 on two
other cores under load; 3 to 24 Harvard test pairs. `nsst_papcnn`, `nsct_pc_lle` and `asr` were
rewritten for speed first."""

WORTHWHILE_S = 1.0
"""Methods that took longer in Octave are measured by default."""

PAIRS = ("2004", "16009", "28011")
"""Harvard test pairs."""

VOLUME_METHODS = ("nsct", "curvelet", "guided_filter", "lp_sparse")
"""Methods for volumes, by default."""

ROUNDS = 3
"""Repetitions of each pair; those of methods that need more than `PATIENCE_S` are single."""

PATIENCE_S = 4.0


def read_pair(data: Path, name: str) -> tuple[Float32Array, Float32Array]:
    """CT and MR of a Harvard test pair, (1, H, W) in [0, 1]."""
    folder = data / "harvard/test"
    first, second = (
        read_grey(folder / kind / f"{name}.png")[None].astype(np.float32) / np.float32(255)
        for kind in ("CT", "MRI")
    )
    return first, second


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Elapsed time, and that of the processor."""
    start = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def of_pairs(name: str, pairs: list[tuple[Float32Array, Float32Array]]) -> tuple[float, float]:
    """Medians of a method's seconds a pair."""
    method = load_method(name)
    method(*(image[:, :64, :64] for image in pairs[0]))  # imports, dictionaries
    method(*pairs[0])  # filters of this size
    taken = []
    for first, second in pairs:
        for _ in range(ROUNDS):
            taken.append(seconds(partial(method, first, second)))
            if taken[-1][0] > PATIENCE_S:
                break
    elapsed, processor = zip(*taken, strict=True)
    return median(elapsed), median(processor)


def measure_pairs(data: Path, names: list[str], pairs: list[str]) -> None:
    """Print the table of pairs."""
    images = [read_pair(data, pair) for pair in pairs]
    print(f"256x256 pairs {', '.join(pairs)}; {WORKERS} threads\n")
    print("| method | Octave s | s | processor s | Octave / s |\n|---|---|---|---|---|")
    for name in names:
        elapsed, processor = of_pairs(name, images)
        octave = OCTAVE_SECONDS[name]
        print(f"| {name} | {octave} | {elapsed:.2f} | {processor:.2f} | {octave / elapsed:.1f} |",
              flush=True)  # fmt: skip


def read_head(data: Path) -> ArrayHead:
    """The Visible Human Female: the whole CT, and the MR on its grid."""
    folder = data / "real/3d_vhf"
    ct, mr = (
        sitk.ReadImage(str(folder / f"vhf_head_{name}.nii.gz"), sitk.sitkFloat32)
        for name in ("ct_8bit_hu", "mr_t1_8bit")
    )
    mr_from_ct = sitk.ReadTransform(str(folder / "mr_to_ct_silver.tfm")).GetInverse()
    x, y, z = ct.GetSpacing()
    values, _ = scale_mr(ct, mr, mr_from_ct, head_range(mr, MR))
    return ArrayHead(sitk.GetArrayFromImage(ct), values, (z, y, x))


def measure_volume(data: Path, name: str) -> None:
    """Print the row of a method that fuses the whole head; memory is that of this process."""
    head, window, method = read_head(data), window_named(DEFAULT_WINDOW), load_method(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    elapsed, processor = seconds(lambda: whole(fuse_head(method, head, window)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = "x".join(str(count) for count in head.shape)
    print(
        f"| {name} | {size} | {elapsed:.0f} | {processor:.0f} | {before / 2**20:.2f} | "
        f"{peak / 2**20:.2f} |",
        flush=True,
    )


def measure_volumes(data: Path, names: list[str]) -> None:
    """Print the table of volumes, each of a process of its own."""
    print("| method | slices, rows, columns | s | processor s | GiB before | GiB at most |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in names:
        command = [sys.executable, __file__, "--data", str(data), "--only-volume", name]
        subprocess.run(command, check=True)


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--pairs", nargs="+", default=list(PAIRS))
    parser.add_argument("--volume", action="store_true")
    parser.add_argument("--only-volume", metavar="METHOD", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    if options.only_volume:
        measure_volume(options.data, options.only_volume)
        return
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    if options.volume:
        measure_volumes(options.data, options.methods or list(VOLUME_METHODS))
    else:
        slow = [name for name, took in OCTAVE_SECONDS.items() if took > WORTHWHILE_S]
        measure_pairs(options.data, options.methods or slow, options.pairs)
    print(f"\nload after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
