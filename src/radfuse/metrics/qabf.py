"""Edge transfer: which edges of the sources the fused image keeps, loses and adds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radfuse.arrays import BoolArray, Float64Array
from radfuse.metrics.gradients import STRIP, gradient, squared_length
from radfuse.metrics.image_levels import Image, Levels, exact_levels, floats, kept
from radfuse.metrics.tabulated import Tabulated

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

    def __call__(self, share: Float64Array, parallel: Float64Array) -> Float64Array:
        """Product of both preservations, from a share in [0, 1], which is overwritten.

        `parallel` is that of `_parallel`.
        """
        divisor = self.strength.divisor(share)
        divisor *= angle_divisor(self.angle)(parallel)
        return np.divide(self.strength.gain * self.angle.gain, divisor, out=divisor)


@cache
def angle_divisor(sigmoid: Sigmoid) -> Tabulated:
    """Divisor of the preservation of an angle, by how parallel two edges are."""

    def divisor(parallel: Float64Array) -> Float64Array:
        return sigmoid.divisor(np.arctan2(parallel, 1 - np.abs(parallel)) * 2 / np.pi)

    return Tabulated(divisor, -1, 1)


PERCEPTIONS: dict[EdgeConvention, Perception] = {
    "xydeas2000": Perception(Sigmoid(STRENGTH_GAIN, -15, 0.5), Sigmoid(ANGLE_GAIN, -22, 0.8)),
    "liu2012": Perception(Sigmoid(1, -10, 0.5), Sigmoid(1, -20, 0.75)),
    "kumar2013": Perception(Sigmoid(0.9999, -19, 0.5), Sigmoid(0.9995, -22, 0.5)),
}
"""Gamma, kappa and sigma in the papers, or in the codes that their authors published."""


@dataclass(frozen=True)
class Edges:
    """Gradients, rows counted downwards."""

    across: Levels
    down: Levels

    def at(self, pixels: Pixels) -> "Edges":
        """Those of some pixels alone, by indices of the flat image."""
        return Edges(self.across.take(pixels), self.down.take(pixels))

    def squared(self) -> Levels:
        """Square of the strength."""
        return squared_length(self.across, self.down)

    def rightward(self) -> "Edges":
        """These, or the opposite ones, which point to the right.

        They point upwards where nothing changes across, even if nothing changes down either.
        """
        down = self.down * np.sign(self.across)
        down -= self.across == 0
        return Edges(np.abs(self.across), down)


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
    edges_f, edges = (_edges(exact_levels(i), slice(None)).at(there) for i in (fused, source))
    kept_strength, strength = _preserved_of_xydeas(edges, edges_f)
    return kept_strength / strength if strength else float("nan")


def _strips(
    edges_of: Callable[[Levels, slice], Edges], *images: Image
) -> Iterator[tuple[Edges, ...]]:
    """Edges of images, one horizontal strip after another, which the processor's cache holds."""
    for top in range(0, images[0].shape[0], STRIP):
        yield tuple(_strip(image, edges_of=edges_of, top=top) for image in images)


@kept
def _strip(image: Image, *, edges_of: Callable[[Levels, slice], Edges], top: int) -> Edges:
    return edges_of(exact_levels(image), slice(top, top + STRIP))


def _edges(image: Levels, rows: slice) -> Edges:
    """Edges of some rows, black outside the image."""
    return Edges(*gradient(image, "constant", rows=rows))


def _edges_of_kumar(image: Levels, rows: slice) -> Edges:
    """Edges of some rows, mirrored outside the image."""
    return Edges(*gradient(image, "reflect", rows=rows))


def _edges_of_liu(image: Levels, rows: slice) -> Edges:
    """Edges none of which is 0; the orientation is 0 where nothing changes."""
    across, down = gradient(np.asarray(image, np.float64), "constant", rows=rows)
    across[across == 0] = MIN_STRENGTH
    return Edges(across, down)


def _weaker_share(source: Levels, fused: Levels) -> Float64Array:
    """Strength of the weaker edge as a share of the stronger one; 0 where there is none.

    From the squares of both strengths.
    """
    share = np.maximum(source, fused) + NO_EDGE
    np.divide(np.minimum(source, fused), share, out=share)
    return np.sqrt(share, out=share)


def _parallel(source: Edges, fused: Edges) -> Float64Array:
    """1 for gradients of one direction, 0 for perpendicular ones, -1 for opposite ones.

    Inner product of the gradients as a share of the absolute inner and outer product: the
    tangent of the angle between them is (1 - |share|) / share.
    """
    source, fused = source.rightward(), fused.rightward()
    inner = source.across * fused.across
    inner += source.down * fused.down
    outer = source.across * fused.down
    outer -= source.down * fused.across
    total = np.abs(outer, out=outer)
    total += np.abs(inner)
    return np.asarray(inner / total, np.float64)


def _preserved_of_xydeas(source: Edges, fused: Edges) -> tuple[float, float]:
    """Strength of a source's edges, each times Q^AF, how well it survives; and the strength."""
    squared, squared_f = source.squared(), fused.squared()
    share = _weaker_share(squared, squared_f)
    same = np.flatnonzero(squared == squared_f)
    share[same] = np.sqrt(squared[same])  # as commonly coded
    preserved = PERCEPTIONS["xydeas2000"](share, _parallel(source, fused))
    strength = np.sqrt(squared, dtype=np.float64)
    return float(np.vdot(preserved, strength)), float(strength.sum())


def _preserved(source: Edges, fused: Edges, perceive: Perception) -> Float64Array:
    """Q^AF for orientations modulo pi, in [0, 1]."""
    share = _weaker_share(source.squared(), fused.squared())
    return perceive(share, np.abs(_parallel(source, fused)))


def _xydeas(fused: Image, ct: Image, mr: Image) -> float:
    preserved = weight = 0.0
    for edges_f, *sources in _strips(_edges, fused, ct, mr):
        for edges in sources:
            # About half of a head's image is black.
            there = np.flatnonzero((edges.across != 0) | (edges.down != 0))
            of_strip = _preserved_of_xydeas(edges.at(there), edges_f.at(there))
            preserved, weight = preserved + of_strip[0], weight + of_strip[1]
    return preserved / weight if weight else 0.0


def _liu(fused: Image, ct: Image, mr: Image) -> float:
    perceive = PERCEPTIONS["liu2012"]
    total = 0.0
    for edges_f, edges_ct, edges_mr in _strips(_edges_of_liu, fused, ct, mr):
        strengths = [np.sqrt(edges.squared()) for edges in (edges_ct, edges_mr)]
        preserved = _preserved(edges_ct, edges_f, perceive) * strengths[0]
        preserved += _preserved(edges_mr, edges_f, perceive) * strengths[1]
        preserved /= strengths[0] + strengths[1]
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
    for edges_f, *sources in _strips(_edges_of_kumar, fused, ct, mr):
        strength_f, *strengths = (
            UNIT_SOBEL * np.sqrt(edges.squared(), dtype=np.float64) for edges in (edges_f, *sources)
        )
        there = np.flatnonzero(counts(strength_f > np.maximum(*strengths)))
        fused_there = edges_f.at(there)
        for edges, strength in zip(sources, strengths, strict=True):
            weights = strength * np.sqrt(strength)  # to the power of 3/2
            weights = np.where(strength < VISIBLE, FAINT_WEIGHT, weights)
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
