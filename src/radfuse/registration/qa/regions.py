"""Residuals of the skull by region: what neither a rigid motion nor a uniform scale explains."""

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array
from radfuse.registration.qa.skull_fit import SkullFit, SkullPatches
from radfuse.registration.transforms import matrix_of

SECTORS = ("left", "back left", "back", "back right", "right", "front right", "front", "front left")
"""Octants about the patient's axis, from left towards the back."""

VERTEX_DEG, UPPER_DEG, BASE_DEG = 60.0, 15.0, -30.0
"""Elevations from the centre of the brain, above which is the vertex and the upper ring, and
below which is the skull base; between the last two is the lower ring."""

MIN_PATCHES = 5
"""With fewer the residual of a region is not given."""

REACH_MM, STEP_MM = 5.0, 0.1
"""Largest residual that is measured, and its step."""

MAX_RESIDUAL_MM = 2.0
"""Residual of a region of the skull above which a local distortion is likely: 1.2 mm and less in
phantoms at their true pose (calibration half of benchmarks/calibration.py)."""

MIN_RESIDUAL_PATCHES = 30
"""Least number of patches of such a region: on 12 to 28 patches, 3.2 mm and less at true poses."""

LOCAL_PATCHES = 25
"""Least number of patches of a region whose residual counts in the estimated error."""

USUAL_RESIDUAL_MM = 0.5
"""Residual that undistorted heads have, too; what is above it counts in the estimated error."""

Residuals = dict[str, tuple[float, int]]
"""By region: the residual outwards, mm, and the number of skull patches."""


def skull_residuals(
    patches: SkullPatches, fit: SkullFit, brain_mm: Float64Array, ct_from_mr: sitk.Transform
) -> Residuals:
    """How far outside its fitted position each region of the skull is in the MR, above the mean.

    A residual is the displacement, along the region's direction from the centre of the brain, for
    which its patches fit the MR best together. The mean is a scale, or a contrast that makes the
    bone of the MR larger or smaller. Points are LPS mm of the MR; regions are those of the CT's
    patient.
    """
    rotation = matrix_of(ct_from_mr)[:3, :3]
    directions = (patches.points_mm - brain_mm.mean(axis=0)) @ rotation.T
    normals = patches.normals @ rotation.T
    names = _regions(directions)
    steps = np.arange(-REACH_MM, REACH_MM + STEP_MM / 2, STEP_MM)
    found: Residuals = {}
    for name in region_names():
        inside = names == name
        if inside.sum() < MIN_PATCHES:
            continue
        outwards = directions[inside].mean(axis=0)
        along = np.where(inside, normals @ outwards / np.linalg.norm(outwards), 0.0)
        fits = [
            patches.similarity_at(fit.explained_mm + step * along)[inside].sum() for step in steps
        ]
        found[name] = float(steps[np.argmax(fits)]), int(inside.sum())
    total = sum(count for _, count in found.values())
    mean = sum(residual * count for residual, count in found.values()) / max(total, 1)
    return {name: (round(residual - mean, 1) + 0.0, n) for name, (residual, n) in found.items()}


def local_mm(residuals: Residuals) -> float:
    """Largest residual above the usual one: the displacement of the brain next to it, at most."""
    return max(_local_by_region(residuals).values(), default=0.0)


def local_displacements_mm(
    residuals: Residuals, brain_mm: Float64Array, ct_from_mr: sitk.Transform
) -> Float64Array:
    """What of the residuals displaces each point of the brain (n, 3), LPS mm of the MR.

    Next to a region that is its residual above the usual one, at most `local_mm`; towards the
    centre of the brain it falls in proportion to the distance.
    """
    directions = (brain_mm - brain_mm.mean(axis=0)) @ matrix_of(ct_from_mr)[:3, :3].T
    distances, names = np.linalg.norm(directions, axis=1), _regions(directions)
    displacements = np.zeros(len(brain_mm))
    for name, size in _local_by_region(residuals).items():
        inside = names == name
        farthest = distances[inside].max(initial=np.finfo(float).tiny)
        displacements[inside] = size * distances[inside] / farthest
    return displacements


def _local_by_region(residuals: Residuals) -> dict[str, float]:
    """By region with enough patches: its residual above the usual one."""
    return {
        name: max(abs(residual) - USUAL_RESIDUAL_MM, 0.0)
        for name, (residual, count) in residuals.items()
        if count >= LOCAL_PATCHES
    }


def is_distorted(residual_mm: float, patches: int) -> bool:
    """Whether the residual of a region with so many patches makes a distortion likely."""
    return abs(residual_mm) > MAX_RESIDUAL_MM and patches >= MIN_RESIDUAL_PATCHES


def region_names() -> tuple[str, ...]:
    """Vertex, two rings of eight regions, and skull base."""
    rings = (f"{sector}, {ring}" for ring in ("upper", "lower") for sector in SECTORS)
    return ("vertex", *rings, "skull base")


def _regions(directions: Float64Array) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Name of the region of each direction (n, 3), LPS of the patient."""
    x, y, z = directions.T
    elevation = np.degrees(np.arctan2(z, np.hypot(x, y)))
    sector = np.rint(np.degrees(np.arctan2(y, x)) / 45).astype(int) % len(SECTORS)
    ring = np.where(elevation > UPPER_DEG, 1, 1 + len(SECTORS)) + sector
    ring[elevation > VERTEX_DEG] = 0
    ring[elevation < BASE_DEG] = -1
    names: np.ndarray[tuple[int], np.dtype[np.str_]] = np.array(region_names())[ring]
    return names
