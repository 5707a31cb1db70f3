"""Edge transfer: which edges of the sources the fused image keeps, loses and adds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import Float64Array
from radfuse.metrics.gradients import Border, gradient, magnitude
from radfuse.metrics.image_levels import Image, floats

EdgeConvention = Literal["xydeas2000", "liu2012", "kumar2013"]
"""Whose constants, angles and weights the edge transfer has; see `qabf`."""

STRENGTH_GAIN, ANGLE_GAIN = 0.9994, 0.9879
"""Gamma_g and Gamma_a of Xydeas and Petrovic 2000."""

MIN_STRENGTH = 1e-5
"""Edge strength in grey levels that means none in Liu's code."""

UNIT_SOBEL = 1 / 8
"""Scale of the Sobel operator in Kumar's code: a ramp of one level a pixel has strength 1."""

VISIBLE = 2.0
"""Edge strength T_d in grey levels a pixel from which an edge weighs by its strength."""

FAINT_WEIGHT = 0.001
"""Weight of an edge below `VISIBLE` in Kumar's code."""


@dataclass(frozen=True)
class Sigmoid:
    """Perceived preservation Gamma / (1 + exp(kappa (x - sigma))) of a strength or an angle."""

    gain: float
    slope: float
    centre: float

    def __call__(self, share: Float64Array) -> Float64Array:
        """Preservation in [0, gain]."""
        odds = share - self.centre
        odds *= self.slope
        np.exp(odds, out=odds)
        odds += 1
        return np.divide(self.gain, odds, out=odds)


@dataclass(frozen=True)
class Perception:
    """Sigmoids of the edge strength and of the edge orientation."""

    strength: Sigmoid
    angle: Sigmoid


PERCEPTIONS: dict[EdgeConvention, Perception] = {
    "xydeas2000": Perception(Sigmoid(STRENGTH_GAIN, -15, 0.5), Sigmoid(ANGLE_GAIN, -22, 0.8)),
    "liu2012": Perception(Sigmoid(1, -10, 0.5), Sigmoid(1, -20, 0.75)),
    "kumar2013": Perception(Sigmoid(0.9999, -19, 0.5), Sigmoid(0.9995, -22, 0.5)),
}
"""Gamma, kappa and sigma in the papers, or in the codes that their authors published."""


@dataclass(frozen=True)
class Edges:
    """Strength, and orientation in radians, rows counted upwards, in [-pi/2, pi/2]."""

    strength: Float64Array
    angle: Float64Array


@dataclass(frozen=True)
class Transfer:
    """What of the edges of CT and MR is preserved, and what they weigh; source first: (2, H, W)."""

    preserved: Float64Array
    weights: Float64Array
    added: NDArray[np.bool_]
    """Where the fused image's edge is stronger than both sources', (H, W)."""

    def lost(self, where: NDArray[np.bool_]) -> float:
        """Weighted share of the edges that is not preserved, counted at some pixels, in [0, 1]."""
        gone = 1 - self.preserved
        gone *= where
        return float(np.vdot(gone, self.weights) / self.weights.sum())


def qabf(fused: Image, ct: Image, mr: Image, *, convention: EdgeConvention = "xydeas2000") -> float:
    """Edge transfer Q^AB/F in [0, 1], weighted by the strength of the sources' edges.

    "xydeas2000": Xydeas and Petrovic 2000, doi:10.1049/el:20000267, as in the code of most
    papers, where orientations just left and right of the vertical disagree; two sources without
    any edge give 0. "liu2012": Q_G of Liu et al. 2012, doi:10.1109/TPAMI.2011.109: other
    constants, orientations modulo pi, and the weighted mean of CT and MR at every pixel, then
    averaged; black images give 0.987. "kumar2013": what with `labf` and `nabf` sums to 1.
    """
    return TRANSFERS[convention](floats(fused), floats(ct), floats(mr))


def labf(fused: Image, ct: Image, mr: Image) -> float:
    """Loss of edges L^AB/F in [0, 1]: what is not preserved where a source's edge is stronger.

    Petrovic and Xydeas 2005, doi:10.1109/ICCV.2005.175, with the constants of Shreyamsha Kumar
    2013, doi:10.1007/s11760-012-0361-x, and his 0..255. Pixels without any edge count as lost,
    with the weight 0.001 of faint ones: of flat images 0.991 is lost.
    """
    transfer = _kumar(floats(fused), floats(ct), floats(mr))
    return transfer.lost(~transfer.added)


def nabf(fused: Image, ct: Image, mr: Image) -> float:
    """Fusion artefacts N^AB/F in [0, 1]: what is not preserved where the fused edge is strongest.

    The modified measure of Shreyamsha Kumar 2013, doi:10.1007/s11760-012-0361-x, weighted so
    that Q^AB/F + L^AB/F + N^AB/F = 1; less is better. The code set of Tang et al. has it on
    0..255. Flat images have none.
    """
    transfer = _kumar(floats(fused), floats(ct), floats(mr))
    return transfer.lost(transfer.added)


