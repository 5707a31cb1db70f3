"""Features of an image by phase congruency, with the parameters of Kovesi or of FSIM."""

from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from radfuse.arrays import Float64Array
from radfuse.metrics.gradients import magnitude

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
    """Of each scale, for the terms of `rfft2`: (H, W // 2 + 1)."""

    even: list[Float64Array]
    """Of each orientation, for the same terms: the filter of the real part of the response."""

    odd: list[Responses]
    """The filter of its imaginary part, so that both parts are transforms of real images."""

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
    half = shape[1] // 2 + 1
    even, odd = zip(*(_even_and_odd(direction) for direction in angular), strict=True)
    return Filters(
        parameters,
        [band[:, :half].copy() for band in radial],
        [part[:, :half].copy() for part in even],
        [-1j * part[:, :half] for part in odd],
        noise,
    )


def _even_and_odd(spectrum: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Parts of a filter that do, and do not, have the same value at the opposite frequency."""
    opposite = np.roll(spectrum[::-1, ::-1], (1, 1), (0, 1))
    return (spectrum + opposite) / 2, (spectrum - opposite) / 2


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
    even, _ = _even_and_odd(total)
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
    spectrum = fft.rfft2(image)
    energy, amplitude = np.zeros_like(image), np.zeros_like(image)
    across, up, both = (np.zeros_like(image) for _ in range(3))
    for rotation, *directions, noise in zip(
        filters.parameters.rotations, filters.even, filters.odd, filters.noise, strict=True
    ):
        even, odd = (_responses(spectrum * each, filters, image.shape) for each in directions)
        of_rotation, total = _energy(even, odd, noise, filters.parameters.is_spread_weighted)
        energy += of_rotation
        amplitude += total
        total += total == 0  # there the energy is 0, too
        of_rotation /= total
        of_rotation *= of_rotation
        across += np.cos(rotation) ** 2 * of_rotation
        up += np.sin(rotation) ** 2 * of_rotation
        both += np.cos(rotation) * np.sin(rotation) * of_rotation
    maximum, minimum = _principal(
        *(sum_ / filters.parameters.orientations for sum_ in (across, up, both))
    )
    return Features(energy / (amplitude + EPSILON), maximum, minimum)


def _responses(directed: Responses, filters: Filters, shape: tuple[int, ...]) -> list[Float64Array]:
    """Real responses at all scales, (H, W), from the spectrum in one direction."""
    return [fft.irfft2(directed * band, s=shape, overwrite_x=True) for band in filters.radial]


def _energy(
    even: list[Float64Array], odd: list[Float64Array], noise: float, is_weighted: bool
) -> tuple[Float64Array, Float64Array]:
    """Energy of one orientation above the noise, perhaps weighted, and sum of amplitudes."""
    total_even, total_odd = reduce(np.add, even), reduce(np.add, odd)
    energy = total_even**2
    energy += total_odd**2
    length = np.sqrt(energy)
    amplitudes = []
    for real, imaginary in zip(even, odd, strict=True):
        apart = real * total_odd
        apart -= imaginary * total_even
        energy -= np.abs(apart, out=apart)
        amplitudes.append(magnitude(real, imaginary))
    length += EPSILON
    energy /= length
    energy -= noise * _median(amplitudes[0])
    np.maximum(energy, 0, out=energy)
    amplitude = reduce(np.add, amplitudes)
    if is_weighted:
        energy /= _divisor_of_spread(amplitude, reduce(np.maximum, amplitudes), len(even))
    return energy, amplitude


def _median(amplitude: Float64Array) -> float:
    """Root of the median of squared amplitudes; several times faster than `numpy.median`."""
    middle = amplitude.size // 2
    ranks = [middle] if amplitude.size % 2 else [middle - 1, middle]
    found = np.partition(amplitude.ravel(), ranks)[ranks]
    return float(np.sqrt(np.mean(found**2)))


def _divisor_of_spread(amplitude: Float64Array, largest: Float64Array, scales: int) -> Float64Array:
    """What the energy is divided by: 1 where all scales respond alike, much where a few do."""
    spread = amplitude / (largest + EPSILON)
    spread *= -SPREAD_SLOPE / scales
    spread += SPREAD_SLOPE * SPREAD_CENTRE
    np.exp(spread, out=spread)
    spread += 1
    return spread


def _principal(
    across: Float64Array, up: Float64Array, both: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Largest and smallest moment, from mean moments about the axes and the mixed one."""
    total, apart = 2 * (across + up), 2 * (across - up)
    length = np.sqrt(both**2 + apart**2) + EPSILON
    return (total + length) / 2, (total - length) / 2
