"""Metric of features that phase congruency finds, whatever their contrast."""

from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from radfuse.arrays import BoolArray, Float64Array
from radfuse.metrics.image_levels import Image, floats
from radfuse.metrics.local_statistics import LINES, zero_padded_means

Responses = NDArray[np.complex128]

SCALES = 4
"""Log-Gabor filters of one orientation."""

ORIENTATIONS = 6
"""Orientations of the filters, evenly over half a rotation."""

ROTATIONS: Float64Array = np.linspace(0, np.pi, ORIENTATIONS, endpoint=False)
"""Orientations in radians, counted upwards from the rows."""

MIN_WAVELENGTH = 3.0
"""Wavelength of the finest filter in pixels."""

WAVE_RATIO = 2.1
"""From the wavelength of one scale to the next."""

BANDWIDTH = 0.55
"""Standard deviation of a filter over its centre frequency, as a ratio of frequencies."""

ANGLE_DEVIATION = np.pi / ORIENTATIONS / 1.2
"""Standard deviation of a filter's orientation in radians."""

LOWPASS_CUTOFF, LOWPASS_POWER = 0.45, 30
"""Butterworth filter, in cycles a pixel, that keeps the corners of the spectrum out."""

NOISE_DEVIATIONS = 2.0
"""Standard deviations of the noise energy above its mean that still count as noise, k."""

NOISE_EXCESS = 1.7
"""By how much the estimate of the noise is too large for this measure: Kovesi, by experiment."""

SPREAD_CENTRE, SPREAD_SLOPE = 0.5, 10.0
"""Sigmoid of the share of scales that respond: fewer than half of them make no feature."""

EPSILON = 1e-4
"""Amplitude in grey levels, and moment, that keeps quotients finite; as in Kovesi's code."""

FEATURE = 0.1
"""Phase congruency above which a source has a feature."""

STABLE = 1e-4
"""C of the local correlation."""


@dataclass(frozen=True)
class Filters:
    """Log-Gabor filters of one image size in the frequency plane: a product of two factors."""

    radial: list[Float64Array]
    angular: list[Float64Array]
    noise: list[float]
    """Of each orientation, threshold of the noise over the median amplitude at the finest scale."""


@dataclass(frozen=True)
class Features:
    """Maps (H, W) of the features of an image."""

    congruency: Float64Array
    """Phase congruency in [0, 1], all orientations together."""

    maximum: Float64Array
    """Largest moment of the congruency over the orientations: edges."""

    minimum: Float64Array
    """Smallest moment: corners."""


def q_p(fused: Image, ct: Image, mr: Image) -> float:
    """Correlation of the fused image's phase congruency with that of its sources, at most 1.

    Zhao, Laganiere and Liu 2007, "Performance assessment of combinative pixel-level image fusion
    based on an absolute feature measurement", Int. J. Innovative Computing, Information and
    Control 3(6A):1433-1447, with alpha = beta = gamma = 1: the product of P_p, P_M and P_m,
    as in the code of Liu et al. 2012, doi:10.1109/TPAMI.2011.109, at even sizes. At odd ones
    that code takes frequencies by k / (n - 1) and shifts its low-pass by one; here they are
    true. 0 where both sources, or the fused image, have no feature.
    """
    filters = log_gabor_filters(ct.shape)
    found, *sources = (features(floats(image), filters) for image in (fused, ct, mr))
    sources = [*sources, _stronger(*sources)]
    masks = [source.congruency > FEATURE for source in sources]
    if not masks[-1].any() or found.congruency.max() <= FEATURE:
        return 0.0
    return (
        _correlation(found.congruency, [source.congruency for source in sources], masks)
        * _correlation(found.maximum, [source.maximum for source in sources], masks)
        * _correlation(found.minimum, [source.minimum for source in sources], masks)
    )


@lru_cache(maxsize=1)
def log_gabor_filters(shape: tuple[int, ...]) -> Filters:
    """Filters of an image of a shape (H, W); not to be changed, for one shape is remembered."""
    up, across = -fft.fftfreq(shape[0])[:, None], fft.fftfreq(shape[1])
    radius = np.hypot(up, across)
    lowpass = 1 / (1 + (radius / LOWPASS_CUTOFF) ** LOWPASS_POWER)
    radius[0, 0] = 1  # any number: the filters are 0 there
    waves = MIN_WAVELENGTH * WAVE_RATIO ** np.arange(SCALES)
    radial = [_band(radius * wave) * lowpass for wave in waves]
    angle = np.arctan2(up, across)
    angular = [_direction(angle - rotation) for rotation in ROTATIONS]
    total = reduce(np.add, radial)
    noise = [_noise(radial[0] * direction, total * direction) for direction in angular]
    return Filters(radial, angular, noise)


def _band(relative: Float64Array) -> Float64Array:
    """Log-Gabor profile over the frequency relative to its centre; none of the mean."""
    band: Float64Array = np.exp(-(np.log(relative) ** 2) / (2 * np.log(BANDWIDTH) ** 2))
    band[0, 0] = 0
    return band


