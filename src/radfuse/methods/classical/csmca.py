"""Convolutional sparse morphological component analysis: cartoon and texture have own codes.

Liu, Chen, Ward and Wang 2019, "Medical image fusion via convolutional sparsity based morphological
component analysis", IEEE Signal Processing Letters 26(3). The detail of an image is the sum of a
cartoon and a texture, each sparse in filters of its own; the codes are computed alternately, with
an L1 norm that has less weight each round. Within 0.06 grey levels of the authors' code with the
authors' filters, in the mean of a pair. Up to 2 % of the pixels differ by more than half a level,
around positions where the activities of both images are nearly equal. The shipped filters were
learned on other images.
"""

from dataclasses import dataclass, field

import numpy as np

from radfuse.arrays import Float32Array
from radfuse.methods.classical.csr import filters_of, more_active, slice_by_slice
from radfuse.methods.classical.rules import check_pair
from radfuse.methods.options import option
from radfuse.methods.sparse_coding.convolutional import Solver, encode, synthesized
from radfuse.methods.sparse_coding.low_pass import low_pass
from radfuse.parallel import in_order

SMOOTH = 60.0
"""Weight of the gradient in the smooth part."""

STEPS = 30
"""Of a code in a round."""

MAX_WEIGHT, WEIGHT_STEP, MIN_WEIGHT = 0.6, 0.1, 0.005
"""Of the L1 norm before the first round, its decrease with each, and its least value."""

WINDOWS = (11, 5)
"""Rows and columns of the mean activity of cartoon and texture, pixels."""

Codes = tuple[Float32Array, Float32Array]
"""Of cartoon and texture, each (filters, H, W)."""


@dataclass(frozen=True)
class CSMCA:
    """Fusion of convolutional sparse codes of cartoon and texture."""

    rounds: int = option(6, "rounds of both codes; the authors have six", limits=(1, 12))
    cartoon: Float32Array | None = field(default=None, compare=False, repr=False)
    """Filters (filters, rows, columns), or none for the shipped ones."""

    texture: Float32Array | None = field(default=None, compare=False, repr=False)

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1].

        Raises `InputError` for images smaller than a filter.
        """
        filters = (
            filters_of(self.cartoon, "csmca_cartoon"),
            filters_of(self.texture, "csmca_texture"),
        )
        check_pair(first, second, max(each.shape[1] for each in filters))

        def fused(images: tuple[Float32Array, Float32Array]) -> Float32Array:
            smooth = low_pass(np.stack(images), SMOOTH)
            first_codes, second_codes = in_order(
                lambda detail: separated(detail, *filters, self.rounds), images - smooth
            )
            image: Float32Array = smooth.mean(axis=0)
            for part, (own, window) in enumerate(zip(filters, WINDOWS, strict=True)):
                chosen = more_active(first_codes[part], second_codes[part], window)
                image += synthesized(chosen, own)
            return image

        return slice_by_slice(fused, first, second)


def separated(
    detail: Float32Array, cartoon: Float32Array, texture: Float32Array, rounds: int
) -> Codes:
    """The codes of cartoon and texture of a detail image (H, W)."""
    of_texture = np.zeros_like(detail)
    for number in range(1, rounds + 1):
        weight = max(MAX_WEIGHT - WEIGHT_STEP * number, MIN_WEIGHT)
        cartoon_code = encode(
            detail - of_texture, cartoon, Solver(weight, penalty=50 * weight + 1, steps=STEPS)
        )
        of_cartoon = synthesized(cartoon_code, cartoon)
        texture_code = encode(
            detail - of_cartoon, texture, Solver(weight, penalty=1.0, steps=STEPS)
        )
        of_texture = synthesized(texture_code, texture)
    return cartoon_code, texture_code
