"""Larger of both sources, pixel by pixel: a trivial baseline."""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float32Array


@dataclass(frozen=True)
class Maximum:
    """`max(first, second)`."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return np.maximum(first, second)
