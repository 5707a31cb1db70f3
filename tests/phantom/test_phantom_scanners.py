"""Each artefact of the scanners has the physics it is named for."""

import numpy as np
import pytest

from radfuse.phantom.scanners import (
    CT_NOISE_HU,
    MR_BIAS,
    beam_hardening,
    bias_field,
    scan_ct,
    scan_mr,
)

SPACING = (1.5, 1.5, 2.0)


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - centre[0], x - centre[1]) < radius


def two_rods() -> np.ndarray:
    """Water with two dense rods side by side, (Z, Y, X), HU."""
    plane = np.full((121, 121), -1000.0, np.float32)
    plane[disc(plane.shape, (60, 60), 50)] = 0.0
    for column in (35, 85):
        plane[disc(plane.shape, (60, column), 8)] = 1900.0
    return np.repeat(plane[None], 6, axis=0)


def test_beam_hardening_is_dark_between_dense_bones_only() -> None:
    error = beam_hardening(two_rods(), SPACING)[3]
    between, above, below = error[60, 60], error[30, 60], error[90, 60]
    assert -25 < between < -8
    assert between < min(above, below) - 5
    assert error.max() < 10


def test_beam_hardening_is_symmetric_where_the_object_is() -> None:
    error = beam_hardening(two_rods(), SPACING)[3]
    np.testing.assert_allclose(error, error[::-1], atol=1.5)
    np.testing.assert_allclose(error, error[:, ::-1], atol=1.5)


def test_without_bone_there_is_no_streak() -> None:
    water = np.minimum(two_rods(), 0)
    np.testing.assert_array_equal(beam_hardening(water, SPACING), np.zeros_like(water))


def test_ct_noise_has_its_standard_deviation_and_a_grain() -> None:
    noise = scan_ct(np.zeros((20, 80, 80), np.float32), SPACING, np.random.default_rng(0))
    np.testing.assert_allclose(noise.std(), CT_NOISE_HU, rtol=0.02)
    neighbours = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
    assert 0.2 < neighbours < 0.8


def test_the_mr_adds_rician_noise_to_what_is_dark() -> None:
    dark = scan_mr(np.zeros((20, 60, 60), np.float32), np.random.default_rng(0))
    np.testing.assert_allclose(dark.mean() / dark.std(), np.sqrt(np.pi / (4 - np.pi)), rtol=0.03)


@pytest.mark.parametrize("seed", range(3))
def test_the_bias_field_is_smooth_and_bounded(seed: int) -> None:
    field = bias_field((30, 40, 50), np.random.default_rng(seed))
    assert np.abs(np.log(field)).max() <= MR_BIAS + 1e-5
    assert np.ptp(field) > 0.1
    for axis in range(3):
        assert np.abs(np.diff(field, axis=axis)).max() < 0.05
