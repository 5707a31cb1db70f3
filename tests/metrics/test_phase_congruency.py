"""Phase congruency: what it finds, the laws of its metric, and the field's own code."""

from dataclasses import replace

import numpy as np
import pytest
from golden_kit import GoldenRow, each_or_some, having
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radfuse.arrays import UInt8Array
from radfuse.metrics.phase_congruency import FEATURE, q_p
from radfuse.metrics.phase_features import (
    FSIM,
    KOVESI,
    Features,
    Parameters,
    features,
    log_gabor_filters,
)

quick = settings(max_examples=10, deadline=None)


def found_in(image: NDArray[np.float64]) -> Features:
    return features(image, log_gabor_filters(image.shape))


def textured(seed: int, side: int = 63) -> UInt8Array:
    """Blots with sharp edges: a feature wherever the blurred noise crosses its middle."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    return np.where(gaussian_filter(noise, 4) > 0, 180, 60).astype(np.uint8)


@pytest.fixture(scope="module")
def triple() -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """A fused image that has something of both sources, the CT, the MR; odd sizes."""
    ct, mr = textured(1), textured(2)
    return np.maximum(ct // 2, mr), ct, mr


def test_phase_congruency_peaks_at_step_of_any_height() -> None:
    faint, strong = np.zeros((2, 64, 64))
    faint[:, 32:], strong[:, 32:] = 20, 200
    of_faint, of_strong = found_in(faint).congruency, found_in(strong).congruency
    assert set(np.argmax(of_strong[:, 16:48], axis=1)) <= {15, 16}
    np.testing.assert_allclose(of_faint, of_strong, atol=1e-4)


def test_a_flat_image_has_no_feature() -> None:
    found = found_in(np.full((64, 64), 90.0))
    assert found.congruency.max() == 0
    np.testing.assert_allclose(found.maximum, 0, atol=1e-4)


def test_a_corner_has_a_larger_smallest_moment_than_an_edge() -> None:
    image = np.zeros((64, 64))
    image[16:48, 16:48] = 200
    found = found_in(image)
    corner, edge = np.s_[14:18, 14:18], np.s_[30:34, 14:18]
    assert found.minimum[corner].max() > 3 * found.minimum[edge].max()
    assert found.maximum[edge].max() > 0.3


def test_congruency_is_in_unit_interval_and_moments_ordered() -> None:
    noise = np.random.default_rng(3).random((50, 41)) * 255
    for image in (noise, textured(4).astype(float)):
        found = found_in(image)
        assert 0 <= found.congruency.min() <= found.congruency.max() <= 1
        assert (found.minimum <= found.maximum).all()


def test_a_quarter_turn_turns_the_features() -> None:
    image = textured(5).astype(float)
    straight, turned = found_in(image), found_in(np.rot90(image))
    for name in ("congruency", "maximum", "minimum"):
        expected = np.rot90(getattr(straight, name))
        np.testing.assert_allclose(getattr(turned, name), expected, atol=1e-9)


def test_noise_image_is_mostly_below_the_noise_threshold() -> None:
    noise = np.random.default_rng(6).normal(128, 10, (128, 128))
    assert (found_in(noise).congruency > FEATURE).mean() < 0.6
    steps = noise + 100 * (np.arange(128) >= 64)
    congruency = found_in(steps).congruency
    assert congruency[16:-16, 63:65].mean() > 3 * congruency[16:-16, 24:40].mean()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 3), (17, 24)])
@pytest.mark.parametrize("parameters", [KOVESI, FSIM], ids=["Kovesi", "FSIM"])
def test_congruency_is_finite_at_any_size(shape: tuple[int, int], parameters: Parameters) -> None:
    image = np.random.default_rng(9).random(shape)
    congruency = features(image, log_gabor_filters(shape, parameters)).congruency
    assert 0 <= congruency.min() <= congruency.max() <= 1


def test_spread_weight_only_lowers_the_congruency() -> None:
    image = textured(10).astype(float)
    plain = replace(KOVESI, is_spread_weighted=False)
    unweighted = features(image, log_gabor_filters(image.shape, plain)).congruency
    weighted = found_in(image).congruency
    assert (weighted <= unweighted).all()
    assert weighted.mean() < 0.9 * unweighted.mean()


@quick
@given(st.integers(0, 2**32), st.integers(20, 40), st.integers(20, 40))
def test_metric_is_at_most_one_and_symmetric_in_ct_mr(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    fused, ct, mr = rng.integers(0, 256, (3, rows, columns), dtype=np.uint8)
    value = q_p(fused, ct, mr)
    assert abs(value) <= 1
    np.testing.assert_allclose(value, q_p(fused, mr, ct), rtol=1e-9)


def test_copy_of_equal_sources_is_near_perfect_shifted_is_not() -> None:
    image = textured(7)
    assert q_p(image, image, image) > 0.9
    assert q_p(np.roll(image, 1, axis=1), image, image) < 0.8
    assert q_p(gaussian_filter(image, 2), image, image) < 0.8


def test_metric_ignores_brightness_contrast_and_sign(
    triple: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    fused, ct, mr = triple
    expected = q_p(fused, ct, mr)
    np.testing.assert_allclose(q_p(fused + np.uint8(40), ct, mr), expected, rtol=1e-9)
    np.testing.assert_allclose(q_p(255 - fused, ct, 255 - mr), expected, rtol=1e-9)
    np.testing.assert_allclose(q_p(fused / 2, ct / 2, mr / 2), expected, rtol=1e-3)


def test_the_metric_is_the_same_for_a_transposed_image(
    triple: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    fused, ct, mr = triple
    np.testing.assert_allclose(q_p(fused.T, ct.T, mr.T), q_p(fused, ct, mr), rtol=1e-9)


def test_zero_features_in_sources_or_fused_give_zero() -> None:
    flat, image = np.full((63, 63), 90, np.uint8), textured(8)
    assert q_p(image, flat, flat) == q_p(flat, image, image) == q_p(flat, flat, flat) == 0
    assert q_p(image, image, flat) > 0.5


@each_or_some
def test_the_metric_equals_the_fields_own_code(golden: list[GoldenRow], every: int) -> None:
    rows = having(golden, "liu.Q_P")
    assert len(rows) == 25
    for row in rows[::every]:
        found, theirs = q_p(*row.images), row.values["liu.Q_P"]
        np.testing.assert_allclose(found, theirs, rtol=1e-9, err_msg=str(row.values))
