"""A rigid transform from landmarks that a person marks in both images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.modality import CT, MR, Modality
from radfuse.registration.transforms import rigid_from_matrix

Point = Sequence[float]
"""Coordinates, LPS mm."""

MIN_PAIRS = 3
"""Two points leave the rotation about the line through them undetermined."""

MIN_SPREAD_MM = 5.0
"""Smallest root mean square distance of the points from the straight line that fits them best. A
click is off by some 2 mm: nearer to a line, the rotation about it is undetermined."""


@dataclass(frozen=True)
class LandmarkFit:
    """The rigid transform that fits landmarks in the least squares sense.

    Its errors are fiducial registration errors (FRE): how well the landmarks agree with each other.
    The target registration error (TRE) elsewhere is unknown, and a small FRE can go with a large
    TRE (Fitzpatrick 2009, 10.1117/12.813601).
    """

    mr_from_ct: sitk.Transform
    """Maps a CT point to an MR point, LPS mm."""

    errors_mm: tuple[float, ...]
    """Distance of each MR landmark from the mapped CT landmark."""

    weights: tuple[float, ...]
    """Weight of each pair; their mean is 1."""

    @property
    def rms_mm(self) -> float:
        """Weighted root mean square of the errors."""
        return float(np.sqrt(np.average(np.square(self.errors_mm), weights=self.weights)))


def fit_landmarks(
    ct: Sequence[Point], mr: Sequence[Point], weights: Sequence[float] | None = None
) -> LandmarkFit:
    """Fit the weighted least squares rigid motion of paired points (Arun 1987, Kabsch 1976).

    Parameters
    ----------
    ct, mr
        The same landmarks in the same order, LPS mm; at least `MIN_PAIRS` that are spread out.
    weights
        Positive weight of the squared error of each pair, by default equal. A pair that was marked
        with twice the error of another has a quarter of its weight.

    Raises
    ------
    InputError
        Too few points, points on one line or all at one position, weights that are not positive,
        or numbers that are not finite.
    """
    of_ct, of_mr = _checked(ct, CT), _checked(mr, MR)
    if len(of_ct) != len(of_mr):
        raise InputError(f"{len(of_ct)} landmarks in the CT and {len(of_mr)} in the MR; pair them")
    shares = _checked_weights(weights, len(of_ct))
    centre_ct, centre_mr = (np.average(points, axis=0, weights=shares) for points in (of_ct, of_mr))
    rotation, _ = Rotation.align_vectors(of_mr - centre_mr, of_ct - centre_ct, weights=shares)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation.as_matrix()
    matrix[:3, 3] = centre_mr - rotation.apply(centre_ct)
    moved = rotation.apply(of_ct - centre_ct) + centre_mr
    errors = np.linalg.norm(moved - of_mr, axis=1)
    return LandmarkFit(
        rigid_from_matrix(matrix, name="landmarks"), tuple(errors.tolist()), tuple(shares.tolist())
    )


def _checked_weights(weights: Sequence[float] | None, count: int) -> Float64Array:
    """The weights with a mean of 1."""
    values = np.ones(count) if weights is None else np.array(weights, np.float64)
    if len(values) != count:
        raise InputError(f"{len(values)} weights of {count} pairs of landmarks; give one each")
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise InputError("the weight of a pair must be a positive number; remove the pair instead")
    return np.asarray(values / values.mean())


def _checked(landmarks: Sequence[Point], modality: Modality) -> Float64Array:
    """The points, (count, 3), if they determine a pose."""
    points = np.array(landmarks, np.float64).reshape(-1, 3)
    if len(points) < MIN_PAIRS:
        raise InputError(
            f"{len(points)} pairs of landmarks; a pose needs at least {MIN_PAIRS}, better 5 "
            "that are spread over the head"
        )
    if not np.isfinite(points).all():
        raise InputError(
            f"a landmark in the {modality} has a coordinate that is not a finite number"
        )
    across = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1:]
    spread_mm = float(np.linalg.norm(across) / np.sqrt(len(points)))
    if spread_mm < MIN_SPREAD_MM:
        raise InputError(
            f"the landmarks in the {modality} are within {spread_mm:.1f} mm of one line or point, "
            f"at least {MIN_SPREAD_MM:g} mm are needed; add another one well beside it"
        )
    return points
