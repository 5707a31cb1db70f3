"""Methods that fuse luminance and know the uptake of a PET or SPECT image."""

from typing import Protocol, runtime_checkable

import numpy as np

from radfuse.arrays import Float32Array
from radfuse.methods.loading import Method


@runtime_checkable
class UptakeMethod(Protocol):
    """A method that takes the uptake, which luminance does not tell: red is darker than yellow."""

    def fuse_uptake(
        self, functional: Float32Array, mr: Float32Array, uptake: Float32Array
    ) -> Float32Array:
        """Luminance of the fused images; all (N, H, W) in [0, 1]."""


def fuse_luminance(
    method: Method, functional: Float32Array, mr: Float32Array, uptake: Float32Array
) -> Float32Array:
    """Luminance (N, H, W) of the fused images, by any method."""
    if isinstance(method, UptakeMethod):
        return method.fuse_uptake(functional, mr, uptake)
    return np.asarray(method(functional, mr), np.float32)
