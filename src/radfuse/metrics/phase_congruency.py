"""Metric of features that phase congruency finds, whatever their contrast."""

import numpy as np

from radfuse.arrays import BoolArray, Float64Array
from radfuse.metrics.image_levels import Image, floats, kept
from radfuse.metrics.local_statistics import LINES, zero_padded_means
from radfuse.metrics.phase_features import Features, features, log_gabor_filters

FEATURE = 0.1
"""Phase congruency above which a source has a feature."""

STABLE = 1e-4
"""C of the local correlation."""


def q_p(fused: Image, ct: Image, mr: Image) -> float:
    """Correlation of the fused image's phase congruency with that of its sources, at most 1.

    Zhao, Laganiere and Liu 2007, "Performance assessment of combinative pixel-level image fusion
    based on an absolute feature measurement", Int. J. Innovative Computing, Information and
    Control 3(6A):1433-1447, with alpha = beta = gamma = 1: the product of P_p, P_M and P_m,
    as in the code of Liu et al. 2012, doi:10.1109/TPAMI.2011.109, at even sizes. At odd ones
    that code takes frequencies by k / (n - 1) and shifts its low-pass by one; here they are
    true. 0 where both sources, or the fused image, have no feature.
    """
    found, *sources = (_features(image) for image in (fused, ct, mr))
    sources = [*sources, _stronger(*sources)]
    masks = [source.congruency > FEATURE for source in sources]
    if not masks[-1].any() or found.congruency.max() <= FEATURE:
        return 0.0
    return (
        _correlation(found.congruency, [source.congruency for source in sources], masks)
        * _correlation(found.maximum, [source.maximum for source in sources], masks)
        * _correlation(found.minimum, [source.minimum for source in sources], masks)
    )


@kept
def _features(image: Image) -> Features:
    return features(floats(image), log_gabor_filters(image.shape))


def _stronger(ct: Features, mr: Features) -> Features:
    """At every pixel all features of the source with the larger congruency."""
    first = ct.congruency > mr.congruency
    return Features(
        np.where(first, ct.congruency, mr.congruency),
        np.where(first, ct.maximum, mr.maximum),
        np.where(first, ct.minimum, mr.minimum),
    )


def _correlation(found: Float64Array, sources: list[Float64Array], masks: list[BoolArray]) -> float:
    """Best local correlation with CT, MR or the stronger of both, a mean over their features.

    As in Liu's code, a source counts as 0 outside its own features, the fused image does not.
    """
    line = LINES["gaussian11"]
    mean, square = zero_padded_means(np.stack([found, found**2]), line)
    variance = square - mean**2
    best = np.full_like(found, -np.inf)
    for whole, mask in zip(sources, masks, strict=True):
        source = whole * mask
        images = np.stack([source, source**2, source * found])
        mean_s, variance_s, covariance = zero_padded_means(images, line)
        covariance -= mean_s * mean
        variance_s -= mean_s**2
        variance_s *= variance
        similarity = (covariance + STABLE) / (np.sqrt(np.abs(variance_s)) + STABLE)
        np.maximum(best, similarity * mask, out=best)
    return float(best.sum() / masks[-1].sum())
