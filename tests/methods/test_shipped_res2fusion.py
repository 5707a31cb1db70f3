"""The shipped Res2Fusion against its bars, on the 24 Harvard test pairs."""

from pathlib import Path

import numpy as np
import pytest

from radfuse.arrays import Float32Array
from radfuse.io.image_pairs import ImagePair, read_image_pairs
from radfuse.methods.loading import load_method
from radfuse.metrics.measure import measure

BARS = {"MI": 3.55, "SF": 26.5, "VIF": 0.53, "Qabf": 0.52}
"""Least means over the pairs, profile mfinet2024, 8-bit output."""

FAST_LIMITS = {"mean": 0.15, "99.9 %": 2.0, "largest": 8.0}
"""Grey levels of 255 by which the fast graph may differ from the full one."""

BF16_MEAN, BF16_MOST = 0.15, 2.0
"""Grey levels of 255 by which bf16 may differ from f32: on average, and anywhere."""


@pytest.fixture(scope="module")
def pairs(shared: Path) -> list[ImagePair]:
    return read_image_pairs(shared / "data/harvard/test")


@pytest.fixture(scope="module")
def sources(pairs: list[ImagePair]) -> tuple[Float32Array, Float32Array]:
    ct, mr = ([getattr(pair, name) for pair in pairs] for name in ("ct", "mr"))
    return np.stack(ct) / np.float32(255), np.stack(mr) / np.float32(255)


@pytest.fixture(scope="module")
def fused(sources: tuple[Float32Array, Float32Array]) -> Float32Array:
    return load_method("res2fusion")(*sources)


def test_the_default_strategy_reaches_every_bar(
    pairs: list[ImagePair], fused: Float32Array
) -> None:
    levels = np.rint(fused * 255).astype(np.uint8)
    rows = [measure("mfinet2024", x, p.ct, p.mr) for x, p in zip(levels, pairs, strict=True)]
    assert len(rows) == 24
    found = {name: float(np.mean([row[name] for row in rows])) for name in BARS}
    assert {name: value for name, value in found.items() if value < BARS[name]} == {}


def test_fast_graph_is_within_its_limits_on_the_test_pairs(
    sources: tuple[Float32Array, Float32Array], fused: Float32Array
) -> None:
    apart = np.abs(load_method("res2fusion", {"graph": "fast"})(*sources) - fused) * 255
    shown = (apart.mean(), np.quantile(apart, 0.999), apart.max())
    found = dict(zip(FAST_LIMITS, map(float, shown), strict=True))
    assert {name: x for name, x in found.items() if x > FAST_LIMITS[name]} == {}


@pytest.mark.slow
def test_bf16_is_within_two_grey_levels_and_a_seventh_on_mean(
    sources: tuple[Float32Array, Float32Array], fused: Float32Array
) -> None:
    apart = np.abs(load_method("res2fusion", {"precision": "bf16"})(*sources) - fused) * 255
    assert apart.mean() <= BF16_MEAN
    assert apart.max() <= BF16_MOST
