"""Dual-tree complex wavelet transform: two trees of real filters give complex coefficients.

Kingsbury 2001 (Applied and Computational Harmonic Analysis 10) and Selesnick, Baraniuk and
Kingsbury 2005 (IEEE Signal Processing Magazine 22), with LeGall 5/3 filters at the first level and
a quarter-sample shift filter of six taps at the next ones. Images and low-pass bands
interleave the samples of both trees along each axis; sides are mirrored with their edge.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radfuse.methods.transforms.borders import Images

FIRST_ANALYSIS = ((-0.125, 0.25, 0.75, 0.25, -0.125), (-0.25, 0.5, -0.25))
"""Low-pass and high-pass of the first level, symmetric; it keeps all samples."""

FIRST_SYNTHESIS = ((0.25, 0.5, 0.25), (-0.125, -0.25, 0.75, -0.25, -0.125))

LOW = (
    0.0, 0.0, -0.11430183714424873, 0.0, 0.5875182977235605, 0.7602723690661257,
    0.23389032060723564, -0.08832942445107285, 0.0, 0.03516383657149474,
)  # fmt: skip
"""Low-pass of the first tree, orthonormal; the filters of the second tree are reversed."""

HIGH = tuple((-1) ** (k + 1) * tap for k, tap in enumerate(reversed(LOW)))
"""High-pass of the first tree."""

LENGTH = len(LOW)

ORIENTATIONS = 6
"""Bands of a level."""


def decompose(images: Images, levels: int) -> tuple[list[NDArray[Any]], Images]:
    """Six complex bands of each level, finest first, and the base of images (N, H, W).

    Odd sides repeat their last line; at later levels, sides that are no multiple of 4 repeat their
    first and last one.
    """
    bands: list[NDArray[Any]] = []
    for level in range(levels):
        images = _padded(images, level)
        low, high = (_analysed(images, which, level) for which in (0, 1))
        low, high = low.swapaxes(1, 2), high.swapaxes(1, 2)
        across = [
            _analysed(band, which, level).swapaxes(1, 2)
            for band, which in ((high, 0), (high, 1), (low, 1))
        ]
        images = _analysed(low, 0, level).swapaxes(1, 2)
        pairs = [_complex_of(band) for band in across]
        bands += [pair[0] for pair in pairs] + [pair[1] for pair in reversed(pairs)]
    return bands, images


def reconstruct(bands: list[NDArray[Any]], base: Images, shape: tuple[int, int]) -> Images:
    """The images (N, *shape) of `decompose`."""
    images = base
    sizes = _sizes(shape, len(bands) // ORIENTATIONS)
    for level in range(len(sizes) - 1, -1, -1):
        six = bands[ORIENTATIONS * level : ORIENTATIONS * (level + 1)]
        high_low, both, low_high = (_real_of(six[k], six[-1 - k]) for k in range(3))
        low, high = (
            (_synthesised(a, 0, level) + _synthesised(b, 1, level)).swapaxes(1, 2)
            for a, b in (
                (images.swapaxes(1, 2), low_high.swapaxes(1, 2)),
                (high_low.swapaxes(1, 2), both.swapaxes(1, 2)),
            )
        )
        images = _cropped(_synthesised(low, 0, level) + _synthesised(high, 1, level), sizes[level])
    return images


def _padded(images: Images, level: int) -> Images:
    if level == 0:
        margins = [(0, side % 2) for side in images.shape[1:]]
    else:
        margins = [(side % 4 // 2,) * 2 for side in images.shape[1:]]
    return np.pad(images, ((0, 0), *margins), "edge")


def _cropped(images: Images, size: tuple[int, int]) -> Images:
    """Without the lines of `_padded`: two at opposite borders, or one at the end."""
    rows, columns = (
        slice((side - wanted) // 2, (side - wanted) // 2 + wanted)
        for side, wanted in zip(images.shape[1:], size, strict=True)
    )
    return images[:, rows, columns]


def _sizes(shape: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    """Rows and columns of the low-pass images before each level."""
    sizes = [shape]
    for level in range(levels - 1):
        rows, columns = (
            side + side % 2 if level == 0 else (side + side % 4) // 2 for side in sizes[-1]
        )
        sizes.append((rows, columns))
    return sizes[:levels]


def _analysed(images: Images, high: int, level: int) -> Images:
    """Low-pass (0) or high-pass (1) along the rows' axis 1."""
    if level == 0:
        return _filtered(images, FIRST_ANALYSIS[high])
    return _halved(images, HIGH if high else LOW, high)


