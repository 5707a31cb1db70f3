"""MEF-SSIM: structural similarity to the patches of an ideal fusion of both sources."""

import numpy as np

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.metrics.image_levels import Image, kept
from radfuse.metrics.local_statistics import LINES, LocalStatistics, statistics_in_strips
from radfuse.metrics.structural_similarity import SCALE_WEIGHTS, STRUCTURE_FLOOR, halved

PATCH_SIDE = LINES["uniform11"].size
"""Pixels a side of the patches, as in the authors' code."""

STRENGTH_OFFSET = 0.001
"""Added to the strength of every patch, in grey levels, as in the authors' code."""

MAX_POWER = 10.0
"""Upper bound of p, where the stronger patch is all that counts; in the authors' code."""

CANCELLED = 1e-12
"""Share of the summed squared patches below which what is left of them is rounding."""


def mef_ssim(fused: Image, ct: Image, mr: Image, *, scales: int = 1) -> float:
    """Structural similarity of the fused image to the desired patches, in [-1, 1].

    Ma, Zeng, Wang 2015, doi:10.1109/TIP.2015.2442920. The desired patch has the strongest
    contrast of its sources and their structures in a mean whose weights p sharpens where the
    sources agree. With `scales` above 1 (five at most) the product over scales halved by 2x2
    means, in [0, 1], with the weights of MS-SSIM divided by their sum: 3 is the authors' choice.
    Sources constant in a window ask for a constant one. Raises InputError for an image that is
    smaller than an 11x11 window at the coarsest scale.

    In the code set of Tang et al., MEF_SSIM is `scales=1` and MS_SSIM is `scales=3`.
    """
    _check_size(fused, scales)
    images = [fused, ct, mr]
    weights = np.array(SCALE_WEIGHTS[:scales])
    of_scales = [_of_scale(*images)]
    for _ in range(scales - 1):
        images = [halved(image) for image in images]
        of_scales.append(_of_scale(*images))
    if scales == 1:
        return of_scales[0]
    return float(np.prod(np.maximum(of_scales, 0) ** (weights / weights.sum())))


def _check_size(image: Image, scales: int) -> None:
    if not 1 <= scales <= len(SCALE_WEIGHTS):
        raise InputError(f"MEF-SSIM has 1 to {len(SCALE_WEIGHTS)} scales, not {scales}")
    min_side = PATCH_SIDE * 2 ** (scales - 1)
    if min(image.shape) < min_side:
        raise InputError(
            f"MEF-SSIM with {scales} scales needs {min_side} pixels a side or more; these are "
            f"{image.shape}; choose fewer scales, or measure larger images"
        )


def _of_scale(fused: Image, ct: Image, mr: Image) -> float:
    """Mean quality over the windows of one scale, in [-1, 1].

    The desired patch is a sum of both mean-free sources, so its variance and its covariance
    with the fused image follow from those of the sources, under the Gaussian weights.
    """
    total, count = 0.0, 0
    strips = statistics_in_strips("gaussian11", fused, ct, mr)
    for strip, shares in zip(strips, _shares_in_strips(ct, mr), strict=True):
        values = _quality(strip, *shares)
        total += float(values.sum())
        count += values.size
    return total / count


def _quality(
    strip: tuple[LocalStatistics, ...], ct_share: Float64Array, mr_share: Float64Array
) -> Float64Array:
    """Quality of every window, from the fused image, CT and MR."""
    image, of_ct, of_mr = strip
    variance = _variance_of_sum(of_ct, of_mr, ct_share, mr_share)
    with_ct, with_mr = (each.covariance for each in image.products(of_ct, of_mr))
    covariance = ct_share * with_ct + mr_share * with_mr
    return (2 * covariance + STRUCTURE_FLOOR) / (variance + image.variance + STRUCTURE_FLOOR)


@kept
def _shares_in_strips(ct: Image, mr: Image) -> list[tuple[Float64Array, Float64Array]]:
    return [_shares(*strip) for strip in statistics_in_strips("uniform11", ct, mr)]


def _shares(ct: LocalStatistics, mr: LocalStatistics) -> tuple[Float64Array, Float64Array]:
    """What of each mean-free source goes into the desired patch of every window."""
    strengths = [PATCH_SIDE * np.sqrt(image.variance) + STRENGTH_OFFSET for image in (ct, mr)]
    power = _power(ct, mr)
    weights = [(strength / PATCH_SIDE) ** power for strength in strengths]
    of_unit = [weight / strength for weight, strength in zip(weights, strengths, strict=True)]
    apart = of_unit[0] ** 2 * ct.variance + of_unit[1] ** 2 * mr.variance
    together = _variance_of_sum(ct, mr, *of_unit)
    length = PATCH_SIDE * np.sqrt(np.where(together > CANCELLED * apart, together, 0))
    wanted = np.maximum(*strengths)
    scale = np.divide(wanted, length, out=np.zeros_like(wanted), where=length > 0)
    return of_unit[0] * scale, of_unit[1] * scale


def _power(ct: LocalStatistics, mr: LocalStatistics) -> Float64Array:
    """Exponent p = tan(pi R / 2) of the weights; R = 1 where both sources have one structure."""
    total = np.sqrt(ct.variance) + np.sqrt(mr.variance)
    together = np.sqrt(np.maximum(_variance_of_sum(ct, mr, 1.0, 1.0), 0))
    consistency = np.divide(together, total, out=np.ones_like(total), where=total > 0)
    highest = np.arctan(MAX_POWER) * 2 / np.pi
    return np.asarray(np.tan(np.pi / 2 * np.minimum(consistency, highest)), np.float64)


def _variance_of_sum(
    ct: LocalStatistics,
    mr: LocalStatistics,
    ct_share: Float64Array | float,
    mr_share: Float64Array | float,
) -> Float64Array:
    mixed = 2 * ct_share * mr_share * ct.covariance(mr)
    return ct_share**2 * ct.variance + mr_share**2 * mr.variance + mixed
