"""Fused images of the authors' codes, and ours of the same pairs; grey levels, uint8 as int."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from radfuse.io.images import read_grey
from radfuse.methods.loading import Method

PAIRS = (
    "2004", "2010", "2013", "16009", "16010", "16011", "16012", "16013", "16014", "16015", "20013",
    "21014", "28011", "32011", "33013", "34008", "34010", "37011", "41010", "41011", "41012",
    "41013", "41014", "41015",
)  # fmt: skip
"""Test pairs of the Harvard atlas."""

HALF = 0.5 + 2e-5
"""Most grey levels that a rounded value is away, and what float32 in [0, 1] rounds."""


def pair(shared: Path, name: str) -> tuple[Any, Any]:
    """CT and MR, float32 (1, H, W) in [0, 1]."""
    sources = shared / "data/harvard/test"
    images = (read_grey(sources / kind / f"{name}.png") for kind in ("CT", "MRI"))
    first, second = (image[None].astype(np.float32) / np.float32(255) for image in images)
    return first, second


def golden_difference(shared: Path, key: str, method: Method, name: str) -> NDArray[np.float64]:
    """Our grey levels minus the author's, 0 where ours are rounded to theirs, (H, W).

    The test is skipped where the author's image is missing.
    """
    path = shared / "golden/classical" / key / "png" / f"{name}.png"
    if not path.is_file():
        pytest.skip(f"golden image is missing: {key}/png/{name}.png")
    difference = method(*pair(shared, name))[0].astype(np.float64) * 255 - read_grey(path)
    return np.where(np.abs(difference) <= HALF, 0, difference)
