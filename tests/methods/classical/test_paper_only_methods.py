"""Methods without reference code do what their docstrings state."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from radfuse.methods.classical.curvelet_ct_mr import CurveletCtMr
from radfuse.methods.classical.daubechies_complex import HIGH, LOW, DaubechiesComplex
from radfuse.methods.classical.rules import larger
from radfuse.methods.classical.union_laplacian import UnionLaplacian
from radfuse.methods.loading import Method

METHODS = [CurveletCtMr(), DaubechiesComplex(), UnionLaplacian()]

each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


def random(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def test_daubechies_filters_are_orthonormal_and_symmetric() -> None:
    for shift in (0, 2, 4):
        expected = float(shift == 0)
        for one, other, product in ((LOW, LOW, expected), (HIGH, HIGH, expected), (LOW, HIGH, 0)):
            inner = (one[shift:] * other[: 6 - shift].conj()).sum()
            np.testing.assert_allclose(inner, product, atol=1e-15)
    np.testing.assert_array_equal(LOW, LOW[::-1])
    np.testing.assert_array_equal(HIGH, -HIGH[::-1])


@pytest.mark.parametrize("power", [0, 1, 2])
def test_daubechies_wavelet_has_three_vanishing_moments(power: int) -> None:
    np.testing.assert_allclose((HIGH * np.arange(6) ** power).sum(), 0, atol=1e-14)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(1, 50)] * 2), st.integers(1, 5), st.integers(0, 2**32))
def test_daubechies_transform_is_inverted(shape: tuple[int, int], levels: int, seed: int) -> None:
    images = random((2, *shape), seed)
    method = DaubechiesComplex(levels)
    bands, base = method.decompose(images)
    np.testing.assert_allclose(method.reconstruct(bands, base, shape), images, atol=1e-12)


def test_daubechies_coefficients_keep_the_energy_of_even_images() -> None:
    images = random((1, 64, 48))
    bands, base = DaubechiesComplex(4).decompose(images)
    energy = sum(float((np.abs(values) ** 2).sum()) for values in (*bands, base))
    np.testing.assert_allclose(energy, (images**2).sum())


def test_larger_modulus_is_chosen_and_ties_are_second() -> None:
    first, second = np.array([3j, 1, 2]), np.array([1, -4, -2])
    np.testing.assert_array_equal(larger(first, second), [3j, -4, -2])


@each_method
def test_a_sharp_detail_of_either_image_is_shown(method: Method) -> None:
    flat = np.full((1, 64, 64), 0.3, np.float32)
    detail = np.zeros_like(flat)
    detail[:, 28:36, 28:36] = 0.6
    for pair in ((flat + detail, flat), (flat, flat + detail)):
        fused = method(*pair)[0]
        assert fused[28:36, 28:36].mean() > 0.7
        assert fused[:12].mean() < 0.4


@each_method
def test_sharper_of_two_images_is_nearer(method: Method) -> None:
    sharp = random((1, 64, 64)).astype(np.float32)
    blurred = gaussian_filter(sharp, (0, 2, 2))
    fused = method(sharp, blurred)
    assert np.abs(fused - sharp).mean() < 0.3 * np.abs(blurred - sharp).mean()


def test_union_laplacian_takes_outlines_into_account() -> None:
    outline = np.zeros((1, 48, 48), np.float32)
    outline[:, :, 24:] = 0.8
    texture = (0.4 + 0.02 * random((1, 48, 48), 2)).astype(np.float32)
    fused = UnionLaplacian(1)(texture, outline)
    np.testing.assert_allclose(
        np.diff(fused[0, :, 23:25]), np.diff(outline[0, :, 23:25]), atol=0.15
    )
