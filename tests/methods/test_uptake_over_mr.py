"""The default method of PET and SPECT: detail of the MR in uptake, as far as colours allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radfuse.arrays import Float32Array
from radfuse.methods.uptake_over_mr import BRIGHTEST, MAX_DETAIL, UptakeOverMR

SHAPE = (1, 32, 32)


def flat(value: float) -> Float32Array:
    return np.full(SHAPE, value, np.float32)


def stripes(contrast: float) -> Float32Array:
    return np.asarray(0.5 + contrast * (np.indices(SHAPE)[2] // 2 % 2 - 0.5), np.float32)


@given(luminance=st.floats(BRIGHTEST, 1), contrast=st.floats(0, 1))
def test_the_brightest_colours_are_not_raised(luminance: float, contrast: float) -> None:
    fused = UptakeOverMR().fuse_uptake(flat(luminance), stripes(contrast), flat(0.5))
    assert fused.max() <= luminance + 1e-6
    assert fused.min() >= luminance - MAX_DETAIL - 1e-6


@pytest.mark.parametrize("luminance", [0.2, 0.5, 0.64])
def test_other_colours_are_raised_and_lowered_alike(luminance: float) -> None:
    fused = UptakeOverMR().fuse_uptake(flat(luminance), stripes(0.4), flat(0.5))
    raised, lowered = fused.max() - luminance, luminance - fused.min()
    assert 0.02 < raised <= MAX_DETAIL
    np.testing.assert_allclose(raised, lowered, atol=0.01)


def test_without_uptake_it_is_the_mr() -> None:
    fused = UptakeOverMR().fuse_uptake(flat(0.3), stripes(0.4), flat(0.0))
    np.testing.assert_array_equal(fused, stripes(0.4))


def test_more_detail_is_asked_for_by_an_option() -> None:
    spread = [
        np.ptp(UptakeOverMR(detail=share).fuse_uptake(flat(0.4), stripes(0.2), flat(0.5)))
        for share in (0.0, 0.25, 1.0)
    ]
    assert spread[0] == pytest.approx(0, abs=1e-6)
    assert spread[0] < spread[1] < spread[2]
