"""Laplacian pyramid of Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851."""

from typing import TypeVar

import numpy as np
from scipy.ndimage import convolve1d

from radfuse.arrays import Float32Array, Float64Array

Images = TypeVar("Images", Float32Array, Float64Array)
"""Images (N, H, W); what is made of them has the same type."""

KERNEL = np.array([1, 4, 6, 4, 1], np.float32) / 16
"""Generating kernel with a = 3/8, close to a Gaussian."""


def _smooth(images: Images, gains: tuple[float, float] = (1.0, 1.0)) -> Images:
    for axis, gain in enumerate(gains, start=1):
        images = convolve1d(images, KERNEL * np.float32(gain), axis=axis, mode="mirror")
    return images


def reduce(images: Images) -> Images:
    """Smooth and keep every second pixel: (N, H, W) to (N, ceil(H/2), ceil(W/2))."""
    return _smooth(images)[:, ::2, ::2]


def expand(images: Images, shape: tuple[int, int]) -> Images:
    """Interpolate to the shape (H, W), which `reduce` brings to the images' size."""
    spread = np.zeros((len(images), *shape), images.dtype)
    spread[:, ::2, ::2] = images
    rows, columns = (2.0 if side > 1 else 1.0 for side in shape)  # one pixel has no gaps to fill
    return _smooth(spread, (rows, columns))


def decompose(images: Images, levels: int) -> list[Images]:
    """The pyramid: detail of each level, finest first, then the low-pass top level."""
    bands: list[Images] = []
    for _ in range(levels):
        coarse = reduce(images)
        bands.append(images - expand(coarse, images.shape[1:]))
        images = coarse
    bands.append(images)
    return bands


def reconstruct(bands: list[Images]) -> Images:
    """The images of a pyramid by `decompose`."""
    images = bands[-1]
    for band in reversed(bands[:-1]):
        images = band + expand(images, band.shape[1:])
    return images
