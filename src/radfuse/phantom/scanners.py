"""Simulation of the two scanners: blur, noise, beam hardening, bias field."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from radfuse.arrays import Float32Array

CT_BLUR_VOXELS = (0.35, 0.62, 0.62)
"""Standard deviation of the CT's point spread along z, y, x: a soft head kernel."""

CT_NOISE_HU = 4.5
"""Standard deviation in the brain: 3 to 6 HU in clinical head CT."""

HARDENING_HU = -16.0
"""Depth of the darkest decile between the petrous bones: the Hounsfield bar."""

STREAK_PIXEL_MM = 3.2
"""Pixel size for computing the beam hardening, which has no fine detail."""

SHADING_MM = 22.0
"""A clinical scanner corrects shading that is wider than this."""

STREAK_ANGLES = 60
"""Number of directions of its parallel beams."""

BONE_HU = 250.0
"""Denser material hardens the beam."""

RANGE_HU = (-1024.0, 3071.0)
"""Range of 12 bits."""

MR_BLUR_VOXELS = (0.45, 0.5, 0.5)
"""Standard deviation of the MR's point spread along slices, rows, columns."""

MR_NOISE = 14.0
"""Standard deviation of each of the two channels, on the scale where fat is about 950."""

MR_BIAS = 0.22
"""Amplitude of the receive coil's sensitivity, as a share of the signal."""

MR_SCALE = 1.3
"""Stored value of a signal of 1."""


def scan_ct(
    hu: Float32Array, spacing_mm: tuple[float, float, float], rng: np.random.Generator
) -> Float32Array:
    """A CT of the true HU (Z, Y, X): blurred, noisy and streaky, whole HU."""
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    streaks = beam_hardening(hu, spacing_mm)
    blurred = hu + streaks + np.float32(CT_NOISE_HU / _noise_passed()) * noise
    for axis, sigma in enumerate(CT_BLUR_VOXELS):
        blurred = ndimage.gaussian_filter1d(blurred, sigma, axis=axis, truncate=3.0)
    return np.asarray(np.rint(np.clip(blurred, *RANGE_HU)), np.float32)


def _noise_passed() -> float:
    """The share of white noise's standard deviation that the CT's blur lets through."""
    impulse = np.eye(1, 31, 15)[0]
    kernels = [ndimage.gaussian_filter1d(impulse, sigma, truncate=3.0) for sigma in CT_BLUR_VOXELS]
    return float(np.prod([np.linalg.norm(kernel) for kernel in kernels]))


def beam_hardening(hu: Float32Array, spacing_mm: tuple[float, float, float]) -> Float32Array:
    """The error in HU that a linear reconstruction makes of a polychromatic beam.

    To second order a ray through bone of length p reads p - c p^2 (Joseph and Spital, J Comput
    Assist Tomogr 1978); the square, filtered and projected back, is added.
    """
    dense = np.clip(hu - BONE_HU, 0, None)
    if not dense.any():
        return np.zeros_like(hu)
    zoom = [1.0, *(step / STREAK_PIXEL_MM for step in spacing_mm[1::-1])]
    grain = [0.0, *(0.4 / factor for factor in zoom[1:])]
    small = ndimage.zoom(ndimage.gaussian_filter(dense, grain, truncate=2.0), zoom, order=1)
    rows, columns = small.shape[1:]
    project = _projector(rows, columns)
    rays = project @ small.reshape(len(small), -1).T
    squared = (rays * rays).reshape(STREAK_ANGLES, -1, len(small))
    response = np.abs(np.fft.rfftfreq(2 * squared.shape[1]))[None, :, None]
    spectrum = np.fft.rfft(squared, 2 * squared.shape[1], axis=1) * response
    filtered = np.fft.irfft(spectrum, axis=1)[:, : squared.shape[1]]
    error = (project.T @ filtered.reshape(-1, len(small))).T.reshape(small.shape)
    smooth = ndimage.gaussian_filter(error, (0, *[SHADING_MM / STREAK_PIXEL_MM] * 2))
    error -= smooth  # the scanner's own correction removes wide shading
    darkest = np.percentile(error[(small < 100) & (np.abs(error) > 0)], 99.5)
    error = ndimage.gaussian_filter(error * (HARDENING_HU / darkest), (0.8, 0.5, 0.5))
    limit = np.where(error < 0, -1.5 * HARDENING_HU, -0.4 * HARDENING_HU)
    error = limit * np.tanh(error / limit)  # bright streaks are fainter than dark ones
    back = [n / m for n, m in zip(hu.shape, error.shape, strict=True)]
    return np.asarray(ndimage.zoom(error.astype(np.float32), back, order=1), np.float32)


def _projector(rows: int, columns: int) -> sparse.csr_matrix:
    """The matrix (angles x bins, pixels) of parallel rays, linear between bins."""
    bins = int(np.ceil(np.hypot(rows, columns))) + 3
    y, x = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2])[:, None, None]
    angles = np.arange(STREAK_ANGLES)[:, None] * np.pi / STREAK_ANGLES
    position = np.cos(angles) * x.ravel() + np.sin(angles) * y.ravel() + bins / 2
    low = np.floor(position).astype(int)
    share = position - low
    first = np.arange(STREAK_ANGLES)[:, None] * bins + low
    pixels = np.broadcast_to(np.arange(rows * columns), position.shape)
    return sparse.csr_matrix(
        (
            np.concatenate([1 - share, share]).ravel().astype(np.float32),
            (np.concatenate([first, first + 1]).ravel(), np.concatenate([pixels, pixels]).ravel()),
        ),
        shape=(STREAK_ANGLES * bins, rows * columns),
    )


def scan_mr(signal: Float32Array, rng: np.random.Generator) -> Float32Array:
    """An MR of the true signal (Z, Y, X): blurred, with bias field and Rician noise."""
    blurred = signal
    for axis, sigma in enumerate(MR_BLUR_VOXELS):
        blurred = ndimage.gaussian_filter1d(blurred, sigma, axis=axis, truncate=3.0)
    real = blurred * bias_field(signal.shape, rng)
    real += np.float32(MR_NOISE) * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = np.float32(MR_NOISE) * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.rint(np.hypot(real, imaginary) * np.float32(MR_SCALE)), np.float32)


def bias_field(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth sensitivity about 1: products of low cosines along the three axes."""
    log = np.zeros(shape, np.float32)
    waves = [np.linspace(-1, 1, n, dtype=np.float32) for n in shape]
    z, y, x = np.meshgrid(*waves, indexing="ij", sparse=True)
    for part in (x, y, z, x * y, y * z, x * x, y * y, z * z):
        log = log + np.float32(rng.uniform(-1, 1)) * part
    log -= log.mean()
    return np.asarray(np.exp(log * np.float32(MR_BIAS / np.abs(log).max())), np.float32)
