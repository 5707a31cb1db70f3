"""Fast discrete curvelet transform by wrapping, real, with curvelets at the finest scale.

Candes, Demanet, Donoho and Ying 2006 (Multiscale Modeling and Simulation 5), section 3.3: the
frequency plane is cut into wedges by smooth windows whose squares sum to 1; each wedge is wrapped
around the origin into a rectangle and transformed back. So the transform is a tight frame: its
adjoint is its inverse. Windows, sizes and corner wedges are those of the wrapping code of the
paper's authors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.fft import fft2, fftshift, ifft2, ifftshift
from scipy.sparse import csr_array

from radfuse.arrays import Float64Array
from radfuse.methods.transforms.borders import Images

COARSE_WEDGES = 16
"""Wedges of the coarsest scale that has any; they double at every second finer one."""

MIN_SIDE = 9
"""The least that two scales need, doubled by each further one; smaller images are mirrored."""

AXES = (-2, -1)


@dataclass(frozen=True)
class _Part:
    """A wedge, or the base: which frequencies it has, with which weight, and its rectangle."""

    rows: NDArray[np.int64]
    """Frequency along the rows' axis, cycles per image; may be outside of the image's band."""

    columns: NDArray[np.int64]
    weights: Float64Array
    shape: tuple[int, int]


@dataclass(frozen=True)
class _Plan:
    """The frame of an image size."""

    windows: csr_array
    """From the frequencies of an image to those of all rectangles, the base first."""

    shapes: tuple[tuple[int, int], ...]
    """Of the rectangles."""


def scales_of(shape: tuple[int, int], scales: int) -> int:
    """As many scales, base included, as an image has room for: 2 from 9 pixels, 5 from 72."""
    return min(scales, 1 + (max(min(shape), MIN_SIDE) // MIN_SIDE).bit_length())


def decompose(images: Images, scales: int) -> tuple[list[Images], Images]:
    """The wedges of each scale, finest first, and the base of images (N, H, W).

    A scale has the cosine parts of all its wedges, then their sine parts. Images with a
    side below 9 * 2 ** (scales - 2) have fewer scales.
    """
    images = _large_enough(images)
    scales = scales_of((images.shape[1], images.shape[2]), scales)
    plan = _plan_of(images.shape[1:], scales, images.dtype)
    spectrum = fft2(ifftshift(images, AXES), norm="ortho").reshape(len(images), -1).T
    wrapped = _times(plan.windows, spectrum)
    base, *wedges = (
        fftshift(ifft2(part, norm="ortho"), AXES) for part in _split(wrapped, plan.shapes)
    )
    root = images.dtype.type(np.sqrt(2))
    return real_of([root * wedge for wedge in wedges]), base.real


def reconstruct(bands: list[Images], base: Images, shape: tuple[int, int]) -> Images:
    """The images (N, *shape) of `decompose`."""
    size = (max(shape[0], MIN_SIDE), max(shape[1], MIN_SIDE))
    plan = _plan_of(size, _scales_in(len(bands)), base.dtype)
    root = base.dtype.type(np.sqrt(2))
    parts = [base, *(root * wedge for wedge in complex_of(bands))]
    wrapped = np.concatenate(
        [fft2(ifftshift(part, AXES), norm="ortho").reshape(len(base), -1).T for part in parts]
    )
    spectrum = _times(plan.windows.T, wrapped).T.reshape(len(base), *size)
    images = fftshift(ifft2(spectrum, norm="ortho").real, AXES)
    return images[:, : shape[0], : shape[1]]


def complex_of(bands: list[Images]) -> list[NDArray[Any]]:
    """Complex wedges, whose real and imaginary parts are the cosine and sine parts of bands."""
    wedges: list[NDArray[Any]] = []
    for count in _wedges_of(_scales_in(len(bands))):
        of_scale, bands = bands[:count], bands[count:]
        cosines, sines = of_scale[: count // 2], of_scale[count // 2 :]
        wedges += [a + 1j * b for a, b in zip(cosines, sines, strict=True)]
    return wedges


def real_of(wedges: list[NDArray[Any]]) -> list[Images]:
    """The bands of which `complex_of` makes these wedges."""
    bands: list[Images] = []
    for count in _wedges_of(_scales_in(2 * len(wedges))):
        of_scale, wedges = wedges[: count // 2], wedges[count // 2 :]
        bands += [wedge.real for wedge in of_scale] + [wedge.imag for wedge in of_scale]
    return bands


def _scales_in(count: int) -> int:
    """The number of scales of as many bands."""
    scales = 1
    while sum(_wedges_of(scales)) < count:
        scales += 1
    return scales


def _large_enough(images: Images) -> Images:
    margins = [(0, max(MIN_SIDE - side, 0)) for side in images.shape[1:]]
    return np.pad(images, ((0, 0), *margins), "symmetric")


def _times(matrix: Any, values: NDArray[Any]) -> NDArray[Any]:
    """A real matrix by complex columns, whose real and imaginary parts are columns of their own."""
    values = np.ascontiguousarray(values)
    product: NDArray[Any] = matrix @ values.view(values.real.dtype)
    return product.view(values.dtype)


def _split(wrapped: NDArray[Any], shapes: tuple[tuple[int, int], ...]) -> Iterator[NDArray[Any]]:
    """The rectangles (N, rows, columns) of the columns of an array."""
    start = 0
    for rows, columns in shapes:
        stop = start + rows * columns
        yield wrapped[start:stop].T.reshape(-1, rows, columns)
        start = stop


def _wedges_of(scales: int) -> list[int]:
    """Number of wedges of each scale but the base, finest first."""
    return [COARSE_WEDGES * 2 ** (k // 2) for k in range(1, scales)][::-1]


@lru_cache(maxsize=4)
def _plan_of(shape: tuple[int, int], scales: int, dtype: DTypeLike) -> _Plan:
    parts = [_base(shape, scales)]
    for level, count in enumerate(_wedges_of(scales)):
        parts += _wedges(shape, level, count // 4)
    starts = np.cumsum([0, *(rows * columns for rows, columns in (part.shape for part in parts))])
    targets = [
        start + part.rows % part.shape[0] * part.shape[1] + part.columns % part.shape[1]
        for start, part in zip(starts, parts, strict=False)
    ]
    sources = [part.rows % shape[0] * shape[1] + part.columns % shape[1] for part in parts]
    windows = csr_array(
        (
            np.concatenate([part.weights for part in parts]).astype(dtype),
            (np.concatenate(targets), np.concatenate(sources)),
        ),
        shape=(int(starts[-1]), shape[0] * shape[1]),
    )
    return _Plan(windows, tuple(part.shape for part in parts))


def _base(shape: tuple[int, int], scales: int) -> _Part:
    """The low-pass rectangle."""
    profiles = [_low_pass(side, scales - 1) for side in shape]
    (rows, of_rows), (columns, of_columns) = profiles
    grid = np.meshgrid(rows, columns, indexing="ij")
    weights = np.outer(of_rows, of_columns)
    return _Part(grid[0].ravel(), grid[1].ravel(), weights.ravel(), weights.shape)


def _low_pass(side: int, level: int) -> tuple[NDArray[np.int64], Float64Array]:
    """Frequencies, and the window of the low-pass that is left after as many scales.

    It falls from 1 at a third of the side, halved at each scale, to 0 at twice that frequency.
    """
    flat = side / 3 / 2**level
    last = int(2 * flat)
    zero = last - 1 if level == 0 and side % 3 == 0 else last
    frequencies = np.arange(-last, last + 1)
    return frequencies, _rise((zero - np.abs(frequencies)) / (zero - int(flat) - 1))


def _wedges(shape: tuple[int, int], level: int, count: int) -> Iterator[_Part]:
    """Of a scale, those above the origin from left to right, then those right of it downwards."""
    yield from _upper_wedges(shape, level, count)
    for part in _upper_wedges(shape[::-1], level, count):
        yield _Part(part.columns, -part.rows, part.weights, part.shape[::-1])


def _upper_wedges(shape: tuple[int, int], level: int, count: int) -> Iterator[_Part]:
    """The wedges of the upper quarter of the frequency plane."""
    ring = _ring(shape, level)
    half_rows, half_columns = (side // 2 for side in ring.shape)
    ends = _round(np.arange(1, count + 1, 2) * half_columns / count)
    ends = np.concatenate([ends, 2 * half_columns - ends[::-1]])
    first_end = int(_round(half_rows / count))
    heights = np.full(count, half_rows - int(shape[0] / 3 / 2 ** (level + 1)))
    heights[[0, -1]] += first_end // 4 + 1
    widths = np.concatenate(
        [
            [ends[0] + ends[1] + 1],
            ends[2:] - ends[:-2] + 1,
            [4 * half_columns - ends[-1] - ends[-2] + 1],
        ]
    )
    windows = _angular(ring.shape, ends, first_end)
    for window, height, width in zip(windows, heights, widths, strict=True):
        weights = (window * ring[:half_rows])[:height]
        rows, columns = np.nonzero(weights)
        yield _Part(
            rows - half_rows,
            columns - half_columns,
            weights[rows, columns],
            (int(height), int(width)),
        )


def _ring(shape: tuple[int, int], level: int) -> Float64Array:
    """The window of a scale: what its low-pass leaves of that of the next finer scale."""
    outer, inner = ([_low_pass(side, level + coarser)[1] for side in shape] for coarser in (0, 1))
    margins = [
        ((large.size - small.size) // 2,) * 2 for large, small in zip(outer, inner, strict=True)
    ]
    kept = np.pad(np.outer(*inner), margins)
    return np.asarray(np.outer(*outer) * np.sqrt(1 - kept**2))


def _angular(
    shape: tuple[int, ...], ends: NDArray[np.int64], first_end: int
) -> Iterator[Float64Array]:
    """The windows of the upper wedges, over the rows above the origin.

    Each rises from one of the ends on the upper border, by the slope of the line through the
    origin, to its next and falls to that after it; at corners, it rises across the diagonal. The
    first end on the side border is given from the corner.
    """
    half_rows, half_columns = (side // 2 for side in shape)
    y, x = np.arange(half_rows)[:, None], np.arange(shape[1])
    on_border = half_columns + (x - half_columns) * half_rows / (half_rows - y)
    steps = [(on_border - a) / (b - a) for a, b in pairwise(ends)]
    corner = _rise(
        _across(x / half_columns, y / half_rows, ends[0] / half_columns, first_end / half_rows)
    )
    rises = [corner, *(_rise(step) for step in steps)]
    falls = [*(_rise(1 - step) for step in steps), corner[:, ::-1]]
    return (rise * fall for rise, fall in zip(rises, falls, strict=True))


def _across(x: Float64Array, y: Float64Array, end_x: float, end_y: float) -> Float64Array:
    """The coordinate across the diagonal of the plane, from 0 to 1 between the two end points.

    Coordinates are in half sides from the upper left corner.
    """
    of_x, of_y = end_x / (2 - end_x), end_y / (2 - end_y)
    rest = 2 - x - y
    ratio = np.divide(x - y, rest, out=np.full(rest.shape, -np.inf), where=rest > 0)
    return np.asarray((of_y + ratio) / (of_x + of_y))


def _rise(x: Float64Array) -> Float64Array:
    """A smooth step from 0 at 0 to 1 at 1; its square and that of its mirror image sum to 1."""
    inside = (x > np.finfo(float).eps) & (x < 1)
    up, down = (np.exp(1 - 1 / (1 - np.exp(1 - 1 / each))) for each in (1 - x[inside], x[inside]))
    step = (x >= 1).astype(float)
    step[inside] = up / np.hypot(up, down)
    return step


def _round(values: Any) -> NDArray[np.int64]:
    """To integers, halves up."""
    return np.floor(np.asarray(values) + 0.5).astype(np.int64)
