"""MR only: a trivial baseline that shows the value of a metric without fusion."""

from dataclasses import dataclass

from radfuse.arrays import Float32Array


@dataclass(frozen=True)
class CopyMR:
    """A copy of the MR."""

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:  # noqa: ARG002
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return mr.copy()
