"""Feature mutual information: what the fused image tells of the sources, window by window."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal

import numpy as np
import pywt
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import dctn

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import Image, floats

Feature = Literal["none", "gradient", "dct", "wavelet"]
Marks = NDArray[np.bool_]

SIDE = 3
"""Side of the sliding windows in pixels, the authors' own choice."""

FLAT = 1e-9
"""A window is flat below this share of the feature's whole range: rounding, not detail."""

BATCH = 1024
"""Windows whose joint distributions are held at once: what a processor's cache holds."""

TINY = 1e-300
"""Keeps the logarithm of 0 finite, and is lost to rounding beside any other share."""

MEYER_TAPS = 50
"""Taps on either side of the middle one that the field's code keeps of Meyer's filter."""


def fmi(fused: Image, ct: Image, mr: Image, *, feature: Feature = "none") -> float:
    """Mean 2 I(S;F) / (H(S) + H(F)) of a feature in 3x3 windows of both sources; 1 for copies.

    Within a window the nine values, stretched to 0..1 and divided by their sum, are taken for the
    distribution of a position, read column by column. The joint distribution is the independent
    one drawn towards Frechet's upper bound (or lower, where the two are opposed) until it has the
    correlation of the two windows. So the value depends on the order of reading, images rotated by
    90 degrees have another, and single windows can leave 0..1: all as in the authors' code, which
    this follows.

    Two windows that are equal count 1, and so do two flat ones of different levels, where the
    authors' code leaves it to rounding. A flat window counts 0 beside one that is not, and so does
    one in which a single pixel is above eight equal ones, beside any that is not equal to it.
    The result is always finite. Images are (H, W), both at least 3.

    Parameters
    ----------
    feature : str
        "none": the grey values. "gradient": horizontal central differences, for the authors' code
        takes the first output of `gradient` alone. "dct": the orthonormal cosine transform of the
        image. "wavelet": the four bands of Meyer's discrete wavelet, one level, side by side.
        The authors' code called without a feature takes MATLAB's binary `edge`, not offered here;
        part of the field prints that under the name of pixels.

    Notes
    -----
    Haghighat, Aghagolzadeh and Seyedarabi 2011, "A non-reference image fusion metric based on
    mutual information of image features", doi:10.1016/j.compeleceng.2011.07.012; Haghighat and
    Razian 2014, "Fast-FMI: non-reference image fusion metric" (AICT).
    """
    of_fused, *of_sources = (_windows(FEATURES[feature](floats(i))) for i in (fused, ct, mr))
    return float(np.mean([_window_scores(source, of_fused).mean() for source in of_sources]))


def _horizontal_gradient(image: Float64Array) -> Float64Array:
    return np.asarray(np.gradient(image, axis=1), np.float64)


def _cosine_transform(image: Float64Array) -> Float64Array:
    return np.asarray(dctn(image, norm="ortho"), np.float64)


@cache
def _meyer_wavelet() -> pywt.Wavelet:
    """Meyer's wavelet with the 102 taps of the field's code; PyWavelets' own has only 62.

    The low-pass filter is the inverse Fourier transform of Meyer's transfer function (Daubechies
    1992, "Ten lectures on wavelets", section 4.2), cut off at `MEYER_TAPS`.
    """
    frequency = np.abs(np.fft.fftfreq(2**14)) * 2
    x = np.clip(3 * frequency - 1, 0, 1)
    smooth = x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3)
    taps = np.fft.ifft(np.cos(np.pi / 2 * smooth)).real
    middle = np.concatenate([taps[-MEYER_TAPS:], taps[: MEYER_TAPS + 1], [0.0]])
    return pywt.Wavelet("meyer102", filter_bank=pywt.orthogonal_filter_bank(middle))


def _wavelet_bands(image: Float64Array) -> Float64Array:
    coarse, (horizontal, vertical, diagonal) = pywt.dwt2(image, _meyer_wavelet(), "symmetric")
    return np.block([[coarse, horizontal], [vertical, diagonal]])


FEATURES: Mapping[Feature, Callable[[Float64Array], Float64Array]] = {
    "none": floats,
    "gradient": _horizontal_gradient,
    "dct": _cosine_transform,
    "wavelet": _wavelet_bands,
}
"""The feature in the windows, by name."""


def _windows(feature: Float64Array) -> tuple[Float64Array, Marks]:
    """All windows, (9, N), each read column by column, and which of them are flat, (N,)."""
    view = sliding_window_view(feature, (SIDE, SIDE))
    windows = view.transpose(3, 2, 0, 1).reshape(SIDE**2, -1)
    return windows, np.ptp(windows, axis=0) <= FLAT * np.ptp(feature)


