"""Nonsubsampled directional filter bank: fan filters, upsampled by integer matrices, periodic.

Bamberger and Smith 1992; nonsubsampled: da Cunha, Zhou and Do 2006, "The nonsubsampled contourlet
transform", IEEE Transactions on Image Processing 15(10), II-B. The filters are symmetric, so their
frequency responses are real, and those of a band are the product along its branch of the tree.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from scipy import fft

from radfuse.arrays import Float64Array

Matrix = NDArray[np.int_]
"""Integer matrix (2, 2) by which frequencies (of rows, of columns) are multiplied."""

BAND_COUNTS = (1, 2, 4, 8, 16)
"""Bands that the tree can have."""

QUINCUNX: Matrix = np.array([[1, -1], [1, 1]])
"""Of the second level of the tree."""

PARALLELOGRAMS: tuple[Matrix, ...] = tuple(
    np.array(matrix) for matrix in ([[1, -1], [1, 0]], [[1, 0], [1, 1]], [[1, -1], [0, 1]],
                                    [[0, 1], [1, 1]])
)  # fmt: skip
"""Shears of the fan that make the filters of the third and fourth level, two for each half."""

SHEARS: tuple[tuple[Matrix, Matrix], ...] = (
    (np.array([[1, 0], [1, 2]]), np.array([[1, 0], [-1, 2]])),
    (np.array([[2, 1], [0, 1]]), np.array([[2, -1], [0, 1]])),
)
"""Of the fourth level, for each half of the tree."""

PKVA_LADDER = (0.6300, -0.1930, 0.0972, -0.0526, 0.0272, -0.0144)
"""Half of the symmetric ladder filter: Phoong, Kim, Vaidyanathan and Ansari 1995."""


@dataclass(frozen=True)
class FanFilters:
    """Fan filters, polynomials of a profile in [-1, 1]; the pairs are dual."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    low_back: tuple[float, ...]
    """Of the reconstruction."""

    high_back: tuple[float, ...]
    profile: Callable[[Float64Array, Float64Array], Float64Array]
    """1 within the fan and -1 outside it, of the frequencies of rows and columns."""

    def responses(self, count: int, shape: tuple[int, int]) -> tuple[Float64Array, Float64Array]:
        """Of analysis and reconstruction, (count, H, W // 2 + 1), for images of a shape (H, W)."""
        return (
            self._bank(count, shape, (self.low, self.high)),
            self._bank(count, shape, (self.low_back, self.high_back)),
        )

    def _bank(
        self, count: int, shape: tuple[int, int], pair: tuple[tuple[float, ...], ...]
    ) -> Float64Array:
        rows = 2 * np.pi * fft.fftfreq(shape[0])[:, None]
        columns = 2 * np.pi * fft.rfftfreq(shape[1])
        bands = [np.ones((shape[0], columns.size))]
        while len(bands) < count:
            finer = []
            for band, ((a, b), (c, d)) in zip(bands, _matrices(len(bands)), strict=True):
                profile = self.profile(a * rows + b * columns, c * rows + d * columns)
                finer += [band * Polynomial(coefficients)(profile) for coefficients in pair]
            bands = finer
        return np.asarray(bands)


def _matrices(parents: int) -> list[Matrix]:
    """By which the frequencies of each of the bands of a level are multiplied to split it."""
    if parents == 1:
        return [np.eye(2, dtype=int)]
    if parents == 2:
        return [QUINCUNX, QUINCUNX]
    if parents == 4:
        return [2 * parallelogram for parallelogram in PARALLELOGRAMS]
    return [
        2 * PARALLELOGRAMS[2 * half + band % 2] @ SHEARS[half][band // 2]
        for half in range(2)
        for band in range(4)
    ]


def _difference(rows: Float64Array, columns: Float64Array) -> Float64Array:
    return np.asarray((np.cos(rows) - np.cos(columns)) / 2)


def _ladder(rows: Float64Array, columns: Float64Array) -> Float64Array:
    """Product of the ladder filter along both diagonals, shifted by half a period of columns."""
    return _half_band(rows + columns + np.pi) * _half_band(rows - columns - np.pi)


def _half_band(frequency: Float64Array) -> Float64Array:
    terms = (2 * b * np.cos((k + 0.5) * frequency) for k, b in enumerate(PKVA_LADDER))
    return np.asarray(sum(terms))


_ROOT = float(np.sqrt(0.5))

VK = FanFilters(
    (_ROOT / 2, _ROOT / 2),
    (2 * _ROOT, -_ROOT, -_ROOT),
    (2 * _ROOT, _ROOT, -_ROOT),
    (_ROOT / 2, -_ROOT / 2),
    _difference,
)
"""`vk`: Vetterli and Kovacevic, 3 x 3 and 5 x 5 taps."""

PKVA = FanFilters((0.5, 0.5), (1, -0.5, -0.5), (1, 0.5, -0.5), (0.5, -0.5), _ladder)
"""`pkva`, 23 x 23 and 45 x 45 taps."""
