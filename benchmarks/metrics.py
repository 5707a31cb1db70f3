"""Speed of the metrics compared with GNU Octave, sewar and scikit-image, one run, one machine.

    python benchmarks/metrics.py [--data ../shared/data/harvard/test] [--profiles mfinet2024 ...]
                                 [--metrics q_c ...]

Prints milliseconds of CPU time per pair (least of several, one thread, libraries alternate), the
time of the others as a ratio, and the largest relative deviation of their values over three pairs.
Octave runs the formulas of `benchmarks/octave`, written directly from the papers. Then prints the
time of measuring twenty fused images of each pair by some profiles, and by all, on all cores. The
ratios are noted for `all.py`.

Fails at the end if a value of Octave deviates by more than the stated tolerance.
"""

import argparse
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import geometric_mean, median
from tempfile import TemporaryDirectory

import numpy as np
import sewar  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.io import savemat
from skimage import metrics as skimage

from comparison import noted
from radfuse.arrays import Float64Array, UInt8Array
from radfuse.intensity import grey_levels
from radfuse.io.image_pairs import ImagePair, ImagePairFiles, find_image_pairs, read_image_pair
from radfuse.methods.loading import Method, load_method
from radfuse.metrics.catalogue import METRICS, load_metric
from radfuse.metrics.entropy_mutual_information import nmi
from radfuse.metrics.image_levels import WHITE, MeasuredImage, floats
from radfuse.metrics.measure import measure
from radfuse.metrics.profiles import PROFILES
from radfuse.metrics.quality_index import uqi

TEST_PAIRS = Path(__file__).resolve().parents[2] / "shared" / "data" / "harvard" / "test"
"""The pairs, next to the checkout."""

FORMULAS = Path(__file__).resolve().parent / "octave"
"""The published formulas in Octave; `NAME.m` is the metric NAME, other files are their helpers."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment of every library."""

ROUNDS, REPETITIONS, MAX_TOTAL_S = 3, 9, 1.0
"""Rounds of all libraries, and repetitions in a round; no further one after so many seconds."""

COMPARED, FUSED_BY = 3, "laplacian"
"""Pairs on which values are compared, the first of which is timed, and how they are fused."""

TOLERANCE = 1e-9
"""Relative deviation of Octave's value from ours that still counts as the same."""

TOLERANCES = {"q_cb": 1e-4}
"""The same, for metrics that rounding alone changes by more; see their docstrings."""

GOAL, AIM = 5.0, 20.0
"""Targets for the time of Octave divided by ours: at least, and in the end."""

PAPERS_PROFILES = ["mfinet2024", "res2fusion2024"]
METHODS, TIMES, TARGET_S = ("average", "maximum", "laplacian", "bone_blend"), 5, 60.0
"""The timed benchmark: methods, how often each of their images is measured, target in seconds."""

FRESH = get_context("spawn")
"""New processes: a library reads its number of threads when it is loaded."""

Trio = tuple[Float64Array, Float64Array, Float64Array]
"""Fused image, CT, MR."""

Metric = Callable[[Float64Array, Float64Array, Float64Array], float]


@dataclass(frozen=True)
class Timed:
    """Values and time of one metric in one library."""

    values: tuple[float, ...]
    """One per pair."""

    seconds: float
    """Least on the first pair."""


Table = Mapping[str, Timed]
"""By metric."""


def mean_over_sources(index: Callable[[Float64Array, Float64Array], float]) -> Metric:
    """An index of two images as a metric of fusion."""
    return lambda fused, ct, mr: (index(ct, fused) + index(mr, fused)) / 2