def _window_scores(
    source: tuple[Float64Array, Marks], fused: tuple[Float64Array, Marks]
) -> Float64Array:
    """Normalised mutual information of every window, (N,)."""
    (windows_s, flat_s), (windows_f, flat_f) = source, fused
    alike: Marks = (windows_s == windows_f).all(0) | (flat_s & flat_f)
    open_ones = np.flatnonzero(~(alike | flat_s | flat_f))
    scores = alike.astype(np.float64)
    for start in range(0, open_ones.size, BATCH):
        batch = open_ones[start : start + BATCH]
        # `take`, because an index would change the order in memory and halve the speed.
        of_both = (_shares(windows.take(batch, axis=1)) for windows in (windows_s, windows_f))
        scores[batch] = _shared_information(*of_both)
    return scores


def _shares(windows: Float64Array) -> Float64Array:
    """Windows, none of them flat, as distributions: from 0 up, with sum 1."""
    above = windows - windows.min(0)
    return np.asarray(above / above.sum(0), np.float64)


def _shared_information(p: Float64Array, q: Float64Array) -> Float64Array:
    """2 I / (H + H) of distributions p and q, (9, N) each; 0 where neither has any entropy."""
    correlation = _correlation(p, q)
    # Frechet's lower bound is the upper one with one of the two read backwards.
    p = np.where(correlation < 0, p[::-1], p)
    total = _surprise(p).sum(0) + _surprise(q).sum(0)
    shared = total - _joint_entropy_bits(p, q, np.abs(correlation), total)
    return np.asarray(2 * shared / np.where(total > 0, total, 1), np.float64)


def _correlation(p: Float64Array, q: Float64Array) -> Float64Array:
    """Pearson's correlation of the nine values, (N,)."""
    pp, qq, pq = (np.einsum("in,in->n", a, b) - 1 / len(p) for a, b in ((p, p), (q, q), (p, q)))
    return np.asarray(pq / np.sqrt(pp * qq), np.float64)


def _joint_entropy_bits(
    p: Float64Array, q: Float64Array, correlation: Float64Array, total: Float64Array
) -> Float64Array:
    """Entropy, (N,), of the joint distribution with margins p and q, drawn to Frechet's bound.

    It has 9 x 9 cells, (1 - pull) p q plus `pull` times the bound (Nelsen 1987, "Discrete
    bivariate distributions with given marginals and correlation"). The bound is 0 but on a
    staircase of 18 cells, and the entropy of the rest follows from that of the margins, `total`.
    """
    apart, bound, moment = _staircase(p, q)
    covariance = moment - _mean(p) * _mean(q)
    wanted = correlation * _deviation(p) * _deviation(q)
    pull = np.divide(wanted, covariance, out=np.zeros_like(wanted), where=covariance > 0)
    apart *= 1 - pull
    drawn = _surprise(apart + pull * bound) - _surprise(apart)
    return np.asarray(_surprise(1 - pull) + (1 - pull) * total + drawn.sum(0), np.float64)


def _staircase(p: Float64Array, q: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """The cells where min(P, Q) of the cumulated p and q has mass: p q and mass, (18, N) each.

    A cell ends where a step of p does (the first nine) or one of q (the last nine), and begins
    where the one before it ended. The third value is the mean product of the positions, (N,).
    """
    before = np.tri(len(p) + 1, len(p), -1)
    sums_p, sums_q = before @ p, before @ q  # (10, N), from 0 to 1
    q_is_first = sums_q[1:] < sums_p[1:, None]  # (9 of p, 9 of q, N)
    passed_q = q_is_first.sum(1, dtype=np.int8).astype(np.intp)
    passed_p = (~q_is_first).sum(0, dtype=np.int8).astype(np.intp)
    of_p = _cells(p, q, sums_p, sums_q, passed_q)
    of_q = _cells(q, p, sums_q, sums_p, passed_p)
    return np.concatenate([of_p[0], of_q[0]]), np.concatenate([of_p[1], of_q[1]]), of_p[2] + of_q[2]


def _cells(
    own: Float64Array,
    other: Float64Array,
    sums_own: Float64Array,
    sums_other: Float64Array,
    passed: NDArray[np.intp],
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """`_staircase` for the cells that end with a step of `own`, after `passed` of the other."""
    steps, windows = own.shape
    window = np.arange(windows)
    # Past the last step, where both reach 1, the cell is empty: any position works.
    position = np.minimum(passed, steps - 1)
    start = sums_other.take(passed * windows + window)
    mass = sums_own[1:] - np.maximum(sums_own[:-1], start)
    product = own * other.take(position * windows + window)
    return product, mass, _mean(mass * position)


def _mean(p: Float64Array) -> Float64Array:
    """Mean of a position 0..8 that has distribution p, (N,)."""
    return np.asarray(np.arange(len(p)) @ p, np.float64)


def _deviation(p: Float64Array) -> Float64Array:
    """Standard deviation of a position 0..8 that has distribution p, (N,)."""
    variance = np.arange(len(p)) ** 2 @ p - _mean(p) ** 2
    return np.asarray(np.sqrt(np.maximum(variance, 0)), np.float64)


def _surprise(share: Float64Array) -> Float64Array:
    """-p log2(p), an outcome's part of the entropy in bits; of a p below 0, the real part."""
    return np.asarray(-share * np.log2(np.abs(share) + TINY), np.float64)