def edges_kept(fused: Image, source: Image, where: NDArray[np.bool_]) -> float:
    """Share Q^AF of one source's edges that is kept where a mask is true, in [0, 1]; else NaN.

    Xydeas and Petrovic 2000 as in `qabf`, weighted by the strength of the edges.
    """
    edges_f, edges = (_edges(floats(image)) for image in (fused, source))
    weights = where * edges.strength
    if not weights.any():
        return float("nan")
    return float((weights * _preserved_of_xydeas(edges, edges_f)).sum() / weights.sum())


def _edges(image: Float64Array, border: Border = "constant") -> Edges:
    """Edges; the orientation is pi/2 where nothing changes across."""
    across, down = gradient(image, border)
    strength = magnitude(across, down)
    down[across == 0] = -np.inf
    across[across == 0] = 1
    down /= across
    np.arctan(down, out=down)
    return Edges(strength, np.negative(down, out=down))


def _edges_of_liu(image: Float64Array) -> Edges:
    """Edges none of which is 0; the orientation is 0 where nothing changes."""
    across, down = gradient(image, "constant")
    strength = magnitude(across, down)
    strength[strength == 0] = MIN_STRENGTH
    across[across == 0] = MIN_STRENGTH
    return Edges(strength, np.arctan(-down / across))


def _weaker_share(source: Edges, fused: Edges) -> Float64Array:
    """Strength of the weaker edge as a share of the stronger one; 0 where there is none."""
    weaker = np.minimum(source.strength, fused.strength)
    stronger = np.maximum(source.strength, fused.strength)
    stronger[stronger == 0] = 1  # there the weaker edge is 0, too
    weaker /= stronger
    return weaker


def _agreement(source: Edges, fused: Edges) -> Float64Array:
    """1 for parallel orientations, 0 for perpendicular ones."""
    agreement = _angle_between(source, fused)
    agreement -= 1
    return np.abs(agreement, out=agreement)


def _angle_between(source: Edges, fused: Edges) -> Float64Array:
    """Difference of the orientations in right angles, in [0, 2]."""
    angle = source.angle - fused.angle
    np.abs(angle, out=angle)
    angle *= 2 / np.pi
    return angle


def _preserved_of_xydeas(source: Edges, fused: Edges) -> Float64Array:
    """Q^AF: how well each edge of a source survives, in [0, 1]."""
    perceive = PERCEPTIONS["xydeas2000"]
    share = _weaker_share(source, fused)
    np.copyto(share, fused.strength, where=source.strength == fused.strength)  # as commonly coded
    preserved = perceive.strength(share)
    preserved *= perceive.angle(1 - _angle_between(source, fused))
    return preserved


def _preserved(source: Edges, fused: Edges, perceive: Perception) -> Float64Array:
    """Q^AF for orientations modulo pi, in [0, 1]."""
    of_strength = perceive.strength(_weaker_share(source, fused))
    return of_strength * perceive.angle(_agreement(source, fused))


def _xydeas(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    edges_f, *sources = (_edges(image) for image in (fused, ct, mr))
    weight = sum(float(edges.strength.sum()) for edges in sources)
    if weight == 0:
        return 0.0
    kept = sum(
        float(np.vdot(_preserved_of_xydeas(edges, edges_f), edges.strength)) for edges in sources
    )
    return kept / weight


def _liu(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    edges_f, edges_ct, edges_mr = (_edges_of_liu(image) for image in (fused, ct, mr))
    perceive = PERCEPTIONS["liu2012"]
    kept_ct = _preserved(edges_ct, edges_f, perceive) * edges_ct.strength
    kept_mr = _preserved(edges_mr, edges_f, perceive) * edges_mr.strength
    return float(((kept_ct + kept_mr) / (edges_ct.strength + edges_mr.strength)).mean())


def _kumar(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> Transfer:
    edges_f, *sources = (_edges(image * UNIT_SOBEL, "reflect") for image in (fused, ct, mr))
    perceive = PERCEPTIONS["kumar2013"]
    preserved = [np.sqrt(_preserved(edges, edges_f, perceive)) for edges in sources]
    strengths = np.stack([edges.strength for edges in sources])
    weights = strengths * np.sqrt(strengths)  # to the power of 3/2
    weights[strengths < VISIBLE] = FAINT_WEIGHT
    return Transfer(np.stack(preserved), weights, edges_f.strength > strengths.max(axis=0))


def _kept_of_kumar(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    transfer = _kumar(fused, ct, mr)
    return float(np.vdot(transfer.preserved, transfer.weights) / transfer.weights.sum())


TRANSFERS: dict[EdgeConvention, Callable[[Float64Array, Float64Array, Float64Array], float]] = {
    "xydeas2000": _xydeas,
    "liu2012": _liu,
    "kumar2013": _kept_of_kumar,
}
"""Edge transfer Q^AB/F of the fused image, CT and MR."""
