"""Visual information fidelity for fusion: its laws, and its authors' own numbers."""

from typing import Literal

import numpy as np
import pytest
from golden_kit import GoldenRow, each_or_some
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import UInt8Array
from radfuse.metrics.viff import SCALE_WEIGHTS, viff

Gain = Literal["smaller", "larger"]
GAINS: tuple[Gain, ...] = ("smaller", "larger")


def texture(seed: int, shape: tuple[int, int] = (64, 80)) -> UInt8Array:
    """Noise over a slow wave: contrast at every scale."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    wave = 100 + 60 * np.sin((x + seed * y) / 9)
    return np.clip(wave + rng.normal(0, 20, shape), 0, 255).astype(np.uint8)


def flat(level: int) -> UInt8Array:
    return np.full((64, 80), level, np.uint8)


def test_the_scale_weights_sum_to_one() -> None:
    np.testing.assert_allclose(sum(SCALE_WEIGHTS), 1)


@pytest.mark.parametrize("gain", GAINS)
def test_an_image_that_equals_both_sources_keeps_everything(gain: Gain) -> None:
    image = texture(1)
    np.testing.assert_allclose(viff(image, image, image, gain=gain), 1, rtol=1e-9)


@pytest.mark.parametrize("gain", GAINS)
def test_flat_sources_have_nothing_to_lose(gain: Gain) -> None:
    for fused in (texture(2), flat(3)):
        np.testing.assert_allclose(viff(fused, flat(9), flat(200), gain=gain), 1, rtol=1e-12)


@pytest.mark.parametrize("gain", GAINS)
def test_a_flat_image_keeps_nothing_of_sources_with_contrast(gain: Gain) -> None:
    np.testing.assert_allclose(viff(flat(90), texture(1), texture(2), gain=gain), 0, atol=1e-5)


@pytest.mark.parametrize("gain", GAINS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), side=st.integers(41, 60))
def test_noise_has_the_same_figure_with_ct_and_mr_exchanged(
    gain: Gain, seed: int, side: int
) -> None:
    rng = np.random.default_rng(seed)
    ct, mr = rng.uniform(0, 255, (2, side, side))
    fused = (2 * ct + mr) / 3
    straight = viff(fused, ct, mr, gain=gain)
    assert straight >= 0
    # With positive gains, which no two windows share, there are no ties.
    np.testing.assert_allclose(viff(fused, mr, ct, gain=gain), straight, rtol=1e-9)


@pytest.mark.parametrize("gain", GAINS)
def test_where_both_gains_are_equal_mr_counts(gain: Gain) -> None:
    """A flat image follows neither: nothing of the flat CT is lost, all of MR is."""
    image = texture(3)
    np.testing.assert_allclose(viff(flat(90), flat(90), image, gain=gain), 0, atol=1e-5)
    np.testing.assert_allclose(viff(flat(90), image, flat(90), gain=gain), 1, rtol=1e-9)


def test_a_copy_of_ct_is_judged_by_mr_or_by_itself() -> None:
    ct = texture(4)
    mr = texture(5) // 4
    assert viff(ct, ct, mr, gain="smaller") < 0.5
    weak = viff(ct, ct, mr // 16, gain="larger")
    np.testing.assert_allclose(weak, 1, atol=0.05)


@pytest.mark.parametrize("gain", GAINS)
def test_the_more_noise_the_less_of_a_source_is_kept(gain: Gain) -> None:
    source = texture(6, (128, 128)) / 2 + 60 * np.sin(np.arange(128) / 20)
    noise = np.random.default_rng(8).normal(0, 1, source.shape)
    values = [viff(source + sigma * noise, source, source, gain=gain) for sigma in (0, 10, 40)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 1.5 * values[2]


@pytest.mark.parametrize("gain", GAINS)
def test_neither_brightness_nor_transposition_matters(gain: Gain) -> None:
    images = [texture(seed) // 2 for seed in (9, 10, 11)]
    value = viff(*images, gain=gain)
    np.testing.assert_allclose(viff(*(each.T for each in images), gain=gain), value, rtol=1e-9)
    brighter = [each + np.uint8(100) for each in images]
    np.testing.assert_allclose(viff(*brighter, gain=gain), value, rtol=1e-9)


@each_or_some
def test_the_authors_own_code_has_the_same_figure(golden: list[GoldenRow], every: int) -> None:
    for row in golden[::every]:
        found, theirs = viff(*row.images), row.values["han.VIFF"]
        np.testing.assert_allclose(found, theirs, rtol=1e-9, err_msg=str(row.values))
