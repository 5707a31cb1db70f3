"""Metrics of edges and detail."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]

SOBEL: Floats = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
"""Horizontal Sobel operator; its transpose is the vertical one."""

STRENGTH_GAIN, STRENGTH_SLOPE, STRENGTH_CENTRE = 0.9994, -15.0, 0.5
"""Sigmoid of edge strength preservation: Gamma_g, kappa_g, sigma_g of Xydeas and Petrovic."""

ANGLE_GAIN, ANGLE_SLOPE, ANGLE_CENTRE = 0.9879, -22.0, 0.8
"""Sigmoid of edge orientation preservation: Gamma_a, kappa_a, sigma_a of the same paper."""


def sf(fused: Grey, ct: Grey, mr: Grey) -> float:  # noqa: ARG001
    """Spatial frequency of the fused image: root of the summed mean squared differences.

    Eskicioglu and Fisher 1995, doi:10.1109/26.477498; means over the differences that exist.
    """
    image = fused.astype(np.float64)
    rows, columns = np.diff(image, axis=0), np.diff(image, axis=1)
    return float(np.sqrt((rows**2).mean() + (columns**2).mean()))


def _edges(image: Grey) -> tuple[Floats, Floats]:
    """Edge strength and orientation in radians, rows counted upwards; outside the image lies 0."""
    across = correlate(image.astype(np.float64), SOBEL, mode="constant")
    up = correlate(image.astype(np.float64), -SOBEL.T, mode="constant")
    level = across == 0
    angle = np.arctan(np.divide(up, across, out=np.zeros_like(up), where=~level))
    return np.hypot(across, up), np.where(level, np.pi / 2, angle)


def _preservation(source: tuple[Floats, Floats], fused: tuple[Floats, Floats]) -> Floats:
    """Q^AF: how well each edge of a source survives, in [0, 1]."""
    (strength, angle), (strength_f, angle_f) = source, fused
    weaker, stronger = np.minimum(strength, strength_f), np.maximum(strength, strength_f)
    ratio = np.divide(weaker, stronger, out=np.zeros_like(weaker), where=stronger > 0)
    ratio = np.where(weaker == stronger, weaker, ratio)  # as in the code that the field uses
    agreement = 1 - np.abs(angle - angle_f) / (np.pi / 2)
    of_strength = STRENGTH_GAIN / (1 + np.exp(STRENGTH_SLOPE * (ratio - STRENGTH_CENTRE)))
    of_angle = ANGLE_GAIN / (1 + np.exp(ANGLE_SLOPE * (agreement - ANGLE_CENTRE)))
    return of_strength * of_angle


def qabf(fused: Grey, ct: Grey, mr: Grey) -> float:
    """Edge transfer Q^AB/F in [0, 1], weighted by the strength of the sources' edges.

    Xydeas and Petrovic 2000, doi:10.1049/el:20000267. Two sources without any edge give 0.
    """
    edges_f, edges_ct, edges_mr = _edges(fused), _edges(ct), _edges(mr)
    weights = edges_ct[0].sum() + edges_mr[0].sum()
    if weights == 0:
        return 0.0
    kept = _preservation(edges_ct, edges_f) * edges_ct[0]
    kept = kept + _preservation(edges_mr, edges_f) * edges_mr[0]
    return float(kept.sum() / weights)
