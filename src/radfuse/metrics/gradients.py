"""Gradients of an image by 3x3 operators."""

from typing import Literal

import numpy as np

from radfuse.arrays import Float64Array

Border = Literal["constant", "reflect", "edge"]
"""Outside the image: 0; mirrored about its outermost pixels; the outermost pixel repeated."""

SLOPE: Float64Array = np.array([-1.0, 0.0, 1.0])
"""Weights of the operators along the difference."""

SOBEL: Float64Array = np.array([1.0, 2.0, 1.0])
"""Weights of Sobel's operator across the difference."""

PREWITT: Float64Array = np.array([1.0, 1.0, 1.0])
"""Weights of Prewitt's operator across the difference."""


STRIP = 128
"""Rows that are computed together; the fastest of 16 to 256 on images of 256 x 256."""


def gradient(
    image: Float64Array, border: Border, *, weights: Float64Array = SOBEL, rows: slice = slice(None)
) -> tuple[Float64Array, Float64Array]:
    """Weighted sums of three differences over two pixels: along the rows and down the columns.

    `image` is (H, W), and both results are the rows asked for: for Sobel's operator 8 times the
    slope in grey levels a pixel, for Prewitt's 6 times.
    """
    padded = _padded(image, border, rows)
    middle = weights[1] * padded
    smooth = padded[:-2] + padded[2:]
    smooth += middle[1:-1]
    across = smooth[:, 2:] - smooth[:, :-2]
    smooth = padded[:, :-2] + padded[:, 2:]
    smooth += middle[:, 1:-1]
    return across, smooth[2:] - smooth[:-2]


def _padded(image: Float64Array, border: Border, rows: slice) -> Float64Array:
    """Rows of an image with a neighbour on each side."""
    first, last, _ = rows.indices(len(image))
    inside = image[max(first - 1, 0) : last + 1]
    above = int(first == 0)
    padded = np.zeros((last - first + 2, image.shape[1] + 2))
    padded[above : above + len(inside), 1:-1] = inside
    if border != "constant":
        copied = 1 if border == "edge" else 2
        if above:
            padded[0] = padded[copied]
        if last == len(image):
            padded[-1] = padded[-1 - copied]
        padded[:, 0], padded[:, -1] = padded[:, copied], padded[:, -1 - copied]
    return padded


def magnitude(across: Float64Array, down: Float64Array) -> Float64Array:
    """Length of a gradient, (H, W); several times faster than `numpy.hypot`."""
    squared = across**2
    squared += down**2
    return np.asarray(np.sqrt(squared, out=squared), np.float64)


def strength(image: Float64Array, border: Border, *, weights: Float64Array = SOBEL) -> Float64Array:
    """Length of the gradient, (H, W), in strips that the processor's cache holds."""
    lengths = np.empty_like(image)
    for top in range(0, len(image), STRIP):
        rows = slice(top, top + STRIP)
        across, down = gradient(image, border, weights=weights, rows=rows)
        across *= across
        across += np.square(down, out=down)
        np.sqrt(across, out=lengths[rows])
    return lengths
