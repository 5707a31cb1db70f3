"""Tabulated functions: close to the functions themselves, at the bounds, too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radfuse.metrics.qabf import PERCEPTIONS, Sigmoid, angle_divisor
from radfuse.metrics.tabulated import Tabulated


@given(st.floats(-3, 3), st.floats(0.1, 4), st.floats(0, 1))
def test_a_cubic_polynomial_is_interpolated_exactly(lower: float, width: float, at: float) -> None:
    cubic = np.polynomial.Polynomial([1.0, -2.0, 0.5, 3.0])
    value = np.array([lower + at * width])
    found = Tabulated(cubic, lower, lower + width)(value)
    np.testing.assert_allclose(found, cubic(value), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "sigmoid", [perception.angle for perception in PERCEPTIONS.values()], ids=PERCEPTIONS
)
def test_preservation_of_an_angle_is_close_to_its_formula(sigmoid: Sigmoid) -> None:
    """By 2e-11; in the mean over an image much less."""
    angle = np.linspace(-1, 1, 20001)
    tangent = np.tan(angle * np.pi / 2)
    parallel = np.sign(angle) * np.abs(tangent) / (1 + np.abs(tangent))
    parallel[[0, -1]] = -1, 1
    expected = 1 + np.exp(sigmoid.slope * (angle - sigmoid.centre))
    np.testing.assert_allclose(angle_divisor(sigmoid)(parallel), expected, rtol=3e-11)
