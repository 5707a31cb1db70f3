"""Time until radfuse is there: its help, its import, a method, and two fused 2-D images.

    python benchmarks/starting.py [--rounds 5]

Prints medians of processes that run alternately.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from comparison import alternately
from radfuse.methods.compiled_graphs import VARIABLE
from registration import DATA

PROGRAM = Path(sys.executable).with_name("radfuse")
CT, MR = (DATA / "harvard/test" / name / "2004.png" for name in ("CT", "MRI"))
FUSE: list[str | Path] = [PROGRAM, "fuse", "--ct", CT, "--mr", MR, "-o", "fused.png"]
COMMANDS: dict[str, list[str | Path]] = {
    "`python -c pass`": [sys.executable, "-c", "pass"],
    "`radfuse --help`": [PROGRAM, "--help"],
    "`import radfuse`": [sys.executable, "-c", "import radfuse"],
    "`radfuse.fuse` at hand": [sys.executable, "-c", "import radfuse; radfuse.fuse"],
    "`radfuse methods`": [PROGRAM, "methods"],
    "`radfuse fuse` of two 2-D images": FUSE,
    "the same, without a stored compiled network": ["env", f"{VARIABLE}=/dev/null", *FUSE],
}


def main() -> None:
    """Print a row for each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        results = alternately(COMMANDS, Path(folder), rounds)
    print("| what | s | spread, s | processor, s |\n|---|--:|--:|--:|")
    for name, one in results.items():
        print(f"| {name} | {one.wall_s:.2f} | {one.spread_s:.2f} | {one.cpu_s:.2f} |")


if __name__ == "__main__":
    main()
