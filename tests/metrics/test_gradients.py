"""Gradients by 3x3 operators: against SciPy's correlation, whole and in strips."""

from typing import Literal

import numpy as np
import pytest
from scipy.ndimage import correlate1d

from radfuse.arrays import Float64Array
from radfuse.metrics.gradients import (
    PREWITT,
    SLOPE,
    SOBEL,
    Border,
    gradient,
    magnitude,
    squared_length,
    strength,
)

IMAGE = np.random.default_rng(3).integers(0, 256, (13, 9)).astype(float)

SCIPY: dict[Border, Literal["constant", "mirror", "nearest"]] = {
    "constant": "constant",
    "reflect": "mirror",
    "edge": "nearest",
}
"""The same borders by another name."""


def correlated(weights: Float64Array, border: Border) -> list[Float64Array]:
    mode = SCIPY[border]
    smooth = [correlate1d(IMAGE, weights, axis=axis, mode=mode) for axis in (0, 1)]
    pairs = zip(smooth, (1, 0), strict=True)
    return [correlate1d(image, SLOPE, axis=axis, mode=mode) for image, axis in pairs]


@pytest.mark.parametrize("border", SCIPY)
@pytest.mark.parametrize("weights", [SOBEL, PREWITT], ids=["sobel", "prewitt"])
def test_a_gradient_is_that_of_a_correlation(border: Border, weights: Float64Array) -> None:
    expected = correlated(weights, border)
    np.testing.assert_array_equal(gradient(IMAGE, border, weights=weights), expected)


@pytest.mark.parametrize("border", SCIPY)
@pytest.mark.parametrize("rows", [1, 4, 6, 13, 20])
def test_strips_make_up_the_whole_gradient(border: Border, rows: int) -> None:
    strips = [gradient(IMAGE, border, rows=slice(top, top + rows)) for top in range(0, 13, rows)]
    whole = [np.concatenate(parts) for parts in zip(*strips, strict=True)]
    np.testing.assert_array_equal(whole, gradient(IMAGE, border))


@pytest.mark.parametrize("border", SCIPY)
def test_whole_levels_have_whole_gradients(border: Border) -> None:
    found = gradient(IMAGE.astype(np.int32), border)
    assert {each.dtype for each in found} == {np.dtype(np.int32)}
    np.testing.assert_array_equal(found, gradient(IMAGE, border))
    np.testing.assert_array_equal(squared_length(*found), squared_length(*gradient(IMAGE, border)))


def test_strength_is_the_length_of_a_gradient() -> None:
    for image in (IMAGE, IMAGE.astype(np.int32)):
        expected = np.hypot(*gradient(IMAGE, "constant"))
        np.testing.assert_allclose(strength(image, "constant"), expected, rtol=1e-15)


def test_magnitude_is_the_length_of_a_gradient() -> None:
    across, down = gradient(IMAGE, "edge")
    np.testing.assert_allclose(magnitude(across, down), np.hypot(across, down), rtol=1e-15)
