"""Fusion quality by the universal quality index: the family of Piella and Heijmans.

Every metric here is a mean over windows of a local similarity of the fused image to CT and to
MR; they differ in how much each source counts in a window, and each window in the mean.
"""

from typing import Literal

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.metrics.gradients import PREWITT, strength
from radfuse.metrics.image_levels import Image, exact_levels, kept, like, measured
from radfuse.metrics.local_statistics import (
    LocalStatistics,
    WindowShape,
    mean_of_windows,
    statistics_in_strips,
)
from radfuse.metrics.structural_similarity import ssim_map

Similarity = Literal["uqi8", "ssim11"]
"""Universal quality index in uniform windows of 8x8, or SSIM in Gaussian ones of 11x11."""

WINDOWS: dict[Similarity, WindowShape] = {"uqi8": "uniform8", "ssim11": "gaussian11"}
"""The window of each similarity."""

BLACK_SALIENCY = 0.5
"""Variance that Liu's code gives both sources of a window where they are black."""

ROUNDING = 2.0**-52
"""Share of a constant window's squared level that rounding leaves of its variance there."""

NOTHING = 1e-150
"""Added to both terms of a ratio it is lost to rounding; it only makes 0/0 a ratio of it."""

OUTSIDE = 1e-75
"""How far outside [0, 1] a share counts as such; `NOTHING` as a share is less."""

ALIKE = 0.75
"""Similarity of the sources above which Yang et al. ask for both of them at once."""


def uqi_map(first: LocalStatistics, second: LocalStatistics) -> Float64Array:
    """Universal quality index of every window, in [-1, 1].

    Windows constant in both images have the structure in common, and black ones the luminance:
    a factor that would be 0/0 is 1, as in the code of Wang and Bovik.
    """
    products = second.mean_product(first) + NOTHING
    covariances = second.covariance(first) + NOTHING
    squares = first.mean_square + second.mean_square
    variances = first.variance + second.variance
    squares += 2 * NOTHING
    variances += 2 * NOTHING
    products *= covariances
    products *= 4
    squares *= variances
    return np.divide(products, squares, out=products)


def uqi(first: Image, second: Image) -> float:
    """Universal quality index of two images, in [-1, 1], in windows of 8x8; 1 for equal ones.

    Wang, Bovik 2002, doi:10.1109/97.995823.
    """
    return mean_of_windows(uqi_map, "uniform8", first, second)


def q_s(fused: Image, ct: Image, mr: Image, *, similarity: Similarity = "uqi8") -> float:
    """Fusion quality index Q, in [-1, 1]: sources are weighted by their variance in every window.

    Piella, Heijmans 2003, doi:10.1109/ICIP.2003.1247209; the saliency of a source is its
    variance. Where both sources are constant they count alike. "uqi8" is the paper's,
    "ssim11" that of Liu's code (Liu et al. 2012, doi:10.1109/TPAMI.2011.109).
    """
    strips = statistics_in_strips(WINDOWS[similarity], fused, ct, mr)
    return _mean([_local_quality(strip, similarity)[0] for strip in strips])


def q_w(fused: Image, ct: Image, mr: Image, *, similarity: Similarity = "uqi8") -> float:
    """Weighted fusion quality index Q_W, in [-1, 1]: windows are weighted by the larger variance.

    Piella, Heijmans 2003, doi:10.1109/ICIP.2003.1247209; windows and options as in `q_s`.
    Where no source has any structure all windows count alike.
    """
    strips = statistics_in_strips(WINDOWS[similarity], fused, ct, mr)
    of_strips = [_local_quality(strip, similarity) for strip in strips]
    total = sum(float(saliency.sum()) for _, saliency in of_strips)
    if total == 0:
        return _mean([quality for quality, _ in of_strips])
    return sum(float(np.vdot(quality, saliency)) for quality, saliency in of_strips) / total


def q_e(fused: Image, ct: Image, mr: Image, *, similarity: Similarity = "uqi8") -> float:
    """Edge-dependent fusion quality index Q_E, in [-1, 1]: Q_W times the Q_W of the edges.

    Piella, Heijmans 2003, doi:10.1109/ICIP.2003.1247209, alpha = 1; windows and options as
    in `q_s`. The edge images are gradient magnitudes by Prewitt's operator with 0 outside the
    image, as in Liu's code, where Q_E stops for want of the Q_W of the images.
    """
    images = [measured(image) for image in (fused, ct, mr)]
    edges = [_edges(image) for image in images]
    return q_w(*images, similarity=similarity) * q_w(*edges, similarity=similarity)


