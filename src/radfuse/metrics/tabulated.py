"""Smooth functions of one variable, interpolated in a table where many values are wanted."""

from collections.abc import Callable

import numpy as np

from radfuse.arrays import Float64Array

INTERVALS = 2**12
"""Intervals of a table: small enough for the processor's cache."""

SAMPLES = np.linspace(0, 1, 4)
"""Where in an interval the cubic polynomial that approximates a function is the function."""


class Tabulated:
    """A function between two bounds, which also has to be smooth an interval above the upper one.

    The error is 5e-4 times the fourth derivative times the fourth power of an interval.
    """

    def __init__(
        self, function: Callable[[Float64Array], Float64Array], lower: float, upper: float
    ) -> None:
        self.lower = lower
        self.per_unit = INTERVALS / (upper - lower)
        first = np.arange(INTERVALS + 1)[:, None]
        values = function(lower + (first + SAMPLES) / self.per_unit)
        self.coefficients = np.linalg.solve(np.vander(SAMPLES), values.T)

    def __call__(self, values: Float64Array) -> Float64Array:
        """The function of values between the bounds, of the same shape."""
        offset = values - self.lower
        offset *= self.per_unit
        first = np.floor(offset)
        offset -= first
        interval = first.astype(np.intp)
        highest, *others = self.coefficients
        result: Float64Array = highest.take(interval)
        for coefficients in others:
            result *= offset
            result += coefficients.take(interval)
        return result
