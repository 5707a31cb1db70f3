"""Methods by transforms and filters: equal to their authors' code, and lawful."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from classical_kit import PAIRS, golden_difference
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.methods.classical.curvelet import Curvelet
from radfuse.methods.classical.curvelet_ct_mr import CurveletCtMr
from radfuse.methods.classical.daubechies_complex import DaubechiesComplex
from radfuse.methods.classical.dtcwt import DTCWT
from radfuse.methods.classical.dwt_vote import DWTVote
from radfuse.methods.classical.guided_filter import GuidedFilter
from radfuse.methods.classical.lp import LP
from radfuse.methods.classical.rp import RP
from radfuse.methods.classical.union_laplacian import UnionLaplacian
from radfuse.methods.loading import Method


@dataclass(frozen=True)
class Golden:
    """How near a method is to its author's code."""

    key: str
    method: Method
    differing: int
    """Most pixels of a pair that are not rounded to the author's grey level."""

    levels: int
    """Most grey levels that one is away from there."""

    def check(self, shared: Path, name: str) -> None:
        difference = np.abs(golden_difference(shared, self.key, self.method, name))
        assert (difference > 0).sum() <= self.differing
        assert difference.max() < self.levels + 0.5


GOLDEN = [
    Golden("lp", LP(), differing=0, levels=0),
    Golden("rp", RP(), differing=0, levels=0),
    Golden("dwt", DWTVote(), differing=0, levels=0),
    Golden("dtcwt", DTCWT(), differing=24, levels=5),  # activities equal up to rounding
    Golden("cvt", Curvelet(), differing=0, levels=0),
    Golden("gff", GuidedFilter(), differing=0, levels=0),
]
METHODS = [
    *(each.method for each in GOLDEN), CurveletCtMr(), DaubechiesComplex(), UnionLaplacian(),
]  # fmt: skip

each_golden = pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden.key)
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
shapes = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
quick = settings(max_examples=12, deadline=None)


def images_of(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@each_golden
def test_one_pair_is_fused_as_by_the_author(golden: Golden, shared: Path) -> None:
    golden.check(shared, "2004")


@pytest.mark.slow
@each_golden
@pytest.mark.parametrize("name", PAIRS)
def test_all_pairs_are_fused_as_by_the_author(golden: Golden, name: str, shared: Path) -> None:
    golden.check(shared, name)


@each_method
@quick
@given(shapes, st.integers(0, 2**32))
def test_equal_images_are_returned_whatever_their_size(
    method: Method, shape: tuple[int, int, int], seed: int
) -> None:
    images = images_of(shape, seed)
    np.testing.assert_allclose(method(images, images), images, atol=1e-6)


@each_method
@quick
@given(shapes, st.integers(0, 2**32))
def test_slices_are_fused_by_themselves_within_range(
    method: Method, shape: tuple[int, int, int], seed: int
) -> None:
    first, second = images_of(shape, seed), images_of(shape, seed + 1)
    fused = method(first, second)
    assert fused.dtype == np.float32
    assert 0 <= fused.min() <= fused.max() <= 1
    for i in range(shape[0]):
        alone = method(first[i : i + 1], second[i : i + 1])
        np.testing.assert_allclose(fused[i : i + 1], alone, atol=1e-6)


@each_method
@pytest.mark.parametrize("grey", [(0, 0), (0, 1), (0.25, 0.75)])
def test_constant_images_give_values_between_both(
    method: Method, grey: tuple[float, float]
) -> None:
    first, second = (np.full((1, 48, 40), level, np.float32) for level in grey)
    fused = method(first, second)
    assert min(grey) - 1e-5 <= fused.min() <= fused.max() <= max(grey) + 1e-5
    if not isinstance(method, LP):  # the toolbox's border has zeros
        np.testing.assert_allclose(fused, fused[0, 0, 0], atol=1e-5)
