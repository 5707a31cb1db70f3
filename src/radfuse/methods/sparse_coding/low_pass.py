"""The smooth part of images, which convolutional codes leave out."""

import numpy as np
from scipy.fft import irfft2, rfft2

from radfuse.arrays import Float32Array

MARGIN = 16
"""Mirrored pixels at each side."""


def low_pass(images: Float32Array, weight: float) -> Float32Array:
    """The images (N, H, W) that are near the given ones and have small differences of neighbours.

    Minimises `|x - images|^2 + weight * |gradient of x|^2` (Tikhonov) of mirrored images.
    """
    padded = np.pad(images, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), "symmetric")
    shape = padded.shape[1:]
    rows = 2 - 2 * np.cos(2 * np.pi * np.fft.fftfreq(shape[0]))
    columns = 2 - 2 * np.cos(2 * np.pi * np.fft.rfftfreq(shape[1]))
    response = 1 / (1 + weight * (rows[:, None] + columns))
    smooth = irfft2(rfft2(padded) * response.astype(np.float32), shape)
    height, width = images.shape[1:]
    return np.asarray(smooth[:, MARGIN : MARGIN + height, MARGIN : MARGIN + width], images.dtype)
