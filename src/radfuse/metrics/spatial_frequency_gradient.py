"""Metrics of detail: how much grey levels change from pixel to pixel."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import Image, floats

Differences = Literal["forward", "central"]
"""How a gradient is taken: to the next pixel, or over both neighbours."""

DIAGONAL_WEIGHT = 0.5**0.5
"""w_d of Zheng et al. 2007: squared differences along a diagonal count by their distance."""


def sf(fused: Image, ct: Image, mr: Image) -> float:  # noqa: ARG001
    """Spatial frequency of the fused image or volume: root of the summed mean squared differences.

    Eskicioglu and Fisher 1995, doi:10.1109/26.477498; means over the differences that exist,
    one sum a row, column and, in a volume (D, H, W), slice direction. In grey levels.
    """
    image = floats(fused).squeeze()
    steps = [np.diff(image, axis=axis).ravel() for axis in range(image.ndim)]
    return float(np.sqrt(sum(step @ step / step.size for step in steps)))


def ag(
    fused: Image,
    ct: Image,  # noqa: ARG001
    mr: Image,  # noqa: ARG001
    *,
    differences: Differences = "forward",
) -> float:
    """Average gradient of the fused image or volume: root of the mean squared slopes, averaged.

    "forward" is Chen et al. 2024, doi:10.1186/s12880-024-01329-x, Eq. 7: differences to the next
    pixel, over the (M-1)(N-1) pixels that have both. "central" is the code set of Tang et al.:
    MATLAB's gradient at all MN pixels, one-sided at the border, and still divided by (M-1)(N-1).
    In a volume the mean runs over the squared slopes of three axes. In grey levels a pixel.
    """
    image = floats(fused).squeeze()
    slopes = [SLOPES[differences](image, axis) for axis in range(image.ndim)]
    squares = slopes[0] ** 2
    for slope in slopes[1:]:
        squares += slope**2
    total = np.sqrt(squares, out=squares).sum() / np.sqrt(image.ndim)
    return float(total / np.prod([side - 1 for side in image.shape]))


def q_sf(fused: Image, ct: Image, mr: Image) -> float:
    """Ratio of spatial frequency error (SF_F - SF_R) / SF_R; 0 is best, above 0 is too sharp.

    Zheng, Essock, Hansen, Haun 2007, doi:10.1016/j.inffus.2005.04.003. Four directions; the
    reference SF_R takes the larger difference of the two sources at every pixel. Signed, as in
    Liu et al. 2012, doi:10.1109/TPAMI.2011.109, whose code this reproduces. Where both sources
    are flat: 0 for a flat fused image, else 1.
    """
    found = reference = 0.0
    for weight, steps in DIRECTIONS:
        of_fused, of_ct, of_mr = (steps(floats(image)) for image in (fused, ct, mr))
        stronger = np.maximum(np.abs(of_ct, out=of_ct), np.abs(of_mr, out=of_mr), out=of_ct)
        found += weight * float(np.vdot(of_fused, of_fused))
        reference += weight * float(np.vdot(stronger, stronger))
    if reference == 0:
        return float(found > 0)
    return float(np.sqrt(found / reference) - 1)


def _forward(image: Float64Array, axis: int) -> Float64Array:
    """Differences to the next pixel, where every axis has a next one."""
    inner = [slice(side - 1) for side in image.shape]
    following = list(inner)
    following[axis] = slice(1, None)
    return image[tuple(following)] - image[tuple(inner)]


def _central(image: Float64Array, axis: int) -> Float64Array:
    return np.asarray(np.gradient(image, axis=axis), np.float64)


SLOPES: dict[Differences, Callable[[Float64Array, int], Float64Array]] = {
    "forward": _forward,
    "central": _central,
}
"""Slopes along an axis."""


DIRECTIONS: list[tuple[float, Callable[[Float64Array], Float64Array]]] = [
    (1.0, lambda image: image[:, 1:] - image[:, :-1]),
    (1.0, lambda image: image[1:] - image[:-1]),
    (DIAGONAL_WEIGHT, lambda image: image[1:, 1:] - image[:-1, :-1]),
    (DIAGONAL_WEIGHT, lambda image: image[1:, :-1] - image[:-1, 1:]),
]
"""Weights and differences along rows, columns, and both diagonals."""
