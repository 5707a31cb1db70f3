"""The authors' dictionaries, for comparisons with their fused images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classical_kit import pair

from radfuse.methods.loading import Method


def authors_parameters(shared: Path, name: str, key: str) -> Any:
    """An array of an author's file; the test is skipped where the file is missing."""
    path = shared / f"golden/classical/params/{name}.npz"
    if not path.is_file():
        pytest.skip(f"the authors' dictionary is missing: {path.name}")
    return np.load(path)[key]


def authors_dictionary(shared: Path) -> Any:
    """That of MST-SR, whose patches are read by columns: (atoms, rows, columns)."""
    return authors_parameters(shared, "sr_dict", "D").T.reshape(-1, 8, 8).swapaxes(1, 2)


def golden_distance(shared: Path, key: str, method: Method, name: str) -> Any:
    """Grey levels between our image and the author's before it was rounded, both clipped, (H, W).

    The test is skipped where the author's image is missing.
    """
    path = shared / f"golden/classical/{key}/float/{name}.npz"
    if not path.is_file():
        pytest.skip(f"golden image is missing: {key}/float/{name}.npz")
    return np.abs(method(*pair(shared, name))[0] * 255.0 - np.load(path)["f"].clip(0, 255))
