"""Edge transfer: which edges of the sources the fused image keeps, loses and adds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import BoolArray, Float64Array
from radfuse.metrics.gradients import STRIP, gradient, magnitude
from radfuse.metrics.image_levels import Image, floats, kept

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


NO_EDGE = 1e-150
"""Added to an edge strength it is lost to rounding; it only makes a share of no edge 0."""

Pixels = NDArray[np.intp]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Sigmoid:
    """Perceived preservation Gamma / (1 + exp(kappa (x - sigma))) of a strength or an angle."""

    gain: float
    slope: float
    centre: float

    def divisor(self, share: Float64Array) -> Float64Array:
        """What the gain is divided by, from a share that is overwritten."""
        share -= self.centre
        share *= self.slope
        np.exp(share, out=share)
        share += 1
        return share


@dataclass(frozen=True)
class Perception:
    """Sigmoids of the edge strength and of the edge orientation."""

    strength: Sigmoid
    angle: Sigmoid

    def __call__(self, strength: Float64Array, angle: Float64Array) -> Float64Array:
        """Product of both preservations, from shares in [0, 1] that are overwritten."""
        divisor = self.strength.divisor(strength)
        divisor *= self.angle.divisor(angle)
        return np.divide(self.strength.gain * self.angle.gain, divisor, out=divisor)


PERCEPTIONS: dict[EdgeConvention, Perception] = {
    "xydeas2000": Perception(Sigmoid(STRENGTH_GAIN, -15, 0.5), Sigmoid(ANGLE_GAIN, -22, 0.8)),
    "liu2012": Perception(Sigmoid(1, -10, 0.5), Sigmoid(1, -20, 0.75)),
    "kumar2013": Perception(Sigmoid(0.9999, -19, 0.5), Sigmoid(0.9995, -22, 0.5)),
}
"""Gamma, kappa and sigma in the papers, or in the codes that their authors published."""


@dataclass(frozen=True)
class Edges:
    """Strength, and orientation in radians, rows counted downwards, in [-pi/2, pi/2]."""

    strength: Float64Array
    angle: Float64Array

    def at(self, pixels: Pixels) -> "Edges":
        """Those of some pixels alone, by indices of the flat image."""
        return Edges(self.strength.take(pixels), self.angle.take(pixels))


@dataclass(frozen=True)
class Slopes:
    """Edges whose orientations are computed where they count."""

    strength: Float64Array
    across: Float64Array
    down: Float64Array

    def at(self, pixels: Pixels) -> Edges:
        """The edges of some pixels alone, by indices of the flat image."""
        angle = _orientation(self.across.take(pixels), self.down.take(pixels))
        return Edges(self.strength.take(pixels), angle)


def qabf(fused: Image, ct: Image, mr: Image, *, convention: EdgeConvention = "xydeas2000") -> float:
    """Edge transfer Q^AB/F in [0, 1], weighted by the strength of the sources' edges.

    "xydeas2000": Xydeas and Petrovic 2000, doi:10.1049/el:20000267, as in the code of most
    papers, where orientations just left and right of the vertical disagree; two sources without
    any edge give 0. "liu2012": Q_G of Liu et al. 2012, doi:10.1109/TPAMI.2011.109: other
    constants, orientations modulo pi, and the weighted mean of CT and MR at every pixel, then
    averaged; black images give 0.987. "kumar2013": what with `labf` and `nabf` sums to 1.
    """
    return TRANSFERS[convention](fused, ct, mr)


def labf(fused: Image, ct: Image, mr: Image) -> float:
    """Loss of edges L^AB/F in [0, 1]: what is not preserved where a source's edge is stronger.

    Petrovic and Xydeas 2005, doi:10.1109/ICCV.2005.175, with the constants of Shreyamsha Kumar
    2013, doi:10.1007/s11760-012-0361-x, and his 0..255. Pixels without any edge count as lost,
    with the weight 0.001 of faint ones: of flat images 0.991 is lost.
    """
    return _lost_of_kumar(fused, ct, mr, np.logical_not)


def nabf(fused: Image, ct: Image, mr: Image) -> float:
    """Fusion artefacts N^AB/F in [0, 1]: what is not preserved where the fused edge is strongest.

    The modified measure of Shreyamsha Kumar 2013, doi:10.1007/s11760-012-0361-x, weighted so
    that Q^AB/F + L^AB/F + N^AB/F = 1; less is better. The code set of Tang et al. has it on
    0..255. Flat images have none.
    """
    return _lost_of_kumar(fused, ct, mr, np.copy)


def edges_kept(fused: Image, source: Image, where: BoolArray) -> float:
    """Share Q^AF of one source's edges that is kept where a mask is true, in [0, 1]; else NaN.

    Xydeas and Petrovic 2000 as in `qabf`, weighted by the strength of the edges.
    """
    there = np.flatnonzero(where)
    edges_f, edges = (_edges(floats(image), slice(None)).at(there) for image in (fused, source))
    weight = edges.strength.sum()
    if weight == 0:
        return float("nan")
    return float(np.vdot(_preserved_of_xydeas(edges, edges_f), edges.strength) / weight)


def _strips(
    edges_of: Callable[[Float64Array, slice], Found], *images: Image
) -> Iterator[tuple[Found, ...]]:
    """Edges of images, one horizontal strip after another, which the processor's cache holds."""
    for top in range(0, images[0].shape[0], STRIP):
        yield tuple(_strip(image, edges_of=edges_of, top=top) for image in images)