def _synthesised(band: Images, high: int, level: int) -> Images:
    """What a band contributes, along axis 1."""
    if level == 0:
        return _filtered(band, FIRST_SYNTHESIS[high])
    return _doubled(band, HIGH if high else LOW, high)


def _filtered(images: Images, taps: tuple[float, ...]) -> Images:
    count = images.shape[1]
    padded = _mirrored(images, len(taps) // 2)
    return _weighted([(tap, padded[:, k : k + count]) for k, tap in enumerate(taps)])


def _halved(images: Images, taps: tuple[float, ...], high: int) -> Images:
    """The trees' samples, filtered and every second kept; again interleaved.

    The second tree comes first in high-pass bands, which makes them symmetric at their ends.
    """
    quarter = images.shape[1] // 4
    padded = _mirrored(images, LENGTH)
    halved = np.empty((len(images), 2 * quarter, images.shape[2]), images.dtype)
    for tree, of_tree in enumerate((taps, taps[::-1])):
        starts = [2 * LENGTH - 2 * k + tree for k in range(LENGTH)]
        terms = [
            (tap, padded[:, start : start + 4 * quarter : 4])
            for tap, start in zip(of_tree, starts, strict=True)
        ]
        halved[:, tree ^ high :: 2] = _weighted(terms[::2]) + _weighted(terms[1::2])
    return halved


def _doubled(band: Images, taps: tuple[float, ...], high: int) -> Images:
    """The adjoint of `_halved` for endless mirrored bands, whose trees are orthonormal."""
    quarter = band.shape[1] // 2
    half = LENGTH // 2
    margin = 2 * (half // 2)
    padded = _mirrored(band, margin)
    doubled = np.empty((len(band), 4 * quarter, band.shape[2]), band.dtype)
    for tree, of_tree in enumerate((taps, taps[::-1])):
        samples = padded[:, tree ^ high :: 2]
        for phase in (0, 1):
            terms = []
            for k in range((phase + half) % 2, LENGTH, 2):
                start = margin // 2 + (phase + k - half) // 2
                terms.append((of_tree[k], samples[:, start : start + quarter]))
            doubled[:, 2 * phase + tree :: 4] = _weighted(terms)
    return doubled


def _mirrored(images: Images, width: int) -> Images:
    return np.pad(images, ((0, 0), (width, width), (0, 0)), "symmetric")


def _weighted(terms: list[tuple[float, Images]]) -> Images:
    """The sum of arrays times their taps; taps of 0 are left out."""
    (tap, values), *rest = [term for term in terms if term[0]]
    total: Images = values.dtype.type(tap) * values
    for tap, values in rest:
        total += values.dtype.type(tap) * values
    return total


def _complex_of(band: Images) -> tuple[NDArray[Any], NDArray[Any]]:
    """Two complex bands of opposite orientation of the four trees' coefficients."""
    scale = band.dtype.type(np.sqrt(0.5))
    above, below = band[:, ::2], band[:, 1::2]
    one = scale * (above[..., ::2] + 1j * above[..., 1::2])
    other = scale * (below[..., 1::2] - 1j * below[..., ::2])
    return one - other, one + other


def _real_of(minus: NDArray[Any], plus: NDArray[Any]) -> NDArray[Any]:
    """The inverse of `_complex_of`."""
    scale = minus.real.dtype.type(np.sqrt(0.5))
    one, other = scale * (plus + minus), scale * (plus - minus)
    count, rows, columns = minus.shape
    band = np.empty((count, 2 * rows, 2 * columns), one.real.dtype)
    band[:, ::2, ::2], band[:, ::2, 1::2] = one.real, one.imag
    band[:, 1::2, 1::2], band[:, 1::2, ::2] = other.real, -other.imag
    return band
