"""Structural similarity of the fused image to its sources."""

from collections.abc import Callable, Sequence

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import WHITE, Image, floats, kept, like
from radfuse.metrics.local_statistics import LocalStatistics, WindowShape
from radfuse.metrics.source_aggregation import Aggregation, aggregated
from radfuse.metrics.window_pairs import WindowPair, paired, pairs_in_strips

LUMINANCE_FLOOR, STRUCTURE_FLOOR = (0.01 * WHITE) ** 2, (0.03 * WHITE) ** 2
"""C_1 = (K_1 L)^2 and C_2 = (K_2 L)^2 of Wang et al. 2004, with their K and 8-bit L."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, finest first: Wang, Simoncelli and Bovik 2003."""

MIN_SIDE = 11 * 2 ** (len(SCALE_WEIGHTS) - 1)
"""Pixels a side that leave one window at the coarsest scale."""


def contrast_structure(pair: WindowPair) -> Float64Array:
    """Similarity c s of local contrast and structure, in [-1, 1]; C_2 keeps it finite."""
    return np.divide(*_contrast_structure(pair))


def similarity(pair: WindowPair) -> Float64Array:
    """Structural similarity of every window, in [-1, 1]; Eq. 13 of Wang et al. 2004."""
    covariances, variances = _contrast_structure(pair)
    products = 2 * pair.of_means
    products += LUMINANCE_FLOOR
    squares = np.add(pair.mean_squares, LUMINANCE_FLOOR, out=pair.mean_squares)
    products *= covariances
    squares *= variances
    return np.divide(products, squares, out=products)


def ssim_map(first: LocalStatistics, second: LocalStatistics) -> Float64Array:
    """The same, from statistics."""
    return similarity(paired(first, second))


def _contrast_structure(pair: WindowPair) -> tuple[Float64Array, Float64Array]:
    """Numerator and denominator of c s."""
    covariances = 2 * pair.covariance
    covariances += STRUCTURE_FLOOR
    return covariances, np.add(pair.variances, STRUCTURE_FLOOR, out=pair.variances)


def ssim_index(first: Image, second: Image, *, window: WindowShape = "gaussian11") -> float:
    """Mean structural similarity of two images, in [-1, 1]; 1 for equal ones.

    Wang, Bovik, Sheikh, Simoncelli 2004, doi:10.1109/TIP.2003.819861. Only windows wholly
    inside the image count. "gaussian11" reproduces the authors' code, "uniform8" the same code
    with its window of ones(8), "uniform7" scikit-image's default (unbiased variances), "global"
    the formula on the statistics of the whole image, (H, W) or (D, H, W).
    """
    return float(_means(similarity, window, (first, second)).item())


def ssim(
    fused: Image,
    ct: Image,
    mr: Image,
    *,
    window: WindowShape = "gaussian11",
    aggregation: Aggregation = "mean",
) -> float:
    """Structural similarity of the fused image to CT and to MR: their mean, or sum.

    In [-1, 1], or [-2, 2] for the sum; see `ssim_index` for the windows.
    """
    return aggregated(_means(similarity, window, (fused, ct, mr)).tolist(), aggregation)


def _means(
    compare: Callable[[WindowPair], Float64Array], window: WindowShape, images: Sequence[Image]
) -> Float64Array:
    """Means of the similarity of the first image to each of the others, over all windows."""
    totals, count = np.zeros(len(images) - 1), 0
    for pairs in pairs_in_strips(window, *images):
        maps = [compare(pair) for pair in pairs]
        totals += [float(values.sum()) for values in maps]
        count += maps[0].size
    return np.asarray(totals / count, np.float64)


def ms_ssim(fused: Image, ct: Image, mr: Image, *, aggregation: Aggregation = "mean") -> float:
    """Multi-scale structural similarity of the fused image to CT and to MR: mean, or sum.

    Wang, Simoncelli, Bovik 2003, doi:10.1109/ACSSC.2003.1292216, Eq. 7: five scales, halved by
    2x2 means; contrast and structure at every scale, luminance at the coarsest. In [0, 1], or
    [0, 2] for the sum: a scale whose mean is negative, which has no real root, counts as 0.
    Raises InputError below 176 pixels a side. The code set of Tang et al. calls another metric
    MS_SSIM: `mef_ssim` with three scales.
    """
    if min(fused.shape) < MIN_SIDE:
        raise InputError(
            f"MS-SSIM has five scales and needs {MIN_SIDE} pixels a side or more; "
            f"these are {fused.shape}; measure SSIM, or larger images"
        )
    images = [fused, ct, mr]
    product = np.ones(2)
    for weight in SCALE_WEIGHTS[:-1]:
        structure = _means(contrast_structure, "gaussian11", images)
        product *= np.maximum(structure, 0) ** weight
        images = [halved(image) for image in images]
    coarsest = _means(similarity, "gaussian11", images)
    product *= np.maximum(coarsest, 0) ** SCALE_WEIGHTS[-1]
    return aggregated(product.tolist(), aggregation)


@kept
def halved(image: Image) -> Image:
    """The image (H, W) in 2x2 means, half as large each way; an odd edge is mirrored first."""
    even = floats(image)
    rows, columns = even.shape
    if rows % 2 or columns % 2:
        even = np.pad(even, ((0, rows % 2), (0, columns % 2)), mode="symmetric")
    pairs = even[::2] + even[1::2]
    blocks = pairs[:, ::2] + pairs[:, 1::2]
    blocks /= 4
    return like(image, blocks)
