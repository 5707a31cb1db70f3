"""Metrics built on models of the human eye."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.fft import fft2, ifft2
from scipy.fft import fftfreq, irfft2, rfft2, rfftfreq

from radfuse.arrays import Float64Array
from radfuse.metrics.gradients import gradient, squared_length
from radfuse.metrics.image_levels import WHITE, Image, floats, kept, stretched_levels
from radfuse.metrics.local_statistics import zero_padded_means

REGION = 16
"""Side in pixels of the regions of Chen and Varshney."""

IMAGE_WIDTH_CV_DEG, IMAGE_WIDTH_CB_DEG = 4.0, 15.0
"""Angle that each side of an image fills at the viewing distance which the toolbox of Liu et al.
2012 takes for Q_CV and for Q_CB: a wave of k cycles a side has k / angle cycles a degree."""

PEAK, FLOOR, SCALE_DEG, DECAY = 2.6, 0.0192, 0.144, 1.1
"""Contrast sensitivity of Mannos and Sakrison 1974, doi:10.1109/TIT.1974.1055250: at f cycles a
degree 2.6 (0.0192 + 0.144 f) exp(-(0.144 f)^1.1)."""

DOG_BROAD, DOG_NARROW, DOG_SHARE = 15.3870, 1.3456, 0.7622
"""f0 and f1 in cycles a degree, and a, of the difference of Gaussians in Chen and Blum 2009."""

FINE_SIGMA, COARSE_SIGMA, REACH = 2.0, 4.0, 15
"""Pixels: both Gaussians of Peli's local contrast, and how far from the centre they are cut."""

MASKING_OFFSET = 0.0001
"""Z of the masking k C^p / (h C^q + Z), with k = h = 1, p = 3, q = 2 of Chen and Blum 2009."""


def _frequencies(
    shape: tuple[int, ...],
    width_deg: float,
    along_rows: Callable[[int, float], Float64Array] = rfftfreq,
) -> Float64Array:
    """Cycles a degree of each term of `rfft2`, (H, W // 2 + 1), or with `fftfreq` of `fft2`."""
    height, width = shape
    down, across = fftfreq(height, 1 / height), along_rows(width, 1 / width)
    return np.asarray(np.hypot(down[:, None], across) / width_deg, np.float64)


@lru_cache(maxsize=2)
def _sensitivity_cv(shape: tuple[int, ...]) -> Float64Array:
    """Contrast sensitivity of Mannos and Sakrison at each term of `rfft2`; not to be changed."""
    frequency = SCALE_DEG * _frequencies(shape, IMAGE_WIDTH_CV_DEG)
    return PEAK * (FLOOR + frequency) * np.exp(-(frequency**DECAY))


@lru_cache(maxsize=2)
def _sensitivity_cb(shape: tuple[int, ...]) -> Float64Array:
    """The difference of Gaussians of Chen and Blum at each term of `fft2`; not to be changed."""
    frequency = _frequencies(shape, IMAGE_WIDTH_CB_DEG, fftfreq)
    broad, narrow = (np.exp(-((frequency / f) ** 2)) for f in (DOG_BROAD, DOG_NARROW))
    return np.asarray(broad - DOG_SHARE * narrow, np.float64)


def _filtered(image: Float64Array, sensitivity: Float64Array) -> Float64Array:
    return np.asarray(irfft2(rfft2(image) * sensitivity, s=image.shape), np.float64)


