"""Values that the field's own codes gave, with the images that they measured."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from radfuse.arrays import UInt8Array
from radfuse.io.images import read_grey

each_or_some = pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
"""Every fifth row in `make test`, all in `make study`."""

Trio = tuple[UInt8Array, UInt8Array, UInt8Array]


@dataclass(frozen=True)
class GoldenRow:
    """One fused image of the golden values."""

    values: dict[str, Any]
    """By author.metric, None where the original fails; with the `method` and the `image`."""

    images: Trio
    """Fused image, CT and MR; uint8, (H, W)."""


def images_of(shared: Path, method: str, name: str) -> Trio:
    sources = shared / "data/harvard/test"
    fused = read_grey(shared / "golden/fused" / method / name)
    return fused, read_grey(sources / "CT" / name), read_grey(sources / "MRI" / name)


def rows_of(shared: Path) -> list[GoldenRow]:
    lines = (shared / "golden/metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    return [GoldenRow(row, images_of(shared, row["method"], row["image"])) for row in rows]


def having(golden: list[GoldenRow], name: str) -> list[GoldenRow]:
    """The rows in which an original has a value."""
    return [row for row in golden if row.values.get(name) is not None]
