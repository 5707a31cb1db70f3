"""Laplacian pyramid of Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851."""

import numpy as np
from scipy.ndimage import convolve1d

from radfuse.arrays import Float32Array

KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Generating kernel with a = 3/8, close to a Gaussian."""


def _smooth(images: Float32Array, gains: tuple[float, float] = (1.0, 1.0)) -> Float32Array:
    for axis, gain in enumerate(gains, start=1):
        images = convolve1d(images, KERNEL * np.float32(gain), axis=axis, mode="mirror")
    return images


def reduce(images: Float32Array) -> Float32Array:
    """Smooth and keep every second pixel: (N, H, W) to (N, ceil(H/2), ceil(W/2))."""
    return _smooth(images)[:, ::2, ::2]


def expand(images: Float32Array, shape: tuple[int, int]) -> Float32Array:
    """Interpolate to the shape (H, W), which `reduce` brings to the images' size."""
    spread = np.zeros((len(images), *shape), np.float32)
    spread[:, ::2, ::2] = images
    rows, columns = (2.0 if side > 1 else 1.0 for side in shape)  # one pixel has no gaps to fill
    return _smooth(spread, (rows, columns))


def decompose(images: Float32Array, levels: int) -> list[Float32Array]:
    """The pyramid: detail of each level, finest first, then the low-pass top level."""
    bands = []
    for _ in range(levels):
        coarse = reduce(images)
        bands.append(images - expand(coarse, images.shape[1:]))
        images = coarse
    return [*bands, images]


def reconstruct(bands: list[Float32Array]) -> Float32Array:
    """The images of a pyramid by `decompose`."""
    images = bands[-1]
    for band in reversed(bands[:-1]):
        images = band + expand(images, band.shape[1:])
    return images
