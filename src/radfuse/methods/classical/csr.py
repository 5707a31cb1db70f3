"""Convolutional sparse representation: detail by the activity of codes, mean of the smooth parts.

Liu, Chen, Ward and Wang 2016, doi:10.1109/LSP.2016.2618776. Equal to the authors' code with the
authors' filters, up to single precision; those that are shipped were learned on other images.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import uniform_filter

from radfuse.arrays import Float32Array
from radfuse.methods.classical.rules import check_pair
from radfuse.methods.options import option
from radfuse.methods.sparse_coding.convolutional import Solver, encode, synthesized
from radfuse.methods.sparse_coding.dictionaries import normalized, shipped_dictionary
from radfuse.methods.sparse_coding.low_pass import low_pass
from radfuse.parallel import in_order

SMOOTH = 5.0
"""Weight of the gradient in the smooth part."""

WINDOW = 7
"""Rows and columns of the mean activity, pixels."""


@dataclass(frozen=True)
class CSR:
    """Fusion of convolutional sparse codes."""

    weight: float = option(
        0.01, "of the L1 norm: larger ones leave noise and faint detail out", limits=(0.001, 1)
    )
    steps: int = option(500, "most steps of a code; about 200 are needed", limits=(1, 2000))
    filters: Float32Array | None = field(default=None, compare=False, repr=False)
    """Filters (filters, rows, columns), or none for the shipped ones."""

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1].

        Raises `InputError` for images smaller than a filter.
        """
        filters = filters_of(self.filters, "csr")
        check_pair(first, second, filters.shape[1])
        solver = Solver(self.weight, penalty=50 * self.weight + 1, steps=self.steps)

        def fused(images: tuple[Float32Array, Float32Array]) -> Float32Array:
            smooth = low_pass(np.stack(images), SMOOTH)
            details = images - smooth
            code_1, code_2 = in_order(lambda detail: encode(detail, filters, solver), details)
            chosen = more_active(code_1, code_2, WINDOW)
            return np.asarray(smooth.mean(axis=0) + synthesized(chosen, filters))

        return slice_by_slice(fused, first, second)


def filters_of(given: Float32Array | None, name: str) -> Float32Array:
    """The given filters with unit length, or the shipped ones of that name."""
    found = shipped_dictionary(name) if given is None else normalized(given)
    return found.astype(np.float32)


def slice_by_slice(
    fuse: Callable[[tuple[Float32Array, Float32Array]], Float32Array],
    first: Float32Array,
    second: Float32Array,
) -> Float32Array:
    """Images (N, H, W), fused slice by slice and clipped to [0, 1]; their codes are large."""
    fused = [fuse(pair) for pair in zip(first, second, strict=True)]
    return np.asarray(np.clip(np.stack(fused), 0, 1), np.float32)


def more_active(first: Float32Array, second: Float32Array, window: int) -> Float32Array:
    """The code (filters, H, W) of the image that is more active at each pixel.

    The activity is the mean of the L1 norms of all coefficients at the pixels of a window, with
    zeros outside of the image. A tie is of the second.
    """
    activities = (
        uniform_filter(np.abs(code).sum(axis=0), window, mode="constant")
        for code in (first, second)
    )
    return np.where(next(activities) > next(activities), first, second)
