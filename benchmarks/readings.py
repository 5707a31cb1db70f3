"""Interpretations of the metrics of the Res2Fusion paper, on the methods of its Table 2.

    python benchmarks/readings.py [--shared ../shared]

Prints a row per interpretation: means over the 24 Harvard test pairs, of the authors' DenseFuse and
MSDNet and of our Res2Fusion, and the gain of Res2Fusion. Chen et al. 2024 do not define which
interpretation they print; their gain in Q over DenseFuse is 1.50.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfuse.intensity import grey_levels
from radfuse.io.image_pairs import ImagePair, read_image_pairs
from radfuse.io.images import read_grey
from radfuse.methods.loading import load_method
from radfuse.metrics.catalogue import load_metric

SHARED = Path(__file__).parents[2] / "shared"
"""Data and outputs of the authors' programs, next to the checkout."""

FOLDERS = {"DenseFuse": "densefuse_torch", "MSDNet": "msdnet_l1"}
"""Outputs of the authors' own code."""

READINGS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("ag", {"differences": "forward"}),
    ("ag", {"differences": "central"}),
    ("sf", {}),
    ("en", {}),
    ("mi", {"aggregation": "sum"}),
    ("mi", {"aggregation": "sum", "bins": 32}),
    ("psnr", {"aggregation": "mean_error"}),
    ("psnr", {"aggregation": "mean_ratio"}),
    ("ssim", {"window": "gaussian11"}),
    ("ssim", {"window": "uniform8"}),
    ("ssim", {"window": "global"}),
    ("viff", {"gain": "smaller"}),
    ("viff", {"gain": "larger"}),
    ("q_s", {"similarity": "uqi8"}),
    ("q_w", {"similarity": "uqi8"}),
    ("q_e", {"similarity": "uqi8"}),
    ("q_s", {"similarity": "ssim11"}),
    ("q_w", {"similarity": "ssim11"}),
    ("q_e", {"similarity": "ssim11"}),
    ("qabf", {"convention": "xydeas2000"}),
    ("qabf", {"convention": "liu2012"}),
)
"""Metric and options."""


def fused_images(shared: Path, pairs: list[ImagePair]) -> dict[str, list[NDArray[Any]]]:
    """The fused images of each method, in the order of the pairs."""
    found = {
        name: [read_grey(shared / "golden/nets" / folder / "png" / f"{p.name}.png") for p in pairs]
        for name, folder in FOLDERS.items()
    }
    method = load_method("res2fusion")
    sources = (
        [np.divide(image[None], 255, dtype=np.float32) for image in (p.ct, p.mr)] for p in pairs
    )
    return {**found, "Res2Fusion": [grey_levels(method(ct, mr)[0]) for ct, mr in sources]}


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=SHARED)
    shared = parser.parse_args().shared
    pairs = read_image_pairs(shared / "data/harvard/test")
    images = fused_images(shared, pairs)
    print(f"| reading | {' | '.join(images)} | gain on DenseFuse | gain on MSDNet |")
    print(f"|---|{'---|' * (len(images) + 2)}")
    for name, options in READINGS:
        metric = load_metric(name)
        means = [
            float(
                np.mean(
                    [metric(f, p.ct, p.mr, **options) for f, p in zip(fused, pairs, strict=True)]
                )
            )
            for fused in images.values()
        ]
        gains = [means[-1] / mean for mean in means[:-1]]
        words = ", ".join(f"{key} {value}" for key, value in options.items())
        cells = [f"{mean:.4f}" for mean in means] + [f"{gain:.2f}" for gain in gains]
        print(f"| {name}{f' ({words})' if words else ''} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
