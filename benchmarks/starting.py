"""Time until radfuse is there: its help, its import, and a method.

    python benchmarks/starting.py [--rounds 5]

Prints medians of processes that run alternately.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from comparison import alternately

PROGRAM = Path(sys.executable).with_name("radfuse")
COMMANDS: dict[str, list[str | Path]] = {
    "`python -c pass`": [sys.executable, "-c", "pass"],
    "`radfuse --help`": [PROGRAM, "--help"],
    "`import radfuse`": [sys.executable, "-c", "import radfuse"],
    "`radfuse.fuse` at hand": [sys.executable, "-c", "import radfuse; radfuse.fuse"],
    "`radfuse methods`": [PROGRAM, "methods"],
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