def q_c(
    fused: Image, ct: Image, mr: Image, *, bounded: Literal["share", "quality"] = "share"
) -> float:
    """Similarity-weighted quality Q_C, in [-1, 1]: the source that F follows counts more.

    Cvejic, Loza, Bull, Canagarajah 2006, "A similarity metric for assessment of image fusion
    algorithms", Int. J. Signal Processing 2(3); Gaussian windows of 7x7 as in Liu's code. The
    share of CT is its covariance with F over the sum of both sources' covariances, 1/2 where
    that sum is 0. Outside [0, 1] it is set to 0 or 1 ("share", the paper); Liu's code sets the
    quality of that window instead ("quality"), so that it matters there which source comes first,
    and has no value for black windows.
    """
    return mean_of_windows(CVEJIC_MAPS[bounded], "gaussian7", fused, ct, mr)


def q_y(fused: Image, ct: Image, mr: Image) -> float:
    """Similarity-gated quality Q_Y, in [-1, 1]: where the sources differ the better match counts.

    Yang, Zhang, Wang, Liu 2008, doi:10.1016/j.inffus.2006.09.001; Gaussian windows of 7x7 and
    the similarity without its constants as in Liu's code, which has no value for black windows.
    Where the sources have a similarity of 0.75 or more they count by their variance, alike if
    both are constant.
    """
    return mean_of_windows(_map_of_yang, "gaussian7", fused, ct, mr)


def _map_of_cvejic(
    image: LocalStatistics, first: LocalStatistics, second: LocalStatistics
) -> Float64Array:
    share = _share_of_covariance(image, first, second)
    np.clip(share, 0, 1, out=share)
    return _blend(share, uqi_map(first, image), uqi_map(second, image))


def _map_of_liu(
    image: LocalStatistics, first: LocalStatistics, second: LocalStatistics
) -> Float64Array:
    """`_map_of_cvejic` with the quality bounded, not the share."""
    share = _share_of_covariance(image, first, second)
    bounds = np.clip(share, 0, 1)
    quality = _blend(share, uqi_map(first, image), uqi_map(second, image))
    # Of a covariance of 0 the share is not exactly 0.
    return np.where(np.abs(share - bounds) > OUTSIDE, bounds, quality)


def _share_of_covariance(
    image: LocalStatistics, first: LocalStatistics, second: LocalStatistics
) -> Float64Array:
    of_first, of_second = image.products(first, second)
    return _share(of_first.covariance, of_second.covariance)


CVEJIC_MAPS = {"share": _map_of_cvejic, "quality": _map_of_liu}
"""Local quality by what of it is bounded."""


def _map_of_yang(
    image: LocalStatistics, first: LocalStatistics, second: LocalStatistics
) -> Float64Array:
    image.products(first, second)
    of_first, of_second = uqi_map(first, image), uqi_map(second, image)
    both = _blend(_share(first.variance, second.variance), of_first, of_second)
    return np.where(uqi_map(first, second) >= ALIKE, both, np.maximum(of_first, of_second))


def _mean(maps: list[Float64Array]) -> float:
    return sum(float(values.sum()) for values in maps) / sum(values.size for values in maps)


def _local_quality(
    strip: tuple[LocalStatistics, ...], similarity: Similarity
) -> tuple[Float64Array, Float64Array]:
    """Quality and saliency of every window, from the fused image, CT and MR."""
    image, first, second = strip
    image.products(first, second)
    if similarity == "uqi8":
        saliencies, compare = (first.variance, second.variance), uqi_map
    else:
        saliencies, compare = _saliencies_of_liu(first, second), ssim_map
    quality = _blend(_share(*saliencies), compare(first, image), compare(second, image))
    return quality, np.maximum(*saliencies)


def _saliencies_of_liu(
    first: LocalStatistics, second: LocalStatistics
) -> tuple[Float64Array, Float64Array]:
    """Variances as Liu's code has them: above 0 in constant windows, black or not.

    So a window black in both sources has a weight, and of one that is black in one source and
    constant in the other only the latter counts.
    """
    variances = [
        np.where(image.variance == 0, ROUNDING * image.mean**2, image.variance)
        for image in (first, second)
    ]
    black = np.where(variances[0] + variances[1] == 0, BLACK_SALIENCY, 0)
    return variances[0] + black, variances[1] + black


def _share(first: Float64Array, second: Float64Array) -> Float64Array:
    """Lambda: the first source's share of the saliency of both, 1/2 where their sum is 0."""
    of_first, both = first + NOTHING, second + NOTHING
    both += of_first
    cancelled = np.flatnonzero(both == 0)
    of_first.put(cancelled, 0.5)
    both.put(cancelled, 1)
    return np.divide(of_first, both, out=of_first)


def _blend(share: Float64Array, of_first: Float64Array, of_second: Float64Array) -> Float64Array:
    blend = of_first - of_second
    blend *= share
    blend += of_second
    return blend


@kept
def _edges(image: Image) -> Image:
    """Gradient magnitude by Prewitt's operator, 0 outside the image."""
    return like(image, strength(exact_levels(image), "constant", weights=PREWITT))
