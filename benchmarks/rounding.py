"""Difference between bf16 and f32 for every learned method.

    python benchmarks/rounding.py [--data ../shared/data/harvard/test]

Prints the mean and the largest difference over the pairs of a folder, in grey levels of 255.
"""

import argparse
from pathlib import Path

import numpy as np

from radfuse.io.image_pairs import read_image_pairs
from radfuse.methods.catalogue import METHODS
from radfuse.methods.loading import load_method

TEST_PAIRS = Path(__file__).parents[2] / "shared" / "data" / "harvard" / "test"
"""The pairs, next to the checkout."""


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=TEST_PAIRS)
    pairs = read_image_pairs(parser.parse_args().data)
    sources = [np.stack([getattr(pair, kind) for pair in pairs]) for kind in ("ct", "mr")]
    ct, mr = (np.divide(levels, 255, dtype=np.float32) for levels in sources)
    print("| method | mean | largest |\n|---|---|---|")
    for name in (name for name, entry in METHODS.items() if entry.weights):
        exact, rounded = (load_method(name, {"precision": p})(ct, mr) for p in ("f32", "bf16"))
        apart = np.abs(rounded - exact) * 255
        print(f"| {name} | {apart.mean():.3f} | {apart.max():.2f} |", flush=True)


if __name__ == "__main__":
    main()
