import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from radfuse.errors import InputError
from radfuse.registration.landmarks import MIN_SPREAD_MM, fit_landmarks
from radfuse.registration.transforms import matrix_of

angles = st.tuples(*[st.floats(-3.1, 3.1)] * 3)
points = st.tuples(*[st.floats(-300, 300)] * 3)
sets = st.lists(points, min_size=3, max_size=8)
HEAD = [(0.0, -90.0, 10.0), (70.0, 0.0, 0.0), (-70.0, 5.0, 0.0), (0.0, 90.0, 20.0), (0, 0, 95.0)]


def spread_out(ct) -> bool:
    values = np.linalg.svd(np.array(ct) - np.mean(ct, axis=0), compute_uv=False)
    return bool(np.linalg.norm(values[1:]) > 1.1 * MIN_SPREAD_MM * np.sqrt(len(ct)))


def moved(landmarks, rigid: sitk.Transform) -> list[tuple[float, ...]]:
    return [rigid.TransformPoint(point) for point in landmarks]


@given(sets, angles, points)
def test_a_rigid_motion_is_found_again(ct, angle_rad, shift_mm):
    assume(spread_out(ct))
    true = sitk.Euler3DTransform((0, 0, 0), *angle_rad, shift_mm)
    fit = fit_landmarks(ct, moved(ct, true))
    assert_allclose(matrix_of(fit.mr_from_ct), matrix_of(true), atol=1e-6)
    assert_allclose(fit.errors_mm, 0, atol=1e-6)


@given(st.permutations(range(len(HEAD))), st.integers(0, 2**32 - 1))
def test_the_order_of_the_pairs_does_not_matter(order, seed):
    mr = np.array(HEAD) + np.random.default_rng(seed).normal(0, 2, (len(HEAD), 3))
    fit = fit_landmarks(HEAD, mr.tolist())
    again = fit_landmarks([HEAD[i] for i in order], mr[order].tolist())
    assert_allclose(matrix_of(again.mr_from_ct), matrix_of(fit.mr_from_ct), atol=1e-9)
    assert_allclose(again.errors_mm, np.array(fit.errors_mm)[order], atol=1e-9)
    assert again.rms_mm == pytest.approx(fit.rms_mm)


@given(st.integers(0, 2**32 - 1), angles, st.tuples(*[st.floats(-5, 5)] * 3))
def test_no_other_motion_nearby_has_a_smaller_error(seed, angle_rad, shift_mm):
    mr = np.array(HEAD) + np.random.default_rng(seed).normal(0, 3, (len(HEAD), 3))
    fit = fit_landmarks(HEAD, mr.tolist())
    off = sitk.Euler3DTransform((0, 0, 0), *(np.array(angle_rad) / 100).tolist(), shift_mm)
    errors = np.array(moved(moved(HEAD, fit.mr_from_ct), off)) - mr
    assert np.sqrt((errors**2).sum(axis=1).mean()) >= fit.rms_mm - 1e-9


def test_a_mirrored_head_is_never_fitted_by_a_mirror():
    mirrored = [(-x, y, z) for x, y, z in HEAD]
    fit = fit_landmarks(HEAD, mirrored)
    assert np.linalg.det(matrix_of(fit.mr_from_ct)[:3, :3]) == pytest.approx(1)


WEIGHTS = st.lists(st.floats(0.01, 100), min_size=len(HEAD), max_size=len(HEAD))


@given(sets, angles, points, st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_weights_do_not_change_the_fit_of_exact_points(ct, angle_rad, shift_mm, random):
    assume(spread_out(ct))
    true = sitk.Euler3DTransform((0, 0, 0), *angle_rad, shift_mm)
    weights = [random.uniform(0.1, 10) for _ in ct]
    fit = fit_landmarks(ct, moved(ct, true), weights)
    assert_allclose(matrix_of(fit.mr_from_ct), matrix_of(true), atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
@settings(max_examples=20)
def test_equal_weights_are_no_weights(seed, weight):
    mr = (np.array(HEAD) + np.random.default_rng(seed).normal(0, 2, (len(HEAD), 3))).tolist()
    plain, weighted = fit_landmarks(HEAD, mr), fit_landmarks(HEAD, mr, [weight] * len(HEAD))
    assert_allclose(matrix_of(weighted.mr_from_ct), matrix_of(plain.mr_from_ct), atol=1e-9)
    assert weighted.rms_mm == pytest.approx(plain.rms_mm)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_a_whole_weight_counts_as_that_many_pairs(seed):
    mr = (np.array(HEAD) + np.random.default_rng(seed).normal(0, 2, (len(HEAD), 3))).tolist()
    weighted = fit_landmarks(HEAD, mr, [3, 1, 1, 1, 1])
    repeated = fit_landmarks([HEAD[0]] * 2 + HEAD, [mr[0]] * 2 + mr)
    assert_allclose(matrix_of(weighted.mr_from_ct), matrix_of(repeated.mr_from_ct), atol=1e-9)


@given(WEIGHTS)
@settings(max_examples=20)
def test_no_weights_make_the_fit_a_mirror(weights):
    mirrored = [(-x, y, z) for x, y, z in HEAD]
    fit = fit_landmarks(HEAD, mirrored, weights)
    assert np.linalg.det(matrix_of(fit.mr_from_ct)[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("weights", "words"),
    [([1, 1, 1, 1], "4 weights of 5 pairs"), ([1, 1, 0, 1, 1], "must be a positive number"),
     ([1, 1, 1, 1, float("inf")], "must be a positive number")],
)  # fmt: skip
def test_weights_that_are_not_positive_are_refused(weights, words):
    with pytest.raises(InputError, match=words):
        fit_landmarks(HEAD, HEAD, weights)


LINE = [(0.0, 0.0, float(z)) for z in (0, 40, 90, 130)]


@pytest.mark.parametrize(
    ("ct", "mr", "words"),
    [
        (HEAD[:2], HEAD[:2], "2 pairs of landmarks; a pose needs at least 3"),
        ([], [], "0 pairs"),
        (LINE, HEAD[:4], "landmarks in the CT are within 0.0 mm of one line"),
        (HEAD[:4], [(3.0, 1.0, z) for *_, z in LINE], "landmarks in the MR are within"),
        ([HEAD[0]] * 3, HEAD[:3], "of one line or point"),
        (HEAD[:3], [*HEAD[:2], (0.0, float("nan"), 0.0)], "in the MR has a coordinate"),
        (HEAD, HEAD[:4], "5 landmarks in the CT and 4 in the MR"),
    ],
)
def test_points_that_determine_no_pose_are_refused(ct, mr, words):
    with pytest.raises(InputError, match=words):
        fit_landmarks(ct, mr)
