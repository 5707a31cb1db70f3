"""Metrics of information theory: histograms of grey levels, alone and of two images together.

All work on images (H, W) and on volumes (D, H, W), in whole grey levels; floats are rounded.
Pixel positions do not matter. A histogram has `bins` of equal width in grey levels over 0..255.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from radfuse.arrays import Float64Array
from radfuse.metrics.image_levels import Image, kept, stretched_levels, whole_levels
from radfuse.metrics.source_aggregation import Aggregation, aggregated

Counts = NDArray[np.intp]
Cells = NDArray[np.unsignedinteger]

LEVELS = 256
"""Grey levels of an 8-bit image: one histogram bin each."""

TSALLIS_ORDERS = {"nava": 0.43137, "cvejic": 1.85}
"""Order q of Tsallis' entropy by author, as in the toolbox of Liu et al. 2012."""


def _entropy_bits(counts: Counts) -> float:
    there = counts[counts > 0]
    return float(there @ np.log2(there.sum() / there) / there.sum())


def _cells(image: Image, bins: int) -> Cells:
    """Histogram bin of every pixel, (number of pixels,), of 8 bits."""
    levels = whole_levels(image).ravel()
    return (
        levels if bins == LEVELS else (np.arange(LEVELS) * bins // LEVELS).astype(np.uint8)[levels]
    )


@kept
def _joint_counts(first: Image, second: Image, *, bins: int = LEVELS) -> Counts:
    """Pixels of each pair of bins, (bins of the first image, bins of the second)."""
    pairs = _cells(first, bins).astype(np.uint16)
    pairs *= bins
    pairs += _cells(second, bins)
    return np.bincount(pairs, minlength=bins**2).reshape(bins, bins)


def en(fused: Image, ct: Image, mr: Image, *, bins: int = LEVELS) -> float:  # noqa: ARG001
    """Entropy of the fused image in bits, 0 for a constant one to log2(bins).

    Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x.
    """
    return _entropy_bits(np.bincount(_cells(fused, bins)))


def mutual_information(
    first: Image, second: Image, *, bins: int = LEVELS, white: Literal["apart", "merged"] = "apart"
) -> float:
    """Mutual information of two images in bits, from 0 to the smaller of their entropies.

    `white="merged"` counts the last two bins as one in the joint histogram and as two in the
    single ones: a slip of an evaluation code that the field uses, which adds to the value.
    """
    alone, together = _entropies(first, second, bins=bins)
    if white == "merged":
        counts = _joint_counts(first, second, bins=bins).copy()
        counts[-2] += counts[-1]
        counts[:, -2] += counts[:, -1]
        together = _entropy_bits(counts[:-1, :-1])
    return max(alone - together, 0.0)


@kept
def _entropies(first: Image, second: Image, *, bins: int) -> tuple[float, float]:
    """Sum of the entropies of two images, and their joint entropy, in bits."""
    counts = _joint_counts(first, second, bins=bins)
    return _entropy_bits(counts.sum(0)) + _entropy_bits(counts.sum(1)), _entropy_bits(counts)


def mi(
    fused: Image,
    ct: Image,
    mr: Image,
    *,
    aggregation: Aggregation = "sum",
    bins: int = LEVELS,
    white: Literal["apart", "merged"] = "apart",
) -> float:
    """Mutual information of the fused image with CT and with MR in bits, 0 or more.

    Qu, Zhang, Yan 2002, "Information measure for performance of image fusion",
    doi:10.1049/el:20020212, is the sum; part of the field prints the mean, half of it. Fewer bins
    give smaller values and another ranking. `white="merged"` is `mutual_information`'s; with
    it, 256 bins and the sum this is `analysis_MI` of Tang's evaluation code.
    """
    shared = [mutual_information(fused, source, bins=bins, white=white) for source in (ct, mr)]
    return aggregated(shared, aggregation)


def _normalised(first: Image, second: Image, norm: str, bins: int) -> float:
    alone, together = _entropies(first, second, bins=bins)
    if together == 0:
        return 0.0
    shared = max(alone - together, 0.0)
    return shared / together if norm == "joint" else 2 * shared / alone


def nmi(
    fused: Image,
    ct: Image,
    mr: Image,
    *,
    aggregation: Aggregation = "mean",
    norm: Literal["arithmetic", "joint"] = "arithmetic",
    bins: int = LEVELS,
) -> float:
    """Normalised mutual information with the sources, 0 to 1; a fused image equal to both has 1.

    For a source S and the fused image F, `norm="arithmetic"` is 2 I(S;F) / (H(S) + H(F)), so the
    default is half of `q_mi`. `norm="joint"` is I(S;F) / H(S,F), which is 1 less than the
    (H(S) + H(F)) / H(S,F) of Studholme, Hill and Hawkes 1999, doi:10.1016/S0031-3203(98)00091-0.
    The aggregation is the mean over both sources, or their sum, from 0 to 2. Two constant images
    share nothing: 0.
    """
    shared = [_normalised(fused, source, norm, bins) for source in (ct, mr)]
    return aggregated(shared, aggregation)


def q_mi(fused: Image, ct: Image, mr: Image) -> float:
    """Q_MI = 2 [I(A;F) / (H(A) + H(F)) + I(B;F) / (H(B) + H(F))], 0 to 2.

    Hossny, Nahavandi, Creighton 2008, 'Comments on "Information measure for performance of image
    fusion"', doi:10.1049/el:20081754; `metricMI(.., 1)` of Liu's toolbox. Many papers print it as
    NMI. The toolbox stretches each image to 0..255 first, which on 8-bit images gives the levels
    other names only. Two constant images share nothing: 0.
    """
    return nmi(fused, ct, mr, aggregation="sum")


def q_te(
    fused: Image,
    ct: Image,
    mr: Image,
    *,
    author: Literal["nava", "cvejic"] = "nava",
    marginals: Literal["own", "exchanged"] = "own",
) -> float:
    """Q_TE: Tsallis' mutual information I_q of the fused image with both sources, 0 or more.

    With I_q(A,F) = (1 - sum of p(a,f)^q / (p(a) p(f))^(q-1)) / (1 - q): author "cvejic" is
    I_q(A,F) + I_q(B,F), q = 1.85; author "nava" (Nava, Escalante-Ramirez and Cristobal 2007,
    "Mutual information improves image fusion quality assessments", SPIE Newsroom) divides that
    by H(A)^q + H(B)^q + I_q(A,B), Shannon's entropies in bits, q = 0.43137; 0 where CT and MR
    are constant. Cvejic, Canagarajah and Bull 2006, "Image fusion metric based on mutual
    information and Tsallis entropy", Electronics Letters 42(11).

    `marginals="exchanged"` follows Liu's toolbox, `metricMI(.., 2)` for "cvejic", where the value
    may be negative, and `(.., 3)` for "nava". There p(a) and p(f) are exchanged, so the value
    depends on the levels themselves, and each image is stretched to 0..255 before. A constant
    image, for which that code fails, is taken for black.
    """
    exchanged = marginals == "exchanged"
    if exchanged:
        fused, ct, mr = (stretched_levels(image) for image in (fused, ct, mr))
    order = TSALLIS_ORDERS[author]
    of_ct, of_mr = (_joint_counts(fused, source) for source in (ct, mr))
    shared = _tsallis_information(of_ct, order, exchanged)
    shared += _tsallis_information(of_mr, order, exchanged)
    if author == "cvejic":
        return shared
    sources = _joint_counts(ct, mr)
    scale = sum(_entropy_bits(sources.sum(axis)) ** order for axis in (0, 1))
    scale += _tsallis_information(sources, order, exchanged)
    return shared / scale if scale else 0.0


def _tsallis_information(counts: Counts, order: float, exchanged: bool) -> float:
    """I_q of a joint histogram; 0 where the images are independent."""
    total = counts.sum()
    of_first, of_second = (_powers(counts.sum(axis) / total, 1 - order) for axis in (1, 0))
    if exchanged:
        of_first, of_second = of_second, of_first
    cells = np.flatnonzero(counts.ravel() > 0)
    first, second = np.divmod(cells, counts.shape[1])
    powers = (counts.take(cells) / total) ** order
    return float((1 - powers @ (of_first[first] * of_second[second])) / (1 - order))


def _powers(shares: Float64Array, exponent: float) -> Float64Array:
    """Shares to the power of an exponent, and 0 of 0."""
    return np.power(shares, exponent, out=np.zeros_like(shares), where=shares > 0)


def q_ncie(fused: Image, ct: Image, mr: Image) -> float:
    """Q_NCIE, nonlinear correlation information entropy: 0.802 (unrelated) to 1 (all the same).

    1 + sum of (lambda / 3) log_256(lambda / 3) over the eigenvalues of the 3x3 matrix of mutual
    informations of CT, MR and fused image in units of 8 bits, with ones on the diagonal. Wang,
    Shen and Jin 2008, "Performance evaluation of image fusion techniques", in Stathaki (ed.),
    "Image Fusion: Algorithms and Applications"; `metricWang` of Liu's toolbox. Its lower end is
    1 - log_256(3), for constant images, too; 1 needs three equal images with a flat histogram.
    """
    related = np.eye(3)
    images = (fused, ct, mr)
    for row, column in ((0, 1), (0, 2), (1, 2)):
        shared = mutual_information(images[row], images[column]) / np.log2(LEVELS)
        related[row, column] = related[column, row] = shared
    # Rounding may leave an eigenvalue just below 0 where images are the same.
    weights = np.maximum(np.linalg.eigvalsh(related), 0) / len(images)
    return float(1 + xlogy(weights, weights).sum() / np.log(LEVELS))
