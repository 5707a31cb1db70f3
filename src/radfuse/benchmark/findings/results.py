"""What methods keep of findings, as input of tables and images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radfuse.arrays import UInt8Array

FINDING_COLUMNS = (
    "method", "case", "seed", "patient", "kind", "verdict", "kept", "contrast", "reference",
    "spill",
)  # fmt: skip
"""Contrasts in grey levels, of the fused image and of the source that shows the finding; spill is
the mean change around it, as a share of white."""

GUARD_COLUMNS = ("method", "case", "patient", "specks", "overshoot", "flicker")

SOURCE_TILES = ("ct", "mr")
"""Folders of the sources' tiles; no method can have these names."""


@dataclass(frozen=True)
class FindingsResults:
    """What methods keep; data frames with the columns above."""

    rows: pd.DataFrame
    guards: pd.DataFrame
    methods: tuple[str, ...]
    """In the order of the tables."""

    kinds: tuple[str, ...]
    seeds: tuple[int, ...]
    folder: Path

    @property
    def measured_methods(self) -> tuple[str, ...]:
        """The methods with findings."""
        measured = set(self.rows["method"])
        return tuple(name for name in self.methods if name in measured)

    def tile(self, column: str, case: str, seed: int, kind: str) -> UInt8Array | None:
        """The image around a finding, of a method or a source; None where there is none."""
        path = tile_path(self.folder, column, case, seed)
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as tiles:
            return np.asarray(tiles[kind]) if kind in tiles else None


def tile_path(folder: Path, column: str, case: str, seed: int) -> Path:
    """The file with the images around the findings of a placement, of a method or a source."""
    return folder / "tiles" / column / f"{case}.{seed}.npz"
