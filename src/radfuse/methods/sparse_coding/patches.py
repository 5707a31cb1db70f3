"""Overlapping square patches of images, and images as the mean of overlapping patches."""

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.errors import InputError


def patches_of(images: Float64Array, size: int, stride: int) -> Float64Array:
    """Patches of images (N, H, W): (N, rows, columns, size, size), without a copy.

    They begin at the first row and column, and `stride` pixels apart; the last rows and columns may
    be in none. Raises `InputError` for images smaller than a patch.
    """
    check_size(images.shape[1:], size)
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    return windows[:, ::stride, ::stride]


def check_size(shape: tuple[int, ...], least: int) -> None:
    """Raise `InputError` for images of a shape (H, W) with fewer rows or columns."""
    height, width = shape
    if min(height, width) < least:
        raise InputError(
            f"images of {height} x {width} pixels are too small for this method; give images of "
            f"at least {least} x {least} pixels, or choose another method"
        )


def averaged(patches: Float64Array, stride: int, elsewhere: Float64Array) -> Float64Array:
    """The mean of patches (N, rows, columns, size, size) where they overlap.

    `elsewhere`, (N, H, W), has the values of pixels that are in no patch. The patches are at the
    positions of `patches_of` with the same stride.
    """
    rows, columns, size = patches.shape[1:4]
    total, count = np.zeros_like(elsewhere), np.zeros(elsewhere.shape[1:])
    for row in range(size):
        for column in range(size):
            at = (
                slice(row, row + stride * (rows - 1) + 1, stride),
                slice(column, column + stride * (columns - 1) + 1, stride),
            )
            total[:, *at] += patches[..., row, column]
            count[at] += 1
    return np.where(count > 0, total / np.maximum(count, 1), elsewhere)
