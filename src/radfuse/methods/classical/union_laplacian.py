"""Union Laplacian pyramid: coefficients chosen by contrast and outlines at every level.

Du et al. 2016, Union Laplacian pyramid with multiple features for medical image fusion
(Neurocomputing 194), of which the title is known. Decided here: four levels; as features, the
contrast of the detail with the low-pass below it and the gradient of the level's image, each as a
share of the larger image's maximum; the detail with the larger sum of features over 3 x 3
neighbours, ties to the second image; and the mean of the bases. No reference code was compared.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from radfuse.arrays import BoolArray, Float32Array, Float64Array
from radfuse.methods.classical.rules import in_grey_levels, mean
from radfuse.methods.options import option
from radfuse.methods.transforms.laplacian_pyramid import decompose, reconstruct

CONTRAST_FLOOR = 16.0
"""Grey levels added to the low-pass, so that noise in air has no contrast."""


@dataclass(frozen=True)
class UnionLaplacian:
    """Fusion of Laplacian pyramids by features of both images."""

    levels: int = option(4, "pyramid levels", limits=(1, 10))

    def __call__(self, first: Float32Array, second: Float32Array) -> Float32Array:
        """Fuse images of shape (N, H, W) in [0, 1]."""
        return in_grey_levels(self._fuse, first, second)

    def _fuse(self, first: Float64Array, second: Float64Array) -> Float64Array:
        pyramids = [decompose(images, self.levels) for images in (first, second)]
        fused = []
        for level in range(self.levels):
            images = [reconstruct(pyramid[level:]) for pyramid in pyramids]
            one, other = (pyramid[level] for pyramid in pyramids)
            fused.append(np.where(_is_first_richer(images, [one, other]), one, other))
        return reconstruct([*fused, mean(*(pyramid[-1] for pyramid in pyramids))])


def _is_first_richer(images: list[Float64Array], details: list[Float64Array]) -> BoolArray:
    """Where the first of two images of a level has more features than the second."""
    contrasts = [
        np.abs(detail) / (np.abs(image - detail) + CONTRAST_FLOOR)
        for image, detail in zip(images, details, strict=True)
    ]
    first, second = _normalised(contrasts) + _normalised([_gradient(image) for image in images])
    return np.asarray(first > second)


def _normalised(features: list[Float64Array]) -> Float64Array:
    """Of both images (2, N, H, W), as a share of the larger maximum, in windows of 3 x 3."""
    both = np.stack(features)
    largest = both.max((0, 2, 3), keepdims=True)
    shares = np.divide(both, largest, out=np.zeros_like(both), where=largest > 0)
    return np.asarray(uniform_filter(shares, (0, 0, 3, 3), mode="nearest"))


def _gradient(images: Float64Array) -> Float64Array:
    """Modulus of the central differences, 0 along the border's normal."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), "edge")
    return np.hypot(
        padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1], padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    )
