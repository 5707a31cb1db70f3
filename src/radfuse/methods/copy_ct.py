"""The CT alone: a trivial baseline that shows what a metric gives for no fusion."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class CopyCT:
    """`ct`, whatever the MR."""

    def __call__(self, ct: Floats, mr: Floats) -> Floats:  # noqa: ARG002
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return ct.copy()