def skimage_psnr(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    """PSNR of the mean error of both sources."""
    both, twice = np.stack([ct, mr]), np.stack([fused, fused])
    return float(skimage.peak_signal_noise_ratio(both, twice, data_range=WHITE))  # type: ignore[no-untyped-call]


def skimage_nmi(source: Float64Array, fused: Float64Array) -> float:
    """I(A;B) / H(A,B) with a bin a grey level."""
    return float(skimage.normalized_mutual_information(source, fused, bins=WHITE + 1)) - 1  # type: ignore[no-untyped-call]


def sewar_vif(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    """Sum of the VIFp to both sources."""
    return float(sewar.vifp(ct, fused) + sewar.vifp(mr, fused))


GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
WANGS = GAUSSIAN | {"data_range": WHITE}
"""SSIM in windows of 11x11, as in its paper."""

EXTRA: dict[str, Metric] = {"nmi_joint": partial(nmi, norm="joint"), "uqi": mean_over_sources(uqi)}
"""Metrics with the conventions of other libraries."""

PEERS: dict[str, tuple[str, Metric]] = {
    "nmi_joint": ("scikit-image", mean_over_sources(skimage_nmi)),
    "ssim": ("scikit-image", mean_over_sources(partial(skimage.structural_similarity, **WANGS))),
    "psnr": ("scikit-image", skimage_psnr),
    "mse": ("scikit-image", mean_over_sources(skimage.mean_squared_error)),
    "ms_ssim": ("sewar", mean_over_sources(partial(sewar.msssim, MAX=WHITE))),
    "uqi": ("sewar", mean_over_sources(sewar.uqi)),
    "vif": ("sewar", sewar_vif),
}
"""Library and function of the same metric elsewhere."""


def timed(metric: Metric, trios: Sequence[Trio]) -> Timed:
    """Values on all pairs, then the time on the first."""
    values = tuple(float(metric(*trio)) for trio in trios)
    seconds: list[float] = []
    while len(seconds) < REPETITIONS and sum(seconds) < MAX_TOTAL_S:
        start = time.process_time()
        metric(*trios[0])
        seconds.append(time.process_time() - start)
    return Timed(values, min(seconds))


def timed_in_python(trios: Sequence[Trio], names: Sequence[str]) -> tuple[Table, Table]:
    """Our 2-D metrics with their defaults, and those of other libraries."""
    metrics = {name: EXTRA[name] if name in EXTRA else load_metric(name) for name in names}
    return (
        {name: timed(metric, trios) for name, metric in metrics.items()},
        {name: timed(metric, trios) for name, (_, metric) in PEERS.items() if name in names},
    )


def faster(one: Table, other: Table) -> Table:
    """The faster measurement of each metric."""
    return dict(one) | {
        name: min(one.get(name, found), found, key=lambda each: each.seconds)
        for name, found in other.items()
    }


def timed_in_octave(names: Sequence[str], trios: Sequence[Trio]) -> Table:
    """Octave, all metrics in one run; empty if it is not installed."""
    if shutil.which("octave") is None:
        print("**`octave` is not installed, so it is left out** (`apt-get install octave`).\n")
        return {}
    fused, ct, mr = (np.stack(images, axis=-1) for images in zip(*trios, strict=True))
    task = {"fused": fused, "ct": ct, "mr": mr, "turns": REPETITIONS, "patience_s": MAX_TOTAL_S}
    with TemporaryDirectory() as folder:
        savemat(Path(folder) / "task.mat", task | {"names": np.array(names, object)})
        command = ["octave", "--no-gui", "--norc", "--quiet", "--path", str(FORMULAS), "--eval"]
        command.append(f"compare ('{folder}')")
        alone = os.environ | {"OMP_NUM_THREADS": "1"}
        run = subprocess.run(command, check=False, text=True, capture_output=True, env=alone)
    if run.returncode:
        raise SystemExit(f"metrics.py: Octave failed: {run.stderr}")
    rows = [line.split() for line in run.stdout.splitlines()]
    return {
        name: Timed(
            tuple(float(value) for metric, value, _ in rows if metric == name),
            next(float(seconds) for metric, _, seconds in rows if metric == name),
        )
        for name in names
    }


def deviation(theirs: Timed, ours: Timed) -> float:
    """Largest relative deviation over the pairs; infinite for NaN."""
    found, expected = np.array(theirs.values), np.array(ours.values)
    apart = np.abs(found - expected) / np.where(expected == 0, 1, np.abs(expected))
    return float(np.nan_to_num(apart.max(), nan=np.inf))


def print_table(ours: Table, octave: Table, peers: Table) -> list[str]:
    """Print a row per metric; returns the metrics for which Octave deviates."""
    print("| metric | ms | Octave ms | ratio | deviation | tolerance | library: ratio, deviation |")
    print("|---|---|---|---|---|---|---|")
    differing = []
    for name, own in ours.items():
        cells, peer = [""] * 4, ""
        if name in octave:
            apart, tolerance = deviation(octave[name], own), TOLERANCES.get(name, TOLERANCE)
            theirs, ratio = octave[name].seconds, octave[name].seconds / own.seconds
            cells = [f"{theirs * 1e3:.2f}", f"{ratio:.1f}", f"{apart:.0e}", f"{tolerance:.0e}"]
            if apart > tolerance:
                differing.append(name)
                cells[2] = f"**{apart:.0e}**"
        if name in peers:
            ratio, apart = peers[name].seconds / own.seconds, deviation(peers[name], own)
            peer = f"{PEERS[name][0]}: {ratio:.1f}, {apart:.0e}"
        print(f"| {name} | {own.seconds * 1e3:.2f} | {' | '.join(cells)} | {peer} |")
    return differing


def print_summary(ours: Table, octave: Table) -> None:
    """Print totals of the table."""
    ratios = {name: found.seconds / ours[name].seconds for name, found in octave.items()}
    own, others = (sum(table[name].seconds for name in octave) for table in (ours, octave))
    slow, middling = (
        [f"{name} {ratio:.1f}" for name, ratio in ratios.items() if ratio < target]
        for target in (GOAL, AIM)
    )
    print(
        f"\nAll {len(ratios)} together: {own * 1e3:.0f} ms here, {others * 1e3:.0f} ms in Octave, "
        f"{others / own:.1f} times as long; geometric mean of the ratios "
        f"{geometric_mean(ratios.values()):.1f}, median {median(ratios.values()):.1f}.\n"
        f"Less than {GOAL:.0f} times as fast as Octave: {', '.join(slow) or 'none'}; "
        f"less than {AIM:.0f} times: {len(middling)} of {len(ratios)}."
    )
    for name, ratio in ratios.items():
        print(noted(f"metric {name}, to Octave", 1 / ratio))


def fused_image(method: Method, pair: ImagePair) -> NDArray[np.float32]:
    """The fused image (H, W) in [0, 1]."""
    ct, mr = (np.divide(image[None], WHITE, dtype=np.float32) for image in (pair.ct, pair.mr))
    return np.asarray(method(ct, mr)[0], np.float32)


def trio_of(method: Method, pair: ImagePair) -> Trio:
    """Fused image and sources, in whole grey levels."""
    fused = np.rint(fused_image(method, pair) * WHITE)
    return fused.astype(np.float64), floats(pair.ct), floats(pair.mr)


def compare(files: Sequence[ImagePairFiles], names: Sequence[str]) -> list[str]:
    """Print the comparison; returns the metrics for which Octave deviates."""
    method = load_method(FUSED_BY)
    chosen = files[:: max(len(files) // COMPARED, 1)][:COMPARED]
    trios = [trio_of(method, read_image_pair(each)) for each in chosen]
    height, width = trios[0][0].shape
    print(f"One {width}x{height} pair fused by {FUSED_BY}, one thread; {len(trios)} compared.\n")
    ours: Table = {}
    peers: Table = {}
    octave: Table = {}
    in_octave = [name for name in names if (FORMULAS / f"{name}.m").exists()]
    for _ in range(ROUNDS):
        with ProcessPoolExecutor(1, FRESH) as pool:
            own, others = pool.submit(timed_in_python, trios, names).result()
        ours, peers = faster(ours, own), faster(peers, others)
        octave = faster(octave, timed_in_octave(in_octave, trios) if in_octave else {})
        in_octave = [name for name, found in octave.items() if found.seconds < MAX_TOTAL_S]
    differing = print_table(ours, octave, peers)
    if octave:
        print_summary(ours, octave)
    return differing


def measured_for(pair: ImagePair, images: Sequence[UInt8Array], profiles: Sequence[str]) -> float:
    """CPU seconds of measuring the fused images of a pair by profiles, sources shared."""
    start = time.process_time()
    ct, mr = MeasuredImage(pair.ct), MeasuredImage(pair.mr)
    for image in images:
        shared = MeasuredImage(image)
        for profile in profiles:
            measure(profile, shared, ct, mr)
    return time.process_time() - start


def print_benchmark_time(files: Sequence[ImagePairFiles], profiles: Sequence[str]) -> None:
    """Print the time of measuring on all cores, from images in memory to the last value."""
    pairs = [read_image_pair(each) for each in files]
    methods = [load_method(name) for name in METHODS]
    fused = [
        [np.asarray(grey_levels(fused_image(method, pair)), np.uint8) for method in methods] * TIMES
        for pair in pairs
    ]
    start = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count(), FRESH) as pool:
        cpu_s = sum(pool.map(partial(measured_for, profiles=profiles), pairs, fused))
    wall_s = time.perf_counter() - start
    print(
        f"\n{len(files)} pairs x {len(METHODS)} methods x {TIMES} times by "
        f"{', '.join(profiles)}, {os.cpu_count()} processes: {cpu_s:.1f} s of CPU time, "
        f"{wall_s:.1f} s of wall time (target: at most {TARGET_S:.0f} s)."
    )


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=TEST_PAIRS)
    parser.add_argument("--profiles", nargs="+", choices=PROFILES, help="two, then all, by default")
    parser.add_argument("--metrics", nargs="+", help="only these; all by default")
    options = parser.parse_args()
    os.environ.update(ONE_THREAD)
    files = find_image_pairs(options.data)
    names = [name for name, entry in METRICS.items() if entry.in_2d and not entry.needs]
    chosen = [name for name in (*names, *EXTRA) if name in (options.metrics or [name])]
    differing = compare(files, chosen)
    for profiles in [options.profiles] if options.profiles else [PAPERS_PROFILES, list(PROFILES)]:
        print_benchmark_time(files, profiles)
    if differing:
        raise SystemExit(f"metrics.py: Octave deviates for {', '.join(differing)}")


if __name__ == "__main__":
    main()
