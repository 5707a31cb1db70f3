"""How well a pose fits, in mm, and whether to trust it.

Two heads register plausibly even if they are two people's, and mutual information as a number
depends on scanner, contrast and field of view. So the question is put in mm, twice. Every piece of
the skull is moved along its normal until the MR fits it best: in the right pose of the right
patient it stays, in another patient's head each piece wants to go elsewhere. And the head as a
whole climbs to the nearest optimum: a pose that was given and is off goes there.
"""

from dataclasses import asdict, dataclass

import numpy as np
import SimpleITK as sitk
from scipy.spatial import cKDTree

from radfuse.arrays import Float64Array
from radfuse.registration.optimizer import MIDDLE, Climber, apart_mm, share_in_view
from radfuse.registration.preprocessing import MARGIN_MM, centroid, dilated, head_of
from radfuse.registration.skull_profiles import REACH_MM, Profiles, log_ratios, skull_profiles
from radfuse.registration.transforms import turning_about
from radfuse.series import Series

THRESHOLD_MM = 2.3
"""Largest score that is trusted; docs/registration.md has the distribution on either side."""

PATCH_MM = 14.0
"""Radius of a piece of skull: room for some hundred points of surface, small against a head."""

PATCH_COSINE = 0.85
"""Of the angle, 32 degrees, within which the normals of a piece of skull agree."""

PATCH_POINTS = 25
"""Fewer points than this make no piece of skull."""

PATCHES = 400
"""How many pieces are tried, spread over the skull."""

ENOUGH_PATCHES = 80
"""With fewer than this nothing can be said: too little skull lies in both images."""

LEAST_OVERLAP = 0.65
"""Share of the MR's head that must lie in the CT. The vault alone is nearly a sphere and does not
show a turn: with 59 % of the VHF in view the error is 3.6 mm at a displacement of 2.0 mm, with
69 % it is 0.9 mm."""

WORST_MM = 2 * REACH_MM
"""What is said where there is nothing to measure: the largest displacement that could be found."""

FITTING_MM = 2.0
"""Pieces of skull that would move by no more than this count as fitting."""


@dataclass(frozen=True)
class _Moves:
    """By how much pieces of skull would fit better along their normals."""

    distances_mm: Float64Array
    weights: Float64Array
    """How clearly: the best fit of a piece above its median fit."""

    def mean(self, values: Float64Array) -> float:
        """Give the weighted mean of a figure of each piece."""
        return float(np.average(values, weights=self.weights))


@dataclass(frozen=True)
class Quality:
    """The verdict on a pose; `trusted` is `score <= threshold`."""

    score: float
    """The greater of `displacement_mm` and `drift_mm`, small is good; `WORST_MM` at least where too
    little of the head is in view to judge."""
    threshold: float
    trusted: bool
    displacement_mm: float
    """Twice the mean distance along their normals by which pieces of skull would fit better, the
    clearer ones counting more: in a head displaced by t, normals point everywhere and the mean is
    t / 2."""
    drift_mm: float
    """How far the whole head moves when the registration goes on from this pose."""
    fitting: float
    """Share of the pieces that would move by `FITTING_MM` at most."""
    overlap: float
    """Share of the MR's head that the CT has in view."""
    pieces: int
    """How many pieces of skull were moved."""
    judged: bool
    """Whether enough of the head is in view of both images to say anything."""

    def as_dict(self) -> dict[str, float | bool | int]:
        """Give the figures for JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """Say it to a person."""
        if not self.judged:
            return (
                f"not to be trusted: too little of the head is in view of both images to judge "
                f"(overlap {self.overlap:.0%}, at least {LEAST_OVERLAP:.0%}; {self.pieces} pieces "
                f"of skull, at least {ENOUGH_PATCHES})"
            )
        verdict = "trusted" if self.trusted else "not to be trusted"
        sign = "<=" if self.trusted else ">"
        return (
            f"{verdict}: score {self.score:.1f} mm {sign} {self.threshold:.1f} mm (skull displaced "
            f"by {self.displacement_mm:.1f} mm, {self.fitting:.0%} of it within {FITTING_MM:.0f} "
            f"mm, drift {self.drift_mm:.1f} mm, overlap {self.overlap:.0%})"
        )


def assess(ct: Series, mr: Series, mr_from_ct: sitk.Transform) -> Quality:
    """Judge a pose, wherever it comes from.

    Parameters
    ----------
    mr_from_ct
        Rigid; maps a CT point to an MR point, LPS mm.

    Raises
    ------
    InputError
        A series is no volume, is constant or shows no head; the transform is not rigid.
    """
    head = head_of(mr)
    middle = centroid(head)
    pose = turning_about(middle, mr_from_ct.GetInverse())
    profiles = skull_profiles(ct, mr, head, pose)
    moves = _moves_of(profiles) if profiles else _Moves(np.empty(0), np.empty(0))
    climber = Climber.on(MIDDLE, ct, mr, dilated(head, MARGIN_MM))
    top = climber.climb(pose)
    return _verdict(
        moves,
        drift_mm=apart_mm(top[0], pose, middle) if top else WORST_MM,
        overlap=share_in_view(ct.image, head, pose),
    )


def _verdict(moves: _Moves, *, drift_mm: float, overlap: float) -> Quality:
    """Make one score of what was measured, and hold it against the threshold."""
    pieces = len(moves.distances_mm)
    fits = np.where(moves.distances_mm <= FITTING_MM, 1.0, 0.0)
    displacement_mm = 2 * moves.mean(moves.distances_mm) if pieces else WORST_MM
    in_view = pieces >= ENOUGH_PATCHES and overlap >= LEAST_OVERLAP
    score = max(displacement_mm, drift_mm, 0.0 if in_view else WORST_MM)
    return Quality(
        score=score,
        threshold=THRESHOLD_MM,
        trusted=score <= THRESHOLD_MM,
        displacement_mm=displacement_mm,
        drift_mm=drift_mm,
        fitting=moves.mean(fits) if pieces else 0.0,
        overlap=overlap,
        pieces=pieces,
        judged=in_view,
    )


def _moves_of(profiles: Profiles) -> _Moves:
    """Move each piece of skull along its normal to where the MR fits it best."""
    scores = log_ratios(profiles)
    tree = cKDTree(profiles.points_mm)
    pieces = []
    for centre in range(0, len(scores), max(1, len(scores) // PATCHES)):
        near = np.array(tree.query_ball_point(profiles.points_mm[centre], PATCH_MM))
        alike = profiles.normals[near] @ profiles.normals[centre] > PATCH_COSINE
        if alike.sum() >= PATCH_POINTS:
            pieces.append(scores[near[alike]].mean(axis=0))
    curves = np.array(pieces).reshape(-1, len(profiles.moves_mm))  # (pieces, moves)
    weights = curves.max(axis=1) - np.median(curves, axis=1)
    telling = weights > 0  # where the MR shows nothing, every move fits alike
    moves = np.abs(profiles.moves_mm[curves.argmax(axis=1)])
    return _Moves(moves[telling], weights[telling])
