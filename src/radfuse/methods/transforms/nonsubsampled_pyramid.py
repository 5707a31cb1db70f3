"""Nonsubsampled pyramid: every level has the size of the image; borders half-sample symmetric.

The two-dimensional filters are polynomials of one map T of the frequencies a and b (McClellan),
T = (1 + q(a)) (1 + q(b)) / 2 - 1, and the filters of a level are those of the level before at
doubled frequencies. They are symmetric, so the discrete cosine transform (DCT-II), whose basis
continues an image by reflection at its border, makes each of them a product: exact at every size,
one pixel included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from scipy import fft

from radfuse.arrays import Float64Array, FloatArray

Coefficients = tuple[float, ...]
"""Of a polynomial in T, the constant first."""

Responses = tuple[FloatArray, FloatArray]
"""Of a low-pass and a high-pass filter in the DCT plane, (H, W)."""

REMEMBERED_SIZES = 4
"""Image sizes (and types) whose responses are kept."""


def cosine(frequency: FloatArray) -> FloatArray:
    """Profile q of McClellan's map: nearly circular."""
    return np.asarray(np.cos(frequency))


def interpolating(frequency: FloatArray) -> FloatArray:
    """Profile q of the maximally flat diamond map of order (4, 0)."""
    return np.asarray((9 * np.cos(frequency) - np.cos(3 * frequency)) / 8)


@dataclass(frozen=True)
class PyramidFilters:
    """Filters of a nonsubsampled pyramid; `low * low_back + high * high_back` is 1."""

    low: Coefficients
    high: Coefficients
    low_back: Coefficients
    """Of the reconstruction."""

    high_back: Coefficients
    profile: Callable[[FloatArray], FloatArray] = cosine


def mirrored(coefficients: Coefficients) -> Coefficients:
    """The polynomial at -T: the high-pass filter of a low-pass one."""
    return tuple(-c if power % 2 else c for power, c in enumerate(coefficients))


def _cdf97() -> tuple[Coefficients, Coefficients]:
    """Low-pass filters of 9 and 7 taps: four zeros at -1, the rest of the maximally flat half band.

    Cohen, Daubechies and Feauveau 1992: 1 + 4 y + 10 y^2 + 20 y^3, y = (1 - T) / 2, has one real
    root, whose factor goes to the shorter filter.
    """
    flat = Polynomial([1, 4, 10, 20])
    root = float(min(np.roots(flat.coef[::-1]), key=lambda value: abs(value.imag)).real)
    short = Polynomial([1, -1 / root])
    half, zeros = Polynomial([0.5, -0.5]), Polynomial([0.5, 0.5]) ** 2
    nine, seven = (zeros * factor(half) for factor in (flat // short, short))
    return tuple(map(float, nine.coef)), tuple(map(float, seven.coef))


_ROOT = float(np.sqrt(0.5))

SHORT: Coefficients = (_ROOT, 0.5, 0.5 - _ROOT)
LONG: Coefficients = (_ROOT, 2 - 2 * _ROOT, 0.5 - _ROOT, 2 * _ROOT - 1.5)
"""Low-pass filters of degree 2 and 3, each the dual of the other: da Cunha, Zhou and Do 2006,
"The nonsubsampled contourlet transform", IEEE Transactions on Image Processing 15(10), III."""

NINE, SEVEN = _cdf97()

PYREXC = PyramidFilters(SHORT, mirrored(SHORT), LONG, mirrored(LONG))
"""`pyrexc` of the authors' toolbox: `PYR` with analysis and reconstruction exchanged."""

CDF97 = PyramidFilters(NINE, mirrored(SEVEN), SEVEN, mirrored(NINE))
"""`9-7`."""

MAXFLAT = PyramidFilters(SHORT, mirrored(LONG), LONG, mirrored(SHORT), interpolating)
"""`maxflat`, with a diamond-shaped pass band."""


def split(
    images: FloatArray, filters: PyramidFilters, levels: int
) -> tuple[list[FloatArray], FloatArray]:
    """Details, coarsest first, and the low-pass base of images (..., H, W); float32 or float64."""
    analysis = _responses(filters, levels, images.shape[-2:], images.dtype)[0]
    spectrum = _dct(images)
    details = []
    for low, high in analysis:
        details.append(_inverse_dct(spectrum * high))
        spectrum = spectrum * low
    return details[::-1], _inverse_dct(spectrum)


def merge(details: list[FloatArray], base: FloatArray, filters: PyramidFilters) -> FloatArray:
    """The images of details, coarsest first, and a base by `split`."""
    synthesis = _responses(filters, len(details), base.shape[-2:], base.dtype)[1]
    spectrum = _dct(base)
    for detail, (low, high) in zip(details, reversed(synthesis), strict=True):
        spectrum = spectrum * low + _dct(detail) * high
    return _inverse_dct(spectrum)


def _dct(images: FloatArray) -> FloatArray:
    return np.asarray(fft.dctn(images, axes=(-2, -1), norm="ortho"))


def _inverse_dct(spectrum: FloatArray) -> FloatArray:
    return np.asarray(fft.idctn(spectrum, axes=(-2, -1), norm="ortho"))


@lru_cache(maxsize=REMEMBERED_SIZES)
def _responses(
    filters: PyramidFilters, levels: int, shape: tuple[int, int], dtype: np.dtype[Any]
) -> tuple[list[Responses], list[Responses]]:
    """Of analysis and reconstruction, the responses of each level, finest first."""
    analysis, synthesis = [], []
    for level in range(levels):
        mapped = frequency_map(filters, level, shape)
        low, high, low_back, high_back = (
            Polynomial(coefficients)(mapped).astype(dtype)
            for coefficients in (filters.low, filters.high, filters.low_back, filters.high_back)
        )
        analysis.append((low, high))
        synthesis.append((low_back, high_back))
    return analysis, synthesis


def frequency_map(filters: PyramidFilters, level: int, shape: tuple[int, int]) -> Float64Array:
    """T at the DCT frequencies of an image of a shape (H, W), doubled per level, the finest 0."""
    rows, columns = (
        1 + filters.profile(2**level * np.pi * np.arange(size) / size) for size in shape
    )
    return np.asarray(rows[:, None] * columns / 2 - 1, np.float64)