def _direction(angle: Float64Array) -> Float64Array:
    """Gaussian of an angle in radians, taken modulo a rotation."""
    nearest = (angle + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(np.exp(-(nearest**2) / (2 * ANGLE_DEVIATION**2)), np.float64)


def _noise(finest: Float64Array, total: Float64Array) -> float:
    """Threshold T for noise of unit median amplitude, from the finest filter and the sum of all.

    The amplitudes of noise follow a Rayleigh distribution; the energy of the even part of the
    filters, which Kovesi takes in space, is taken in the frequency plane (Parseval).
    """
    even = (total + np.roll(total[::-1, ::-1], (1, 1), (0, 1))) / 2
    power = 1 / np.log(2) / (finest**2).sum()
    deviation = np.sqrt(power * (even**2).sum())
    mean, spread = np.sqrt(np.pi / 2), np.sqrt(2 - np.pi / 2)
    return float(deviation * (mean + NOISE_DEVIATIONS * spread) / NOISE_EXCESS)


def features(image: Float64Array, filters: Filters) -> Features:
    """Phase congruency of an image (H, W) and its moments, by filters of its size.

    Kovesi 1999, "Image features from phase congruency", Videre 1(3), and Kovesi 2003, "Phase
    congruency detects corners and edges", DICTA, with the parameters above. A flat image has none.
    """
    spectrum = fft.fft2(image)
    energy, amplitude = np.zeros_like(image), np.zeros_like(image)
    across, up, both = (np.zeros_like(image) for _ in range(3))
    for rotation, direction, noise in zip(ROTATIONS, filters.angular, filters.noise, strict=True):
        directed = spectrum * direction
        responses = [fft.ifft2(directed * band) for band in filters.radial]
        of_rotation, total = _energy(responses, noise)
        energy += of_rotation
        amplitude += total
        squared = np.divide(of_rotation, total, out=np.zeros_like(total), where=total > 0) ** 2
        across += np.cos(rotation) ** 2 * squared
        up += np.sin(rotation) ** 2 * squared
        both += np.cos(rotation) * np.sin(rotation) * squared
    maximum, minimum = _principal(*(sum_ / ORIENTATIONS for sum_ in (across, up, both)))
    return Features(energy / (amplitude + EPSILON), maximum, minimum)


def _energy(responses: list[Responses], noise: float) -> tuple[Float64Array, Float64Array]:
    """Energy of one orientation above the noise, weighted by its spread, and sum of amplitudes."""
    amplitudes = [np.abs(response) for response in responses]
    amplitude, largest = reduce(np.add, amplitudes), reduce(np.maximum, amplitudes)
    total = reduce(np.add, responses)
    length = np.abs(total)
    energy = length**2
    for response in responses:
        energy -= np.abs(response.real * total.imag - response.imag * total.real)
    energy /= length + EPSILON
    energy -= noise * np.sqrt(np.median(amplitudes[0] ** 2))
    spread = amplitude / (largest + EPSILON) / SCALES
    weight = 1 / (1 + np.exp(SPREAD_SLOPE * (SPREAD_CENTRE - spread)))
    return weight * np.maximum(energy, 0), amplitude


def _principal(
    across: Float64Array, up: Float64Array, both: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Largest and smallest moment, from mean moments about the axes and the mixed one."""
    total, apart = 2 * (across + up), 2 * (across - up)
    length = np.sqrt(both**2 + apart**2) + EPSILON
    return (total + length) / 2, (total - length) / 2


def _stronger(ct: Features, mr: Features) -> Features:
    """At every pixel all features of the source with the larger congruency."""
    first = ct.congruency > mr.congruency
    return Features(
        np.where(first, ct.congruency, mr.congruency),
        np.where(first, ct.maximum, mr.maximum),
        np.where(first, ct.minimum, mr.minimum),
    )


def _correlation(found: Float64Array, sources: list[Float64Array], masks: list[BoolArray]) -> float:
    """Best local correlation with CT, MR or the stronger of both, a mean over their features.

    As in Liu's code, a source counts as 0 outside its own features, the fused image does not.
    """
    mean = _window_means(found)
    variance = _window_means(found**2) - mean**2
    best = np.full_like(found, -np.inf)
    for whole, mask in zip(sources, masks, strict=True):
        source = np.where(mask, whole, 0)
        mean_s = _window_means(source)
        variance_s = _window_means(source**2) - mean_s**2
        covariance = _window_means(source * found) - mean_s * mean
        similarity = (covariance + STABLE) / (np.sqrt(np.abs(variance_s * variance)) + STABLE)
        best = np.maximum(best, np.where(mask, similarity, 0))
    return float(best.sum() / masks[-1].sum())


def _window_means(image: Float64Array) -> Float64Array:
    """Gaussian window means; 0 outside the image."""
    return zero_padded_means(image, LINES["gaussian11"])
