"""Every method of the catalogue on the Harvard pairs, in the profile mfinet2024.

    python benchmarks/harvard.py [--data ../shared/data/harvard/test] [--precision f32]

Prints means over the pairs of 8-bit fused images as a Markdown table. What was tuned on what: the
constants of bone_blend were chosen on the test pairs; the networks were trained on the training
pairs, which show the same ten patients. With bf16 a last table has
how far it lies from f32.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radfuse.data.pairs import Pair, read_pairs
from radfuse.methods.catalogue import METHODS, Method, load_method
from radfuse.metrics.profiles import PROFILES, measure

PROFILE = "mfinet2024"
"""Convention of every number printed."""

TEST_PAIRS = Path(__file__).parents[2] / "shared" / "data" / "harvard" / "test"
"""Where the pairs lie beside a checkout."""


def fuse_pair(method: Method, pair: Pair) -> NDArray[np.uint8]:
    """One fused 8-bit image."""
    ct, mr = (image[None] / np.float32(255) for image in (pair.ct, pair.mr))
    return np.rint(method(ct, mr)[0] * 255).astype(np.uint8)


def means(method: Method, pairs: list[Pair]) -> dict[str, float]:
    """Mean of each metric over the pairs."""
    rows = [measure(PROFILE, fuse_pair(method, pair), pair.ct, pair.mr) for pair in pairs]
    return {name: float(np.mean([row[name] for row in rows])) for name in PROFILES[PROFILE]}


def print_rounding(pairs: list[Pair]) -> None:
    """Print how far bf16 lies from f32, in grey levels of 255, for every learned method."""
    print("\n| method | mean | most |\n|---|---|---|")
    sources = [np.stack([getattr(pair, kind) for pair in pairs]) for kind in ("ct", "mr")]
    ct, mr = (levels / np.float32(255) for levels in sources)
    for name in (name for name, entry in METHODS.items() if entry.weights):
        exact, rounded = (load_method(name, precision=p)(ct, mr) for p in ("f32", "bf16"))
        apart = np.abs(rounded - exact) * 255
        print(f"| {name} | {apart.mean():.3f} | {apart.max():.2f} |", flush=True)


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=TEST_PAIRS)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    options = parser.parse_args()
    pairs = read_pairs(options.data)
    print(f"{len(pairs)} pairs of {options.data.name}, profile {PROFILE}, {options.precision}\n")
    print(f"| method | {' | '.join(PROFILES[PROFILE])} |")
    print(f"|---|{'---|' * len(PROFILES[PROFILE])}")
    for name in METHODS:
        values = means(load_method(name, precision=options.precision), pairs)
        print(f"| {name} | {' | '.join(f'{value:.4f}' for value in values.values())} |", flush=True)
    if options.precision == "bf16":
        print_rounding(pairs)


if __name__ == "__main__":
    main()
