"""Pairs that findings are inserted into, and rows of findings, that the tests share."""

from pathlib import Path

import numpy as np
import pandas as pd

from radfuse.arrays import UInt8Array
from radfuse.benchmark.findings.results import FINDING_COLUMNS, GUARD_COLUMNS, FindingsResults
from radfuse.io.images import write_image

SIDE = 180
BRAIN_LEVEL, MR_LEVEL = 112, 128
"""35 HU in the window 80/40, and the brain in the MR."""


def printed_head() -> tuple[UInt8Array, UInt8Array]:
    """CT and MR (H, W) in 8 bits: a brain of 70 mm radius in a white skull."""
    radius = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2))
    grain = np.random.default_rng(1).normal(0, 3, (2, SIDE, SIDE))
    ct = np.where(radius < 70, BRAIN_LEVEL + grain[0], np.where(radius < 80, 255, 0))
    mr = np.where(radius < 70, MR_LEVEL + grain[1], np.where(radius < 80, 20, 0))
    return np.rint(ct).astype(np.uint8), np.rint(mr).astype(np.uint8)


def write_printed_pair(folder: Path, name: str = "1001") -> Path:
    """A folder of one pair, as `radfuse benchmark --pairs` reads it."""
    for kind, image in zip(("CT", "MRI"), printed_head(), strict=True):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        write_image(folder / kind / f"{name}.png", image / np.float32(255))
    return folder


def results_of(values: dict[tuple[str, str, str], list[tuple[str, float]]]) -> FindingsResults:
    """Results from verdicts and values by method, patient and kind; a placement each."""
    rows = [
        (method, patient, 201 + index, patient, kind, verdict, kept, 10.0, 20.0, 0.1)
        for (method, patient, kind), found in values.items()
        for index, (verdict, kept) in enumerate(found)
    ]
    methods = tuple(dict.fromkeys(method for method, _, _ in values))
    guards = [(method, "p1", "p1", 0.5, 2.0, np.nan) for method in methods]
    return FindingsResults(
        pd.DataFrame(rows, columns=list(FINDING_COLUMNS)),
        pd.DataFrame(guards, columns=list(GUARD_COLUMNS)),
        methods,
        tuple(dict.fromkeys(kind for _, _, kind in values)),
        (201, 202),
        Path(),
    )
