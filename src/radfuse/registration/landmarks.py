"""A rigid transform from points that a person has found in both images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.modality import CT, MR, Modality
from radfuse.registration.transforms import rigid_from_matrix

Place = Sequence[float]

FEWEST_PAIRS = 3
"""With two a head could still be turned about the line through them."""

LEAST_SPREAD_MM = 5.0
"""Smallest root mean square distance of the points from the straight line that fits them best. A
click is off by some 2 mm: nearer to a line, the turn about it is a guess."""


@dataclass(frozen=True)
class LandmarkFit:
    """The rigid transform that brings landmarks onto each other as well as one can.

    Its errors are fiducial registration errors (FRE): how badly the clicks agree with each other.
    They do not say how far off anything else is, the target registration error (TRE), and a small
    FRE can go with a large TRE (Fitzpatrick 2009, 10.1117/12.813601).
    """

    mr_from_ct: sitk.Transform
    """Maps a CT point to an MR point, LPS mm."""

    errors_mm: tuple[float, ...]
    """Distance of each MR landmark from where the CT's comes to lie."""

    @property
    def rms_mm(self) -> float:
        """Root mean square of the errors."""
        return float(np.sqrt(np.mean(np.square(self.errors_mm))))


def fit_landmarks(ct: Sequence[Place], mr: Sequence[Place]) -> LandmarkFit:
    """Fit the least squares rigid motion of paired points (Arun et al. 1987, Kabsch 1976).

    Parameters
    ----------
    ct, mr
        The same landmarks in the same order, LPS mm; at least `FEWEST_PAIRS` that are spread out.

    Raises
    ------
    InputError
        Too few points, points on one line or all in one place, or numbers that are not finite.
    """
    of_ct, of_mr = _checked(ct, CT), _checked(mr, MR)
    if len(of_ct) != len(of_mr):
        raise InputError(f"{len(of_ct)} landmarks in the CT and {len(of_mr)} in the MR; pair them")
    middle_ct, middle_mr = of_ct.mean(axis=0), of_mr.mean(axis=0)
    turn, _ = Rotation.align_vectors(of_mr - middle_mr, of_ct - middle_ct)
    matrix = np.eye(4)
    matrix[:3, :3] = turn.as_matrix()
    matrix[:3, 3] = middle_mr - turn.apply(middle_ct)
    moved = turn.apply(of_ct - middle_ct) + middle_mr
    errors = np.linalg.norm(moved - of_mr, axis=1)
    return LandmarkFit(rigid_from_matrix(matrix, name="landmarks"), tuple(errors.tolist()))


def _checked(places: Sequence[Place], modality: Modality) -> Float64Array:
    """The points, (count, 3), if a pose can be told by them."""
    points = np.array(places, np.float64).reshape(-1, 3)
    if len(points) < FEWEST_PAIRS:
        raise InputError(
            f"{len(points)} pairs of landmarks; a pose needs at least {FEWEST_PAIRS}, better 5 "
            "that are spread over the head"
        )
    if not np.isfinite(points).all():
        raise InputError(f"a landmark in the {modality} has a coordinate that is no finite number")
    across = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1:]
    spread_mm = float(np.linalg.norm(across) / np.sqrt(len(points)))
    if spread_mm < LEAST_SPREAD_MM:
        raise InputError(
            f"the landmarks in the {modality} lie within {spread_mm:.1f} mm of one line or point, "
            f"at least {LEAST_SPREAD_MM:g} mm are needed; click another one well beside it"
        )
    return points
