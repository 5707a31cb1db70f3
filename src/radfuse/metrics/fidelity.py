"""Metrics of fidelity to the sources."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]

SCALES = 4
"""Scales of the pixel-domain VIF."""

NOISE_VARIANCE = 2.0
"""Variance of the visual noise, sigma_n^2, for images in 0..255."""

SILENT = 1e-10
"""Variance below which the original code takes a window for constant."""


def _window_means(image: Floats, side: int) -> Floats:
    """Gaussian window means, the windows wholly inside the image."""
    offsets = np.arange(side) - side // 2
    line = np.exp(-(offsets**2) / (2 * (side / 5) ** 2))
    line /= line.sum()
    inside = slice(side // 2, -(side // 2))
    rows = correlate1d(image, line, axis=0)[inside]
    return np.asarray(correlate1d(rows, line, axis=1)[:, inside], np.float64)


def _scale_information(source: Floats, image: Floats, side: int) -> tuple[float, float]:
    """Information that the image keeps and that the source has, at one scale."""
    mean1, mean2 = _window_means(source, side), _window_means(image, side)
    variance1 = np.maximum(_window_means(source**2, side) - mean1**2, 0)
    variance2 = np.maximum(_window_means(image**2, side) - mean2**2, 0)
    covariance = _window_means(source * image, side) - mean1 * mean2
    gain = covariance / (variance1 + SILENT)
    rest = variance2 - gain * covariance
    silent1, silent2 = variance1 < SILENT, variance2 < SILENT
    gain[silent1], rest[silent1] = 0, variance2[silent1]
    variance1[silent1] = 0
    gain[silent2], rest[silent2] = 0, 0
    inverted = gain < 0
    rest[inverted], gain[inverted] = variance2[inverted], 0
    rest = np.maximum(rest, SILENT)
    kept = np.log10(1 + gain**2 * variance1 / (rest + NOISE_VARIANCE)).sum()
    there = np.log10(1 + variance1 / NOISE_VARIANCE).sum()
    return float(kept), float(there)


def vifp(source: Grey, image: Grey) -> float:
    """Pixel-domain visual information fidelity of an image to a source.

    Sheikh and Bovik 2006, doi:10.1109/TIP.2005.859378. A constant source has no information to
    lose: 1. Images must be larger than 40 pixels a side.
    """
    first, second = source.astype(np.float64), image.astype(np.float64)
    kept = there = 0.0
    for scale in range(SCALES):
        side = 2 ** (SCALES - scale) + 1
        if scale > 0:
            first, second = (_window_means(part, side)[::2, ::2] for part in (first, second))
        of_scale = _scale_information(first, second, side)
        kept, there = kept + of_scale[0], there + of_scale[1]
    return kept / there if there > 0 else 1.0


def vif(fused: Grey, ct: Grey, mr: Grey) -> float:
    """Sum of the pixel-domain visual information fidelity to CT and to MR."""
    return vifp(ct, fused) + vifp(mr, fused)
