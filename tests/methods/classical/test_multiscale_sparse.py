"""Transforms with a sparse base: equal to the authors' code, and lawful."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classical_kit import PAIRS, golden_difference
from sparse_kit import authors_dictionary

from radfuse.errors import InputError
from radfuse.methods.classical.dtcwt import DTCWT
from radfuse.methods.classical.dwt_vote import DWTVote
from radfuse.methods.classical.lp import LP
from radfuse.methods.classical.multiscale_sparse import (
    CurveletSparse,
    DTCWTSparse,
    DWTSparse,
    LPSparse,
    NSCTSparse,
)


@dataclass(frozen=True)
class Golden:
    """How near a method is to its author's code."""

    key: str
    method: Any
    least: int
    """Rows of the smallest images."""

    differing: int = 0
    """Most pixels of a pair that are not rounded to the author's grey level."""

    levels: int = 0
    """Most grey levels that one is away from there."""

    def check(self, shared: Path, name: str) -> None:
        method = replace(self.method, dictionary=authors_dictionary(shared))
        difference = np.abs(golden_difference(shared, self.key, method, name))
        assert (difference > 0).sum() <= self.differing
        assert difference.max() < self.levels + 0.5


GOLDEN = [
    Golden("lp_sr", LPSparse(), least=15),
    Golden("dwt_sr", DWTSparse(), least=15),
    Golden("dtcwt_sr", DTCWTSparse(), least=7, differing=24, levels=4),
    Golden("cvt_sr", CurveletSparse(), least=12),
    Golden("nsct_sr", NSCTSparse(), least=8),
]

each_golden = pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.key)


def images_of(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("golden", GOLDEN[:-1], ids=lambda golden: golden.key)
def test_one_pair_is_fused_as_by_the_author(golden: Golden, shared: Path) -> None:
    golden.check(shared, "2004")


@pytest.mark.slow
@each_golden
@pytest.mark.parametrize("name", PAIRS)
def test_all_pairs_are_fused_as_by_the_author(golden: Golden, name: str, shared: Path) -> None:
    golden.check(shared, name)


@each_golden
@pytest.mark.parametrize("longer", [0, 3, 10])
def test_equal_images_are_returned(golden: Golden, longer: int) -> None:
    images = images_of(2, golden.least, golden.least + longer)
    fused = golden.method(images, images)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, images, atol=0.1 / 255)


@each_golden
def test_slices_are_fused_by_themselves(golden: Golden) -> None:
    first, second = (images_of(5, golden.least, golden.least + 5, seed=seed) for seed in (1, 2))
    fused = golden.method(first, second)
    assert 0 <= fused.min() <= fused.max() <= 1
    alone = [golden.method(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(fused, np.concatenate(alone), atol=1e-6)


@each_golden
def test_base_is_that_of_the_image_with_contrast(golden: Golden) -> None:
    """A mean of the bases would halve it."""
    side = max(golden.least, 32)
    rows = np.linspace(0, 1, side, dtype=np.float32)
    slope = np.broadcast_to(rows[:, None] * rows, (1, side, side))
    grey = np.full_like(slope, 0.5)
    for first, second in ((slope, grey), (grey, slope)):
        fused = golden.method(first, second)
        assert np.abs(fused - slope).mean() < 0.05


@each_golden
def test_too_small_images_are_refused_with_the_least_size(golden: Golden) -> None:
    small = images_of(1, golden.least - 1, 120)
    with pytest.raises(InputError, match=f"at least {golden.least} x {golden.least} pixels"):
        golden.method(small, small)


@pytest.mark.parametrize(
    ("kind", "transform", "rows"),
    [(LPSparse, LP, 7), (DWTSparse, DWTVote, 7), (DTCWTSparse, DTCWT, 3)],
)
@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_small_images_have_fewer_levels(kind: Any, transform: Any, rows: int, levels: int) -> None:
    side = rows * 2**levels + 1
    for enough, expected in ((side, levels), (side - 1, max(levels - 1, 1))):
        images = images_of(1, max(enough, kind().least_side), 130).astype(np.float64)
        assert kind(levels=4).levels_of(images) == expected
        bands, base = kind(levels=4).decompose(images)
        fewer, of_levels = transform(levels=expected).decompose(images)
        assert len(bands) == len(fewer)
        np.testing.assert_array_equal(base, of_levels)
        assert min(base.shape[1:]) >= 8


@pytest.mark.parametrize("side", [*range(12, 31), 47, 48, 95, 96, 97])
def test_curvelets_leave_a_base_of_a_patch_at_any_size(side: int) -> None:
    _, base = CurveletSparse(scales=8).decompose(images_of(1, side, 2 * side).astype(np.float64))
    assert min(base.shape[1:]) >= 8
