"""Metrics of information theory."""

import numpy as np
from numpy.typing import NDArray

LEVELS = 256
"""Grey levels of an 8-bit image: one histogram bin each."""


def _entropy_bits(counts: NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def mutual_information(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Mutual information of two 8-bit images in bits, one bin a grey level."""
    joint = np.bincount(
        first.ravel().astype(np.intp) * LEVELS + second.ravel(), minlength=LEVELS**2
    )
    table = joint.reshape(LEVELS, LEVELS)
    return _entropy_bits(table.sum(0)) + _entropy_bits(table.sum(1)) - _entropy_bits(joint)


def mi(fused: NDArray[np.uint8], ct: NDArray[np.uint8], mr: NDArray[np.uint8]) -> float:
    """Sum of the mutual information of the fused image with CT and with MR, in bits.

    Qu, Zhang, Yan 2002, "Information measure for performance of image fusion",
    doi:10.1049/el:20020212.
    """
    return mutual_information(ct, fused) + mutual_information(mr, fused)
