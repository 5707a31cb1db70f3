"""Haar wavelet transform by exact sums: an orthonormal transform of images of even sides.

The four coefficients of 2 x 2 pixels a b / c d are (a +- b +- c +- d) / 2, so grey levels of 8 bits
stay exact and equal activities stay equal, which products by 1 / sqrt(2) break.
"""

import numpy as np

from radfuse.methods.transforms.borders import Images


def decompose(images: Images, levels: int) -> tuple[list[Images], Images]:
    """Three bands of each level, finest first, and the base of images (N, H, W).

    The bands are the differences of columns, of rows, and of both. Odd sides repeat their last
    line, as a periodised transform does.
    """
    bands = []
    for _ in range(levels):
        images = _even(images)
        above, below = images[:, ::2], images[:, 1::2]
        total, difference = above + below, above - below
        bands += [
            (total[..., ::2] - total[..., 1::2]) / 2,
            (difference[..., ::2] + difference[..., 1::2]) / 2,
            (difference[..., ::2] - difference[..., 1::2]) / 2,
        ]
        images = (total[..., ::2] + total[..., 1::2]) / 2
    return bands, images


def reconstruct(bands: list[Images], base: Images, shape: tuple[int, int]) -> Images:
    """The images (N, *shape) of `decompose`."""
    images = base
    for level in range(len(bands) // 3 - 1, -1, -1):
        columns, rows, both = bands[3 * level : 3 * level + 3]
        total = _interleaved((images + columns) / 2, (images - columns) / 2, axis=2)
        difference = _interleaved((rows + both) / 2, (rows - both) / 2, axis=2)
        images = _interleaved(total + difference, total - difference, axis=1)
        height, width = (-(-side // 2**level) for side in shape)
        images = images[:, :height, :width]
    return images


def _even(images: Images) -> Images:
    rows, columns = images.shape[1:]
    return np.pad(images, ((0, 0), (0, rows % 2), (0, columns % 2)), "edge")


def _interleaved(even: Images, odd: Images, axis: int) -> Images:
    """Lines of both by alternation along an axis."""
    shape = list(even.shape)
    shape[axis] *= 2
    return np.stack([even, odd], axis + 1).reshape(shape)
