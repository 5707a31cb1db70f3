"""Laplacian pyramid of Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

Floats = NDArray[np.float32]

KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Generating kernel with a = 3/8, close to a Gaussian."""


def _smooth(images: Floats, gains: tuple[float, float] = (1.0, 1.0)) -> Floats:
    for axis, gain in enumerate(gains, start=1):
        images = convolve1d(images, KERNEL * np.float32(gain), axis=axis, mode="mirror")
    return images


def reduce(images: Floats) -> Floats:
    """Smooth and keep every second pixel: (N, H, W) to (N, ceil(H/2), ceil(W/2))."""
    return _smooth(images)[:, ::2, ::2]


def expand(images: Floats, shape: tuple[int, int]) -> Floats:
    """Interpolate to a (H, W) that `reduce` would bring to the images' size."""
    spread = np.zeros((len(images), *shape), np.float32)
    spread[:, ::2, ::2] = images
    rows, columns = (2.0 if side > 1 else 1.0 for side in shape)  # one pixel has no gaps to fill
    return _smooth(spread, (rows, columns))


def analyse(images: Floats, levels: int) -> list[Floats]:
    """Detail of each level, finest first, and the coarse rest at the end."""
    bands = []
    for _ in range(levels):
        coarse = reduce(images)
        bands.append(images - expand(coarse, images.shape[1:]))
        images = coarse
    return [*bands, images]


def synthesise(bands: list[Floats]) -> Floats:
    """The images that `analyse` took apart."""
    images = bands[-1]
    for band in reversed(bands[:-1]):
        images = band + expand(images, band.shape[1:])
    return images