@kept
def _strip(image: Image, *, edges_of: Callable[[Float64Array, slice], Found], top: int) -> Found:
    return edges_of(floats(image), slice(top, top + STRIP))


def _edges(image: Float64Array, rows: slice) -> Edges:
    """Edges of some rows."""
    across, down = gradient(image, "constant", rows=rows)
    return Edges(magnitude(across, down), _orientation(across, down))


def _orientation(across: Float64Array, down: Float64Array) -> Float64Array:
    """Orientation of edges; -pi/2 where nothing changes across."""
    changing = across != 0
    angle = np.full_like(down, -np.pi / 2)
    np.divide(down, across, out=angle, where=changing)
    return np.arctan(angle, out=angle, where=changing)


def _slopes(image: Float64Array, rows: slice) -> Slopes:
    """Edges of some rows as Kumar has them."""
    across, down = gradient(image, "reflect", rows=rows)
    strength = magnitude(across, down)
    strength *= UNIT_SOBEL
    return Slopes(strength, across, down)


def _edges_of_liu(image: Float64Array, rows: slice) -> Edges:
    """Edges none of which is 0; the orientation is 0 where nothing changes."""
    across, down = gradient(image, "constant", rows=rows)
    strength = magnitude(across, down)
    strength[strength == 0] = MIN_STRENGTH
    across[across == 0] = MIN_STRENGTH
    return Edges(strength, np.arctan(down / across))


def _weaker_share(source: Edges, fused: Edges) -> Float64Array:
    """Strength of the weaker edge as a share of the stronger one; 0 where there is none."""
    weaker = np.minimum(source.strength, fused.strength)
    stronger = np.maximum(source.strength, fused.strength)
    stronger += NO_EDGE
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
    return perceive(share, 1 - _angle_between(source, fused))


def _preserved(source: Edges, fused: Edges, perceive: Perception) -> Float64Array:
    """Q^AF for orientations modulo pi, in [0, 1]."""
    return perceive(_weaker_share(source, fused), _agreement(source, fused))


def _xydeas(fused: Image, ct: Image, mr: Image) -> float:
    preserved = weight = 0.0
    for edges_f, *sources in _strips(_edges, fused, ct, mr):
        for of_source in sources:
            there = np.flatnonzero(of_source.strength)  # about half of a head's image is black
            edges = of_source.at(there)
            kept_shares = _preserved_of_xydeas(edges, edges_f.at(there))
            preserved += float(np.vdot(kept_shares, edges.strength))
            weight += float(edges.strength.sum())
    return preserved / weight if weight else 0.0


def _liu(fused: Image, ct: Image, mr: Image) -> float:
    perceive = PERCEPTIONS["liu2012"]
    total = 0.0
    for edges_f, edges_ct, edges_mr in _strips(_edges_of_liu, fused, ct, mr):
        preserved = _preserved(edges_ct, edges_f, perceive) * edges_ct.strength
        preserved += _preserved(edges_mr, edges_f, perceive) * edges_mr.strength
        preserved /= edges_ct.strength + edges_mr.strength
        total += float(preserved.sum())
    return total / floats(fused).size


def _lost_of_kumar(
    fused: Image, ct: Image, mr: Image, counts: Callable[[BoolArray], BoolArray]
) -> float:
    """Weighted share of the edges not preserved, at the pixels that count.

    They depend on where the fused image's edge is added: stronger than both sources'.
    """
    perceive = PERCEPTIONS["kumar2013"]
    lost = weight = 0.0
    for edges_f, *sources in _strips(_slopes, fused, ct, mr):
        added = edges_f.strength > np.maximum(*(edges.strength for edges in sources))
        there = np.flatnonzero(counts(added))
        fused_there = edges_f.at(there)
        for edges in sources:
            weights = edges.strength * np.sqrt(edges.strength)  # to the power of 3/2
            weights = np.where(edges.strength < VISIBLE, FAINT_WEIGHT, weights)
            preserved = np.sqrt(_preserved(edges.at(there), fused_there, perceive))
            lost += float(np.vdot(1 - preserved, weights.take(there)))
            weight += float(weights.sum())
    return lost / weight


def _kept_of_kumar(fused: Image, ct: Image, mr: Image) -> float:
    return 1 - _lost_of_kumar(fused, ct, mr, np.ones_like)


TRANSFERS: dict[EdgeConvention, Callable[[Image, Image, Image], float]] = {
    "xydeas2000": _xydeas,
    "liu2012": _liu,
    "kumar2013": _kept_of_kumar,
}
"""Edge transfer Q^AB/F of the fused image, CT and MR."""
