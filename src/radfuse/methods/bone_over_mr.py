"""CT in bone, MR elsewhere: a trivial baseline with a hard seam."""

from dataclasses import dataclass

import numpy as np

from radfuse.arrays import Float32Array
from radfuse.intensity import BONE_HU
from radfuse.methods.options import option

BONE_LEVEL = 200 / 255
"""Grey level above which a CT in a brain window shows bone."""


@dataclass(frozen=True)
class BoneOverMR:
    """`ct` where it exceeds both the bone level and `mr`; `mr` elsewhere."""

    bone_level: float = option(BONE_LEVEL, "CT grey level above which a pixel is bone", hu=BONE_HU)

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return np.where((ct > np.float32(self.bone_level)) & (ct > mr), ct, mr)