def _region_sums(pixels: Float64Array) -> Float64Array:
    """Sums over the regions of the image, filled up with zeros at its end."""
    missing = [(0, -size % REGION) for size in pixels.shape]
    if any(extra for _, extra in missing):
        pixels = np.pad(pixels, missing)
    height, width = pixels.shape
    rows = pixels.reshape(height // REGION, REGION, width).sum(axis=1)
    return np.asarray(rows.reshape(len(rows), width // REGION, REGION).sum(axis=2), np.float64)


@kept
def _salience(image: Image, *, alpha: float, stretched: bool) -> Float64Array:
    """Region sums of Sobel's gradient, 0 outside the image, its length to the power of `alpha`."""
    levels = stretched_levels(image) if stretched else floats(image)
    squared = squared_length(*gradient(levels, "constant"))
    return _region_sums(np.asarray(squared ** (alpha / 2), np.float64))


def q_cv(fused: Image, ct: Image, mr: Image, *, alpha: float = 5, stretched: bool = True) -> float:
    """Squared error that the eye sees in salient regions, 0 or more; smaller is better.

    Chen and Varshney 2007, doi:10.1016/j.inffus.2005.10.001: differences pass the contrast
    sensitivity of Mannos and Sakrison, and each region counts as the sum over its pixels of edge
    strength to the power of `alpha`. Where no source has an edge all regions count the same.

    The default is the code of Liu et al. 2012, doi:10.1109/TPAMI.2011.109, which stretches each of
    the three images to 0..255 for itself first: contrast that the whole image lost goes unseen.
    `stretched=False` measures the images as they are, in squared grey levels.
    """
    levels = stretched_levels if stretched else floats
    image, *sources = (levels(each) for each in (fused, ct, mr))
    sensitivity = _sensitivity_cv(image.shape)
    errors = [
        _region_sums(_filtered(source - image, sensitivity) ** 2) / REGION**2 for source in sources
    ]
    salience = [_salience(each, alpha=alpha, stretched=stretched) for each in (ct, mr)]
    if not np.any(salience):
        return float(np.mean(errors))
    return float(np.average(errors, weights=salience))


def _blurred(image: Float64Array, sigma: float) -> Float64Array:
    """Gaussian means; 0 outside the image."""
    offsets = np.arange(-REACH, REACH + 1)
    line = np.exp(-(offsets**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    (means,) = zero_padded_means(image[None], line)
    return np.asarray(means, np.float64)


@kept
def _masked_contrast(image: Image, *, stretched: bool) -> Float64Array:
    """C': perceived local contrast with masking; none where the surroundings are black."""
    # The original works in [0, 1] before it stretches, which decides where some halves go.
    levels = stretched_levels(floats(image) / WHITE) if stretched else floats(image)
    # As in the original a complex transform, whose rounding errors in black parts are like its.
    filtered = ifft2(fft2(levels) * _sensitivity_cb(levels.shape)).real.copy()
    fine, coarse = _blurred(filtered, FINE_SIGMA), _blurred(filtered, COARSE_SIGMA)
    contrast = np.divide(fine, coarse, out=np.ones_like(fine), where=coarse != 0)
    contrast -= 1
    np.abs(contrast, out=contrast)
    squared = contrast**2
    contrast *= squared
    squared += MASKING_OFFSET
    contrast /= squared
    return contrast


def _preserved(source: Float64Array, fused: Float64Array) -> Float64Array:
    """Smaller contrast as a share of the larger one, in [0, 1]; none of none is all of it: 1."""
    weaker, stronger = np.minimum(source, fused), np.maximum(source, fused)
    nothing = stronger == 0
    weaker += nothing
    stronger += nothing
    return np.divide(weaker, stronger, out=weaker)


def q_cb(fused: Image, ct: Image, mr: Image, *, stretched: bool = True) -> float:
    """Share of the perceived contrast of the sources that the fused image preserves, in [0, 1].

    Chen and Blum 2009, doi:10.1016/j.imavis.2007.12.002: images pass a difference of Gaussians as
    contrast sensitivity, then Peli's local contrast and its masking; sources count as the square
    of their masked contrast, and the same where neither has any.

    The default is the code of Liu et al. 2012, doi:10.1109/TPAMI.2011.109, which stretches each of
    the three images to 0..255 for itself first; `stretched=False` takes them as they are.

    Where an image is black farther than `REACH` pixels around, contrast is the ratio of two sums
    near 0, and rounding moves the result: on axial slices of the head mostly by less than 1e-6 of
    itself, by 6e-5 at worst, as much as the original moves when its images are transposed.
    """
    of_fused, of_ct, of_mr = (_masked_contrast(i, stretched=stretched) for i in (fused, ct, mr))
    weight_ct, weight_mr = of_ct**2, of_mr**2
    both = weight_ct + weight_mr
    nothing = both == 0
    share_ct = (weight_ct + 0.5 * nothing) / (both + nothing)
    preserved = _preserved(of_mr, of_fused)
    preserved += share_ct * (_preserved(of_ct, of_fused) - preserved)
    return float(preserved.mean())
