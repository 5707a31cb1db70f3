"""Dictionaries that the methods of sparse coding ship with.

`benchmarks/dictionaries.py` learned them on the training pairs; `learned/dictionaries.json` has the
settings, the data and the digest of each.
"""

from functools import cache
from pathlib import Path

import numpy as np

from radfuse.arrays import Float64Array, FloatArray

LEARNED = Path(__file__).parent / "learned"
"""Folder of the dictionaries, `NAME.npz` with the key `atoms`."""


@cache
def shipped_dictionary(name: str) -> Float64Array:
    """A dictionary by name: (atoms, rows, columns), each atom of unit length; read-only."""
    with np.load(LEARNED / f"{name}.npz") as file:
        atoms = normalized(file["atoms"])
    atoms.flags.writeable = False
    return atoms


def normalized(atoms: FloatArray) -> Float64Array:
    """Atoms (atoms, rows, columns) in float64 and divided by their lengths."""
    found = np.asarray(atoms, np.float64)
    return np.asarray(found / np.sqrt((found**2).sum(axis=(1, 2), keepdims=True)))
