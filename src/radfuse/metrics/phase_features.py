"""Features of an image by phase congruency, with the parameters of Kovesi or of FSIM."""

from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from radfuse.arrays import Float64Array

Responses = NDArray[np.complex128]

BANDWIDTH = 0.55
"""Standard deviation of a filter over its centre frequency, as a ratio of frequencies."""

ANGLE_RATIO = 1.2
"""Angle between two orientations over the standard deviation of a filter's orientation."""

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


@dataclass(frozen=True)
class Parameters:
    """Which filters are taken, and whether a feature must be of several scales."""

    orientations: int
    """Evenly over half a rotation."""

    min_wavelength: float
    """Wavelength of the finest filter in pixels."""

    wave_ratio: float
    """From the wavelength of one scale to the next."""

    is_spread_weighted: bool
    """Energy of a few scales only counts less."""

    scales: int = 4
    """Log-Gabor filters of one orientation."""

    @property
    def rotations(self) -> Float64Array:
        """Orientations in radians, counted upwards from the rows."""
        return np.linspace(0, np.pi, self.orientations, endpoint=False)


KOVESI = Parameters(6, 3.0, 2.1, is_spread_weighted=True)
"""Kovesi 1999 and 2003 with his later parameters."""

FSIM = Parameters(4, 6.0, 2.0, is_spread_weighted=False)
"""Zhang, Zhang, Mou and Zhang 2011, "FSIM: a feature similarity index for image quality
assessment", IEEE Transactions on Image Processing 20(8): his older parameters, no weight."""


@dataclass(frozen=True)
class Filters:
    """Log-Gabor filters of one image size in the frequency plane: a product of two factors."""

    parameters: Parameters
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


@lru_cache(maxsize=1)
def log_gabor_filters(shape: tuple[int, ...], parameters: Parameters = KOVESI) -> Filters:
    """Filters of an image of a shape (H, W); not to be changed, for one shape is remembered."""
    up, across = -fft.fftfreq(shape[0])[:, None], fft.fftfreq(shape[1])
    radius = np.hypot(up, across)
    lowpass = 1 / (1 + (radius / LOWPASS_CUTOFF) ** LOWPASS_POWER)
    radius[0, 0] = 1  # any number: the filters are 0 there
    waves = parameters.min_wavelength * parameters.wave_ratio ** np.arange(parameters.scales)
    radial = [_band(radius * wave) * lowpass for wave in waves]
    angle = np.arctan2(up, across)
    deviation = np.pi / parameters.orientations / ANGLE_RATIO
    angular = [_direction(angle - rotation, deviation) for rotation in parameters.rotations]
    total = reduce(np.add, radial)
    noise = [_noise(radial[0] * direction, total * direction) for direction in angular]
    return Filters(parameters, radial, angular, noise)


def _band(relative: Float64Array) -> Float64Array:
    """Log-Gabor profile over the frequency relative to its centre; none of the mean."""
    band: Float64Array = np.exp(-(np.log(relative) ** 2) / (2 * np.log(BANDWIDTH) ** 2))
    band[0, 0] = 0
    return band


def _direction(angle: Float64Array, deviation: float) -> Float64Array:
    """Gaussian of an angle in radians, taken modulo a rotation."""
    nearest = (angle + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(np.exp(-(nearest**2) / (2 * deviation**2)), np.float64)


def _noise(finest: Float64Array, total: Float64Array) -> float:
    """Threshold T for noise of unit median amplitude, from the finest filter and the sum of all.

    The amplitudes of noise follow a Rayleigh distribution; the energy of the even part of the
    filters, which Kovesi takes in space, is taken in the frequency plane (Parseval).
    """
    even = (total + np.roll(total[::-1, ::-1], (1, 1), (0, 1))) / 2
    energy = (finest**2).sum()
    if energy == 0:  # an image of one pixel
        return 0.0
    power = 1 / np.log(2) / energy
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
    for rotation, direction, noise in zip(
        filters.parameters.rotations, filters.angular, filters.noise, strict=True
    ):
        directed = spectrum * direction
        responses = [fft.ifft2(directed * band) for band in filters.radial]
        of_rotation, total = _energy(responses, noise, filters.parameters.is_spread_weighted)
        energy += of_rotation
        amplitude += total
        squared = np.divide(of_rotation, total, out=np.zeros_like(total), where=total > 0) ** 2
        across += np.cos(rotation) ** 2 * squared
        up += np.sin(rotation) ** 2 * squared
        both += np.cos(rotation) * np.sin(rotation) * squared
    maximum, minimum = _principal(
        *(sum_ / filters.parameters.orientations for sum_ in (across, up, both))
    )
    return Features(energy / (amplitude + EPSILON), maximum, minimum)


def _energy(
    responses: list[Responses], noise: float, is_weighted: bool
) -> tuple[Float64Array, Float64Array]:
    """Energy of one orientation above the noise, perhaps weighted, and sum of amplitudes."""
    amplitudes = [np.abs(response) for response in responses]
    amplitude, largest = reduce(np.add, amplitudes), reduce(np.maximum, amplitudes)
    total = reduce(np.add, responses)
    length = np.abs(total)
    energy = length**2
    for response in responses:
        energy -= np.abs(response.real * total.imag - response.imag * total.real)
    energy /= length + EPSILON
    energy -= noise * np.sqrt(np.median(amplitudes[0] ** 2))
    if not is_weighted:
        return np.maximum(energy, 0), amplitude
    spread = amplitude / (largest + EPSILON) / len(responses)
    weight = 1 / (1 + np.exp(SPREAD_SLOPE * (SPREAD_CENTRE - spread)))
    return weight * np.maximum(energy, 0), amplitude


def _principal(
    across: Float64Array, up: Float64Array, both: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Largest and smallest moment, from mean moments about the axes and the mixed one."""
    total, apart = 2 * (across + up), 2 * (across - up)
    length = np.sqrt(both**2 + apart**2) + EPSILON
    return (total + length) / 2, (total - length) / 2
