import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from radfuse.registration.landmark_errors import MIN_OUTLIER_MM, landmark_errors
from radfuse.registration.landmarks import fit_landmarks

HEAD = [(0.0, -90.0, 10.0), (70.0, 0.0, 0.0), (-70.0, 5.0, 0.0), (0.0, 90.0, 20.0),
        (0.0, 0.0, 95.0), (40.0, -40.0, 60.0)]  # fmt: skip
TARGETS = np.array([(0.0, 0.0, 0.0), (0.0, 0.0, -60.0), (60.0, 60.0, 60.0)])
CLICK_MM = 2.0
seeds = st.integers(0, 2**32 - 1)


def clicked(seed: int, ct=HEAD):
    noise = np.random.default_rng(seed).normal(0, CLICK_MM / np.sqrt(3), (len(ct), 3))
    return (np.array(ct) + noise).tolist()


def test_exact_pairs_have_no_error_and_no_outlier():
    errors = landmark_errors(HEAD, HEAD)
    assert_allclose(errors.leave_one_out_mm, 0, atol=1e-9)
    assert errors.leave_one_out_rms_mm == pytest.approx(0, abs=1e-9)
    assert_allclose(errors.target_mm(TARGETS), 0, atol=1e-9)
    assert not any(errors.outliers)


@given(seeds)
@settings(max_examples=10)
def test_leave_one_out_error_is_that_of_the_others_fit(seed):
    mr = clicked(seed)
    errors = landmark_errors(HEAD, mr)
    others = fit_landmarks(HEAD[1:], mr[1:])
    off = np.subtract(others.mr_from_ct.TransformPoint(HEAD[0]), mr[0])
    assert errors.leave_one_out_mm[0] == pytest.approx(np.linalg.norm(off))


@given(seeds)
@settings(max_examples=10)
def test_leave_one_out_error_is_at_least_the_residual(seed):
    mr = clicked(seed)
    residuals = fit_landmarks(HEAD, mr).errors_mm
    assert np.all(np.array(landmark_errors(HEAD, mr).leave_one_out_mm) >= residuals)


@given(seeds, st.floats(0.1, 10))
@settings(max_examples=10)
def test_errors_do_not_depend_on_the_scale_of_weights(seed, scale):
    mr = clicked(seed)
    weights = [1.0, 2.0, 1.0, 0.5, 1.0, 3.0]
    one = landmark_errors(HEAD, mr, weights)
    other = landmark_errors(HEAD, mr, [scale * weight for weight in weights])
    assert_allclose(other.leave_one_out_mm, one.leave_one_out_mm)
    assert_allclose(other.target_mm(TARGETS), one.target_mm(TARGETS))


def test_three_pairs_have_no_leave_one_out_error():
    errors = landmark_errors(HEAD[:3], clicked(1, HEAD[:3]))
    assert errors.leave_one_out_mm == (None, None, None)
    assert errors.leave_one_out_rms_mm is None
    assert errors.localization_mm > 0
    assert not any(errors.outliers)


def test_pair_without_which_the_others_are_on_a_line_is_unknown():
    line = [(0.0, 0.0, float(z)) for z in (0, 40, 90)]
    ct = [*line, (60.0, 0.0, 10.0)]
    known = [error is not None for error in landmark_errors(ct, clicked(2, ct)).leave_one_out_mm]
    assert known == [True, True, True, False]


def test_expected_errors_are_those_of_simulated_clicks():
    """Ground truth is the identity; equation 46 is exact to the first order in the noise."""
    true_mm2, expected_mm2, marked = np.zeros(3), np.zeros(3), 0.0
    sets = 150
    for seed in range(sets):
        mr = clicked(seed)
        fit = fit_landmarks(HEAD, mr).mr_from_ct
        found = np.array([fit.TransformPoint(at) for at in TARGETS.tolist()])
        true_mm2 += ((found - TARGETS) ** 2).sum(axis=1) / sets
        fle = np.sum(np.square(fit_landmarks(HEAD, mr).errors_mm)) / (len(HEAD) - 2)
        marked += fle / sets
        expected_mm2 += _target_mm2(mr) / sets
    assert np.sqrt(marked) == pytest.approx(CLICK_MM, rel=0.05)
    assert_allclose(np.sqrt(expected_mm2), np.sqrt(true_mm2), rtol=0.12)


def _target_mm2(mr):
    errors = landmark_errors(HEAD, mr)
    return errors.target_mm(TARGETS) ** 2


def test_expected_error_is_that_of_the_weighted_covariance():
    """Of pairs with known errors: the covariance of the pose by linear least squares."""
    weights = np.array([4.0, 1.0, 1.0, 0.25, 1.0, 2.0])
    errors = landmark_errors(HEAD, clicked(5), weights.tolist())
    shares = weights / weights.mean()
    blocks = [np.hstack([np.eye(3), -cross(at)]) for at in HEAD]
    normal = sum(w * block.T @ block for w, block in zip(shares, blocks, strict=True))
    covariance = np.linalg.inv(normal) * errors.localization_mm**2 / 3
    for at, expected in zip(TARGETS, errors.target_mm(TARGETS), strict=True):
        block = np.hstack([np.eye(3), -cross(at)])
        assert expected == pytest.approx(np.sqrt(np.trace(block @ covariance @ block.T)))


def cross(at):
    """Matrix of the cross product with a vector."""
    x, y, z = at
    return np.array([(0, -z, y), (z, 0, -x), (-y, x, 0)])


def test_a_pair_that_is_far_off_is_the_only_outlier():
    found = []
    for seed in range(10):
        mr = clicked(seed)
        mr[3] = np.add(mr[3], (0, 15, 0)).tolist()
        found.append(landmark_errors(HEAD, mr).outliers)
    assert sum(one[3] for one in found) >= 9
    assert not any(any(one[:3] + one[4:]) for one in found)


def test_a_small_error_is_no_outlier_however_good_the_others_are():
    mr = [list(at) for at in HEAD]
    mr[0][0] += MIN_OUTLIER_MM / 3
    assert not any(landmark_errors(HEAD, mr).outliers)
    mr[0][0] += 2 * MIN_OUTLIER_MM
    assert landmark_errors(HEAD, mr).outliers == (True, False, False, False, False, False)
