"""Laplacian and ratio of low-pass pyramids as the image fusion toolboxes compute them.

Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851, and Toet 1989 (Pattern Recognition Letters 9),
with the borders of Rockinger's toolbox and of MST-SR, doi:10.1016/j.inffus.2014.09.004.
`laplacian_pyramid` is the same transform without the zeros of their corners.
"""

from typing import Any

import numpy as np

from radfuse.methods.transforms.borders import Images, mirrored

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Generating kernel; exact in floating point."""

RADIUS = 2
"""Of the kernel."""

RATIO_FLOOR = 1e-6
"""Added to the grey levels that a ratio is divided by."""

Pyramid = tuple[list[Images], Images]
"""Bands, finest first, and the low-pass base."""


def laplacian_decompose(images: Images, levels: int) -> Pyramid:
    """The differences of images (N, H, W) to their low-pass, and the base.

    Sides that are odd at a level are one line longer in its band.
    """
    bands = []
    for _ in range(levels):
        images = _even(images)
        coarse = _reduce(images)
        bands.append(images - _expand(coarse))
        images = coarse
    return bands, images


def laplacian_reconstruct(bands: list[Images], base: Images, shape: tuple[int, int]) -> Images:
    """The images (N, *shape) of `laplacian_decompose`."""
    images = base
    for band, size in zip(reversed(bands), reversed(_sizes(shape, len(bands))), strict=True):
        images = (_expand(images) + band)[:, : size[0], : size[1]]
    return images


def ratio_decompose(images: Images, levels: int) -> Pyramid:
    """The ratios of images (N, H, W) in grey levels to their low-pass, and the base."""
    bands = []
    for _ in range(levels):
        images = _even(images)
        coarse = _reduce(images)
        bands.append(images / (_expand(coarse) + _floor(images)))
        images = coarse
    return bands, images


def ratio_reconstruct(bands: list[Images], base: Images, shape: tuple[int, int]) -> Images:
    """The images (N, *shape) of `ratio_decompose`."""
    images = base
    for band, size in zip(reversed(bands), reversed(_sizes(shape, len(bands))), strict=True):
        images = ((_expand(images) + _floor(images)) * band)[:, : size[0], : size[1]]
    return images


def _floor(images: Images) -> Any:
    return images.dtype.type(RATIO_FLOOR)


def _sizes(shape: tuple[int, int], levels: int) -> list[tuple[int, int]]:
    """Rows and columns of the images at each level, finest first."""
    sizes = [shape]
    for _ in range(levels - 1):
        rows, columns = sizes[-1]
        sizes.append((-(-rows // 2), -(-columns // 2)))
    return sizes[:levels]


def _even(images: Images) -> Images:
    """With one mirrored line more where a side is odd; a single line is repeated."""
    rows, columns = images.shape[1:]
    return np.pad(images, ((0, 0), (0, rows % 2), (0, columns % 2)), "reflect")


def _reduce(images: Images) -> Images:
    """Every second pixel of the smoothed images."""
    return _smooth(images, 1)[:, ::2, ::2]


def _expand(coarse: Images) -> Images:
    """Interpolated to twice the size."""
    count, rows, columns = coarse.shape
    spread = np.zeros((count, 2 * rows, 2 * columns), coarse.dtype)
    spread[:, ::2, ::2] = coarse
    return _smooth(spread, 2)


def _smooth(images: Images, gain: int) -> Images:
    """Filtered along rows and columns, each with a gain."""
    padded = mirrored(images, RADIUS)
    rows, columns = images.shape[1:]
    taps = [images.dtype.type(gain * tap) for tap in KERNEL]
    wide = _sum([tap * padded[:, k : k + rows] for k, tap in enumerate(taps)])
    return _sum([tap * wide[..., k : k + columns] for k, tap in enumerate(taps)])


def _sum(terms: list[Images]) -> Images:
    total = terms[0]
    for term in terms[1:]:
        total += term
    return total
